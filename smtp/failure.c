/*
 * failure - see failure.h
 */
#include "smtp/failure.h"

#include "lib/ipc/messages.h"
#include "smtp/connection.h"

/* Texts are cut here, so that no result is too long for its message. */
static struct str
keep(struct arena *a, struct buf *text)
{
	struct str s = arena_str(a, str_sub(buf_view(text), 0, MSG_TEXT_MAX));

	buf_free(text);
	return s;
}

static void
name_server(struct failure *f, struct arena *a, const struct connection *c)
{
	f->relay = STR("none");
	if (!c)
		return;
	f->relay = arena_str(a, c->relay);
	f->remote_mta = arena_printf(a, "dns; %.*s", STR_ARG(c->host));
}

/* The server's enhanced code if it has one of the right class, else the plain one. */
static struct str
dsn_of(struct arena *a, const struct smtp_reply *r, bool hard)
{
	char text[DSN_TEXT_SIZE];
	struct dsn dsn = r->dsn;

	if (dsn.class == 0)
		return hard ? STR("5.0.0") : STR("4.0.0");
	dsn.class = hard ? 5 : 4;
	dsn_text(&dsn, text);
	return arena_str(a, str_c(text));
}

/*
 * "Log in first", or "TLS first": it is not the message's fault that nobody could. After the content it is more
 * likely that this was not liked.
 */
static bool
wants_login(const struct connection *c, const char *command)
{
	const struct smtp_reply *r = &c->reply;
	struct str to = str_c(command ? command : "");

	if (r->code == 530)
		return c->login_missing || c->named;
	return c->login_missing && r->code >= 500 && r->dsn.subject == 7 && to.len > 0 &&
	    !str_starts(to, STR("end of ")) && !str_starts(to, STR("BDAT"));
}

void
failure_by_reply(
    struct failure *f, struct arena *a, const struct connection *c, const char *command)
{
	const struct smtp_reply *r = &c->reply;
	bool no = r->code >= 400 && r->code <= 599;
	struct buf said = {0}, text = {0};

	*f = (struct failure){.hard = r->code >= 500 && r->code <= 599};
	name_server(f, a, c);
	if (wants_login(c, command))
		f->hard = false;
	f->dsn = no ? dsn_of(a, r, f->hard) : STR("4.5.0");
	smtp_reply_join(r, &said);
	f->diagnostic = arena_printf(a, "smtp; %.*s", STR_ARG(str_sub(buf_view(&said), 0, 1900)));
	if (!no)
		buf_puts(&text, "Protocol error: ");
	buf_printf(
	    &text, "host %.*s %s: ", STR_ARG(c->peer), command ? "said" : "refused to talk to me");
	buf_str(&text, buf_view(&said));
	if (command)
		buf_printf(&text, " (in reply to %s)", command);
	if (c->no_login.len > 0 && wants_login(c, command))
		buf_printf(&text, " (no login was made: %.*s)", STR_ARG(c->no_login));
	buf_free(&said);
	f->text = keep(a, &text);
}

void
failure_by_loss(struct failure *f, struct arena *a, const struct connection *c, const char *action)
{
	*f = (struct failure){.dsn = STR("4.4.2")};
	name_server(f, a, c);
	if (c->nonsense)
		f->text = arena_printf(
		    a, "broken conversation with %.*s while %s", STR_ARG(c->peer), action);
	else if (c->broken == STREAM_TIMEOUT)
		f->text = arena_printf(
		    a, "conversation with %.*s timed out while %s", STR_ARG(c->peer), action);
	else if (c->broken == STREAM_CANCELED)
		f->text = arena_printf(a,
		    "conversation with %.*s was broken off while %s: the mail system is stopped",
		    STR_ARG(c->peer), action);
	else
		f->text =
		    arena_printf(a, "lost connection with %.*s while %s", STR_ARG(c->peer), action);
}

void
failure_local(struct failure *f, struct arena *a, const struct connection *c, const char *dsn,
    const char *format, ...)
{
	struct buf text = {0};
	va_list ap;

	*f = (struct failure){.hard = dsn[0] == '5', .dsn = str_c(dsn)};
	name_server(f, a, c);
	f->remote_mta = STR_EMPTY;
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	f->text = keep(a, &text);
}
