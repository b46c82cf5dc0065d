/*
 * login - one login at a server: choice of the mechanism, and the lines of the dialogue
 *
 * The server's lines are hostile; the account is the administrator's. A mechanism sees challenges decoded
 * and answers with bytes; base64, bounds and "*" are done here.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/sasl/sasl_private.h"
#include "lib/sasl/settings_private.h"

/* RFC 4954 section 4: the AUTH command is a command like others, 512 bytes with CRLF. */
#define COMMAND_MAX 510
/* More mechanisms than anybody offers are not looked at. */
#define OFFERED_MAX 64

#define SCRAM_PROPERTIES (SASL_NOPLAINTEXT | SASL_NOACTIVE | SASL_NOANONYMOUS | SASL_MUTUAL_AUTH)

#define SCRAM(NAME, DIGEST)                                                                        \
	{                                                                                          \
		.name = NAME, .properties = SCRAM_PROPERTIES, .digest = DIGEST,                    \
		.has_digest = true, .has_first = true, .prepared = true, .rounds = 2,              \
		.first = sasl_scram_first, .answer = sasl_scram_answer, .final = sasl_scram_final  \
	}

const struct sasl_mechanism sasl_mechanisms[] = {
    SCRAM("SCRAM-SHA-512", SASL_SHA512),
    SCRAM("SCRAM-SHA-256", SASL_SHA256),
    SCRAM("SCRAM-SHA-1", SASL_SHA1),
    {
	.name = "DIGEST-MD5",
	.properties = SASL_NOPLAINTEXT | SASL_NOANONYMOUS | SASL_MUTUAL_AUTH,
	.digest = SASL_MD5,
	.has_digest = true,
	.rounds = 2,
	.answer = sasl_digest_answer,
	.final = sasl_digest_final,
    },
    {
	.name = "CRAM-MD5",
	.properties = SASL_NOPLAINTEXT | SASL_NOANONYMOUS,
	.digest = SASL_MD5,
	.has_digest = true,
	.rounds = 1,
	.answer = sasl_cram_answer,
    },
    {
	.name = "PLAIN",
	.properties = SASL_NOANONYMOUS,
	.has_first = true,
	.deaf = true,
	.first = sasl_plain_first,
    },
    {
	.name = "LOGIN",
	.properties = SASL_NOANONYMOUS,
	.deaf = true,
	.rounds = 2,
	.answer = sasl_login_answer,
    },
    {
	.name = "OAUTHBEARER",
	.properties = SASL_NOANONYMOUS,
	.has_first = true,
	.rounds = 1,
	.first = sasl_oauthbearer_first,
	.answer = sasl_oauthbearer_answer,
    },
    {
	.name = "XOAUTH2",
	.properties = SASL_NOANONYMOUS,
	.has_first = true,
	.rounds = 1,
	.first = sasl_xoauth2_first,
	.answer = sasl_xoauth2_answer,
    },
    {NULL},
};

struct str
sasl_user(const struct sasl_login *l)
{
	return buf_view(&l->account.user);
}

struct str
sasl_password(const struct sasl_login *l)
{
	return buf_view(&l->account.password);
}

void
sasl_account_clear(struct sasl_account *a)
{
	buf_wipe(&a->user);
	buf_wipe(&a->password);
}

/* --- Choice ---------------------------------------------------------------------------------- */

static bool
is_offered(struct str offered, const char *name)
{
	struct str item;

	for (size_t n = 0; n < OFFERED_MAX && str_token(&offered, " \t", &item); n++)
		if (str_eq_nocase(item, str_c(name)))
			return true;
	return false;
}

/* What stood in the way of the mechanisms that were left out. */
struct obstacles {
	bool offered; /* something that is known here was offered at all */
	bool filter, options, digest;
	unsigned lacking; /* properties that were demanded in vain */
};

/* A name that cannot be prepared is for people to mend: nothing weaker is taken instead. */
static bool
prepare(struct sasl_login *l, const struct sasl_mechanism *m, struct buf *why)
{
	struct buf wrong = {0};
	bool ok = l->scram.user.len > 0 ||
	    (saslprep(sasl_user(l), "login name", &l->scram.user, &wrong) &&
		saslprep(sasl_password(l), "password", &l->scram.password, &wrong));

	if (!ok)
		buf_printf(why, "%s: %s", m->name, buf_cstr(&wrong));
	buf_free(&wrong);
	return ok;
}

