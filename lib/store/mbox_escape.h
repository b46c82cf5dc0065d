/*
 * mbox_escape - ">" before lines that begin with "From ", in pieces of any size
 */
#ifndef POSTKEEP_STORE_MBOX_ESCAPE_H
#define POSTKEEP_STORE_MBOX_ESCAPE_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* One message. Ready when zeroed. */
struct mbox_escape {
	bool in_line;   /* within a line that cannot begin with "From " */
	size_t matched; /* bytes of "From " seen at the start of a line and not yet written */
};

/* Appends to OUT. */
void mbox_escape(struct mbox_escape *e, struct str in, struct buf *out);
/* After the last piece: writes what was held back, and ends the last line. */
void mbox_escape_end(struct mbox_escape *e, struct buf *out);

#endif
