/*
 * rcpt - RCPT TO, and VRFY, which asks the same question
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/intake/intake.h"
#include "lib/mail/address.h"
#include "lib/smtp/command.h"
#include "smtpd/access.h"
#include "smtpd/command.h"
#include "smtpd/limits.h"
#include "smtpd/params.h"
#include "smtpd/path.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

/* smtpd_recipient_limit, and memory. True: refused. Going on in spite of it becomes an error after a while. */
static bool
refuse_too_many(struct session *s, bool *good)
{
	const struct settings *st = &s->server->settings;
	struct transaction *t = s->transaction;

	if (st->rcpt_max > 0 && t->accepted >= st->rcpt_max)
		reply(s, 452, "4.5.3", "Error: too many recipients");
	else if (!transaction_room(t))
		reply(
		    s, 452, "4.3.1", "Error: too many recipients in all sessions, try again later");
	else
		return false;
	*good = t->refused++ < st->rcpt_overshoot;
	return true;
}

/* The path, in A; *REST gets what follows it. */
static bool
rcpt_path(struct session *s, struct str path, struct arena *a, struct mail_address *address,
    struct str *rest)
{
	struct buf why = {0};
	bool ok = address_parse_path(path, path_flags(s), a, address, rest, &why) &&
	    address->local.len > 0;

	if (!ok) {
		log_warning("Illegal address syntax from %s in %s command: %.*s (%s)",
		    s->peer.namaddr, s->where, STR_ARG(path), buf_cstr(&why));
		reply(s, 501, "5.1.3", "Bad recipient address syntax");
	}
	buf_free(&why);
	return ok;
}

static bool
rcpt_take(struct session *s, struct str path)
{
	struct transaction *t = s->transaction;
	struct mail_address address;
	struct msg_rcpt rcpt = {0};
	struct str rest;

	if (!rcpt_path(s, path, t->arena, &address, &rest))
		return false;
	rcpt.orig = address_text(&address, t->arena);
	if (!rcpt_params(s, t, &rcpt, rest) || path_refuse_utf8(s, t, &address, "5.6.7"))
		return false;
	intake_qualify(s->server->conf, t->arena, &address);
	rcpt.address = address_text(&address, t->arena);
	if (path_too_long(s, rcpt.address, "5.1.3", "Bad recipient address syntax") ||
	    !access_recipient(s, &address, rcpt.orig))
		return false;
	t->utf8 |= address.utf8;
	transaction_add(t, &rcpt, s->server->settings.duplicates_max);
	reply(s, 250, "2.1.5", "Ok");
	return true;
}

bool
rcpt_command(struct session *s, const struct command *c)
{
	struct str path;
	bool good = false;

	if (!smtp_command_keyword(c->arg, "TO", s->server->settings.strict_envelopes, &path)) {
		reply(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return false;
	}
	if (refuse_too_many(s, &good))
		return good;
	if (!limits_rcpt(s))
		return false;
	return rcpt_take(s, path);
}

bool
vrfy_command(struct session *s, const struct command *c)
{
	struct arena *a;
	struct mail_address address;
	struct str rest, shown;
	bool good = false;

	if (s->server->settings.disable_vrfy) {
		reply(s, 502, "5.5.1", "VRFY command is disabled");
		return false;
	}
	a = arena_new(0);
	if (rcpt_path(s, c->arg, a, &address, &rest)) {
		shown = address_text(&address, a);
		intake_qualify(s->server->conf, a, &address);
		good = access_recipient(s, &address, shown);
		if (good)
			reply(s, 252, "2.0.0", "%.*s", STR_ARG(shown));
	}
	arena_free(&a);
	return good;
}