/* False with WHY when the filter has no answer, or the account is not for a mechanism that is left. */
static bool
choose(struct sasl_login *l, const struct sasl_settings *s, unsigned demanded, struct str offered,
    struct obstacles *o, struct buf *why)
{
	for (const struct sasl_mechanism *m = sasl_mechanisms; m->name; m++) {
		enum table_status status;

		if (!is_offered(offered, m->name))
			continue;
		o->offered = true;
		status = sasl_settings_filter(s, str_c(m->name), why);
		if (status == TABLE_ERROR)
			return false;
		if (status == TABLE_NOT_FOUND) {
			o->filter = true;
		} else if ((m->properties & demanded) != demanded) {
			o->options = true;
			o->lacking |= demanded & ~m->properties;
		} else if (m->has_digest && !sasl_digest_there(m->digest)) {
			o->digest = true;
		} else if (m->prepared && !prepare(l, m, why)) {
			return false;
		} else {
			l->left[l->n_left++] = m;
		}
	}
	return true;
}

/* TEXT, printable and bounded: it is the server's. */
static void
put_offered(struct str text, struct buf *why)
{
	text = str_sub(text, 0, 200);
	for (size_t i = 0; i < text.len; i++)
		buf_putc(why, text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?');
}

static void
explain(const struct sasl_settings *s, enum sasl_channel channel, struct str offered,
    const struct obstacles *o, struct buf *why)
{
	buf_puts(why, "no mechanism available: the server offers \"");
	put_offered(offered, why);
	buf_puts(why, "\"");
	if (!o->offered)
		buf_puts(why, ", of which none is known here");
	if (o->options) {
		buf_printf(why, ", and %s = ", sasl_settings_options_name(s, channel));
		sasl_settings_put_options(s, channel, why);
		buf_puts(why, " leaves none of that");
		if (o->lacking & SASL_NOPLAINTEXT)
			buf_printf(why, " (without noplaintext it would be allowed%s)",
			    channel == SASL_CHANNEL_CLEAR ? ", for everybody on the way to see"
							  : ": TLS hides the password");
	}
	if (o->filter)
		buf_printf(why, "%s %s lets none of %s through", o->options ? ";" : ", and",
		    sasl_settings_filter_name(s), o->options ? "the others" : "them");
	if (o->digest)
		buf_puts(why, "; this OpenSSL has not the digest for the rest");
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f)
			return true;
	return false;
}

struct sasl_login *
sasl_login_new(const struct sasl_settings *s, enum sasl_channel channel, struct str offered,
    struct str host, unsigned port, const struct sasl_account *account, struct buf *why)
{
	struct obstacles o = {0};
	struct sasl_login *l;
	unsigned demanded;
	bool asked;

	if (!sasl_settings_options(s, channel, &demanded, why))
		return NULL;
	if (has_control(buf_view(&account->user)) || has_control(buf_view(&account->password))) {
		buf_puts(why, "the login name or the password has a control character");
		return NULL;
	}
	l = MEM_NEW(struct sasl_login);
	l->service = mem_strdup(sasl_settings_service(s));
	l->authzid = sasl_settings_authzid(s);
	l->host = str_dup(host);
	l->port = port;
	buf_reserve(&l->account.user, account->user.len + 1);
	buf_str(&l->account.user, buf_view(&account->user));
	buf_reserve(&l->account.password, account->password.len + 1);
	buf_str(&l->account.password, buf_view(&account->password));
	asked = choose(l, s, demanded, offered, &o, why);
	if (asked && l->n_left == 0)
		explain(s, channel, offered, &o, why);
	if (!asked || l->n_left == 0) {
		sasl_login_free(&l);
		return NULL;
	}
	l->mechanism = l->left[0];
	return l;
}

void
sasl_login_free(struct sasl_login **l)
{
	if (!*l)
		return;
	sasl_account_clear(&(*l)->account);
	buf_wipe(&(*l)->scram.user);
	buf_wipe(&(*l)->scram.password);
	buf_wipe(&(*l)->scram.nonce);
	buf_wipe(&(*l)->scram.bare);
	buf_free(&(*l)->error);
	free((*l)->service);
	free((*l)->host);
	mem_wipe(*l, sizeof(**l));
	free(*l);
	*l = NULL;
}

struct str
sasl_login_mechanism(const struct sasl_login *l)
{
	return str_c(l->mechanism->name);
}

/* --- The dialogue ---------------------------------------------------------------------------- */

