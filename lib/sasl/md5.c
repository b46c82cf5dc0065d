/*
 * md5 - CRAM-MD5 (RFC 2195) and DIGEST-MD5 (RFC 2831)
 *
 * Both are old, but better than the password in the clear. DIGEST-MD5 is done with "auth" alone: no
 * protection of what follows, which TLS gives.
 */
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/sasl/sasl_private.h"

#define CNONCE_BYTES 18
#define COUNT "00000001" /* the first use of the server's nonce; there is no second */

bool
sasl_cram_answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	unsigned char digest[SASL_MD5_SIZE];

	if (!sasl_hmac(SASL_MD5, sasl_password(l), challenge, digest)) {
		buf_puts(why, "OpenSSL did not compute the answer");
		return false;
	}
	buf_str(out, sasl_user(l));
	buf_putc(out, ' ');
	sasl_hex(digest, sizeof(digest), out);
	return true;
}

/* --- The challenge of DIGEST-MD5 ------------------------------------------------------------- */

struct challenge {
	struct buf realm, nonce; /* unquoted */
	bool has_realm, has_nonce, has_algorithm, auth, utf8;
};

static bool
is_separator(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

/* Appends a quoted string that begins at *REST behind its quote. */
static bool
take_quoted(struct str *rest, struct buf *value)
{
	for (size_t i = 0; i < rest->len; i++) {
		char c = rest->data[i];

		if (c == '"') {
			*rest = str_from(*rest, i + 1);
			return true;
		}
		if (c == '\\' && ++i < rest->len)
			c = rest->data[i];
		buf_putc(value, c);
	}
	return false;
}

/* Takes 'name=value' or 'name="value"' off *REST, with commas before it. False at the end; *BAD: not so. */
static bool
take_directive(struct str *rest, struct str *name, struct buf *value, bool *bad)
{
	size_t equals, end = 0;

	while (rest->len > 0 && is_separator(rest->data[0]))
		*rest = str_from(*rest, 1);
	if (rest->len == 0)
		return false;
	equals = str_chr(*rest, '=');
	*name = str_trim(str_sub(*rest, 0, equals));
	buf_reset(value);
	*bad = equals == STR_NPOS || name->len == 0;
	if (*bad)
		return false;
	*rest = str_from(*rest, equals + 1);
	if (rest->len > 0 && rest->data[0] == '"') {
		*rest = str_from(*rest, 1);
		*bad = !take_quoted(rest, value);
		return !*bad;
	}
	while (end < rest->len && !is_separator(rest->data[end]))
		end++;
	buf_str(value, str_sub(*rest, 0, end));
	*rest = str_from(*rest, end);
	return true;
}

/* The part of the login name behind its last "@". */
static struct str
own_realm(const struct sasl_login *l)
{
	size_t at = str_rchr(sasl_user(l), '@');

	return at == STR_NPOS ? STR_EMPTY : str_from(sasl_user(l), at + 1);
}

/* The first realm that is offered, unless the login name has another of them. */
static void
take_realm(const struct sasl_login *l, struct challenge *c, struct str realm)
{
	if (!c->has_realm || (own_realm(l).len > 0 && str_eq_nocase(realm, own_realm(l)))) {
		buf_reset(&c->realm);
		buf_str(&c->realm, realm);
	}
	c->has_realm = true;
}

static bool
has_word(struct str list, struct str word)
{
	struct str item;

	while (str_token(&list, ", \t", &item))
		if (str_eq_nocase(item, word))
			return true;
	return false;
}

static bool
parse_challenge(const struct sasl_login *l, struct str text, struct challenge *c)
{
	bool bad = false, wrong = false, qop = false;
	struct buf value = {0};
	struct str name;

	while (take_directive(&text, &name, &value, &bad)) {
		if (str_eq_nocase(name, STR("realm"))) {
			take_realm(l, c, buf_view(&value));
		} else if (str_eq_nocase(name, STR("nonce"))) {
			wrong = wrong || c->has_nonce || value.len == 0;
			c->has_nonce = true;
			buf_str(&c->nonce, buf_view(&value));
		} else if (str_eq_nocase(name, STR("qop"))) {
			qop = true;
			c->auth = c->auth || has_word(buf_view(&value), STR("auth"));
		} else if (str_eq_nocase(name, STR("algorithm"))) {
			c->has_algorithm = str_eq_nocase(buf_view(&value), STR("md5-sess"));
		} else if (str_eq_nocase(name, STR("charset"))) {
			c->utf8 = str_eq_nocase(buf_view(&value), STR("utf-8"));
		}
	}
	buf_free(&value);
	c->auth = c->auth || !qop;
	return !bad && !wrong && c->has_nonce && c->has_algorithm && c->auth;
}

/* --- The answer ------------------------------------------------------------------------------ */

/*
 * Appends TEXT (UTF-8) in ISO 8859-1 if it can be written so, else as it is: what is hashed, RFC 2831
 * section 2.1.2.1.
 */
static void
latin1(struct str text, struct buf *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x80) {
			buf_putc(out, (char)c);
			continue;
		}
		if (c < 0xc2 || c > 0xc3 || i + 1 == text.len ||
		    ((unsigned char)text.data[i + 1] & 0xc0) != 0x80) {
			buf_truncate(out, before);
			buf_str(out, text);
			return;
		}
		c = (unsigned char)((c & 3) << 6 | ((unsigned char)text.data[++i] & 0x3f));
		buf_putc(out, (char)c);
	}
}

