/*
 * transfer - quoted-printable and base64 in pieces of any size (RFC 2045 sections 6.7 and 6.8)
 */
#ifndef POSTKEEP_MAIL_TRANSFER_H
#define POSTKEEP_MAIL_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum transfer_encoding {
	TRANSFER_QUOTED, /* line ends stay line ends; a CR or LF alone is escaped */
	TRANSFER_BASE64, /* line ends are encoded as they are, CR LF */
};

struct transfer_encoder {
	enum transfer_encoding encoding;
	unsigned char held[2]; /* quoted: white space, a CR; base64: a line end */
	size_t n_held;
	size_t column; /* quoted: characters on the line of output */
	char line[57]; /* base64: bytes that wait for more, to make a line of 76 characters */
	size_t n_line;
};

void transfer_encoder_init(struct transfer_encoder *e, enum transfer_encoding encoding);
/* Appends to OUT at most 4 bytes for each of IN, and what was held. */
void transfer_encode(struct transfer_encoder *e, struct str in, struct buf *out);
/*
 * The text is complete. DELIMITED: a delimiter line follows, to which the last line end of the text
 * belongs (RFC 2046 section 5.1.1): it stays a line end, and is no part of what is encoded.
 */
void transfer_encode_end(struct transfer_encoder *e, bool delimited, struct buf *out);

#endif