/* Room for whatever is made of name, password and challenge, so that no secret is left behind by growing. */
static size_t
room_for(const struct sasl_login *l, size_t challenge)
{
	return 3 * sasl_user(l).len + sasl_password(l).len + strlen(l->host) + 4 * challenge + 1024;
}

static void
put_encoded(struct str bytes, struct buf *line)
{
	buf_reserve(line, bytes.len / 3 * 4 + 8);
	base64_encode(bytes, line);
}

static enum sasl_step
cancel(struct sasl_login *l, struct buf *line)
{
	l->canceled = true;
	buf_puts(line, "*");
	return SASL_STEP_CANCEL;
}

void
sasl_login_begin(struct sasl_login *l, struct buf *line)
{
	struct buf bytes = {0}, why = {0};
	size_t length = strlen("AUTH ") + strlen(l->mechanism->name) + 1;

	l->round = 0;
	l->canceled = l->proved = false;
	l->first_pending = l->mechanism->has_first;
	buf_printf(line, "AUTH %s", l->mechanism->name);
	if (!l->mechanism->has_first)
		return;
	buf_reserve(&bytes, room_for(l, 0));
	if (l->mechanism->first(l, &bytes, &why) &&
	    length + (bytes.len + 2) / 3 * 4 <= COMMAND_MAX) {
		buf_reserve(line, COMMAND_MAX);
		buf_putc(line, ' ');
		if (bytes.len == 0)
			buf_putc(line, '=');
		put_encoded(buf_view(&bytes), line);
		l->first_pending = false;
	}
	buf_wipe(&bytes);
	buf_free(&why);
}

/* Decodes TEXT, unless the mechanism does not listen. */
static bool
decode(const struct sasl_login *l, struct str text, struct buf *challenge, struct buf *why)
{
	if (text.len > SASL_LINE_MAX) {
		buf_printf(why, "the server's challenge has more than %d bytes", SASL_LINE_MAX);
		return false;
	}
	if (l->mechanism->deaf || l->first_pending || base64_decode(str_trim(text), challenge))
		return true;
	buf_puts(why, "the server's challenge is not in base64");
	return false;
}

static bool
answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	if (l->first_pending) {
		l->first_pending = false;
		return l->mechanism->first(l, out, why);
	}
	if (l->round >= l->mechanism->rounds) {
		buf_puts(why, "the server asks again after everything was said");
		return false;
	}
	l->round++;
	return l->mechanism->answer(l, challenge, out, why);
}

enum sasl_step
sasl_login_step(struct sasl_login *l, struct str text, struct buf *line, struct buf *why)
{
	struct buf challenge = {0}, bytes = {0};
	bool ok = !l->canceled && decode(l, text, &challenge, why);

	if (ok) {
		buf_reserve(&bytes, room_for(l, challenge.len));
		ok = answer(l, buf_view(&challenge), &bytes, why);
	}
	if (ok)
		put_encoded(buf_view(&bytes), line);
	buf_wipe(&bytes);
	buf_free(&challenge);
	return ok ? SASL_STEP_ANSWER : cancel(l, line);
}

/* Some servers send the proof in base64 with the 235, instead of before it. */
static void
look_for_proof(struct sasl_login *l, struct str text)
{
	struct buf bytes = {0}, why = {0};
	struct str item;

	text = str_sub(text, 0, SASL_LINE_MAX);
	while (!l->proved && str_token(&text, " ", &item)) {
		buf_reset(&bytes);
		if (base64_decode(item, &bytes))
			l->mechanism->final(l, buf_view(&bytes), &why);
		buf_reset(&why);
	}
	buf_free(&bytes);
	buf_free(&why);
}

bool
sasl_login_done(struct sasl_login *l, struct str text, struct buf *why)
{
	if (l->canceled) {
		buf_puts(why, "the server says yes to a login that was canceled");
		return false;
	}
	if (!l->mechanism->final || l->proved)
		return true;
	if (l->round == 1)
		look_for_proof(l, text);
	if (!l->proved)
		buf_printf(why, "the server says yes without the proof that %s asks of it",
		    l->mechanism->name);
	return l->proved;
}

void
sasl_login_error(const struct sasl_login *l, struct buf *why)
{
	buf_str(why, buf_view(&l->error));
}

bool
sasl_login_next(struct sasl_login *l, unsigned code)
{
	if ((code != 504 && code != 534 && code != 538) || l->next + 1 >= l->n_left)
		return false;
	l->mechanism = l->left[++l->next];
	buf_reset(&l->error);
	buf_wipe(&l->scram.nonce);
	return true;
}
