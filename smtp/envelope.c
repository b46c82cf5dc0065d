/*
 * envelope - see envelope.h
 *
 * Addresses were checked when the message was taken; they are looked at again here, as nothing may end a
 * command line before its time.
 */
#include "smtp/envelope.h"

#include <inttypes.h>

#include "lib/intake/outgoing.h"
#include "lib/mail/address.h"
#include "lib/mail/dsn.h"
#include "lib/smtp/command.h"
#include "smtp/client.h"

#define XFORWARD_LINE_MAX 500

static bool
has_8bit(struct str s)
{
	unsigned char any = 0;

	for (size_t i = 0; i < s.len; i++)
		any |= (unsigned char)s.data[i];
	return (any & 0x80) != 0;
}

/* Addresses or header with UTF-8 in them. */
static bool
needs_utf8(const struct delivery *d)
{
	if (!d->m->smtputf8)
		return false;
	if (has_8bit(d->m->sender) || d->m->header_has_8bit)
		return true;
	for (size_t i = 0; i < d->n; i++)
		if (d->targets[i].open && has_8bit(d->targets[i].rcpt->address))
			return true;
	return false;
}

bool
envelope_fit(
    const struct delivery *d, const struct connection *c, struct envelope *e, struct failure *f)
{
	unsigned bits = c->features.bits;
	bool utf8 = needs_utf8(d);

	*e = (struct envelope){.dsn = (bits & FEATURE_DSN) != 0};
	if (utf8 && !(bits & FEATURE_SMTPUTF8)) {
		failure_local(f, d->arena, c, "5.6.7",
		    "SMTPUTF8 is required, but was not offered by host %.*s", STR_ARG(c->peer));
		return false;
	}
	if (c->features.size > 0 && d->m->size > c->features.size) {
		failure_local(f, d->arena, c, "5.3.4",
		    "message size %" PRIu64 " exceeds size limit %" PRIu64 " of server %.*s",
		    d->m->size, c->features.size, STR_ARG(c->peer));
		return false;
	}
	e->utf8 = utf8;
	/* Whoever sent it may have said nothing of 8 bits. */
	e->eight_bit = d->m->body_8bit || utf8 || d->m->header_has_8bit || d->m->body_has_8bit;
	if (e->eight_bit && !(bits & FEATURE_8BITMIME)) {
		e->convert = d->client->rules && outgoing_converts(d->client->rules);
		e->eight_bit = false;
	}
	return true;
}

/* Text as outgoing.h has it: "4.3.0 cause". */
static void
fail_by_rules(const struct delivery *d, struct buf *why, struct failure *f)
{
	struct dsn_split split;

	dsn_split(buf_view(why), &split);
	failure_local(f, d->arena, NULL, "4.3.0", "%.*s", STR_ARG(split.text));
}

/* "<address>", rewritten by smtp_generic_maps, quoted or not as smtp_quote_rfc821_envelope says. */
static bool
put_path(const struct delivery *d, struct str text, struct buf *out, struct failure *f)
{
	const unsigned flags =
	    ADDRESS_NULL_OK | ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL;
	const struct client *client = d->client;
	struct mail_address address;
	struct buf why = {0};
	bool ok = true;

	if ((client->rules || !client->settings.quote) && text.len > 0 &&
	    address_parse(text, flags, d->arena, &address, &why)) {
		ok = !client->rules ||
		    outgoing_address(client->rules, &address, d->arena, &address, &why) ==
			OUTGOING_OK;
		text = client->settings.quote ? address_text(&address, d->arena)
					      : address_internal(&address, d->arena);
	}
	if (!ok)
		fail_by_rules(d, &why, f);
	buf_putc(out, '<');
	buf_str(out, text);
	buf_putc(out, '>');
	buf_free(&why);
	return ok;
}

static bool
is_clean(const struct delivery *d, struct buf *line, bool utf8, const char *dsn, struct failure *f)
{
	if (smtp_command_clean(buf_view(line), utf8))
		return true;
	failure_local(f, d->arena, NULL, dsn, "bad address syntax");
	return false;
}

