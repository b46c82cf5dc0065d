/*
 * dane - TLSA records (RFC 6698, RFC 7671, RFC 7672)
 *
 * Of the four usages those count that need no authorities: 2 (a trust anchor of the domain's own, names
 * are compared) and 3 (the server's certificate or key itself; names and dates do not matter). Usages 0
 * and 1 would need a list of authorities that sender and receiver share, which mail does not have: such
 * records are unusable (RFC 7672 3.1.3), as are those with an unknown selector or digest, or with data
 * that cannot be what they say.
 */
#include <openssl/err.h>

#include "lib/tls/internal.h"

/* More records than this are not looked at; a server has a few. */
#define RECORDS_MAX 64

/* DATA is a whole certificate or key. */
static bool
is_object(uint8_t selector, struct str data)
{
	const unsigned char *at = (const unsigned char *)data.data;
	const unsigned char *end = at + data.len;
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	bool ok;

	if (selector == TLSA_CERT)
		cert = d2i_X509(NULL, &at, (long)data.len);
	else
		key = d2i_PUBKEY(NULL, &at, (long)data.len);
	ok = (cert || key) && at == end && (!cert || X509_get0_pubkey(cert));
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok;
}

bool
tls_tlsa_usable(const struct tls_client *c, const struct tls_tlsa *r)
{
	struct str rest = conf_str(c->conf, P_tls_dane_digests), item;
	struct str digest = r->matching == TLSA_SHA256 ? STR("sha256") : STR("sha512");
	size_t len = r->matching == TLSA_SHA256 ? 32 : 64;

	if (r->usage != TLSA_DANE_TA && r->usage != TLSA_DANE_EE)
		return false;
	if (r->selector != TLSA_CERT && r->selector != TLSA_SPKI)
		return false;
	if (r->matching == TLSA_FULL)
		return is_object(r->selector, r->data);
	if (r->matching != TLSA_SHA256 && r->matching != TLSA_SHA512)
		return false;
	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, digest))
			return r->data.len == len;
	return false;
}

static size_t
count_usable(const struct tls_client *c, const struct tls_dane *dane)
{
	size_t n = 0;

	for (size_t i = 0; i < dane->n && i < RECORDS_MAX; i++)
		n += tls_tlsa_usable(c, &dane->records[i]);
	return n;
}

static bool
lower(struct tls_policy *p, enum tls_level level)
{
	bool reuse = p->connection_reuse;

	*p = p->instead[level == TLS_MAY ? 0 : 1];
	p->connection_reuse = reuse;
	return true;
}

/* There is nothing to compare with: LEVEL instead, unless DANE is demanded. */
static bool
without_records(struct tls_policy *p, enum tls_level level, const char *cause, struct buf *why)
{
	if (p->level == TLS_DANE)
		return lower(p, level);
	buf_printf(why, "Server cannot be verified: %s, and the TLS level is dane-only", cause);
	return false;
}

bool
tls_policy_dane(
    const struct tls_client *c, struct tls_policy *p, const struct tls_dane *dane, struct buf *why)
{
	if (p->level != TLS_DANE && p->level != TLS_DANE_ONLY)
		return true;
	if (dane->insecure_mx && (p->level == TLS_DANE_ONLY || c->insecure_mx == TLS_MAY))
		return without_records(p, TLS_MAY, "the destination is not secured by DNSSEC", why);
	if (dane->answer == TLS_DANE_FAILED) {
		buf_printf(why, "TLSA lookup error for %.*s: %.*s", STR_ARG(dane->base),
		    STR_ARG(dane->why));
		return false;
	}
	if (dane->answer == TLS_DANE_ABSENT || dane->n == 0)
		return without_records(p, TLS_MAY, "no TLSA records found", why);
	if (count_usable(c, dane) == 0)
		return without_records(p, TLS_ENCRYPT, "TLSA records unusable", why);
	if (dane->insecure_mx && c->insecure_mx == TLS_ENCRYPT)
		return lower(p, TLS_ENCRYPT);
	p->insecure_mx = dane->insecure_mx;
	p->tlsa_base = dane->base;
	p->tlsa_alias = dane->alias;
	p->tlsa = dane->records;
	p->n_tlsa = dane->n < RECORDS_MAX ? dane->n : RECORDS_MAX;
	return true;
}

/* --- On a connection ------------------------------------------------------------------------------ */

static size_t
add_records(struct tls_connection *t, const struct tls_tlsa *records, size_t n)
{
	size_t added = 0;

	for (size_t i = 0; i < n; i++) {
		const struct tls_tlsa *r = &records[i];

		if (!tls_tlsa_usable(t->client, r))
			continue;
		if (SSL_dane_tlsa_add(t->ssl, r->usage, r->selector, r->matching,
			(const unsigned char *)r->data.data, r->data.len) == 1)
			added++;
		ERR_clear_error();
	}
	return added;
}

static void
add_name(struct tls_connection *t, struct str name, struct arena *a)
{
	if (name.len > 0 && !tls_is_address(name))
		SSL_add1_host(t->ssl, arena_cstr(a, name));
	ERR_clear_error();
}

bool
tls_dane_apply(struct tls_connection *t, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a)
{
	bool anchors = p->anchors != NULL;
	const struct tls_tlsa *records = anchors ? p->anchors->records : p->tlsa;
	size_t n = anchors ? p->anchors->n : p->n_tlsa;
	struct str base = anchors ? target->host : tls_reference(p->tlsa_base, target, a);

	if (SSL_dane_enable(t->ssl, arena_cstr(a, base)) <= 0)
		return false;
	SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	SSL_set_hostflags(t->ssl, tls_name_flags(t->client));
	if (anchors) {
		/* Names are compared by verify.c, as the policy says. */
		SSL_set1_host(t->ssl, NULL);
		SSL_set_tlsext_host_name(t->ssl, NULL);
	} else {
		add_name(t, tls_reference(STR("hostname"), target, a), a);
		/*
		 * RFC 7672 section 3.2.2. The next hop is no name of the server when DNS could be lied to on
		 * the way to it.
		 */
		if (!p->insecure_mx) {
			add_name(t, tls_reference(STR("nexthop"), target, a), a);
			add_name(t, tls_reference(p->tlsa_alias, target, a), a);
		}
	}
	return add_records(t, records, n) > 0;
}
