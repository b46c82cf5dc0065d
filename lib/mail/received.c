/*
 * received - the trace header as Postfix folds it
 *
 * helo, login and names are a stranger's words: they are cut, and what could end a comment, a field or
 * a line is replaced.
 */
#include "lib/mail/received.h"
#include "lib/mail/date.h"
#include "lib/mail/utf8.h"

#define WORD_MAX 255      /* of what a stranger says of himself */
#define RECIPIENT_MAX 900 /* keeps the line below the 998 of RFC 5322 section 2.1.1 */

const char *
received_with(unsigned protocol)
{
	static const char *const smtp[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
	static const char *const lmtp[] = {"LMTP", "LMTPS", "LMTPA", "LMTPSA"};
	static const char *const utf8_smtp[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
	static const char *const utf8_lmtp[] = {"UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"};
	unsigned i = (protocol & RECEIVED_TLS ? 1 : 0) + (protocol & RECEIVED_AUTH ? 2 : 0);

	if (protocol & RECEIVED_LMTP)
		return protocol & RECEIVED_UTF8 ? utf8_lmtp[i] : lmtp[i];
	if (!(protocol & RECEIVED_ESMTP))
		return "SMTP";
	return protocol & RECEIVED_UTF8 ? utf8_smtp[i] : smtp[i];
}

/* Appends S with everything but printable ASCII without SPECIALS replaced by '?'. */
static void
put_safe(struct buf *out, struct str s, const char *specials)
{
	for (size_t i = 0; i < s.len && i < WORD_MAX; i++) {
		char c = s.data[i];
		bool bad = c <= 32 || c >= 127;

		for (const char *p = specials; *p; p++)
			bad = bad || c == *p;
		buf_putc(out, bad ? '?' : c);
	}
}

static void
put_by(struct buf *out, const struct received *r)
{
	buf_puts(out, "by ");
	put_safe(out, r->myhostname, "()<>;\\\"");
	buf_puts(out, " (");
	put_safe(out, r->mail_name, "()\\");
}

static void
put_date(struct buf *out, const struct received *r)
{
	char date[MAIL_DATE_SIZE];

	mail_date(r->time, date);
	buf_puts(out, date);
	buf_puts(out, "\r\n");
}

static void
put_from(struct buf *out, const struct received *r)
{
	buf_puts(out, "Received: from ");
	put_safe(out, r->helo.len > 0 ? r->helo : STR("unknown"), "<>()\\\";@");
	buf_puts(out, " (");
	put_safe(out, r->name.len > 0 ? r->name : STR("unknown"), "()\\<>\";@");
	buf_puts(out, str_chr(r->address, ':') == STR_NPOS ? " [" : " [IPv6:");
	put_safe(out, r->address, "()\\[]");
	buf_puts(out, "])\r\n");
}

void
received_smtp(const struct received *r, struct buf *out)
{
	bool utf8 = str_starts(r->with, STR("UTF8"));

	put_from(out, r);
	if (r->tls.len > 0) {
		/* Words of the TLS library, blanks and parentheses as they are. */
		buf_puts(out, "\t(");
		for (size_t i = 0; i < r->tls.len && i < WORD_MAX; i++)
			buf_putc(out,
			    r->tls.data[i] < 32 || r->tls.data[i] == 127 ? '?' : r->tls.data[i]);
		buf_puts(out, ")\r\n");
	}
	if (r->login.len > 0) {
		buf_puts(out, "\t(Authenticated sender: ");
		put_safe(out, r->login, "()\\");
		buf_puts(out, ")\r\n");
	}
	buf_putc(out, '\t');
	put_by(out, r);
	buf_puts(out, ") with ");
	buf_str(out, r->with);
	buf_puts(out, " id ");
	buf_str(out, r->queue_id);
	if (r->recipient.len > 0 && r->recipient.len <= RECIPIENT_MAX &&
	    (utf8 || !utf8_8bit(r->recipient))) {
		buf_puts(out, "\r\n\tfor <");
		buf_str(out, r->recipient);
		buf_puts(out, ">; ");
	} else {
		buf_puts(out, ";\r\n\t");
	}
	put_date(out, r);
}

void
received_local(const struct received *r, uid_t uid, struct buf *out)
{
	buf_puts(out, "Received: ");
	put_by(out, r);
	buf_printf(out, ", from userid %lu)\r\n\tid ", (unsigned long)uid);
	buf_str(out, r->queue_id);
	buf_puts(out, "; ");
	put_date(out, r);
}

void
received_internal(const struct received *r, struct buf *out)
{
	buf_puts(out, "Received: ");
	put_by(out, r);
	buf_puts(out, ")\r\n\tid ");
	buf_str(out, r->queue_id);
	buf_puts(out, "; ");
	put_date(out, r);
}
