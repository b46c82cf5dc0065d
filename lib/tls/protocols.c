/*
 * protocols - which versions of TLS, and which ciphers, as main.cf and policy maps write them
 *
 * Versions: names that are allowed ("TLSv1.2 TLSv1.3"), or that are not ("!TLSv1"), or bounds
 * (">=TLSv1.2", "<=0303"), in one list. A name of OpenSSL's future versions is not guessed at.
 */
#include <openssl/err.h>
#include <string.h>

#include "lib/conf/params.h"
#include "lib/tls/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SEPARATORS " \t\r\n,:"
#define HIGHEST VERSION_TLS13
/* Beside the versions' bits: something was named, be it the version of which nothing is left. */
#define INCLUDED 0x100u

static const struct {
	const char *name;
	int number; /* on the wire; OpenSSL's too */
	uint64_t no;
} versions[] = {
    {"SSLv2", 0, 0}, /* of which nothing is left */
    {"SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3},
    {"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
    {"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
};

/* "0303" or "303": a version by its number. 0 if it is none. */
static int
hexadecimal(struct str s)
{
	int value = 0;

	if (s.len < 3 || s.len > 4)
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		const char *digits = "0123456789abcdef", *at;
		char c = s.data[i] >= 'A' && s.data[i] <= 'F' ? (char)(s.data[i] + 32) : s.data[i];

		at = c ? strchr(digits, c) : NULL;
		if (!at)
			return 0;
		value = value * 16 + (int)(at - digits);
	}
	return value;
}

static bool
version_of(struct str name, uint8_t *version)
{
	int number = hexadecimal(name);

	if (str_eq_nocase(name, STR("TLSv1.0")))
		name = STR("TLSv1");
	for (uint8_t i = 0; i < COUNT(versions); i++)
		if (str_eq_nocase(name, str_c(versions[i].name)) ||
		    (number != 0 && number == versions[i].number)) {
			*version = i;
			return true;
		}
	return false;
}

static uint8_t
bit(uint8_t version)
{
	return version == 0 ? 0 : (uint8_t)(1u << version);
}

/* One item of the list; INCLUDED gathers what is named without a sign. */
static bool
take_item(struct str item, struct tls_versions *v, unsigned *included, struct buf *why)
{
	struct str name = item;
	uint8_t version;

	if (str_starts(item, STR(">=")) || str_starts(item, STR("<=")))
		name = str_from(item, 2);
	else if (item.data[0] == '!')
		name = str_from(item, 1);
	if (!version_of(name, &version)) {
		buf_printf(why,
		    "\"%.*s\" is no version of TLS; write for example \">=TLSv1.2\" or \"!TLSv1\"",
		    STR_ARG(item));
		return false;
	}
	if (item.data[0] == '>')
		v->min = version;
	else if (item.data[0] == '<')
		v->max = version;
	else if (item.data[0] == '!')
		v->excluded |= bit(version);
	else
		*included |= bit(version) | INCLUDED;
	return true;
}

static bool
anything_left(const struct tls_versions *v)
{
	for (uint8_t i = VERSION_SSL3; i <= HIGHEST; i++)
		if (!(v->excluded & bit(i)) && i >= v->min && (v->max == 0 || i <= v->max))
			return true;
	return false;
}

bool
tls_versions_parse(struct str list, struct tls_versions *v, struct buf *why)
{
	struct str rest = list, item;
	unsigned included = 0;

	*v = (struct tls_versions){0};
	while (str_token(&rest, SEPARATORS, &item))
		if (!take_item(item, v, &included, why))
			return false;
	if (included != 0)
		v->excluded |= (uint8_t)~included;
	if (anything_left(v))
		return true;
	buf_printf(why, "\"%.*s\" leaves no version of TLS", STR_ARG(list));
	return false;
}

void
tls_versions_apply(SSL *ssl, const struct tls_policy *p)
{
	uint64_t no = 0, all = 0;

	/* 0 is the lowest, or highest, version that the library has, whatever its own settings say. */
	SSL_set_min_proto_version(ssl, versions[p->tls_min].number);
	SSL_set_max_proto_version(ssl, versions[p->tls_max].number);
	for (uint8_t i = VERSION_SSL3; i <= HIGHEST; i++) {
		all |= versions[i].no;
		if (p->tls_excluded & bit(i))
			no |= versions[i].no;
	}
	SSL_clear_options(ssl, all);
	SSL_set_options(ssl, no);
}

/* --- Ciphers ------------------------------------------------------------------------------------ */

static bool
grade_param(struct str grade, enum param *p)
{
	/* The two lowest are no weaker than medium any more. */
	if (str_eq_nocase(grade, STR("export")) || str_eq_nocase(grade, STR("low")) ||
	    str_eq_nocase(grade, STR("medium")))
		*p = P_tls_medium_cipherlist;
	else if (str_eq_nocase(grade, STR("high")))
		*p = P_tls_high_cipherlist;
	else if (str_eq_nocase(grade, STR("null")))
		*p = P_tls_null_cipherlist;
	else
		return false;
	return true;
}

/* Adds ":!NAME" for each of LIST. A sign in front of a name would say something else. */
static bool
add_excluded(struct str list, struct buf *out, struct buf *why)
{
	struct str item;

	while (str_token(&list, SEPARATORS, &item)) {
		if (strchr("!-+@", item.data[0])) {
			buf_printf(why,
			    "\"%.*s\" in a list of excluded ciphers: write the name alone",
			    STR_ARG(item));
			return false;
		}
		buf_printf(out, ":!%.*s", STR_ARG(item));
	}
	return true;
}

/* Does OpenSSL understand it, and know at least one of the ciphers? */
static bool
try_list(const struct tls_client *c, struct str grade, struct buf *list, struct buf *why)
{
	SSL *ssl = SSL_new(c->ctx);
	bool ok = ssl && SSL_set_cipher_list(ssl, buf_cstr(list)) == 1;

	if (!ok)
		buf_printf(why, "of the grade \"%.*s\" no cipher is left", STR_ARG(grade));
	SSL_free(ssl);
	ERR_clear_error();
	return ok;
}

bool
tls_cipher_list(const struct tls_client *c, struct str grade, enum tls_level level,
    const struct str *exclude, size_t n, struct buf *list, struct buf *why, size_t *at)
{
	enum param p;

	*at = n;
	if (!grade_param(grade, &p)) {
		buf_printf(why, "\"%.*s\" is no grade of ciphers; there are medium, high and null",
		    STR_ARG(grade));
		return false;
	}
	buf_str(list, conf_str(c->conf, p));
	for (size_t i = 0; i < n; i++)
		if (!add_excluded(exclude[i], list, why)) {
			*at = i;
			return false;
		}
	if (level == TLS_ENCRYPT)
		buf_puts(list, ":!eNULL");
	else if (tls_level_authenticates(level))
		buf_puts(list, ":!aNULL");
	if (try_list(c, grade, list, why))
		return true;
	for (size_t i = 0; i < n; i++)
		if (str_trim(exclude[i]).len > 0)
			*at = i;
	return false;
}
