/*
 * fuzz_mtasts - an MTA-STS policy from any bytes
 *
 * The first byte says how long the host is that is compared with it. A policy that is taken has what it
 * needs, in the form in which it is sent and kept; one that is not has a cause.
 */
#include <stdint.h>
#include <string.h>

#include "mtasts/policy.h"
#include "smtp/sts.h"
#include "tests/fuzz/fuzz.h"

/* What a pattern with its '*' replaced by a label is, and what only begins like one is not. */
static void
check_pattern(struct str patterns, struct str pattern, struct arena *a)
{
	bool wild = str_starts(pattern, STR("*."));
	struct str host = wild ? arena_printf(a, "x%.*s", STR_ARG(str_from(pattern, 1))) : pattern;

	must(sts_match(patterns, host), "a pattern does not match itself");
	for (size_t i = 0; i < pattern.len; i++)
		must(pattern.data[i] > ' ' && pattern.data[i] < 0x7f, "not printable");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(0);
	struct str text = str_n(data, size), host, rest, pattern, id;
	struct buf why = {0};
	struct policy p;

	if (size > 0) {
		host = str_sub(text, 1, data[0]);
		text = str_from(text, 1 + host.len);
		if (sts_record_id(host, &id))
			must(id.len > 0 && id.len <= MSG_ID_MAX, "an id of wrong length");
		if (policy_parse(text, a, &p, &why)) {
			must(why.len == 0 && p.mx.len <= MSG_STS_MX_MAX, "bounds");
			must(p.mode == STS_NONE || p.mx.len > 0, "nothing to enforce");
			must(p.max_age >= 0 && p.max_age <= POLICY_AGE_MAX, "age");
			sts_match(p.mx, host);
			rest = p.mx;
			while (str_token(&rest, " ", &pattern))
				check_pattern(p.mx, pattern, a);
		} else {
			must(why.len > 0, "refused without a cause");
		}
	}
	buf_free(&why);
	arena_free(&a);
	return 0;
}
