/*
 * open - see open.h
 */
#include "smtp/open.h"

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/siphash.h"
#include "smtp/client.h"
#include "smtp/login.h"

struct opening {
	struct delivery *d;
	const struct servers *servers;
	const struct server *server;
	const struct tls_policy *policy;
	struct tlsrpt *rpt;
	const struct sasl_account *account; /* NULL: none */
	struct failure *f;
	bool clear; /* without TLS, whatever the server offers */
};

static bool
wants_tls(const struct opening *o)
{
	return o->policy->level != TLS_NONE && !o->clear;
}

/* In Postfix's words, which status filters look for. */
static void
require_tls(struct opening *o, struct connection *c)
{
	struct buf said = {0};

	if (c->features.bits & FEATURE_STARTTLS) {
		smtp_reply_join(&c->reply, &said);
		failure_local(o->f, o->d->arena, c, "4.7.5",
		    "TLS is required, but host %.*s refused to start TLS: %s", STR_ARG(c->peer),
		    buf_cstr(&said));
	} else {
		failure_local(o->f, o->d->arena, c, "4.7.4",
		    "TLS is required, but was not offered by host %.*s", STR_ARG(c->peer));
	}
	buf_free(&said);
}

static enum secure_result
no_tls(struct opening *o, struct connection *c)
{
	struct str reason = c->features.bits & FEATURE_STARTTLS
	    ? arena_printf(o->d->arena, "STARTTLS was refused with code %u", c->reply.code)
	    : STR("STARTTLS was not offered");

	tlsrpt_failed(o->rpt, "starttls-not-supported", reason);
	if (!tls_level_mandatory(o->policy->level))
		return SECURE_OK;
	require_tls(o, c);
	o->f->unreachable = true;
	o->rpt->feature = TLS_FEATURE_FAILED;
	return SECURE_FAILED;
}

/* Has the server gone, or fallen silent? */
static bool
was_left(const struct connection *c)
{
	return c->broken != STREAM_OK && c->broken != STREAM_CANCELED;
}

static enum secure_result
start_tls(struct opening *o, struct connection *c)
{
	const struct settings *st = c->st;
	enum secure_result result;

	if (!(c->features.bits & FEATURE_STARTTLS))
		return no_tls(o, c);
	if (!connection_ask(c, st->starttls_ms, "STARTTLS")) {
		failure_by_loss(o->f, o->d->arena, c, "sending STARTTLS");
		tlsrpt_failed(o->rpt, "validation-failure", o->f->text);
		o->f->unreachable = true;
		return secure_given_up(o->policy, o->rpt);
	}
	if (connection_class(c) != 2)
		return no_tls(o, c);
	result = secure_start(o->d, c, o->servers, o->server, o->policy, o->rpt, o->f);
	if (result != SECURE_OK)
		return result;
	/* What was said in clear does not count any more (RFC 3207 section 4.2). */
	if (connection_hello(c, o->d->arena, o->f))
		return SECURE_OK;
	o->f->unreachable = !o->f->hard;
	/*
	 * With TLS 1.3 the client is done before the server has looked at the client's side of it: one that
	 * wants a certificate, say, goes now.
	 */
	return was_left(c) ? secure_given_up(o->policy, o->rpt) : SECURE_FAILED;
}

/* Port 25 is the one that networks block, without a word. */
static void
note_port25(struct client *client, const struct server *server, bool connected, int error)
{
	static const uint64_t key[2] = {0, 0};

	if (server->port != 25)
		return;
	if (connected)
		port25_connected(&client->port25);
	else if ((error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH ||
		     error == EACCES || error == EPERM) &&
	    port25_silent(&client->port25, siphash(key, server->address.data, server->address.len),
		clock_mono_ms()))
		log_warning(
		    "no server has answered on port 25 for %d minutes, at %d hosts or more: "
		    "this network may block it; a relay on port 587 or 465 (relayhost) is "
		    "the way out",
		    PORT25_MS / 60000, PORT25_HOSTS);
}

/* What tables say of the server's address. False: one does not answer. */
static bool
look_up_server(struct opening *o, struct connection *c)
{
	const struct client *client = o->d->client;
	int64_t age = (clock_wall_us() - o->d->m->arrival_us) / 1000000;
	struct buf words = {0}, why = {0};
	enum table_status found =
	    table_maps_lookup(&client->discard_maps, o->server->address, true, &words, &why);

	if (found == TABLE_FOUND && !features_words(buf_view(&words), &c->discard, &why))
		found = TABLE_ERROR;
	buf_reset(&words);
	if (found != TABLE_ERROR)
		found =
		    table_maps_lookup(&client->pix_maps, o->server->address, true, &words, &why);
	if (found == TABLE_FOUND)
		c->pix_words = arena_str(c->arena, buf_view(&words));
	/* A message that has just come is not held up: most such firewalls pass most mail. */
	c->pix_delay = age >= client->settings.pix_threshold;
	if (found == TABLE_ERROR)
		failure_local(o->f, o->d->arena, c, "4.3.0", "%s", buf_cstr(&why));
	buf_free(&words);
	buf_free(&why);
	return found != TABLE_ERROR;
}

