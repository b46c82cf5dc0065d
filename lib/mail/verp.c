/* verp - variable envelope return paths: see verp.h */
#include "lib/mail/verp.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/mail/address.h"

#define FLAGS (ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL)

bool
verp_delimiters_ok(struct str delimiters, struct str filter)
{
	if (delimiters.len != 2)
		return false;
	for (size_t i = 0; i < 2; i++) {
		char c = delimiters.data[i];

		/* RFC 5322 section 3.2.3: what needs no quotes. */
		if (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", c) ||
		    (filter.len > 0 && str_chr(filter, c) == STR_NPOS))
			return false;
	}
	return true;
}

void
verp_sender(
    struct str sender, struct str recipient, struct str delimiters, size_t max, struct buf *out)
{
	struct arena *a = arena_new(1024);
	struct mail_address from, to;
	struct buf why = {0}, made = {0};

	if (address_parse(sender, FLAGS, a, &from, &why) && from.domain.len > 0 &&
	    address_parse(recipient, FLAGS, a, &to, &why)) {
		struct mail_address mixed = {.domain = from.domain, .utf8 = from.utf8 || to.utf8};

		mixed.local = arena_printf(
		    a, "%.*s%c%.*s", STR_ARG(from.local), delimiters.data[0], STR_ARG(to.local));
		if (to.domain.len > 0)
			mixed.local = arena_printf(a, "%.*s%c%.*s", STR_ARG(mixed.local),
			    delimiters.data[1], STR_ARG(to.domain));
		address_write(&mixed, &made);
	}
	buf_str(out, made.len > 0 && made.len <= max ? buf_view(&made) : sender);
	buf_free(&made);
	buf_free(&why);
	arena_free(&a);
}
