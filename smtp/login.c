/*
 * login - see login.h
 *
 * A server that refuses a password is not asked again with the same one for a while: some lock the account.
 * The memory for that is the process's, small, and holds no password. Nor do several sessions try a password
 * at once of which nobody knows yet that it is right.
 */
#include "smtp/login.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/base/siphash.h"
#include "smtp/client.h"

#define REMEMBER_MS 300000

/* --- Refusals that are remembered ----------------------------------------------------------------- */

uint64_t
login_fingerprint(
    struct client *client, const struct server *server, const struct sasl_account *account)
{
	struct buf all = {0};
	uint64_t sum;

	if (!client->logins.ready) {
		random_bytes(client->logins.key, sizeof(client->logins.key));
		fiber_waitq_init(&client->logins.ended);
		client->logins.ready = true;
	}
	/* With its port: behind tunnels one address is many servers. */
	buf_printf(&all, "%.*s:%u", STR_ARG(server->name), server->port);
	buf_putc(&all, '\0');
	buf_str(&all, buf_view(&account->user));
	buf_putc(&all, '\0');
	buf_str(&all, buf_view(&account->password));
	sum = siphash(client->logins.key, all.data, all.len);
	buf_wipe(&all);
	buf_free(&all);
	return sum;
}

static bool
was_refused(const struct logins *l, uint64_t sum)
{
	for (size_t i = 0; i < LOGINS_MAX; i++)
		if (l->refused[i].sum == sum && l->refused[i].until > clock_mono_ms())
			return true;
	return false;
}

static uint64_t *
find_sum(uint64_t *list, uint64_t sum)
{
	for (size_t i = 0; i < LOGINS_MAX; i++)
		if (list[i] == sum)
			return &list[i];
	return NULL;
}

static void
note_refused(struct logins *l, uint64_t sum)
{
	size_t at = l->next_refused++ % LOGINS_MAX;
	uint64_t *proved = find_sum(l->proved, sum);

	l->refused[at].sum = sum;
	l->refused[at].until = clock_mono_ms() + REMEMBER_MS;
	if (proved)
		*proved = 0;
}

static void
note_proved(struct logins *l, uint64_t sum)
{
	if (!find_sum(l->proved, sum))
		l->proved[l->next_proved++ % LOGINS_MAX] = sum;
}

/*
 * A login that has never gone well is tried by one session; others wait for what becomes of it, at most as long as for
 * an answer: five wrong passwords at once would lock some accounts. The place in "tried" to be freed, or NULL.
 */
static uint64_t *
take_turn(struct logins *l, uint64_t sum, int64_t patience_ms)
{
	fiber_deadline deadline = fiber_after(patience_ms);
	uint64_t *place;

	while (!find_sum(l->proved, sum) && find_sum(l->tried, sum))
		if (fiber_wait(&l->ended, deadline) != FIBER_OK)
			return NULL;
	if (find_sum(l->proved, sum) || was_refused(l, sum))
		return NULL;
	place = find_sum(l->tried, 0);
	if (place)
		*place = sum;
	return place;
}

static void
end_turn(struct logins *l, uint64_t *place)
{
	if (!place)
		return;
	*place = 0;
	fiber_wake_all(&l->ended);
}

/* --- The exchange --------------------------------------------------------------------------------- */

struct exchange {
	struct delivery *d;
	struct connection *c;
	struct sasl_login *login;
	struct failure *f;
	struct buf line, why;
};

/* Sends the line, which is a secret, and hears what the server says. */
static bool
send_line(struct exchange *x)
{
	buf_puts(&x->line, "\r\n");
	(void)connection_write(x->c, buf_view(&x->line), x->c->st->hello_ms);
	buf_wipe(&x->line);
	buf_reset(&x->line);
	return connection_flush(x->c, x->c->st->hello_ms) &&
	    connection_hear(x->c, x->c->st->hello_ms);
}

static bool
fail(struct exchange *x, const char *dsn)
{
	if (x->c->broken != STREAM_OK)
		failure_by_loss(x->f, x->d->arena, x->c, "performing SASL authentication");
	else
		failure_local(x->f, x->d->arena, x->c, dsn, "SASL authentication failed: %s",
		    buf_cstr(&x->why));
	return false;
}

/* The server's own words about a refusal. */
static bool
refused(struct exchange *x)
{
	const struct settings *st = x->c->st;
	int code = x->c->reply.code;
	bool hard = code == 535 && !st->auth_soft_bounce;
	/* 454: the server cannot tell now; nothing is wrong with the password. */
	const char *dsn = hard ? "5.7.8" : code < 500 ? "4.7.0" : "4.7.8";
	struct buf said = {0};

	sasl_login_error(x->login, &x->why);
	smtp_reply_join(&x->c->reply, &said);
	failure_local(x->f, x->d->arena, x->c, dsn,
	    "SASL authentication failed; server %.*s said: %s%s%s", STR_ARG(x->c->peer),
	    buf_cstr(&said), x->why.len > 0 ? " " : "", buf_cstr(&x->why));
	x->f->diagnostic = arena_printf(x->d->arena, "smtp; %s", buf_cstr(&said));
	buf_free(&said);
	return false;
}