bool
envelope_mail(const struct delivery *d, const struct connection *c, const struct envelope *e,
    struct buf *out, struct failure *f)
{
	buf_puts(out, "MAIL FROM:");
	if (!put_path(d, d->m->sender, out, f))
		return false;
	/* What is converted comes out longer, and more than was announced is no server's duty (RFC 1870). */
	if ((c->features.bits & FEATURE_SIZE) && !e->convert)
		buf_printf(out, " SIZE=%" PRIu64, d->m->size);
	if (e->eight_bit)
		buf_puts(out, " BODY=8BITMIME");
	if (e->utf8)
		buf_puts(out, " SMTPUTF8");
	if (d->client->settings.dummy_auth && c->logged_in)
		buf_puts(out, " AUTH=<>");
	if (e->dsn && d->m->ret != DSN_RET_NONE)
		buf_printf(out, " RET=%s", d->m->ret == DSN_RET_FULL ? "FULL" : "HDRS");
	if (e->dsn && d->m->envid.len > 0) {
		buf_puts(out, " ENVID=");
		dsn_xtext_encode(d->m->envid, out);
	}
	return is_clean(d, out, e->utf8, "5.1.7", f);
}

static void
put_dsn(const struct envelope *e, const struct msg_deliver_rcpt *rcpt, struct buf *out)
{
	struct buf made = {0};

	if (rcpt->notify != 0) {
		buf_puts(out, " NOTIFY=");
		dsn_notify_write((unsigned)rcpt->notify, out);
	}
	/* RFC 3461 section 5.2.1: who got none may give the address that the sender used. */
	if (rcpt->orcpt.len == 0 && rcpt->orig.len > 0 && !has_8bit(rcpt->orig)) {
		buf_puts(&made, "rfc822;");
		buf_str(&made, rcpt->orig);
	} else {
		buf_str(&made, rcpt->orcpt);
	}
	if (made.len > 0) {
		buf_puts(out, " ORCPT=");
		dsn_orcpt_encode(buf_view(&made), e->utf8, out);
	}
	buf_free(&made);
}

bool
envelope_rcpt(const struct delivery *d, const struct envelope *e,
    const struct msg_deliver_rcpt *rcpt, struct buf *out, struct failure *f)
{
	buf_puts(out, "RCPT TO:");
	if (!put_path(d, rcpt->address, out, f))
		return false;
	if (e->dsn)
		put_dsn(e, rcpt, out);
	return is_clean(d, out, e->utf8, "5.1.3", f);
}

/* --- XFORWARD ------------------------------------------------------------------------------------- */

static struct str
attribute(const struct msg_deliver *m, const char *name)
{
	const struct msg_attr *attrs = m->attrs.items;

	for (size_t i = 0; i < m->attrs.count; i++)
		if (str_eq(attrs[i].name, str_c(name)))
			return attrs[i].value;
	return STR_EMPTY;
}

bool
envelope_xforward(const struct delivery *d, const struct connection *c, struct buf *out)
{
	static const char *const sources[XFORWARDS][2] = {
	    [XFORWARD_NAME] = {"log_client_name", "client_name"},
	    [XFORWARD_ADDR] = {"log_client_address", "client_address"},
	    [XFORWARD_PORT] = {"log_client_port", "client_port"},
	    [XFORWARD_PROTO] = {"log_protocol_name", "protocol_name"},
	    [XFORWARD_HELO] = {"log_helo_name", "helo_name"},
	    [XFORWARD_IDENT] = {"log_ident", "log_ident"},
	};
	bool remote = attribute(d->m, "client_address").len > 0;

	if (!d->client->settings.xforward || !(c->features.bits & FEATURE_XFORWARD))
		return false;
	buf_puts(out, "XFORWARD");
	for (size_t i = 0; i < XFORWARDS; i++) {
		struct str value = STR_EMPTY;

		if (!(c->features.xforward & 1U << i))
			continue;
		for (size_t k = 0; k < 2 && sources[i][k] && value.len == 0; k++)
			value = attribute(d->m, sources[i][k]);
		if (i == XFORWARD_SOURCE)
			value = remote ? STR("REMOTE") : STR("LOCAL");
		else if (i == XFORWARD_IDENT && value.len == 0)
			value = d->m->id;
		if (value.len == 0)
			value = STR("[UNAVAILABLE]");
		/* What is longer than any name serves nobody. */
		buf_printf(out, " %s=", xforward_names[i]);
		dsn_xtext_encode(str_sub(value, 0, XFORWARD_LINE_MAX / 2), out);
	}
	return out->len > 8;
}
