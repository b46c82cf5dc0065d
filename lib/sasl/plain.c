/*
 * plain - mechanisms that show the secret to the server: PLAIN (RFC 4616), LOGIN, XOAUTH2, OAUTHBEARER
 * (RFC 7628)
 *
 * LOGIN has no standard: the server asks twice, in whatever words, and wants the name and the password. Both
 * mechanisms send what stands in the table, to the byte: to prepare it (SASLprep) is the server's part (RFC 4616
 * section 2), and many servers compare bytes.
 */
#include "lib/base/mem.h"
#include "lib/sasl/sasl_private.h"

/* How much of a server's error is kept. */
#define ERROR_MAX 500

bool
sasl_plain_first(struct sasl_login *l, struct buf *out, struct buf *why)
{
	(void)why;
	if (l->authzid)
		buf_str(out, sasl_user(l));
	buf_putc(out, '\0');
	buf_str(out, sasl_user(l));
	buf_putc(out, '\0');
	buf_str(out, sasl_password(l));
	return true;
}

bool
sasl_login_answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	(void)challenge, (void)why;
	buf_str(out, l->round == 1 ? sasl_user(l) : sasl_password(l));
	return true;
}

/* --- Tokens ---------------------------------------------------------------------------------- */

bool
sasl_xoauth2_first(struct sasl_login *l, struct buf *out, struct buf *why)
{
	(void)why;
	buf_puts(out, "user=");
	buf_str(out, sasl_user(l));
	buf_puts(out, "\001auth=Bearer ");
	buf_str(out, sasl_password(l));
	buf_puts(out, "\001\001");
	return true;
}

void
sasl_escaped_name(struct str name, struct buf *out)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '=')
			buf_puts(out, "=3D");
		else if (name.data[i] == ',')
			buf_puts(out, "=2C");
		else
			buf_putc(out, name.data[i]);
	}
}

bool
sasl_oauthbearer_first(struct sasl_login *l, struct buf *out, struct buf *why)
{
	(void)why;
	buf_puts(out, "n,a=");
	sasl_escaped_name(sasl_user(l), out);
	buf_printf(out, ",\001host=%s\001port=%u\001auth=Bearer ", l->host, l->port);
	buf_str(out, sasl_password(l));
	buf_puts(out, "\001\001");
	return true;
}

/* A challenge to a token is the server's error, in JSON: it is told to people as it is. */
static void
keep_error(struct sasl_login *l, struct str challenge)
{
	buf_reset(&l->error);
	for (size_t i = 0; i < challenge.len && i < ERROR_MAX; i++) {
		char c = challenge.data[i];

		buf_putc(&l->error, c >= ' ' && c <= '~' ? c : '?');
	}
}

bool
sasl_xoauth2_answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	(void)out, (void)why;
	keep_error(l, challenge);
	return true;
}

/* RFC 7628 section 3.2.3: a dummy response of one byte. */
bool
sasl_oauthbearer_answer(
    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	(void)why;
	keep_error(l, challenge);
	buf_putc(out, '\001');
	return true;
}