static struct str
last_line(const struct connection *c)
{
	struct str text = buf_view(&c->reply.text);
	size_t lf = str_rchr(text, '\n');

	return lf == STR_NPOS ? text : str_from(text, lf + 1);
}

/* One mechanism. */
static bool
run(struct exchange *x)
{
	sasl_login_begin(x->login, &x->line);
	if (!send_line(x))
		return fail(x, "4.7.0");
	while (x->c->reply.code == 334) {
		enum sasl_step step = sasl_login_step(x->login, last_line(x->c), &x->line, &x->why);

		if (!send_line(x) || step == SASL_STEP_CANCEL)
			return fail(x, "4.7.0");
	}
	/* RFC 4954 has 235; some servers say 250. */
	if (connection_class(x->c) != 2)
		return refused(x);
	if (!sasl_login_done(x->login, last_line(x->c), &x->why)) {
		x->c->closing = true;
		return fail(x, "4.7.0");
	}
	return true;
}

/* By one mechanism after the other, as far as the server wants another one. */
static bool
run_all(struct exchange *x)
{
	bool ok;

	do
		ok = run(x);
	while (!ok && x->c->broken == STREAM_OK && !x->c->closing &&
	    sasl_login_next(x->login, (unsigned)x->c->reply.code));
	return ok;
}

static bool
log_in(struct exchange *x, const struct server *server, const struct sasl_account *account)
{
	struct client *client = x->d->client;
	struct logins *logins = &client->logins;
	enum sasl_channel channel = !x->c->tls ? SASL_CHANNEL_CLEAR
	    : x->c->tls_verified               ? SASL_CHANNEL_VERIFIED
					       : SASL_CHANNEL_TLS;
	uint64_t sum = login_fingerprint(client, server, account), *place;
	bool ok;

	x->login = sasl_login_new(client->sasl, channel, str_c(x->c->features.auth), server->name,
	    server->port, account, &x->why);
	if (!x->login)
		return fail(x, "4.7.0");
	place = take_turn(logins, sum, x->c->st->hello_ms);
	if (was_refused(logins, sum)) {
		buf_printf(&x->why, "server %.*s has refused this user and password lately",
		    STR_ARG(x->c->peer));
		ok = fail(x, "4.7.8");
	} else {
		ok = run_all(x);
		if (ok)
			note_proved(logins, sum);
		else if (x->c->broken == STREAM_OK && x->c->reply.code == 535)
			note_refused(logins, sum);
	}
	end_turn(logins, place);
	sasl_login_free(&x->login);
	return ok;
}

bool
login_find(struct delivery *d, const struct servers *servers, const struct server *server,
    struct sasl_account *account, bool *wanted, struct failure *f)
{
	struct client *client = d->client;
	enum table_status status;
	struct buf why = {0};

	*wanted = false;
	if (!client->sasl || !sasl_settings_enabled(client->sasl))
		return true;
	status = sasl_passwords_find(
	    client->passwords, d->m->sender, server->name, servers->nexthop, account, &why);
	*wanted = status == TABLE_FOUND;
	if (status == TABLE_ERROR) {
		failure_local(
		    f, d->arena, NULL, "4.3.0", "SASL authentication failed: %s", buf_cstr(&why));
		f->relay = arena_str(d->arena, server->relay);
		f->unreachable = true;
	}
	buf_free(&why);
	return status != TABLE_ERROR;
}

void
login_none(const struct delivery *d, struct connection *c, const struct servers *servers,
    const struct server *server)
{
	const char *prefix = c->st->lmtp ? "lmtp" : "smtp";

	c->named = servers->configured;
	if (!c->named || !(c->features.bits & FEATURE_AUTH))
		return;
	c->login_missing = d->client->sasl && sasl_settings_enabled(d->client->sasl);
	if (!c->login_missing)
		c->no_login = arena_printf(c->arena, "%s_sasl_auth_enable = no", prefix);
	else
		c->no_login = arena_printf(c->arena,
		    "%s_sasl_password_maps has no entry for %.*s, nor for %.*s", prefix,
		    STR_ARG(server->name), STR_ARG(servers->nexthop));
}

bool
login_run(struct delivery *d, struct connection *c, const struct server *server,
    const struct sasl_account *account, struct failure *f)
{
	struct exchange x = {.d = d, .c = c, .f = f};
	bool ok = true;

	if (c->features.bits & FEATURE_AUTH) {
		ok = log_in(&x, server, account);
	} else {
		c->login_missing = true;
		c->no_login = STR("the server does not offer AUTH");
	}
	if (!ok)
		f->unreachable = !f->hard;
	buf_free(&x.line);
	buf_free(&x.why);
	return ok;
}