static void
quoted(const char *name, struct str value, struct buf *out)
{
	buf_printf(out, "%s=\"", name);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '"' || value.data[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, value.data[i]);
	}
	buf_putc(out, '"');
}

struct parts {
	struct str user;
	struct buf cnonce, uri;
	struct buf secret; /* HEX(H(A1)) */
};

static bool
hashed_hex(struct str text, struct buf *out)
{
	unsigned char digest[SASL_MD5_SIZE];

	if (!sasl_digest(SASL_MD5, text, digest))
		return false;
	sasl_hex(digest, sizeof(digest), out);
	mem_wipe(digest, sizeof(digest));
	return true;
}

/* HEX(H({user:realm:password}:nonce:cnonce[:authzid])) */
static bool
make_secret(const struct sasl_login *l, const struct challenge *c, struct parts *p)
{
	unsigned char digest[SASL_MD5_SIZE];
	struct buf text = {0};
	bool ok;

	buf_reserve(
	    &text, p->user.len * 2 + sasl_password(l).len + c->realm.len + c->nonce.len + 200);
	latin1(p->user, &text);
	buf_putc(&text, ':');
	latin1(buf_view(&c->realm), &text);
	buf_putc(&text, ':');
	latin1(sasl_password(l), &text);
	ok = sasl_digest(SASL_MD5, buf_view(&text), digest);
	mem_wipe(text.data, text.len);
	buf_reset(&text);
	buf_append(&text, digest, sizeof(digest));
	buf_putc(&text, ':');
	buf_str(&text, buf_view(&c->nonce));
	buf_putc(&text, ':');
	buf_str(&text, buf_view(&p->cnonce));
	if (l->authzid) {
		buf_putc(&text, ':');
		buf_str(&text, sasl_user(l));
	}
	ok = ok && hashed_hex(buf_view(&text), &p->secret);
	mem_wipe(digest, sizeof(digest));
	buf_wipe(&text);
	return ok;
}

/* HEX(H(secret:nonce:count:cnonce:auth:HEX(H(METHOD uri)))) */
static bool
make_response(const struct challenge *c, const struct parts *p, const char *method, struct buf *out)
{
	struct buf text = {0}, second = {0};
	bool ok;

	buf_printf(&second, "%s:", method);
	buf_str(&second, buf_view(&p->uri));
	buf_str(&text, buf_view(&p->secret));
	buf_putc(&text, ':');
	buf_str(&text, buf_view(&c->nonce));
	buf_puts(&text, ":" COUNT ":");
	buf_str(&text, buf_view(&p->cnonce));
	buf_puts(&text, ":auth:");
	ok = hashed_hex(buf_view(&second), &text) && hashed_hex(buf_view(&text), out);
	buf_wipe(&text);
	buf_free(&second);
	return ok;
}

