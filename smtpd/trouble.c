/* trouble - errors in a session that the postmaster wants to hear of: see trouble.h */
#include "smtpd/trouble.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/date.h"
#include "lib/mail/dsn.h"
#include "smtpd/sink.h"

#define TEXT_MAX 4000 /* of a session; what comes later is counted */
#define LINE_MAX_BYTES 300
#define HOUR_MS 3600000
#define TOLD_MAX 10 /* messages in an hour */
#define SUBMIT_MS 5000

enum trouble_class {
	TROUBLE_POLICY = 1,
	TROUBLE_PROTOCOL = 2,
	TROUBLE_RESOURCE = 4,
	TROUBLE_DATA = 8,
};

static const struct {
	const char *name;
	enum trouble_class bit;
} classes[] = {{"policy", TROUBLE_POLICY}, {"protocol", TROUBLE_PROTOCOL},
    {"resource", TROUBLE_RESOURCE}, {"data", TROUBLE_DATA}};

#define CLASSES (sizeof(classes) / sizeof(classes[0]))

unsigned
trouble_wanted(const struct conf *conf)
{
	struct str rest = conf_str(conf, P_notify_classes), item;
	unsigned wanted = 0;

	while (conf_list_next(&rest, &item))
		for (size_t i = 0; i < CLASSES; i++)
			if (str_eq_nocase(item, str_c(classes[i].name)))
				wanted |= classes[i].bit;
	return wanted;
}

/* 0: of no class, as the end of a session that took too long. */
static unsigned
class_of(int code, const char *dsn, bool rejected)
{
	struct dsn d;

	if (code < 400 || !dsn_parse(str_c(dsn), &d, NULL))
		return 0;
	if (d.subject == 3 && d.class == 4)
		/* What stands in tables could not be read; what the queue lacks. */
		return rejected || d.detail == 5 ? TROUBLE_DATA
		    : d.detail == 2              ? 0
						 : TROUBLE_RESOURCE;
	if (rejected || d.subject == 7 || (d.subject == 5 && d.detail == 3))
		return TROUBLE_POLICY;
	return d.subject == 5 || d.subject == 1 ? TROUBLE_PROTOCOL : 0;
}

void
trouble_note(struct session *s, int code, const char *dsn, struct str text, bool rejected)
{
	unsigned class = class_of(code, dsn, rejected) & s->server->settings.notify;
	struct buf line = {0};

	if (class == 0 || s->server->stand_alone)
		return;
	s->trouble_classes |= class;
	if (s->trouble.len > TEXT_MAX) {
		s->trouble_more++;
		return;
	}
	buf_printf(&line, "%s: %d %s %.*s", s->where, code, dsn,
	    STR_ARG(str_sub(text, 0, LINE_MAX_BYTES)));
	log_printable(line.data, line.len);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] > 126)
			line.data[i] = '?';
	buf_str(&s->trouble, buf_view(&line));
	buf_puts(&s->trouble, "\r\n");
	buf_free(&line);
}

/* Is there room for one more in this hour? */
static bool
may_tell(struct server *server)
{
	int64_t now = fiber_now();

	if (server->told_since == 0 || now - server->told_since >= HOUR_MS) {
		if (server->told_left_out > 0)
			log_info("notify_classes: errors in %u sessions were left out",
			    server->told_left_out);
		server->told_since = now;
		server->told = server->told_left_out = 0;
	}
	if (server->told < TOLD_MAX) {
		server->told++;
		return true;
	}
	server->told_left_out++;
	return false;
}

/* "postmaster" becomes "postmaster@myorigin". */
static struct str
own_address(const struct conf *conf, struct str name, struct arena *a)
{
	if (str_chr(name, '@') != STR_NPOS)
		return name;
	return arena_printf(a, "%.*s@%.*s", STR_ARG(name), STR_ARG(conf_str(conf, P_myorigin)));
}

static void
compose(const struct session *s, struct str to, struct str id, struct buf *out)
{
	const struct conf *conf = s->server->conf;
	char date[MAIL_DATE_SIZE];
	const char *comma = "";

	mail_date(clock_wall(), date);
	buf_printf(out,
	    "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\nTo: <%.*s>\r\nSubject: ",
	    STR_ARG(conf_str(conf, P_myorigin)), STR_ARG(to));
	buf_printf(out, "Postmaster notice: ");
	for (size_t i = 0; i < CLASSES; i++)
		if (s->trouble_classes & classes[i].bit) {
			buf_printf(out, "%s%s", comma, classes[i].name);
			comma = ", ";
		}
	buf_printf(out, " trouble with client %s[%s]\r\nDate: %s\r\nMessage-Id: ", s->peer.name,
	    s->peer.address, date);
	mail_message_id(clock_wall(), id, s->server->myhostname, out);
	buf_puts(out,
	    "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	buf_printf(out,
	    "This is the SMTP server at host %.*s, to its postmaster.\r\n\r\n"
	    "Client %s[%s] had these replies to its commands:\r\n\r\n%.*s",
	    STR_ARG(s->server->myhostname), s->peer.name, s->peer.address,
	    STR_ARG(buf_view(&s->trouble)));
	if (s->trouble_more > 0)
		buf_printf(out, "... and %u more\r\n", s->trouble_more);
	buf_puts(out,
	    "\r\nThe log has the rest of the session. notify_classes in main.cf says what is "
	    "told in\r\nthis way.\r\n");
}

static void
submit(struct session *s)
{
	const struct conf *conf = s->server->conf;
	const struct sink *sink = s->server->sink;
	struct arena *a = arena_new(512);
	struct buf text = {0}, id = {0};
	struct submit_refusal no;
	struct sink_message *m =
	    sink->begin(s->server->sink_context, 0, fiber_after(SUBMIT_MS), &no);
	struct msg_submit_envelope envelope = {
	    .sender = own_address(conf, conf_str(conf, P_double_bounce_sender), a)};
	struct msg_rcpt rcpt = {
	    .address = own_address(conf, conf_str(conf, P_error_notice_recipient), a),
	    .notify = DSN_NOTIFY_NEVER,
	};

	rcpt.orig = rcpt.address;
	if (m) {
		compose(s, rcpt.address, sink->id(m), &text);
		if (sink->envelope(m, &envelope, &rcpt, 1))
			sink->content(m, buf_view(&text));
		if (sink->commit(&m, &id, &no))
			log_info("postmaster notice of trouble with %s: %.*s", s->peer.namaddr,
			    STR_ARG(buf_view(&id)));
	}
	buf_free(&text);
	buf_free(&id);
	arena_free(&a);
}

void
trouble_tell(struct session *s)
{
	if (s->trouble.len > 0 && may_tell(s->server))
		submit(s);
	buf_free(&s->trouble);
}
