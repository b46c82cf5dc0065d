/*
 * tlsa - the TLSA records of a target: RFC 7672 section 2.2 and 3
 */
#include <string.h>

#include "lib/dns/internal.h"

#define RECORDS_MAX 64 /* each costs a comparison in the handshake */

enum { USAGE_DANE_TA = 2, USAGE_DANE_EE = 3 };
enum { MATCH_FULL = 0, MATCH_SHA256 = 1, MATCH_SHA512 = 2 };

static bool
is_usable(const struct dns_tlsa *t)
{
	/* PKIX-TA(0) and PKIX-EE(1) are not for SMTP: RFC 7672 section 3.1.3. */
	if ((t->usage != USAGE_DANE_TA && t->usage != USAGE_DANE_EE) || t->selector > 1)
		return false;
	switch (t->matching) {
	case MATCH_FULL:
		return t->data.len > 0;
	case MATCH_SHA256:
		return t->data.len == 32;
	case MATCH_SHA512:
		return t->data.len == 64;
	default:
		return false;
	}
}

size_t
dns_tlsa_usable(const struct dns_record *records, size_t n, struct dns_tlsa *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && kept < RECORDS_MAX; i++)
		if (records[i].type == DNS_TLSA && is_usable(&records[i].tlsa))
			out[kept++] = records[i].tlsa;
	return kept;
}

/* Of a whole answer only what can be used stays. */
static void
take(const struct dns_answer *answer, struct arena *arena, struct dns_tlsa_answer *out)
{
	struct dns_tlsa usable[RECORDS_MAX];

	out->n = dns_tlsa_usable(answer->records, answer->n, usable);
	out->records = arena_array(arena, RECORDS_MAX, sizeof(*out->records));
	for (size_t i = 0; i < out->n; i++) {
		out->records[i] = usable[i];
		out->records[i].data = arena_str(arena, usable[i].data);
	}
}

/* True: BASE has decided it. */
static bool
ask_in(struct arena *scratch, struct str base, uint16_t port, struct arena *arena,
    struct dns_tlsa_answer *out)
{
	struct str name = arena_printf(scratch, "_%u._tcp.%.*s", port, STR_ARG(base));
	struct dns_answer answer;

	dns_query(name, DNS_TLSA, scratch, &answer);
	out->ttl = answer.ttl;
	out->why = arena_str(arena, answer.why);
	if (dns_is_final(answer.status))
		return false;
	if (answer.status != DNS_OK) {
		out->status = DNS_TLSA_AGAIN;
		return true;
	}
	if (!answer.authentic) {
		out->why = arena_printf(
		    arena, "the TLSA records of %.*s are not validated by DNSSEC", STR_ARG(name));
		return false;
	}
	out->base = base;
	take(&answer, arena, out);
	out->status = out->n > 0 ? DNS_TLSA_USABLE : DNS_TLSA_UNUSABLE;
	if (out->n == 0)
		out->why = arena_printf(arena, "no TLSA record of %.*s can be used", STR_ARG(name));
	return true;
}

static bool
ask(struct str base, uint16_t port, struct arena *arena, struct dns_tlsa_answer *out)
{
	struct arena *scratch = arena_new(0);
	bool decided = ask_in(scratch, base, port, arena, out);

	arena_free(&scratch);
	return decided;
}

/*
 * Are the addresses insecure only because the host is an alias that leads out of a signed zone? Its own name can have
 * TLSA records then (RFC 7672 section 2.2.2, "Insecure CNAME"). In other zones they must not be asked for: some servers
 * do not answer that.
 */
static bool
is_secure_alias(const struct dns_target *target, struct arena *arena, struct dns_tlsa_answer *out)
{
	struct dns_answer answer;
	struct arena *scratch;
	bool secure;

	if (str_eq_nocase(target->canonical, target->host))
		return false;
	scratch = arena_new(0);
	dns_query(target->host, DNS_CNAME, scratch, &answer);
	if (answer.status != DNS_OK && !dns_is_final(answer.status)) {
		out->status = DNS_TLSA_AGAIN;
		out->why = arena_str(arena, answer.why);
	}
	secure = answer.status == DNS_OK && answer.authentic;
	arena_free(&scratch);
	return secure;
}

void
dns_tlsa_lookup(
    const struct dns_target *target, bool force, struct arena *arena, struct dns_tlsa_answer *out)
{
	bool secure = target->address_authentic;

	memset(out, 0, sizeof(*out));
	out->status = DNS_TLSA_NONE;
	out->base = target->host;
	if (!secure)
		dns_look_whether_validates(dns_get());
	if (dns_get()->settings->level != DNS_LEVEL_DNSSEC) {
		out->why = STR("DNSSEC is switched off: smtp_dns_support_level is not dnssec");
	} else if (!secure && !force && !is_secure_alias(target, arena, out)) {
		if (out->status == DNS_TLSA_NONE)
			out->why =
			    arena_printf(arena, "the address of %.*s is not validated by DNSSEC",
				STR_ARG(target->host));
	} else {
		if (!secure || str_eq_nocase(target->canonical, target->host) ||
		    !ask(target->canonical, target->port, arena, out))
			ask(target->host, target->port, arena, out);
	}
}
