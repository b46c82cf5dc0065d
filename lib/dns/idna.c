/*
 * idna - U-labels to A-labels: IDNA 2008 with the mapping of UTS 46 (libidn2)
 */
#include <idn2.h>
#include <string.h>

#include "lib/dns/internal.h"

#define UTF8_MAX 1024 /* bytes of a domain: no shorter A-labels come of a longer one */

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] >= 0x80)
			return false;
	return true;
}

static struct str
lower(struct str s, struct arena *arena)
{
	char *copy = arena_cstr(arena, s);

	for (size_t i = 0; i < s.len; i++)
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] + ('a' - 'A'));
	return str_n(copy, s.len);
}

bool
dns_is_host_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != '_')
			return false;
	}
	return true;
}

bool
dns_ascii(struct str domain, struct arena *arena, struct str *out, struct buf *why)
{
	uint8_t *result = NULL;
	char text[UTF8_MAX + 1];
	struct str normal;
	int err;

	*out = domain;
	if (is_ascii(domain)) {
		*out = lower(domain, arena);
		return true;
	}
	if (domain.len > UTF8_MAX || str_chr(domain, '\0') != STR_NPOS) {
		buf_puts(why, "the domain name is too long or has a NUL in it");
		return false;
	}
	memcpy(text, domain.data, domain.len);
	text[domain.len] = '\0';
	err = idn2_lookup_u8((const uint8_t *)text, &result, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (err != IDN2_OK) {
		buf_printf(
		    why, "the domain name is no valid international name: %s", idn2_strerror(err));
		return false;
	}
	*out = lower(str_c((const char *)result), arena);
	idn2_free(result);
	/*
	 * IDNA makes ASCII of characters that look alike or are put together: of U+FF20 '@', of U+2100 "a/c".
	 * Where such a name was to go on, in a URL say, it would be another one.
	 */
	if (!dns_is_host_name(*out)) {
		buf_puts(why, "the domain name has characters that are not of host names");
		return false;
	}
	if (dns_name_normal(*out, arena, &normal))
		return true;
	buf_puts(why, "the domain name has an empty label, or one that is too long");
	return false;
}
