/*
 * mail - MAIL FROM
 */
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

unsigned
path_flags(const struct session *s)
{
	const struct settings *st = &s->server->settings;
	unsigned flags = ADDRESS_BARE_OK | ADDRESS_LONG_LOCAL;

	if (st->smtputf8)
		flags |= ADDRESS_UTF8_OK;
	if (!st->strict_envelopes)
		flags |= ADDRESS_LOOSE;
	return flags;
}

bool
path_refuse_utf8(struct session *s, const struct transaction *t, const struct mail_address *address,
    const char *dsn)
{
	if (!address->utf8 || t->smtputf8 || !s->server->settings.strict_smtputf8)
		return false;
	reply(s, 553, dsn, "Error: a non-ASCII address needs the SMTPUTF8 parameter of MAIL");
	return true;
}

bool
path_too_long(struct session *s, struct str address, const char *dsn, const char *text)
{
	if (address.len <= MSG_ADDRESS_MAX)
		return false;
	reply(s, 501, dsn, "%s", text);
	return true;
}

/* SIZE= within message_size_limit (RFC 1870 section 6.1). Free space is qmgr's to know. */
static bool
size_fits(struct session *s, const struct transaction *t)
{
	uint64_t max = s->server->settings.message_max;

	if (max == 0 || t->size <= max)
		return true;
	reply_reject(s, STR_EMPTY, STR_EMPTY, 552, "5.3.4", "Message size exceeds fixed limit");
	return false;
}

static bool
mail_parse(struct session *s, struct transaction *t, struct str path)
{
	struct str rest;
	struct buf why = {0};

	if (!address_parse_path(
		path, path_flags(s) | ADDRESS_NULL_OK, t->arena, &t->sender, &rest, &why)) {
		log_warning("Illegal address syntax from %s in MAIL command: %.*s (%s)",
		    s->peer.namaddr, STR_ARG(path), buf_cstr(&why));
		buf_free(&why);
		reply(s, 501, "5.1.7", "Bad sender address syntax");
		return false;
	}
	buf_free(&why);
	t->sender_text = address_text(&t->sender, t->arena);
	if (!mail_params(s, t, rest) || path_refuse_utf8(s, t, &t->sender, "5.6.7"))
		return false;
	if (!size_fits(s, t))
		return false;
	if (!address_is_null(&t->sender))
		intake_qualify(s->server->conf, t->arena, &t->sender);
	t->utf8 = t->sender.utf8;
	return !path_too_long(
	    s, address_text(&t->sender, t->arena), "5.1.7", "Bad sender address syntax");
}

bool
mail_command(struct session *s, const struct command *c)
{
	struct transaction *t;
	struct str path;

	if (!smtp_command_keyword(c->arg, "FROM", s->server->settings.strict_envelopes, &path)) {
		reply(s, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return false;
	}
	t = transaction_new();
	if (!mail_parse(s, t, path)) {
		transaction_end(&t);
		return false;
	}
	/* Counted last: what was refused for its syntax is no message. */
	if (!limits_mail(s)) {
		transaction_end(&t);
		return false;
	}
	s->transaction = t;
	reply(s, 250, "2.1.0", "Ok");
	return true;
}
