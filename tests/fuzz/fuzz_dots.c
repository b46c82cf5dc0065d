/*
 * fuzz_dots - the dot stream from any bytes; the first gives the mode, the second the cut
 *
 * A cut changes nothing; outside LF_IS_CRLF the end is the first CRLF.CRLF; what the encoder makes of
 * the content ends once and has no CR or LF alone.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/smtp/dots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_end(struct str in, const struct dots *d)
{
	const char *found;

	if (in.len >= 3 && memcmp(in.data, ".\r\n", 3) == 0) {
		if (!d->ended || d->consumed != 3)
			abort();
		return;
	}
	found = memmem(in.data, in.len, "\r\n.\r\n", 5);
	if (d->ended != (found != NULL) ||
	    (found && d->consumed != (uint64_t)(found - in.data) + 5))
		abort();
}

static void
check_encoder(struct str content)
{
	struct buf wire = {0}, back = {0};
	struct dots_encoder e;
	struct dots d;

	dots_encoder_init(&e, 0);
	dots_encode(&e, content, &wire);
	dots_encode_end(&e, &wire);
	dots_init(&d, DOTS_REJECT);
	if (dots_decode(&d, buf_view(&wire), &back) != wire.len || !d.ended || d.bare_lf ||
	    d.bare_cr)
		abort();
	buf_free(&wire);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0};
	struct dots one, two;
	struct str in;
	size_t cut, n;

	if (size < 2)
		return 0;
	in = str_n(data + 2, size - 2);
	cut = in.len > 0 ? data[1] % in.len : 0;
	dots_init(&one, (enum dots_mode)(data[0] % 3));
	two = one;
	dots_decode(&one, in, &whole);
	n = dots_decode(&two, str_sub(in, 0, cut), &pieces);
	if (!two.ended && n != cut)
		abort();
	if (!two.ended)
		dots_decode(&two, str_from(in, cut), &pieces);
	if (!str_eq(buf_view(&whole), buf_view(&pieces)) || one.consumed != two.consumed ||
	    one.ended != two.ended || one.bare_lf != two.bare_lf || one.bare_cr != two.bare_cr)
		abort();
	if (one.mode != DOTS_LF_IS_CRLF)
		check_end(in, &one);
	check_encoder(buf_view(&whole));
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
