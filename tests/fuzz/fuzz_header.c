/*
 * fuzz_header - the field scanner, address lists and their qualification, from any bytes
 *
 * The fields and the rest must be the input again; qualified twice must be qualified once, and no line end
 * is lost on the way.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count_line_ends(struct str s)
{
	size_t n = 0, at;

	for (; (at = str_find(s, STR("\r\n"))) != STR_NPOS; n++)
		s = str_from(s, at + 2);
	return n;
}

static void
check_field(const struct header_field *f, struct arena *a)
{
	const struct header_qualify with = {STR("origin.test"), STR("domain.test")};
	struct header_addresses found = {0};
	struct buf once = {0}, twice = {0};

	if (f->name.len == 0 || f->name.len + 1 + f->value.len > f->raw.len)
		abort();
	header_addresses(f->value, a, 1000, &found);
	if (found.n > 1000)
		abort();
	if (header_qualify(f->value, &with, &once) != (once.len != f->value.len))
		abort();
	if (count_line_ends(buf_view(&once)) != count_line_ends(f->value))
		abort();
	if (header_qualify(buf_view(&once), &with, &twice) ||
	    !str_eq(buf_view(&once), buf_view(&twice)))
		abort();
	buf_free(&once);
	buf_free(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_n(data, size), rest = all;
	struct header_addresses found = {0};
	struct arena *a = arena_new(0);
	struct buf out = {0};
	struct header_field f;
	const char *at = rest.data;

	while (header_next(&rest, &f)) {
		if (f.raw.data != at || f.raw.len == 0 || rest.data != at + f.raw.len)
			if (rest.len > 0)
				abort();
		at = f.raw.data + f.raw.len;
		check_field(&f, a);
		header_unfold(f.value, &out);
		header_phrase(f.value, &out);
	}
	header_recipients(all, a, 1000, &found);
	buf_free(&out);
	arena_free(&a);
	return 0;
}