static void
make_parts(const struct sasl_login *l, const struct challenge *c, struct parts *p)
{
	unsigned char cnonce[CNONCE_BYTES];

	p->user = sasl_user(l);
	if (c->has_realm && own_realm(l).len > 0 &&
	    str_eq_nocase(own_realm(l), buf_view(&c->realm)))
		p->user = str_sub(p->user, 0, p->user.len - own_realm(l).len - 1);
	if (l->scram.nonce.len > 0) {
		buf_str(&p->cnonce, buf_view(&l->scram.nonce));
	} else {
		random_bytes(cnonce, sizeof(cnonce));
		base64_encode(str_n(cnonce, sizeof(cnonce)), &p->cnonce);
	}
	buf_printf(&p->uri, "%s/%s", l->service, l->host);
}

static void
write_answer(const struct sasl_login *l, const struct challenge *c, const struct parts *p,
    struct str response, struct buf *out)
{
	if (c->utf8)
		buf_puts(out, "charset=utf-8,");
	quoted("username", p->user, out);
	if (c->has_realm) {
		buf_putc(out, ',');
		quoted("realm", buf_view(&c->realm), out);
	}
	buf_putc(out, ',');
	quoted("nonce", buf_view(&c->nonce), out);
	buf_puts(out, ",nc=" COUNT ",");
	quoted("cnonce", buf_view(&p->cnonce), out);
	buf_putc(out, ',');
	quoted("digest-uri", buf_view(&p->uri), out);
	buf_printf(out, ",response=%.*s,qop=auth", STR_ARG(response));
	if (l->authzid) {
		buf_putc(out, ',');
		quoted("authzid", sasl_user(l), out);
	}
}

static bool
answer_challenge(struct sasl_login *l, struct str text, struct buf *out, struct buf *why)
{
	struct buf response = {0}, rspauth = {0};
	struct challenge c = {0};
	struct parts p = {0};
	bool ok = parse_challenge(l, text, &c);

	if (!ok) {
		buf_puts(why, "the server's challenge is not one of DIGEST-MD5 with \"auth\"");
	} else {
		make_parts(l, &c, &p);
		ok = make_secret(l, &c, &p) && make_response(&c, &p, "AUTHENTICATE", &response) &&
		    make_response(&c, &p, "", &rspauth);
		if (!ok)
			buf_puts(why, "OpenSSL did not compute the answer");
	}
	if (ok) {
		write_answer(l, &c, &p, buf_view(&response), out);
		memcpy(l->rspauth, rspauth.data, sizeof(l->rspauth));
	}
	buf_free(&c.realm);
	buf_free(&c.nonce);
	buf_free(&p.cnonce);
	buf_free(&p.uri);
	buf_wipe(&p.secret);
	buf_free(&response);
	buf_free(&rspauth);
	return ok;
}

bool
sasl_digest_final(struct sasl_login *l, struct str message, struct buf *why)
{
	bool bad = false;
	struct buf value = {0};
	struct str name;

	while (!l->proved && take_directive(&message, &name, &value, &bad))
		l->proved = str_eq_nocase(name, STR("rspauth")) &&
		    value.len == sizeof(l->rspauth) &&
		    sasl_same(value.data, l->rspauth, sizeof(l->rspauth));
	if (!l->proved)
		buf_puts(why, "the server does not know the password: its answer is wrong");
	buf_free(&value);
	return l->proved;
}

bool
sasl_digest_answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	if (l->round == 1)
		return answer_challenge(l, challenge, out, why);
	return sasl_digest_final(l, challenge, why);
}
