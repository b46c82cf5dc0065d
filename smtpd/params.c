/*
 * params - the parameters of MAIL and RCPT, one row each
 */
#include "smtpd/params.h"

#include "lib/base/buf.h"
#include "lib/mail/dsn.h"
#include "lib/mail/verp.h"
#include "lib/smtp/command.h"
#include "smtpd/reply.h"

/* What the rows write to. */
struct target {
	struct session *session;
	struct transaction *transaction;
	struct msg_rcpt *rcpt;
};

struct param_row {
	const char *key;
	unsigned needs;                            /* enum ehlo_keyword: only where it is offered */
	enum { NO_VALUE, VALUE, ANY_VALUE } value; /* must have none, must have one, may have one */
	bool (*take)(const struct target *to, struct str value);
};

/* The decoded text in BUF becomes part of the transaction. */
static struct str
keep(const struct target *to, struct buf *buf)
{
	struct str s = arena_str(to->transaction->arena, buf_view(buf));

	buf_free(buf);
	return s;
}

static bool
take_size(const struct target *to, struct str value)
{
	return smtp_size_parse(value, &to->transaction->size);
}

static bool
take_body(const struct target *to, struct str value)
{
	to->transaction->body_8bit = str_eq_nocase(value, STR("8BITMIME"));
	return to->transaction->body_8bit || str_eq_nocase(value, STR("7BIT"));
}

static bool
take_smtputf8(const struct target *to, struct str value)
{
	(void)value;
	to->transaction->smtputf8 = true;
	return true;
}

static bool
take_ret(const struct target *to, struct str value)
{
	enum dsn_ret ret;

	if (!dsn_ret_parse(value, &ret))
		return false;
	to->transaction->ret = ret;
	return true;
}

static bool
take_envid(const struct target *to, struct str value)
{
	struct buf text = {0};

	if (!dsn_envid_parse(value, &text)) {
		buf_free(&text);
		return false;
	}
	to->transaction->envid = keep(to, &text);
	return true;
}

static bool
take_notify(const struct target *to, struct str value)
{
	unsigned notify;

	if (!dsn_notify_parse(value, &notify))
		return false;
	to->rcpt->notify = notify;
	return true;
}

static bool
take_orcpt(const struct target *to, struct str value)
{
	struct buf text = {0};

	if (!dsn_orcpt_parse(value, to->transaction->smtputf8, &text)) {
		buf_free(&text);
		return false;
	}
	to->rcpt->orcpt = keep(to, &text);
	return true;
}

/* For a sender whom bounces can reach (the null sender cannot be varied). */
static bool
take_xverp(const struct target *to, struct str value)
{
	const struct settings *st = &to->session->server->settings;
	struct transaction *t = to->transaction;

	t->verp = value.len ? arena_str(t->arena, value) : st->verp_default;
	return !address_is_null(&t->sender) && verp_delimiters_ok(t->verp, st->verp_filter);
}

static const struct param_row mail_rows[] = {
    {"SIZE", EHLO_SIZE, VALUE, take_size},
    {"BODY", EHLO_8BITMIME, VALUE, take_body},
    {"SMTPUTF8", EHLO_SMTPUTF8, NO_VALUE, take_smtputf8},
    {"RET", EHLO_DSN, VALUE, take_ret},
    {"ENVID", EHLO_DSN, VALUE, take_envid},
    {"XVERP", EHLO_XVERP, ANY_VALUE, take_xverp},
};

static const struct param_row rcpt_rows[] = {
    {"NOTIFY", EHLO_DSN, VALUE, take_notify},
    {"ORCPT", EHLO_DSN, VALUE, take_orcpt},
};

static bool
value_as_wanted(const struct param_row *row, const struct smtp_param *p)
{
	return row->value == ANY_VALUE || p->has_value == (row->value == VALUE);
}

static bool
take_params(const struct target *to, const struct param_row *rows, size_t n, struct str rest)
{
	struct session *s = to->session;
	const struct settings *st = &s->server->settings;
	enum smtp_param_status status;
	struct smtp_param p;
	unsigned seen = 0;

	while ((status = smtp_param_next(&rest, st->smtputf8, &p)) == SMTP_PARAM_OK) {
		size_t i = 0;

		while (i < n && !str_eq_nocase(p.key, str_c(rows[i].key)))
			i++;
		if (i == n || !(session_offered(s) & rows[i].needs)) {
			reply(s, 555, "5.5.4", "Unsupported option: %.*s", STR_ARG(p.key));
			return false;
		}
		if (seen & 1U << i || !value_as_wanted(&rows[i], &p) ||
		    !rows[i].take(to, p.value)) {
			reply(s, 501, "5.5.4", "Error: bad %s parameter", rows[i].key);
			return false;
		}
		seen |= 1U << i;
	}
	if (status == SMTP_PARAM_BAD)
		reply(s, 501, "5.5.4", "Error: bad parameter syntax");
	return status == SMTP_PARAM_END;
}

bool
mail_params(struct session *s, struct transaction *t, struct str rest)
{
	struct target to = {s, t, NULL};

	return take_params(&to, mail_rows, sizeof(mail_rows) / sizeof(mail_rows[0]), rest);
}

bool
rcpt_params(struct session *s, struct transaction *t, struct msg_rcpt *r, struct str rest)
{
	struct target to = {s, t, r};

	return take_params(&to, rcpt_rows, sizeof(rcpt_rows) / sizeof(rcpt_rows[0]), rest);
}