/* In Postfix's words: an administrator looks for them, to see where TLS could be asked for. */
static void
note_offer(const struct opening *o, const struct connection *c)
{
	if (c->st->note_starttls && o->policy->level == TLS_NONE &&
	    (c->features.bits & FEATURE_STARTTLS))
		log_info("Host offered STARTTLS: [%.*s]", STR_ARG(o->server->name));
}

static void
note_pix(const struct opening *o, const struct connection *c)
{
	struct str rest = c->pix_words, word;
	struct buf words = {0};

	while (c->pix && conf_list_next(&rest, &word))
		if (c->pix_delay || !str_eq_nocase(word, STR("delay_dotcrlf")))
			buf_printf(&words, " %.*s", STR_ARG(word));
	if (words.len > 0)
		log_info("%.*s: enabling PIX workarounds:%s for %.*s", STR_ARG(o->d->m->id),
		    buf_cstr(&words), STR_ARG(c->relay));
	buf_free(&words);
}

/* Is it this machine that lacks something, and not the server? */
static bool
is_our_own(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* A connection as far as it goes in one try. *C is NULL when there is none. */
static enum secure_result
try_once(struct opening *o, struct connection **c)
{
	struct client *client = o->d->client;
	struct stream *stream = client->connect(&client->settings, o->server);
	bool wrapped = client->settings.wrapper && wants_tls(o);
	enum secure_result result = SECURE_OK;
	int error = errno;
	bool ok;

	*c = NULL;
	note_port25(client, o->server, stream != NULL, error);
	if (!stream) {
		failure_local(o->f, o->d->arena, NULL, "4.4.1", "connect to %.*s: %s",
		    STR_ARG(o->server->relay), strerror(error));
		o->f->unreachable = !is_our_own(error);
		return SECURE_FAILED;
	}
	tlsrpt_connected(o->rpt, stream);
	*c = connection_new(&client->settings, stream, o->server, o->servers->nexthop);
	if (!look_up_server(o, *c))
		return SECURE_FAILED;
	if (wrapped)
		result = secure_start(o->d, *c, o->servers, o->server, o->policy, o->rpt, o->f);
	if (result != SECURE_OK)
		return result;
	ok = connection_greet(*c, o->d->arena, o->f);
	note_pix(o, *c);
	if (!ok) {
		o->f->unreachable = !o->f->hard;
		return SECURE_FAILED;
	}
	note_offer(o, *c);
	if (wants_tls(o) && !wrapped)
		result = start_tls(o, *c);
	if (result != SECURE_OK)
		return result;
	if (!o->account)
		login_none(o->d, *c, o->servers, o->server);
	else if (login_run(o->d, *c, o->server, o->account, o->f))
		(*c)->logged_in = true;
	else
		result = SECURE_FAILED;
	return result;
}

/*
 * There will be no TLS, and none is demanded. But who only has to break a handshake to be told a password would: the
 * mail waits then.
 */
static enum secure_result
without_tls(struct opening *o)
{
	if (!o->account)
		return SECURE_CLEAR;
	o->f->text = arena_printf(o->d->arena,
	    "%.*s; there is a login for this server, which is not tried in clear",
	    STR_ARG(o->f->text));
	o->rpt->feature = TLS_FEATURE_FAILED;
	return SECURE_FAILED;
}

struct connection *
open_connection(struct delivery *d, const struct servers *servers, const struct server *server,
    const struct tls_policy *policy, const struct sasl_account *account, struct tlsrpt *rpt,
    struct failure *f)
{
	struct opening o = {.d = d,
	    .servers = servers,
	    .server = server,
	    .policy = policy,
	    .account = account,
	    .rpt = rpt,
	    .f = f};
	enum secure_result result = SECURE_AGAIN;
	struct connection *c = NULL;

	/* With an old TLS session, without it, in clear. */
	for (int i = 0; i < 3 && (result == SECURE_AGAIN || result == SECURE_CLEAR); i++) {
		connection_free(&c);
		o.clear = result == SECURE_CLEAR;
		result = try_once(&o, &c);
		if (result == SECURE_AGAIN && i > 0)
			result = secure_given_up(policy, rpt);
		if (result == SECURE_CLEAR)
			result = without_tls(&o);
	}
	if (result == SECURE_OK)
		return c;
	if (c)
		connection_quit(&c);
	return NULL;
}
