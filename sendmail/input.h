/*
 * input - the message on standard input, on its way to wire form
 *
 * Lines end in LF or CRLF (sendmail_fix_line_endings); they leave with CRLF. From_ lines at the very
 * start are dropped, a line with a dot alone ends the message (unless -i), and a CR that ends no line
 * becomes a space: it would end one for somebody down the road. A last line without an end gets one.
 * Lines may have any length; they are held in memory only as far as their end matters.
 */
#ifndef POSTKEEP_SENDMAIL_INPUT_H
#define POSTKEEP_SENDMAIL_INPUT_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* When is a CR before the LF part of the line's end? */
enum line_ends {
	LINE_ENDS_ALWAYS, /* always */
	LINE_ENDS_STRICT, /* if the first line has one */
	LINE_ENDS_NEVER,
};

/* Ready when zeroed, but for .line_ends and .ignore_dots. */
struct input {
	enum line_ends line_ends;
	bool ignore_dots;
	bool started;    /* the first line that is not From_ has gone by */
	bool continued;  /* what comes next belongs to a line whose beginning went out already */
	bool done;       /* the dot was seen */
	struct buf line; /* input whose line end has not come yet */
};

/* Takes CHUNK of the input, appends to OUT what can be told already. Once in->done, nothing is taken. */
void input_take(struct input *in, struct str chunk, struct buf *out);
/* The input is at its end. */
void input_end(struct input *in, struct buf *out);
void input_free(struct input *in);

#endif
