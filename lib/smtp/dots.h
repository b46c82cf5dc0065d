/*
 * dots - message content on the SMTP wire (RFC 5321 section 4.5.2), in pieces of any size
 *
 * The decoder ends at CRLF "." CRLF and nowhere else, unless the mode says that LF alone ends lines.
 * A CR or LF that is not part of a CRLF is noted, never guessed at. Line length does not matter here:
 * as in Postfix, a long line of content passes whole (line_length_limit is a size of pieces there).
 * The encoder never emits a CR or LF that is not part of a CRLF, whatever it is given.
 */
#ifndef POSTKEEP_SMTP_DOTS_H
#define POSTKEEP_SMTP_DOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* smtpd_forbid_bare_newline. */
enum dots_mode {
	/* "no", and clients in smtpd_forbid_bare_newline_exclusions: LF ends a line as CRLF does. */
	DOTS_LF_IS_CRLF,
	/* "normalize", "yes": LF ends a line (and comes out as CRLF), but a "." between such line ends
	 * does not end the message. */
	DOTS_NORMALIZE,
	/* "reject": LF is a byte like another and noted; the caller refuses when the end is reached. */
	DOTS_REJECT,
};

struct dots {
	enum dots_mode mode;
	bool plain; /* no dots and no end in the stream: BDAT */
	unsigned char state;
	bool bare_lf, bare_cr; /* seen so far */
	bool ended;
	uint64_t consumed; /* bytes of the stream taken */
};

void dots_init(struct dots *d, enum dots_mode mode);
/* For the chunks of BDAT: line ends as above, dots left alone; the caller knows where the end is. */
void dots_init_plain(struct dots *d, enum dots_mode mode);
/*
 * Takes bytes of IN, appends content to OUT (at most twice as much as it took, plus two bytes). Returns
 * how many were taken: all, or up to and with the end of the message; then d->ended is set.
 */
size_t dots_decode(struct dots *d, struct str in, struct buf *out);
/* After the last chunk of BDAT: writes what was held back. */
void dots_finish_plain(struct dots *d, struct buf *out);

struct dots_encoder {
	size_t
	    line_max; /* smtp_line_length_limit: longer lines are broken with CRLF and a blank; 0: never */
	size_t column; /* bytes that stand on the current line */
	bool cr;       /* a CR was the last byte in */
	bool plain;    /* no dots are doubled, and none ends it: BDAT */
	bool broke;    /* a line was too long */
};

void dots_encoder_init(struct dots_encoder *e, size_t line_max);
/* For the chunks of BDAT: lines as above, dots left alone. */
void dots_encoder_init_plain(struct dots_encoder *e, size_t line_max);
/* Content in wire form, without dots doubled; a CR or LF alone becomes a blank. Appends to OUT. */
void dots_encode(struct dots_encoder *e, struct str in, struct buf *out);
/* Completes the last line and (unless plain) appends "." CRLF. */
void dots_encode_end(struct dots_encoder *e, struct buf *out);

#endif
