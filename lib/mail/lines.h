/*
 * lines - from text with LF line ends to wire form (CRLF) and back, in pieces of any size
 */
#ifndef POSTKEEP_MAIL_LINES_H
#define POSTKEEP_MAIL_LINES_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* One direction of one text. Ready when zeroed. */
struct lines {
	bool cr;   /* the last byte was a CR */
	bool held; /* and it has not been written yet */
};

/* LF and CRLF both become CRLF; other CRs stay. Appends to OUT. */
void lines_to_wire(struct lines *l, struct str in, struct buf *out);
/* CRLF becomes LF; everything else stays. Appends to OUT. */
void lines_to_local(struct lines *l, struct str in, struct buf *out);
/* After the last piece: writes a CR that was held back. */
void lines_end(struct lines *l, struct buf *out);

#endif
