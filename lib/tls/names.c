/*
 * names - is the certificate that of the server which the policy means?
 *
 * By name (RFC 6125, by OpenSSL's X509_check_host(): a name with a NUL in it matches nothing, the common
 * name counts only where no DNS name stands beside it, '*' stands for the whole leftmost label), or by
 * digest.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "lib/tls/internal.h"

#define NAMES_SHOWN 4
#define NAME_MAX 255

static struct str
without_dot(struct str name)
{
	return name.len > 1 && name.data[name.len - 1] == '.' ? str_sub(name, 0, name.len - 1)
							      : name;
}

struct str
tls_reference(struct str match, const struct tls_target *t, struct arena *a)
{
	struct str nexthop = without_dot(t->nexthop);

	if (str_eq_nocase(match, STR("hostname")))
		return without_dot(t->host);
	if (str_eq_nocase(match, STR("nexthop")))
		return nexthop;
	if (str_eq_nocase(match, STR("dot-nexthop")))
		return nexthop.len > 0 && !tls_is_address(nexthop)
		    ? arena_printf(a, ".%.*s", STR_ARG(nexthop))
		    : STR_EMPTY;
	return without_dot(match);
}

unsigned
tls_name_flags(const struct tls_client *c)
{
	return X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    (c->multi_label ? X509_CHECK_FLAG_MULTI_LABEL_WILDCARDS : 0);
}

bool
tls_is_address(struct str name)
{
	char text[INET6_ADDRSTRLEN + 1];
	unsigned char bytes[sizeof(struct in6_addr)];

	if (name.len == 0 || name.len >= sizeof(text) || memchr(name.data, '\0', name.len))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool
match_name(const struct tls_client *c, X509 *cert, struct str name, struct arena *a)
{
	if (name.len == 0 || name.len > NAME_MAX)
		return false;
	if (tls_is_address(name))
		return X509_check_ip_asc(cert, arena_cstr(a, name), 0) == 1;
	return X509_check_host(cert, name.data, name.len, tls_name_flags(c), NULL) == 1;
}

bool
tls_match_names(const struct tls_client *c, X509 *cert, const struct tls_policy *p,
    const struct tls_target *t, struct arena *a)
{
	for (size_t i = 0; i < p->n_matches; i++)
		if (match_name(c, cert, tls_reference(p->matches[i], t, a), a))
			return true;
	return false;
}

/* --- Digests ------------------------------------------------------------------------------------ */

static void
hexadecimal(const unsigned char *digest, unsigned n, struct buf *out)
{
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s%02X", i == 0 ? "" : ":", digest[i]);
}

bool
tls_fingerprint(const struct tls_client *c, X509 *cert, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	if (!c->digest || X509_digest(cert, c->digest, digest, &n) != 1)
		return false;
	hexadecimal(digest, n, out);
	return true;
}

bool
tls_key_fingerprint(const struct tls_client *c, X509 *cert, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	unsigned n;
	bool ok =
	    len > 0 && c->digest && EVP_Digest(der, (size_t)len, digest, &n, c->digest, NULL) == 1;

	if (ok)
		hexadecimal(digest, n, out);
	OPENSSL_free(der);
	return ok;
}

/* Colons and the case of letters make no difference. */
static bool
same_digest(struct str a, struct str b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.len && a.data[i] == ':')
			i++;
		while (j < b.len && b.data[j] == ':')
			j++;
		if (i == a.len || j == b.len)
			return i == a.len && j == b.len && a.len > 0;
		if (!str_eq_nocase(str_sub(a, i++, 1), str_sub(b, j++, 1)))
			return false;
	}
}

bool
tls_match_fingerprints(const struct tls_client *c, X509 *cert, const struct tls_policy *p)
{
	struct buf of_cert = {0}, of_key = {0};
	bool found = false;

	tls_fingerprint(c, cert, &of_cert);
	tls_key_fingerprint(c, cert, &of_key);
	for (size_t i = 0; i < p->n_matches && !found; i++)
		found = same_digest(buf_view(&of_cert), p->matches[i]) ||
		    same_digest(buf_view(&of_key), p->matches[i]);
	buf_free(&of_cert);
	buf_free(&of_key);
	return found;
}

/* --- For texts ----------------------------------------------------------------------------------- */

/* What a stranger wrote: no control characters, not endless. */
static void
add_clean(struct buf *out, const unsigned char *text, int len)
{
	for (int i = 0; i < len && i < NAME_MAX; i++)
		buf_putc(out, text[i] > 0x20 && text[i] < 0x7f ? (char)text[i] : '?');
}

void
tls_common_name(const X509_NAME *name, struct buf *out)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *s =
	    at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	unsigned char *utf8 = NULL;
	int len = s ? ASN1_STRING_to_UTF8(&utf8, s) : -1;

	for (int i = 0; i < len && i < NAME_MAX; i++)
		buf_putc(out, utf8[i] >= 0x20 && utf8[i] != 0x7f ? (char)utf8[i] : '?');
	OPENSSL_free(utf8);
}

void
tls_names_text(X509 *cert, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int shown = 0, more = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_IA5STRING *s = name->type == GEN_DNS ? name->d.dNSName : NULL;

		if (!s)
			continue;
		if (shown == NAMES_SHOWN) {
			more++;
			continue;
		}
		buf_puts(out, shown++ == 0 ? "" : ", ");
		add_clean(out, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
	}
	GENERAL_NAMES_free(names);
	if (shown == 0)
		tls_common_name(X509_get_subject_name(cert), out);
	else if (more > 0)
		buf_printf(out, " and %d more", more);
}

void
tls_time_text(const ASN1_TIME *t, struct buf *out)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) == 1)
		buf_printf(out, "%04d-%02d-%02d %02d:%02d UTC", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour, tm.tm_min);
	else
		buf_puts(out, "an unreadable date");
}
