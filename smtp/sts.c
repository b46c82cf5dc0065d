/*
 * sts - see sts.h
 */
#include "smtp/sts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/dns.h"
#include "smtp/client.h"

/* mtasts may be fetching; it answers within a minute. */
#define ANSWER_MS 75000
#define CONNECT_MS 10000
#define CHANNELS 8

struct sts_client {
	char *path;
	struct ipc_channel *idle[CHANNELS];
	size_t n;
};

struct sts_client *
sts_client_new(const char *path)
{
	struct sts_client *s = MEM_NEW(struct sts_client);

	s->path = mem_strdup(path);
	return s;
}

void
sts_client_free(struct sts_client **ps)
{
	struct sts_client *s = *ps;

	if (!s)
		return;
	*ps = NULL;
	while (s->n > 0)
		ipc_channel_free(&s->idle[--s->n]);
	free(s->path);
	free(s);
}

/* --- The TXT record --------------------------------------------------------------------------- */

static bool
good_id(struct str id)
{
	for (size_t i = 0; i < id.len; i++) {
		char c = id.data[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			return false;
	}
	return id.len > 0 && id.len <= MSG_ID_MAX;
}

bool
sts_record_id(struct str txt, struct str *id)
{
	struct str field;
	bool found = false;

	if (!str_token(&txt, ";", &field) || !str_eq(str_trim(field), STR("v=STSv1")))
		return false;
	while (str_token(&txt, ";", &field)) {
		field = str_trim(field);
		if (found || !str_starts(field, STR("id=")))
			continue;
		*id = str_trim(str_from(field, 3));
		found = true;
	}
	return found && good_id(*id);
}

/* RFC 8461 section 3.1: what begins otherwise is something else, and does not count. */
static bool
is_record(struct str txt)
{
	struct str version;

	return str_token(&txt, ";", &version) && str_eq(str_trim(version), STR("v=STSv1"));
}

/* Empty: there is no record, or not exactly one, or it is not known. */
static struct str
look_up_id(struct delivery *d, struct str domain)
{
	struct str id = STR_EMPTY, one;
	struct arena *scratch = arena_new(0); /* an answer may be large, and the delivery long */
	struct dns_answer answer;
	size_t n = 0;

	dns_query(
	    arena_printf(scratch, "_mta-sts.%.*s", STR_ARG(domain)), DNS_TXT, scratch, &answer);
	for (size_t i = 0; answer.status == DNS_OK && i < answer.n; i++)
		if (answer.records[i].type == DNS_TXT && is_record(answer.records[i].txt)) {
			n++;
			if (sts_record_id(answer.records[i].txt, &one))
				id = one;
		}
	id = arena_str(d->arena, n == 1 ? id : STR_EMPTY);
	arena_free(&scratch);
	return id;
}

/* --- mtasts ----------------------------------------------------------------------------------- */

static struct ipc_channel *
take_channel(struct sts_client *s)
{
	struct ipc_channel *ch;

	if (s->n > 0)
		return s->idle[--s->n];
	ch = ipc_connect(s->path, "smtp", fiber_after(CONNECT_MS));
	if (ch)
		stream_timeout(ipc_stream(ch), ANSWER_MS);
	return ch;
}

/* On an idle channel, which may be dead by now, then on a new one. */
static bool
ask(struct sts_client *s, const struct msg_sts_ask *question, struct arena *a,
    struct msg_sts_answer *answer)
{
	for (size_t i = 0; i <= CHANNELS; i++) {
		bool old = s->n > 0;
		struct ipc_channel *ch = take_channel(s);

		if (!ch)
			return false;
		if (ipc_call(ch, a, &msg_sts_ask, question, &msg_sts_answer, answer) == IPC_OK) {
			if (s->n < CHANNELS)
				s->idle[s->n++] = ch;
			else
				ipc_channel_free(&ch);
			return true;
		}
		ipc_channel_free(&ch);
		errno = EPIPE;
		if (!old)
			return false;
	}
	return false;
}

static bool
applies(const struct servers *servers, const struct tls_policy *policy)
{
	union dns_address address;

	if (policy->level != TLS_MAY && policy->level != TLS_ENCRYPT && policy->level != TLS_DANE)
		return false;
	return servers->n > 0 && servers->list[0].target && servers->nexthop.len > 0 &&
	    servers->nexthop.data[0] != '[' && !dns_address_parse(servers->domain, &address);
}

bool
sts_find(struct delivery *d, const struct servers *servers, const struct tls_policy *policy,
    struct sts *sts, struct failure *f)
{
	struct msg_sts_ask question = {.domain = servers->domain};
	struct msg_sts_answer answer;

	*sts = (struct sts){.domain = servers->domain};
	if (!d->client->sts || !applies(servers, policy))
		return true;
	question.id = look_up_id(d, servers->domain);
	if (!ask(d->client->sts, &question, d->arena, &answer)) {
		failure_local(f, d->arena, NULL, "4.7.5",
		    "MTA-STS policy of %.*s is not known: mtasts does not answer (%s)",
		    STR_ARG(servers->domain), strerror(errno));
		return false;
	}
	sts->mode = (enum sts_mode)answer.mode;
	sts->mx = answer.mx;
	sts->max_age = answer.max_age;
	sts->why = answer.why;
	sts->failure = answer.failure;
	return true;
}

/* --- Obeying ------------------------------------------------------------------------------------ */

static bool
match_one(struct str pattern, struct str host)
{
	size_t dot;

	if (!str_starts(pattern, STR("*.")))
		return str_eq_nocase(pattern, host);
	dot = str_chr(host, '.');
	return dot != STR_NPOS && dot > 0 &&
	    str_eq_nocase(str_from(pattern, 1), str_from(host, dot));
}

bool
sts_match(struct str patterns, struct str host)
{
	struct str pattern;

	if (host.len > 1 && host.data[host.len - 1] == '.')
		host.len--;
	while (str_token(&patterns, " ", &pattern))
		if (match_one(pattern, host))
			return true;
	return false;
}

/* Testing: all goes on as without it, but what would be refused is told. */
static void
watch(struct delivery *d, struct sts *sts, struct tls_policy *policy)
{
	tls_policy_sts(d->client->tls, &sts->strict);
	tls_policy_audit(policy, &sts->strict);
}

bool
sts_apply(struct delivery *d, struct sts *sts, const struct server *server,
    struct tls_policy *policy, struct tlsrpt *rpt, struct failure *f)
{
	bool matches = sts_match(sts->mx, server->name), reuse = policy->connection_reuse;

	/* With TLSA records the level is dane still: they say more. */
	if (policy->level != TLS_MAY && policy->level != TLS_ENCRYPT)
		return true;
	tlsrpt_sts(rpt, sts);
	if (sts->mode == STS_NONE)
		return true;
	if (!matches)
		tlsrpt_failed(rpt, "validation-failure", STR("the policy does not have it"));
	if (sts->mode == STS_TESTING) {
		watch(d, sts, policy);
		return true;
	}
	tls_policy_sts(d->client->tls, policy);
	policy->connection_reuse = reuse;
	if (!matches) {
		failure_local(f, d->arena, NULL, "4.7.5",
		    "the MTA-STS policy of %.*s does not have the host %.*s", STR_ARG(sts->domain),
		    STR_ARG(server->name));
		f->unreachable = true;
		rpt->feature = TLS_FEATURE_FAILED;
		return false;
	}
	return true;
}
