/*
 * secure - see secure.h
 */
#include "smtp/secure.h"

#include "lib/base/log.h"
#include "smtp/client.h"

static struct str
lower(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = s.data[i] >= 'A' && s.data[i] <= 'Z' ? (char)(s.data[i] - 'A' + 'a')
							       : s.data[i];
	return str_n(copy, s.len);
}

/* The next hop as it is written; without brackets, and above it, ".parent" domains. */
static enum table_status
search(const struct table_maps *maps, struct str hop, struct buf *value, struct buf *why)
{
	enum table_status status = table_maps_lookup(maps, hop, true, value, why);
	bool bracketed = hop.len > 0 && hop.data[0] == '[';
	size_t dot;

	while (status == TABLE_NOT_FOUND && !bracketed && hop.len > 1 &&
	    (dot = str_chr(str_from(hop, 1), '.')) != STR_NPOS) {
		hop = str_from(hop, dot + 1);
		status = table_maps_lookup(maps, hop, false, value, why);
	}
	return status;
}

/* A domain alone, in U-labels? */
static bool
is_international(struct str hop)
{
	bool found = false;

	for (size_t i = 0; i < hop.len; i++) {
		if (hop.data[i] == '[' || hop.data[i] == ':')
			return false;
		found = found || (unsigned char)hop.data[i] >= 0x80;
	}
	return found;
}

/*
 * What begins with a handshake cannot do without one: VALUE, of a map or empty, with the level encrypt in the place of
 * its own.
 */
static bool
wrap(struct delivery *d, struct str value, struct tls_policy *policy, struct buf *why)
{
	const struct client *client = d->client;
	struct str level;

	if (!client->settings.wrapper || tls_level_mandatory(policy->level))
		return true;
	log_warning("smtp_tls_wrappermode needs smtp_tls_security_level = encrypt, or more");
	(void)str_token(&value, " \t\r\n,", &level);
	return tls_policy_parse(client->tls, arena_printf(d->arena, "encrypt %.*s", STR_ARG(value)),
	    d->arena, policy, why);
}

static bool
by_maps(
    struct delivery *d, const struct servers *servers, struct tls_policy *policy, struct failure *f)
{
	const struct client *client = d->client;
	struct buf value = {0}, why = {0};
	struct str hop = lower(d->arena, servers->nexthop);
	enum table_status status = search(&client->tls_policies, hop, &value, &why);
	bool ok = true;

	/* The same domain in A-labels, as most tables have it. */
	if (status == TABLE_NOT_FOUND && is_international(hop))
		status = search(&client->tls_policies, servers->domain, &value, &why);

	if (status == TABLE_NOT_FOUND)
		tls_policy_default(client->tls, policy);
	else if (status == TABLE_ERROR)
		ok = false;
	else
		ok = tls_policy_parse(
		    client->tls, arena_str(d->arena, buf_view(&value)), d->arena, policy, &why);
	ok = ok && wrap(d, buf_view(&value), policy, &why);
	if (!ok)
		failure_local(f, d->arena, NULL, status == TABLE_ERROR ? "4.3.0" : TLS_DSN,
		    "TLS policy for %.*s: %s", STR_ARG(hop), buf_cstr(&why));
	buf_free(&value);
	buf_free(&why);
	return ok;
}

bool
secure_policy(
    struct delivery *d, const struct servers *servers, struct tls_policy *policy, struct failure *f)
{
	const struct client *client = d->client;
	const char *fault = client->tls ? tls_client_fault(client->tls) : NULL;

	*policy = (struct tls_policy){.level = TLS_NONE};
	if (!client->tls)
		return true;
	if (fault) {
		failure_local(f, d->arena, NULL, TLS_DSN, "TLS is not usable: %s", fault);
		f->unreachable = true;
		return false;
	}
	if (!by_maps(d, servers, policy, f)) {
		f->unreachable = true;
		return false;
	}
	return true;
}

/* What reports say of it, beside what follows from the handshake. */
static void
report_dane(struct tlsrpt *rpt, const struct tls_policy *policy,
    const struct dns_tlsa_answer *answer, bool ok, struct str why)
{
	if (policy->n_tlsa > 0 || answer->status == DNS_TLSA_UNUSABLE || !ok)
		tlsrpt_dane(rpt, answer);
	if (answer->status == DNS_TLSA_UNUSABLE)
		tlsrpt_failed(rpt, "tlsa-invalid", answer->why);
	else if (!ok)
		tlsrpt_failed(rpt,
		    answer->status == DNS_TLSA_AGAIN ? "dnssec-invalid" : "dane-required",
		    arena_str(rpt->arena, why));
}

