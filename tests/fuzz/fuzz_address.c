/*
 * fuzz_address - envelope addresses from any bytes; the first byte gives the flags
 *
 * What is taken must hold what the parser promises, and read back as the same address.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/address.h"
#include "lib/mail/dsn.h"
#include "lib/mail/utf8.h"
#include "lib/smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL_FLAGS                                                                                  \
	(ADDRESS_NULL_OK | ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LOOSE | ADDRESS_LONG_LOCAL)

static void
check(const struct mail_address *address, unsigned flags, struct arena *a)
{
	struct str text = address_text(address, a), extension;
	struct mail_address again;

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < 32 || text.data[i] == 127)
			abort();
	if (!utf8_valid(text) || text.len > ADDRESS_PATH_MAX)
		abort();
	if (address_is_null(address))
		return;
	if (!address_parse(text, (flags & ~ADDRESS_LOOSE) | ADDRESS_BARE_OK, a, &again, NULL) ||
	    !address_eq(address, &again))
		abort();
	address_without_extension(address->local, STR("+-"), &extension);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(0);
	struct mail_address address;
	struct buf out = {0};
	struct smtp_param p;
	struct str text, rest;
	unsigned flags;

	if (size > 0) {
		flags = data[0] & ALL_FLAGS;
		text = str_n(data + 1, size - 1);
		if (address_parse_path(text, flags, a, &address, &rest, &out)) {
			check(&address, flags, a);
			while (smtp_param_next(&rest, flags & ADDRESS_UTF8_OK, &p) == SMTP_PARAM_OK)
				dsn_orcpt_parse(p.value, flags & ADDRESS_UTF8_OK, &out);
		}
		if (address_parse(text, flags, a, &address, &out))
			check(&address, flags, a);
	}
	buf_free(&out);
	arena_free(&a);
	return 0;
}
