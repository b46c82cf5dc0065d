/*
 * slot - the format of a queue slot: see doc/queue.md
 *
 * Pure encoding and decoding over memory; nothing here opens a file. A slot is parsed as if a stranger
 * had written it: every number is checked against the size of what was read.
 */
#ifndef POSTKEEP_QUEUE_SLOT_H
#define POSTKEEP_QUEUE_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/siphash.h"
#include "lib/base/str.h"
#include "lib/queue/id.h"

#define SLOT_HEADER_SIZE 256
#define SLOT_STATE_OFFSET 256
#define SLOT_STATE_SIZE 128
#define SLOT_MARKS_OFFSET 512 /* also: what must be read to know a slot's header and state */
#define SLOT_MARK_SIZE 32
#define SLOT_REASON_SIZE 512
#define SLOT_REASONS 16
#define SLOT_RCPTS_MAX 1000000
#define SLOT_ENVELOPE_MAX (256u << 20)

/* The part of the header that never changes within a generation. */
struct slot_header {
	char id[QUEUE_ID_SIZE];
	uint32_t rcpts;
	uint64_t envelope; /* bytes of envelope text */
	uint64_t content;  /* bytes of the message */
	int64_t arrival_us;
	uint64_t sum; /* of envelope text and content */
};

/* State marks. */
enum slot_state {
	SLOT_INCOMING = 'I', /* written with the message; perhaps never acknowledged */
	SLOT_QUEUED = 'Q',
	SLOT_DEFERRED = 'D',
	SLOT_HOLD = 'H',
	SLOT_FREE = 'F',
};

struct slot_mark {
	enum slot_state state;
	int64_t next;    /* wall seconds of the next attempt; 0 = now */
	unsigned tries;  /* attempts so far */
	unsigned work;   /* how often qmgr ended while reading this slot */
	bool warned;     /* the delay notice is in the queue */
	bool expire;     /* to be returned at once */
	int64_t renewed; /* wall seconds when its lifetime began anew; 0 = at its arrival */
};

/* Recipient marks. */
enum slot_rcpt_state {
	SLOT_RCPT_TODO = 'Q',
	SLOT_RCPT_SENT = 'S',
	SLOT_RCPT_SENT_NOTICE = 'N',   /* sent, a success notice is owed */
	SLOT_RCPT_FAILED_NOTICE = 'F', /* failed, the notice is owed */
	SLOT_RCPT_BOUNCED = 'B',       /* failed, the notice is in the queue */
	SLOT_RCPT_REMOVED = 'X', /* by an administrator, or without a notice by its sender's wish */
};

struct slot_rcpt_mark {
	enum slot_rcpt_state state;
	unsigned reason; /* 1 to SLOT_REASONS, 0 = none */
};

/* One deferral or failure, shared by the recipients it struck. */
struct slot_reason {
	struct str dsn;
	struct str text;
	struct str diagnostic;
	struct str remote_mta;
};

/* The envelope: what the receiver said of a message. */
struct slot_attr {
	struct str name, value;
};

struct slot_rcpt {
	struct str address; /* external form */
	struct str orig;
	struct str orcpt;
	unsigned notify; /* enum dsn_notify bits */
};

struct slot_envelope {
	struct str sender;
	unsigned ret;
	struct str envid;
	bool smtputf8, body_8bit, verify_only, verbose;
	struct slot_attr *attrs;
	size_t n_attrs;
	struct slot_rcpt *rcpts;
	size_t n_rcpts;
};

/* Offsets and sizes that follow from a header. */
uint64_t slot_envelope_offset(uint32_t rcpts);
uint64_t slot_content_offset(const struct slot_header *h);
uint64_t slot_reasons_offset(const struct slot_header *h);

/* The sum over envelope text and content. */
void slot_sum_init(struct siphash *s);

/* Encoders write exactly SLOT_…_SIZE bytes. ID is the generation. INDEX: of the recipient, of the reason. */
void slot_put_header(const struct slot_header *h, char out[SLOT_HEADER_SIZE]);
void slot_put_mark(const char *id, const struct slot_mark *m, char out[SLOT_STATE_SIZE]);
void slot_put_rcpt_mark(
    const char *id, uint32_t index, const struct slot_rcpt_mark *m, char out[SLOT_MARK_SIZE]);
/* Text that does not fit is cut at a character. */
void slot_put_reason(
    const char *id, unsigned index, const struct slot_reason *r, char out[SLOT_REASON_SIZE]);

enum slot_verdict {
	SLOT_OK,
	SLOT_BLANK, /* all zero bytes: never used */
	SLOT_BAD,   /* damaged, or not a slot */
};
/* DATA: the first bytes of the slot, at least SLOT_HEADER_SIZE. */
enum slot_verdict slot_get_header(struct str data, struct slot_header *h);
/* False: the mark is of another generation or damaged; *M then says "due now, not done". */
bool slot_get_mark(const char *id, struct str data, struct slot_mark *m);
bool slot_get_rcpt_mark(const char *id, uint32_t index, struct str data, struct slot_rcpt_mark *m);
bool slot_get_reason(
    const char *id, unsigned index, struct str data, struct arena *a, struct slot_reason *r);

/* Appends the envelope text. */
void slot_put_envelope(const struct slot_envelope *e, struct buf *out);
/* Appends the line of one more recipient. */
void slot_put_rcpt(const struct slot_rcpt *r, struct buf *out);
/* False with WHY set when TEXT is not an envelope with exactly RCPTS recipients. Views live in A. */
bool slot_get_envelope(
    struct str text, uint32_t rcpts, struct arena *a, struct slot_envelope *e, struct buf *why);
/*
 * The same in pieces, for an envelope that is not to be in memory whole. TEXT begins where the envelope
 * does; what stands before the first recipient goes to E, and *USED is its length. False: bad, or no
 * recipient's line begins in TEXT.
 */
bool slot_get_envelope_head(
    struct str text, struct arena *a, struct slot_envelope *e, size_t *used, struct buf *why);
/*
 * Recipients: up to MAX of the complete lines that TEXT begins with, into RCPTS; *N of them, in *USED bytes.
 * False: one of them is no recipient.
 */
bool slot_get_rcpts(
    struct str text, struct arena *a, struct slot_rcpt *rcpts, size_t max, size_t *n, size_t *used);

#endif
