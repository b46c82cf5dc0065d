/*
 * etrn - ETRN (RFC 1985): a client asks for the mail that waits for its domain
 *
 * For domains in fast_flush_domains only; qmgr has the list, so that there is one place that decides. How
 * much mail waits is nobody's business, so it is not told.
 */
#include "lib/mail/address.h"
#include "smtpd/command.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

#define DOMAIN_MAX 255
#define FLUSH_MS 20000

/* A domain name; the other two forms (all below a domain, a queue by its name) are not supported. */
static bool
is_domain(struct str s)
{
	bool ok = s.len > 0 && s.len <= DOMAIN_MAX && s.data[0] != '.' && s.data[0] != '-';

	for (size_t i = 0; ok && i < s.len; i++) {
		char c = s.data[i];

		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.';
	}
	return ok;
}

bool
etrn_command(struct session *s, const struct command *c)
{
	const struct sink *sink = s->server->sink;
	struct str site = str_trim(c->arg);
	bool allowed = true, started;

	if (!sink->flush) {
		reply(s, 502, "5.5.1", "Error: ETRN is not available");
		return false;
	}
	if (!is_domain(site)) {
		reply(s, 501, "5.5.4", "Error: invalid parameter syntax");
		return false;
	}
	started = sink->flush(s->server->sink_context, site, fiber_after(FLUSH_MS), &allowed);
	if (started)
		reply(s, 250, "2.0.0", "Queuing started");
	else if (allowed)
		reply(s, 458, "4.3.0", "Error: unable to queue messages");
	else
		reply(s, 459, "4.7.1", "<%.*s>: service unavailable", STR_ARG(site));
	return started;
}
