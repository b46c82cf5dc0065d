/*
 * reply - what the client is told, and what the operator reads about it
 */
#include "smtpd/reply.h"

#include <stdarg.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/smtp/reply.h"
#include "smtpd/transaction.h"
#include "smtpd/trouble.h"

/* Enhanced status codes as they are sent: soft_bounce makes temporary what is permanent. */
struct reply_code {
	int code;
	char dsn[DSN_TEXT_SIZE];
};

static void
reply_code(const struct session *s, int code, const char *dsn, struct reply_code *out)
{
	struct str d = str_c(dsn);
	bool soften = s->server->settings.soft_bounce && code >= 500;

	out->code = soften ? code - 100 : code;
	if (d.len >= sizeof(out->dsn))
		d.len = sizeof(out->dsn) - 1;
	for (size_t i = 0; i < d.len; i++)
		out->dsn[i] = d.data[i];
	out->dsn[d.len] = '\0';
	if (d.len && code / 100 >= 4 && out->dsn[0] != '0' + out->code / 100)
		out->dsn[0] = (char)('0' + out->code / 100);
}

static void
say(struct session *s, int code, const char *dsn, struct str text, bool rejected)
{
	const struct settings *st = &s->server->settings;
	struct reply_code rc;
	struct buf out = {0};

	if (s->errors >= st->soft_errors && st->error_sleep_ms > 0) {
		stream_flush(s->client);
		fiber_sleep(st->error_sleep_ms);
	}
	reply_code(s, code, dsn, &rc);
	smtp_reply(&out, rc.code, str_c(rc.dsn), text);
	stream_write(s->client, out.data, out.len);
	buf_free(&out);
	trouble_note(s, rc.code, rc.dsn, text, rejected);
}

void
reply_text(struct session *s, int code, const char *dsn, struct str text)
{
	say(s, code, dsn, text, false);
}

void
reply(struct session *s, int code, const char *dsn, const char *format, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	reply_text(s, code, dsn, buf_view(&text));
	buf_free(&text);
}

void
reply_reject(struct session *s, struct str id, struct str recipient, int code, const char *dsn,
    const char *format, ...)
{
	const struct transaction *t = s->transaction;
	struct buf text = {0}, tail = {0};
	struct reply_code rc;
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	reply_code(s, code, dsn, &rc);
	if (t)
		buf_printf(&tail, " from=<%.*s>", STR_ARG(t->sender_text));
	if (recipient.len)
		buf_printf(&tail, " to=<%.*s>", STR_ARG(recipient));
	buf_printf(&tail, " proto=%s", s->protocol);
	if (s->helo)
		buf_printf(&tail, " helo=<%s>", s->helo);
	if (id.len == 0)
		id = STR("NOQUEUE");
	log_info("%.*s: reject: %s from %s: %d%s%s %.*s;%.*s", STR_ARG(id), s->where,
	    s->peer.namaddr, rc.code, rc.dsn[0] ? " " : "", rc.dsn, STR_ARG(buf_view(&text)),
	    STR_ARG(buf_view(&tail)));
	say(s, code, dsn, buf_view(&text), true);
	buf_free(&tail);
	buf_free(&text);
}
