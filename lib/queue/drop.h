/*
 * drop - the stream that carries a local submission
 *
 * sendmail (and smtpd -S) writes it to postdrop; postdrop checks it and either hands the message to
 * pickup or stores the stream as it is in a file of maildrop/, where pickup finds it. Whoever reads it
 * trusts no byte of it. No fibers: postdrop links this.
 *
 * The stream is a sequence of records. A record is one letter, the length of its value in decimal
 * (no leading zeros), a colon, the value, a line feed:
 *
 *	V1:3                     version of the format; first; 4 when there is an X
 *	S17:alice@example.org    sender, external form; empty = the null sender; once
 *	N5:Alice                 full name, for a From: that is missing
 *	E6:abc123                ENVID, decoded
 *	T4:full                  RET: full or hdrs
 *	Q15:success,failure      NOTIFY for all recipients: never, or a list of success, failure, delay
 *	F2:8b                    flags: 8 body is 8-bit, u SMTPUTF8, v verify only, r report the first
 *	                         attempt, b remove Bcc:, g gateway (no rewriting)
 *	X2:+=                    delimiters of variable return paths (VERP)
 *	O19:rfc822;bob@a.example  ORCPT of the next recipient, decoded
 *	P5:never                 NOTIFY of the next recipient, instead of Q's; behind its O
 *	R3:bob                   a recipient, external form; at least one, behind all of the above
 *	D14:From: alice\r\n      a piece of the content, at most DROP_PIECE_MAX bytes; behind the recipients
 *	Z2:14                    bytes of content; last
 *	K16:0123456789abcdef     in a file, behind all that: sum of all bytes before it; postdrop adds it
 *
 * Content is in wire form: every line ends in CRLF, no CR or LF stands alone. A file without its Z
 * record is one that was never completed; one whose sum is wrong was torn by a power cut before postdrop
 * had said that it is kept. Older versions are read for ever: 1 and 2 have no O and P records, and 1 has
 * no K record.
 */
#ifndef POSTKEEP_QUEUE_DROP_H
#define POSTKEEP_QUEUE_DROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/siphash.h"
#include "lib/base/str.h"
#include "lib/ipc/messages.h"

#define DROP_PIECE_MAX 65536
#define DROP_NAME_MAX 200
#define DROP_ENVID_MAX 100 /* RFC 3461 section 4.4 */
#define DROP_ORCPT_MAX 500 /* RFC 3461 section 4.2 */
/* All records before the content: some 15,000 recipients of the longest kind, 400,000 usual ones. */
#define DROP_ENVELOPE_MAX (16 << 20)

/* A file of maildrop/ is complete when its owner may execute it. */
#define DROP_MODE_WRITING 0600
#define DROP_MODE_READY 0744

/* Appends the records before the recipients. Text that does not fit its limit is cut (name) or left out. */
void drop_write_begin(struct buf *out, const struct msg_drop_begin *envelope);
/* Its .orig is not written. */
void drop_write_rcpt(struct buf *out, const struct msg_rcpt *rcpt);
/* PIECE may have any length. */
void drop_write_content(struct buf *out, struct str piece);
void drop_write_end(struct buf *out, uint64_t size);
/* For a file: SUM is given every byte of the stream by siphash_update(); its record comes behind them. */
void drop_sum_init(struct siphash *sum);
void drop_write_sum(struct buf *out, struct siphash *sum);

struct drop_reader;

enum drop_event {
	DROP_NEED, /* the record is not whole yet: call again with more behind what is left of INPUT */
	DROP_ENVELOPE, /* drop_envelope() is complete; comes once, before the first recipient */
	DROP_RCPT,     /* TEXT is a recipient's address; drop_rcpt() has the rest */
	DROP_CONTENT,  /* TEXT is a piece of content */
	DROP_END,      /* the message is whole; nothing may follow, so INPUT is empty */
	DROP_BAD,      /* drop_why(); the same from then on */
};

/* SIZE_LIMIT: most bytes of content, 0 = no limit. */
struct drop_reader *drop_reader_new(uint64_t size_limit);
/* The same for a file of maildrop/: looks at the sum as well. */
struct drop_reader *drop_reader_of_file(uint64_t size_limit);
void drop_reader_free(struct drop_reader **r);
/* The next event; *INPUT moves behind what was read. TEXT is a view of the input. */
enum drop_event drop_next(struct drop_reader *r, struct str *input, struct str *text);
/* Good until the reader is freed. */
const struct msg_drop_begin *drop_envelope(const struct drop_reader *r);
/*
 * The recipient of the last event, with the NOTIFY that holds for it; .orig is empty. Its text is good until
 * the next event.
 */
struct msg_rcpt drop_rcpt(const struct drop_reader *r);
/* Does this stream's version want a sum when it becomes a file? Good after the envelope. */
bool drop_has_sum(const struct drop_reader *r);
/* Bytes of content, and recipients, seen so far. */
uint64_t drop_size(const struct drop_reader *r);
size_t drop_rcpts(const struct drop_reader *r);
/* What is wrong, for people; was it the size alone? */
const char *drop_why(const struct drop_reader *r);
bool drop_too_large(const struct drop_reader *r);

#endif
