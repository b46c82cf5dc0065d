/*
 * notice_text - what people read in a delivery status notification: see notice_text.h
 */
#include "lib/mail/notice_text.h"

#include "lib/mail/date.h"

#define CHARSET "us-ascii"
#define FROM "MAILER-DAEMON (Mail Delivery System)"
#define GREETING "This is the mail system at host $myhostname.\n\n"
#define FAREWELL "\nIf you need help, forward this report to your postmaster.\n\n"

static const struct notice_text texts[NOTICE_KINDS] = {
    [NOTICE_FAILURE] = {"failure", CHARSET, FROM, "Undelivered mail returned to sender",
	"Postmaster copy: undelivered mail",
	GREETING "Your message could not be delivered to the recipients listed below. No further\n"
		 "attempt will be made for them. The cause is given with each recipient; what\n"
		 "could be kept of your message is attached.\n" FAREWELL,
	NULL},
    [NOTICE_DELAY] = {"delay", CHARSET, FROM, "Your mail is delayed",
	"Postmaster warning: delayed mail",
	GREETING "This is only a warning: you need not send your message again.\n\n"
		 "Your message could not yet be delivered to the recipients listed below.\n"
		 "Delivery will be tried again until\n$will_retry_until.\n" FAREWELL,
	NULL},
    [NOTICE_SUCCESS] = {"success", CHARSET, FROM, "Your mail was delivered",
	"Your mail was delivered",
	GREETING "As you asked to be told: your message was delivered to the recipients listed\n"
		 "below. If it was handed to a system that sends no such reports, you will get no\n"
		 "further notice.\n" FAREWELL,
	NULL},
    [NOTICE_VERIFY] = {"verify", CHARSET, FROM, "Mail delivery report", "Mail delivery report",
	GREETING "This is the delivery report you asked for.\n" FAREWELL, NULL},
};

const struct notice_text *
notice_text(enum notice_kind kind)
{
	return &texts[kind];
}

static void
put_value(struct str name, const struct notice_values *values, struct buf *out)
{
	char date[MAIL_DATE_SIZE];

	if (str_eq(name, STR("myhostname"))) {
		buf_str(out, values->myhostname);
	} else {
		mail_date((time_t)values->will_retry_until, date);
		buf_puts(out, date);
	}
}

void
notice_text_put(const struct notice_text *text, const struct notice_values *values, const char *eol,
    struct buf *out)
{
	for (const char *p = text->ready ? text->ready : text->body; *p;) {
		size_t len = 1;

		if (*p == '\n') {
			buf_puts(out, eol);
		} else if (text->ready && *p == NOTICE_RETRY_MARK) {
			put_value(STR("will_retry_until"), values, out);
		} else if (!text->ready && *p == '$') {
			while (p[len] == '_' || (p[len] >= 'a' && p[len] <= 'z'))
				len++;
			put_value(str_n(p + 1, len - 1), values, out);
		} else {
			buf_putc(out, *p);
		}
		p += len;
	}
}
