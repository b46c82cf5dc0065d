/*
 * tlsrpt - see tlsrpt.h
 */
#include "smtp/tlsrpt.h"

#include <sys/socket.h>

#include "lib/base/log.h"
#include "smtp/client.h"
#include "smtp/collector.h"
#include "smtp/sts.h"

void
tlsrpt_begin(struct tlsrpt *t, struct delivery *d, const struct servers *servers,
    const struct server *server, const struct tls_policy *policy)
{
	union dns_address address;

	*t = (struct tlsrpt){.arena = d->arena, .id = d->m->id, .feature = TLS_FEATURE_UNTRIED};
	t->note.domain = servers->domain;
	t->note.host = server->name;
	t->note.address = server->address;
	t->note.strings = t->note.result = t->note.reason = t->note.from = STR_EMPTY;
	t->missing = STR_EMPTY;
	if (policy->level != TLS_NONE && server->target &&
	    !dns_address_parse(servers->domain, &address))
		t->to = d->client->collector;
}

void
tlsrpt_dane(struct tlsrpt *t, const struct dns_tlsa_answer *answer)
{
	struct buf lines = {0};

	t->note.policy = TLSRPT_TLSA;
	/* RFC 8460 section 4.5: the four fields of each record. What is beyond the limit is left out. */
	for (size_t i = 0; t->to && i < answer->n; i++) {
		const struct dns_tlsa *r = &answer->records[i];

		if (lines.len + 2 * r->data.len + 16 > MSG_TLSRPT_POLICY_MAX)
			break;
		buf_printf(&lines, "%s%u %u %u ", lines.len > 0 ? "\n" : "", r->usage, r->selector,
		    r->matching);
		for (size_t j = 0; j < r->data.len; j++)
			buf_printf(&lines, "%02X", (unsigned char)r->data.data[j]);
	}
	t->note.strings = arena_str(t->arena, buf_view(&lines));
	buf_free(&lines);
}

/* The policy as its domain wrote it, but for the order of its lines. */
static struct str
sts_lines(struct arena *a, const struct sts *sts)
{
	struct str rest = sts->mx, pattern, end;
	struct buf lines = {0};

	end = arena_printf(a, "\nmax_age: %llu", (unsigned long long)sts->max_age);
	buf_printf(&lines, "version: STSv1\nmode: %s", sts_mode_name(sts->mode));
	while (str_token(&rest, " ", &pattern) &&
	    lines.len + pattern.len + 5 + end.len <= MSG_TLSRPT_POLICY_MAX)
		buf_printf(&lines, "\nmx: %.*s", STR_ARG(pattern));
	buf_str(&lines, end);
	end = arena_str(a, buf_view(&lines));
	buf_free(&lines);
	return end;
}

void
tlsrpt_sts(struct tlsrpt *t, const struct sts *sts)
{
	t->testing = sts->mode == STS_TESTING;
	t->missing = STR_EMPTY;
	if (sts->mode == STS_NONE) {
		t->missing = sts->failure;
		t->missing_why = sts->why;
		return;
	}
	t->note.policy = TLSRPT_STS;
	if (t->to)
		t->note.strings = sts_lines(t->arena, sts);
}

void
tlsrpt_connected(struct tlsrpt *t, const struct stream *stream)
{
	union dns_address address = {0};
	socklen_t len = sizeof(address);

	if (t->to && getsockname(stream_get_fd(stream), &address.sa, &len) == 0 &&
	    (address.sa.sa_family == AF_INET || address.sa.sa_family == AF_INET6))
		t->note.from = dns_address_text(&address, t->arena);
}

void
tlsrpt_failed(struct tlsrpt *t, const char *result, struct str reason)
{
	if (t->known)
		return;
	t->known = true;
	t->note.result = str_c(result);
	t->note.reason = reason;
}

void
tlsrpt_succeeded(struct tlsrpt *t)
{
	t->known = true;
}

/* Mail goes out without a policy, of which there is a result as well. */
static void
tell_missing(struct tlsrpt *t)
{
	struct msg_tlsrpt_note note = t->note;

	note.policy = TLSRPT_STS;
	note.strings = STR_EMPTY;
	note.result = t->missing;
	note.reason = t->missing_why;
	collector_note(t->to, &note);
}

void
tlsrpt_end(struct tlsrpt *t)
{
	if (t->missing.len > 0)
		tell_missing(t);
	if (!t->known)
		return;
	if (t->testing && t->note.result.len > 0)
		log_info("%.*s: the MTA-STS policy of %.*s, which is being tested, would refuse "
			 "the host %.*s[%.*s]: %.*s",
		    STR_ARG(t->id), STR_ARG(t->note.domain), STR_ARG(t->note.host),
		    STR_ARG(t->note.address), STR_ARG(t->note.reason));
	collector_note(t->to, &t->note);
}