bool
secure_dane(struct delivery *d, const struct server *server, struct tls_policy *policy,
    struct tlsrpt *rpt, struct failure *f)
{
	static const struct tls_tlsa unusable = {.usage = UINT8_MAX};
	struct dns_tlsa_answer answer;
	struct tls_dane dane = {0};
	struct tls_policy encrypt;
	struct tls_tlsa *records;
	struct buf why = {0};
	bool ok;

	if (policy->level != TLS_DANE && policy->level != TLS_DANE_ONLY)
		return true;
	/* A UNIX socket has no name in DNS. */
	answer = (struct dns_tlsa_answer){.status = DNS_TLSA_NONE};
	if (server->target)
		dns_tlsa_lookup(server->target, d->client->settings.force_tlsa, d->arena, &answer);
	dane.answer = answer.status == DNS_TLSA_AGAIN ? TLS_DANE_FAILED
	    : answer.status == DNS_TLSA_NONE          ? TLS_DANE_ABSENT
						      : TLS_DANE_RECORDS;
	records = arena_array(d->arena, answer.n + 1, sizeof(*records));
	for (size_t i = 0; i < answer.n; i++)
		records[i] = (struct tls_tlsa){answer.records[i].usage, answer.records[i].selector,
		    answer.records[i].matching, answer.records[i].data};
	dane.n = answer.n;
	if (answer.status == DNS_TLSA_UNUSABLE)
		records[dane.n++] = unusable;
	dane.records = records;
	dane.base = answer.base.len > 0 ? answer.base : server->name;
	dane.alias = server->target ? server->target->mx_owner : STR_EMPTY;
	dane.why = answer.why;
	dane.insecure_mx = server->target && !server->target->mx_authentic;
	encrypt = policy->level == TLS_DANE ? policy->instead[1] : *policy;
	ok = tls_policy_dane(d->client->tls, policy, &dane, &why);
	/* Nor does it become less by a lack of records. */
	if (d->client->settings.wrapper && !tls_level_mandatory(policy->level)) {
		encrypt.connection_reuse = policy->connection_reuse;
		*policy = encrypt;
	}
	rpt->feature = ok ? rpt->feature : TLS_FEATURE_FAILED;
	report_dane(rpt, policy, &answer, ok, buf_view(&why));
	if (!ok) {
		failure_local(f, d->arena, NULL, TLS_DSN, "%s", buf_cstr(&why));
		f->unreachable = true;
	}
	buf_free(&why);
	return ok;
}

/* One that offered an old session and failed is tried again without: that one counts. */
static void
report_handshake(const struct delivery *d, struct tlsrpt *rpt, const struct tls_result *r)
{
	bool again = r->offered && (r->outcome == TLS_HANDSHAKE_FAILED || r->outcome == TLS_LOST);

	if (r->outcome == TLS_OK && r->audit)
		tlsrpt_failed(rpt, r->audit, r->audit_why);
	else if (r->outcome == TLS_OK && !(r->reused && d->client->settings.skip_reused))
		tlsrpt_succeeded(rpt);
	else if (r->outcome != TLS_OK && r->report && !again)
		tlsrpt_failed(rpt, r->report, r->why);
}

enum secure_result
secure_given_up(const struct tls_policy *policy, struct tlsrpt *rpt)
{
	if (!tls_level_mandatory(policy->level))
		return SECURE_CLEAR;
	rpt->feature = TLS_FEATURE_FAILED;
	return SECURE_FAILED;
}

enum secure_result
secure_start(struct delivery *d, struct connection *c, const struct servers *servers,
    const struct server *server, const struct tls_policy *policy, struct tlsrpt *rpt,
    struct failure *f)
{
	const struct tls_target target = {
	    .host = server->name, .nexthop = servers->domain, .peer = server->relay};
	struct tls_result r;
	enum tls_outcome outcome =
	    tls_client_start(c->stream, d->client->tls, policy, &target, d->arena, &r);

	report_handshake(d, rpt, &r);
	if (outcome == TLS_OK) {
		c->tls = true;
		c->tls_verified = r.verified;
		rpt->feature = TLS_FEATURE_USED;
		return SECURE_OK;
	}
	c->broken = STREAM_ERROR;
	failure_local(f, d->arena, c, TLS_DSN, "%.*s", STR_ARG(r.why));
	f->unreachable = true;
	if (outcome != TLS_HANDSHAKE_FAILED && outcome != TLS_LOST) {
		rpt->feature = TLS_FEATURE_FAILED;
		return SECURE_FAILED;
	}
	return r.offered ? SECURE_AGAIN : secure_given_up(policy, rpt);
}
