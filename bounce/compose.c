/*
 * compose - a delivery status notification: see compose.h
 */
#include "bounce/compose.h"

#include <inttypes.h>

#include "lib/mail/date.h"
#include "lib/mail/dsn.h"
#include "lib/mail/mime.h"
#include "lib/mail/replies.h"
#include "lib/mail/utf8.h"

#define TEXT_WIDTH 78
#define FIELD_WIDTH 900 /* a field's line; RFC 5322 section 2.1.1 allows 998 */

bool
compose_needs_utf8(const struct compose *c)
{
	const struct msg_notice_rcpt *r = c->notice->rcpts.items;

	if (utf8_8bit(c->to))
		return true;
	for (size_t i = 0; i < c->notice->rcpts.count; i++)
		if (utf8_8bit(r[i].address) || utf8_8bit(r[i].orcpt))
			return true;
	return false;
}

/* At most MAX bytes of S, cut between characters. */
static struct str
clip(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.data[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

/* Printable text on one line, at most MAX bytes: control bytes become '?'. */
static void
put_clean(struct buf *out, struct str s, size_t max)
{
	bool valid = utf8_valid(s);

	s = clip(s, max);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		buf_putc(out,
		    c == '\t'                                        ? ' '
			: c < ' ' || c == 127 || (c > 127 && !valid) ? '?'
								     : (char)c);
	}
}

/* Words of S, wrapped, each line with INDENT in front. */
static void
put_wrapped(struct buf *out, struct str s, const char *indent)
{
	struct buf clean = {0};
	struct str rest, word;
	size_t column = 0;

	put_clean(&clean, s, MSG_TEXT_MAX);
	rest = buf_view(&clean);
	while (str_token(&rest, " ", &word)) {
		word = clip(word, FIELD_WIDTH);
		if (column > 0 && column + 1 + word.len > TEXT_WIDTH) {
			buf_puts(out, "\r\n");
			column = 0;
		}
		if (column == 0) {
			buf_puts(out, indent);
			column = str_c(indent).len;
		} else {
			buf_putc(out, ' ');
			column++;
		}
		buf_str(out, word);
		column += word.len;
	}
	buf_puts(out, "\r\n");
	buf_free(&clean);
}

static void
put_field(struct buf *out, const char *name, const char *type, struct str value)
{
	if (value.len == 0)
		return;
	buf_printf(out, "%s: %s", name, type);
	put_clean(out, value, FIELD_WIDTH);
	buf_puts(out, "\r\n");
}

static void
put_date_field(struct buf *out, const char *name, int64_t when)
{
	char date[MAIL_DATE_SIZE];

	mail_date((time_t)when, date);
	buf_printf(out, "%s: %s\r\n", name, date);
}

static const struct notice_text *
text_of(const struct compose *c)
{
	return c->text ? c->text : notice_text((enum notice_kind)c->notice->kind);
}

/* From: of a file's template, with the domain that its address lacks, perhaps. */
static void
put_from(const struct compose *c, struct str from, struct buf *out)
{
	size_t open = str_chr(from, '<');
	size_t begin = open == STR_NPOS ? 0 : open + 1, end = begin;

	while (end < from.len && from.data[end] != ' ' && from.data[end] != '>')
		end++;
	put_clean(out, str_sub(from, 0, end), FIELD_WIDTH);
	if (str_chr(str_sub(from, begin, end - begin), '@') == STR_NPOS)
		put_clean(out, str_from(c->from, str_rchr(c->from, '@')), MSG_ADDRESS_MAX);
	put_clean(out, str_from(from, end), FIELD_WIDTH);
}

/* The message's own header, up to the first boundary. */
static void
put_header(
    const struct compose *c, bool utf8, bool content_8bit, struct str boundary, struct buf *out)
{
	const struct notice_text *text = text_of(c);

	buf_puts(out, "From: ");
	if (text->ready) {
		put_from(c, str_c(text->from), out);
	} else {
		buf_puts(out, "Mail Delivery System <");
		put_clean(out, c->from, MSG_ADDRESS_MAX);
		buf_putc(out, '>');
	}
	buf_puts(out, "\r\nTo: ");
	put_clean(out, c->to, FIELD_WIDTH);
	buf_puts(out, "\r\nSubject: ");
	if (c->subject.len)
		put_clean(out, c->subject, FIELD_WIDTH);
	else
		buf_puts(out, c->postmaster ? text->postmaster_subject : text->subject);
	buf_puts(out, "\r\n");
	put_date_field(out, "Date", c->now);
	buf_puts(out, "Message-Id: ");
	mail_message_id((time_t)c->now, c->queue_id, c->myhostname, out);
	/* RFC 3834 section 5: nobody's auto-responder is to answer this. */
	buf_puts(out,
	    "\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=");
	buf_puts(out, utf8 ? "global-delivery-status" : "delivery-status");
	buf_printf(out, ";\r\n\tboundary=\"%.*s\"\r\n", STR_ARG(boundary));
	buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n", mime_encoding(content_8bit));
	buf_puts(out, "This is a message in several parts (MIME).\r\n\r\n");
}

static void
put_part(
    struct buf *out, struct str boundary, const char *description, const char *type, bool has_8bit)
{
	buf_printf(out, "--%.*s\r\nContent-Description: %s\r\nContent-Type: %s\r\n",
	    STR_ARG(boundary), description, type);
	if (has_8bit)
		buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_puts(out, "\r\n");
}

/* What the reason means and what helps, for well-known ones; NULL otherwise. */
static const struct reply_advice *
advice_of(const struct msg_notice_rcpt *r)
{
	const struct reply_advice *a;

	if (r->status == DELIVERY_SENT)
		return NULL;
	a = reply_advice(r->text, r->dsn);
	return a || r->diagnostic.len == 0 ? a : reply_advice(r->diagnostic, r->dsn);
}

static void
put_advice(const struct reply_advice *a, struct buf *out)
{
	struct buf text = {0};

	buf_printf(&text, "What it means: %s", a->cause);
	buf_puts(out, "\r\n");
	put_wrapped(out, buf_view(&text), "    ");
	buf_reset(&text);
	buf_printf(&text, "What helps: %s", a->remedy);
	put_wrapped(out, buf_view(&text), "    ");
	buf_free(&text);
}

/* Recipients, reasons, and what is known of them. */
static void
put_rcpts(const struct compose *c, struct buf *out)
{
	const struct msg_notice *n = c->notice;
	const struct msg_notice_rcpt *r = n->rcpts.items;
	const struct reply_advice *last = NULL;

	for (size_t i = 0; i < n->rcpts.count; i++) {
		buf_putc(out, '<');
		put_clean(out, r[i].address, FIELD_WIDTH);
		buf_putc(out, '>');
		if (r[i].orig.len > 0 && !str_eq_nocase(r[i].orig, r[i].address)) {
			bool fits = r[i].address.len + r[i].orig.len <= FIELD_WIDTH;

			buf_puts(out, fits ? " (sent to <" : "\r\n    (sent to <");
			put_clean(out, r[i].orig, FIELD_WIDTH);
			buf_puts(out, ">)");
		}
		buf_puts(out, ":\r\n");
		put_wrapped(out, r[i].text, "    ");
		/* Once for recipients that follow each other with the same. */
		const struct reply_advice *advice = advice_of(&r[i]);
		if (advice && advice != last)
			put_advice(advice, out);
		last = advice;
		buf_puts(out, "\r\n");
	}
}

static void
put_postmaster(const struct compose *c, struct buf *out)
{
	buf_puts(out, "This is the mail system at host ");
	put_clean(out, c->myhostname, FIELD_WIDTH);
	buf_puts(out, ", to its postmaster.\r\n\r\nAbout message ");
	put_clean(out, c->notice->id, MSG_ID_MAX);
	buf_puts(out, " from <");
	put_clean(out, c->notice->sender, FIELD_WIDTH);
	buf_puts(out, ">:\r\n\r\n");
}

/*
 * What people read. Its character set is that of the template; what follows of recipients is UTF-8 or
 * ASCII, so it is made ASCII where the template has another one. Postmasters get their copies without the
 * words that are meant for senders.
 */
static const char *
put_text(const struct compose *c, struct buf *out)
{
	const struct notice_text *text = text_of(c);
	bool own = text->ready && !str_eq_nocase(str_c(text->charset), STR("us-ascii")) &&
	    !str_eq_nocase(str_c(text->charset), STR("utf-8"));
	size_t from;

	if (!c->postmaster || c->notice->double_bounce)
		notice_text_put(text, &(struct notice_values){c->myhostname, c->notice->expire_at},
		    "\r\n", out);
	else
		put_postmaster(c, out);
	from = out->len;
	put_rcpts(c, out);
	for (size_t i = from; own && i < out->len; i++)
		if ((unsigned char)out->data[i] > 127)
			out->data[i] = '?';
	return own ? text->charset : utf8_8bit(buf_view(out)) ? "utf-8" : "us-ascii";
}

/* RFC 3464 section 2.2. */
static void
put_message_fields(const struct compose *c, struct buf *out)
{
	const struct msg_notice *n = c->notice;

	put_field(out, "Reporting-MTA", "dns; ", c->myhostname);
	put_field(out, "Original-Envelope-Id", "", n->envid);
	put_field(out, "X-Postkeep-Queue-ID", "", n->id);
	if (n->sender.len > 0)
		put_field(out, "X-Postkeep-Sender", utf8_8bit(n->sender) ? "utf-8; " : "rfc822; ",
		    n->sender);
	put_date_field(out, "Arrival-Date", n->arrival_us / 1000000);
	buf_puts(out, "\r\n");
}

/* RFC 3464 section 2.3. */
static void
put_rcpt_fields(const struct compose *c, const struct msg_notice_rcpt *r, struct buf *out)
{
	const struct msg_notice *n = c->notice;
	/* A status is of the action's class; what a relay said may be of another. A probe ends with 4xx, too. */
	bool later = str_eq(r->action, STR("undeliverable")) && str_starts(r->dsn, STR("4"));
	char class = n->kind == NOTICE_DELAY || later ? '4'
	    : r->status == DELIVERY_SENT              ? '2'
						      : '5';
	struct buf orcpt = {0};

	put_field(
	    out, "Final-Recipient", utf8_8bit(r->address) ? "utf-8; " : "rfc822; ", r->address);
	if (r->orcpt.len > 0) {
		size_t semicolon = str_chr(r->orcpt, ';');

		buf_str(&orcpt, str_sub(r->orcpt, 0, semicolon));
		buf_puts(&orcpt, "; ");
		if (semicolon != STR_NPOS)
			buf_str(&orcpt, str_from(r->orcpt, semicolon + 1));
		put_field(out, "Original-Recipient", "", buf_view(&orcpt));
	}
	buf_free(&orcpt);
	put_field(out, "Action", "",
	    str_starts(r->action, STR("deliverable")) || str_starts(r->action, STR("undeliverable"))
		? (r->status == DELIVERY_SENT ? STR("delivered") : STR("failed"))
		: r->action);
	if (dsn_valid(r->dsn))
		buf_printf(out, "Status: %c%.*s\r\n", class, STR_ARG(str_from(r->dsn, 1)));
	else
		buf_printf(out, "Status: %c.0.0\r\n", class);
	put_field(out, "Remote-MTA", "", r->remote_mta);
	if (r->diagnostic.len > 0)
		put_field(out, "Diagnostic-Code", "", r->diagnostic);
	else
		put_field(out, "Diagnostic-Code", "X-Postkeep; ", r->text);
	if (n->kind == NOTICE_DELAY && n->expire_at > 0)
		put_date_field(out, "Will-Retry-Until", n->expire_at);
	buf_puts(out, "\r\n");
}

/* The last part: the message, or its header. */
static void
put_original(const struct compose *c, bool utf8, struct str boundary, struct buf *out)
{
	bool whole = c->original.len == c->notice->full_size;
	bool has_8bit = utf8_8bit(c->original);
	const char *type = whole ? (utf8 ? "message/global" : "message/rfc822")
				 : (utf8 ? "message/global-headers" : "text/rfc822-headers");

	put_part(
	    out, boundary, whole ? "Undelivered message" : "Header of the message", type, has_8bit);
	buf_str(out, c->original);
	if (!str_ends_nocase(c->original, STR("\r\n")))
		buf_puts(out, "\r\n");
}

/* The parts are made first: what they turn out to be is announced in front of them. */
void
compose_notice(const struct compose *c, struct buf *out)
{
	const struct msg_notice *n = c->notice;
	const struct msg_notice_rcpt *r = n->rcpts.items;
	bool utf8 = compose_needs_utf8(c), text_8bit, report_8bit;
	struct buf boundary = {0}, text = {0}, report = {0}, type = {0};
	const char *charset;
	struct str b;

	charset = put_text(c, &text);
	put_message_fields(c, &report);
	for (size_t i = 0; i < n->rcpts.count; i++)
		put_rcpt_fields(c, &r[i], &report);
	text_8bit = utf8_8bit(buf_view(&text));
	report_8bit = utf8_8bit(buf_view(&report));
	mime_boundary(c->queue_id, c->myhostname, &boundary);
	b = buf_view(&boundary);
	put_header(c, utf8, utf8 || text_8bit || report_8bit || utf8_8bit(c->original), b, out);
	buf_printf(&type, "text/plain; charset=%s", charset);
	put_part(out, b, "Notification", buf_cstr(&type), text_8bit);
	buf_str(out, buf_view(&text));
	put_part(out, b, "Delivery report",
	    utf8 ? "message/global-delivery-status" : "message/delivery-status", report_8bit);
	buf_str(out, buf_view(&report));
	if (c->original.len > 0)
		put_original(c, utf8, b, out);
	buf_printf(out, "\r\n--%.*s--\r\n", STR_ARG(b));
	buf_free(&boundary);
	buf_free(&text);
	buf_free(&report);
	buf_free(&type);
}
