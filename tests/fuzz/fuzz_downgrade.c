/*
 * fuzz_downgrade - any bytes as a message that has to become 7-bit; the first byte gives the limits, the
 * size of pieces, and whether it is known that there is anything to do
 *
 * The walk gives back every byte in order. The conversion is the same in one piece and in many, and
 * refused alike; nothing but header fields has bytes above 127, unless nobody knew; what comes out is at most four times what
 * went in and a little for labels.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/downgrade.h"
#include "lib/mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct taken {
	struct buf bytes;
	size_t headers;
	bool sure; /* what comes must be 7-bit */
};

static bool
on_field(void *arg, enum mime_header header, struct str field, bool whole)
{
	struct taken *t = arg;

	(void)header, (void)whole;
	buf_str(&t->bytes, field);
	return true;
}

static bool
on_header_end(void *arg, const struct mime_part *part, struct str line)
{
	struct taken *t = arg;

	(void)part;
	t->headers++;
	buf_str(&t->bytes, line);
	return true;
}

static bool
on_text(void *arg, enum mime_text what, struct str piece)
{
	struct taken *t = arg;

	(void)what;
	if (piece.len == 0 || (t->sure && utf8_8bit(piece)))
		abort();
	buf_str(&t->bytes, piece);
	return true;
}

static bool
on_leaf_end(void *arg, bool delimited)
{
	(void)arg, (void)delimited;
	return true;
}

static const struct mime_events events = {on_field, on_header_end, on_text, on_leaf_end};

static void
walk(const struct mime_limits *limits, struct str in, size_t step)
{
	struct taken t = {0};
	struct mime_walk *w = mime_walk_new(limits, &events, &t);
	bool ok = true;

	for (struct str rest = in; ok && rest.len > 0; rest = str_from(rest, step))
		ok = mime_walk_data(w, str_sub(rest, 0, step));
	if (!ok || !mime_walk_end(w) || !str_eq(buf_view(&t.bytes), in))
		abort();
	mime_walk_free(&w);
	buf_free(&t.bytes);
}

static bool
convert(const struct mime_limits *limits, bool sure, struct str in, size_t step, struct taken *t)
{
	struct downgrade *d = downgrade_new(limits, 200, sure, &events, t);
	bool ok = true;

	t->sure = sure;
	for (; ok && in.len > 0; in = str_from(in, step))
		ok = downgrade_data(d, str_sub(in, 0, step));
	ok = ok && downgrade_end(d);
	if (ok != (downgrade_why(d).len == 0))
		abort();
	downgrade_free(&d);
	return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_limits limits = {.boundary_max = 70};
	struct taken whole = {0}, pieces = {0};
	struct str in;
	size_t step;
	bool ok, sure;

	if (size < 1)
		return 0;
	limits.field_max = data[0] & 1 ? 400 : 102400;
	limits.depth_max = data[0] & 2 ? 2 : 100;
	step = (data[0] >> 2 & 31) + 1u;
	sure = !(data[0] & 128);
	in = str_n(data + 1, size - 1);
	walk(&limits, in, step);
	ok = convert(&limits, sure, in, SIZE_MAX, &whole);
	if (convert(&limits, sure, in, step, &pieces) != ok)
		abort();
	if (ok && !str_eq(buf_view(&whole.bytes), buf_view(&pieces.bytes)))
		abort();
	if (whole.bytes.len > in.len * 4 + (whole.headers + 1) * 200)
		abort();
	buf_free(&whole.bytes);
	buf_free(&pieces.bytes);
	return 0;
}
