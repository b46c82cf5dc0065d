/*
 * handshake - greeting, EHLO, and what follows from the answer
 */
#include "lib/base/log.h"
#include "smtp/connection.h"
#include "smtp/failure.h"

#define GREETING "receiving the initial server greeting"

/* Words of a greeting or of a reply to EHLO begin with the server's name. */
static bool
is_me(const struct connection *c)
{
	struct str rest = buf_view(&c->reply.text), name;

	return !c->st->lmtp && str_token(&rest, " \t\n", &name) &&
	    str_eq_nocase(name, c->st->my_name);
}

static bool
has_word(struct str rest, struct str wanted)
{
	struct str word;

	while (str_token(&rest, " \t\n", &word))
		if (str_eq_nocase(word, wanted))
			return true;
	return false;
}

/* A firewall that hides the greeting behind asterisks. */
static bool
looks_like_pix(struct str greeting)
{
	size_t stars = 0;

	for (size_t i = 0; i < greeting.len; i++) {
		char c = greeting.data[i];

		if (c != '*' && c != ' ' && c != '0' && c != '2' && c != '\n')
			return false;
		stars += c == '*';
	}
	return stars > 0;
}

/* False: the server does not want to talk. */
static bool
hear_greeting(struct connection *c, struct arena *a, struct failure *f)
{
	if (!connection_hear(c, c->st->hello_ms)) {
		failure_by_loss(f, a, c, GREETING);
		return false;
	}
	if (connection_class(c) == 2)
		return true;
	failure_by_reply(f, a, c, NULL);
	/* Another server may be of another opinion, unless that is switched off. */
	if (f->hard && c->st->skip_5xx) {
		f->hard = false;
		f->dsn = arena_printf(a, "4%.*s", STR_ARG(str_from(f->dsn, 1)));
	}
	return false;
}

static bool
refused(struct connection *c, struct arena *a, struct failure *f, const char *verb)
{
	if (c->broken != STREAM_OK)
		failure_by_loss(f, a, c, arena_printf(a, "performing the %s handshake", verb).data);
	else
		failure_by_reply(f, a, c, arena_printf(a, "%s command", verb).data);
	return false;
}

/* On other ports content filters, and the server that takes mail back from them, may well have my name. */
static bool
loops(struct connection *c, struct arena *a, struct failure *f)
{
	if (!c->may_loop || !is_me(c))
		return false;
	log_warning("host %.*s replied to HELO/EHLO with my own hostname %.*s", STR_ARG(c->peer),
	    STR_ARG(c->st->my_name));
	failure_local(f, a, c, c->best_mx ? "5.4.6" : "4.4.6", "mail for %.*s loops back to myself",
	    STR_ARG(c->nexthop));
	return true;
}

bool
connection_hello(struct connection *c, struct arena *a, struct failure *f)
{
	const struct settings *st = c->st;
	const char *verb = st->lmtp ? "LHLO" : "EHLO";

	if (c->esmtp) {
		if (!connection_ask(c, st->hello_ms, "%s %.*s", verb, STR_ARG(st->hello_name)))
			return refused(c, a, f, verb);
		if (connection_class(c) == 2) {
			features_parse(buf_view(&c->reply.text), c->discard, &c->features);
			return !loops(c, a, f);
		}
		/*
		 * RFC 5321 section 3.2: who does not know EHLO may know HELO. A code 4xx may be the same
		 * ignorance; only 421 says that the server has had enough.
		 */
		if (st->lmtp || c->closing)
			return refused(c, a, f, verb);
	}
	c->features = (struct features){0};
	if (!connection_ask(c, st->hello_ms, "HELO %.*s", STR_ARG(st->hello_name)) ||
	    connection_class(c) != 2)
		return refused(c, a, f, "HELO");
	return !loops(c, a, f);
}

bool
connection_greet(struct connection *c, struct arena *a, struct failure *f)
{
	const struct settings *st = c->st;
	struct str greeting;

	if (!hear_greeting(c, a, f))
		return false;
	greeting = buf_view(&c->reply.text);
	c->pix = looks_like_pix(greeting);
	c->esmtp = !st->never_ehlo &&
	    (st->lmtp || st->always_ehlo || has_word(greeting, STR("ESMTP"))) &&
	    !(c->pix && str_find(c->pix_words, STR("disable_esmtp")) != STR_NPOS);
	return connection_hello(c, a, f);
}
