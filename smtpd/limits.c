/*
 * limits - how much one client may do
 */
#include "smtpd/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "smtpd/reply.h"

/* anvil answers at once or not at all; after a failure it is left alone for a while. */
#define ANVIL_WAIT_MS 3000
#define ANVIL_AWAY_MS 10000

/*
 * One channel to anvil, which all sessions of the process share, one request at a time. anvil forgets
 * the connections reported on a channel when that closes, so each channel has a number: a client that
 * an earlier one reported is not taken off again on a later one.
 */
struct counts {
	char *path;
	char *service;
	struct ipc_channel *channel; /* NULL when there is none */
	unsigned generation;
	bool busy;
	struct fiber_waitq waiting;
	int64_t away_until;
	bool away_said;
};

struct counts *
counts_new(const char *path, const char *service)
{
	struct counts *c = MEM_NEW(struct counts);

	c->path = mem_strdup(path);
	c->service = mem_strdup(service);
	fiber_waitq_init(&c->waiting);
	return c;
}

void
counts_free(struct counts **c)
{
	if (!*c)
		return;
	ipc_channel_free(&(*c)->channel);
	free((*c)->path);
	free((*c)->service);
	free(*c);
	*c = NULL;
}

static void
counts_away(struct counts *c, const char *why)
{
	ipc_channel_free(&c->channel);
	c->away_until = fiber_after(ANVIL_AWAY_MS);
	if (!c->away_said)
		log_warning("%s: %s; clients are let in uncounted until it answers", c->path, why);
	c->away_said = true;
}

static bool
counts_connect(struct counts *c)
{
	if (c->channel)
		return true;
	c->channel = ipc_connect(c->path, "smtpd", fiber_after(ANVIL_WAIT_MS));
	if (!c->channel) {
		counts_away(c, strerror(errno));
		return false;
	}
	if (++c->generation == 0)
		c->generation = 1;
	stream_timeout(ipc_stream(c->channel), ANVIL_WAIT_MS);
	return true;
}

/* One event on the channel there is, and the answer to it. */
static enum ipc_status
counts_tell(struct counts *c, const struct msg_anvil *event, struct msg_anvil_count *count)
{
	enum ipc_status status;
	struct arena *a;

	if (event->event == ANVIL_DISCONNECT) {
		status = ipc_send(c->channel, &msg_anvil, event);
		if (status == IPC_OK)
			status = ipc_flush(c->channel);
	} else {
		a = arena_new(0);
		status = ipc_call(c->channel, a, &msg_anvil, event, &msg_anvil_count, count);
		arena_free(&a);
	}
	return status;
}

static bool
counts_exchange(struct counts *c, const struct msg_anvil *event, struct msg_anvil_count *count)
{
	bool old = c->channel != NULL;
	enum ipc_status status;

	if (!counts_connect(c))
		return false;
	status = counts_tell(c, event, count);
	/* anvil has been restarted meanwhile: its successor counts from now on. */
	if (old && status != IPC_OK && status != IPC_TIMED_OUT &&
	    event->event != ANVIL_DISCONNECT) {
		ipc_channel_free(&c->channel);
		if (!counts_connect(c))
			return false;
		status = counts_tell(c, event, count);
	}
	if (status != IPC_OK) {
		counts_away(
		    c, status == IPC_TIMED_OUT ? "no answer in time" : "the channel was closed");
		return false;
	}
	if (c->away_said)
		log_info("%s: clients are counted again", c->path);
	c->away_said = false;
	return true;
}

/* Tells anvil of EVENT; false: it does not answer. One at a time: the others wait for their turn. */
static bool
counts_event(struct session *s, enum anvil_event event, struct msg_anvil_count *count)
{
	struct counts *c = s->server->counts;
	char client[PEER_NETWORK_SIZE];
	struct msg_anvil message = {.event = event, .service = str_c(c->service)};
	fiber_deadline turn = fiber_after(2 * ANVIL_WAIT_MS);
	bool ok;

	peer_network(&s->peer, s->server->settings.prefix4, s->server->settings.prefix6, client);
	message.client = str_c(client);
	while (c->busy && c->away_until <= fiber_now())
		if (fiber_wait(&c->waiting, turn) != FIBER_OK)
			return false;
	if (c->away_until > fiber_now())
		return false;
	if (event == ANVIL_DISCONNECT && (!c->channel || s->anvil_generation != c->generation))
		return false;
	c->busy = true;
	ok = counts_exchange(c, &message, count);
	if (ok && event == ANVIL_CONNECT)
		s->anvil_generation = c->generation;
	c->busy = false;
	fiber_wake_one(&c->waiting);
	return ok;
}

/* Is this client counted at all? */
static bool
counted(const struct session *s)
{
	return s->server->counts && !s->unlimited && !s->server->stand_alone;
}

static bool
refuse_connection(struct session *s, const char *what, uint64_t n)
{
	log_warning("Connection %s limit exceeded: %llu from %s for service %s", what,
	    (unsigned long long)n, s->peer.namaddr, s->server->counts->service);
	reply(s, 421, "4.7.0", "%.*s Error: too many connections from %s",
	    STR_ARG(s->server->myhostname), s->peer.address);
	session_end_for(s, NULL);
	return false;
}

bool
limits_connect(struct session *s)
{
	const struct settings *st = &s->server->settings;
	struct msg_anvil_count n;

	if (!counted(s) || !counts_event(s, ANVIL_CONNECT, &n))
		return true;
	if (st->connections_max > 0 && n.count > st->connections_max)
		return refuse_connection(s, "concurrency", n.count);
	if (st->connection_rate > 0 && n.rate > st->connection_rate)
		return refuse_connection(s, "rate", n.rate);
	return true;
}

void
limits_disconnect(struct session *s)
{
	struct msg_anvil_count n;

	if (s->anvil_generation != 0)
		counts_event(s, ANVIL_DISCONNECT, &n);
}

bool
limits_mail(struct session *s)
{
	unsigned max = s->server->settings.message_rate;
	struct msg_anvil_count n;

	if (max == 0 || !counted(s) || !counts_event(s, ANVIL_MAIL, &n) || n.rate <= max)
		return true;
	log_warning("Message delivery request rate limit exceeded: %llu from %s for service %s",
	    (unsigned long long)n.rate, s->peer.namaddr, s->server->counts->service);
	reply(s, 450, "4.7.1", "Error: too much mail from %s", s->peer.address);
	return false;
}

bool
limits_rcpt(struct session *s)
{
	unsigned max = s->server->settings.recipient_rate;
	struct msg_anvil_count n;

	if (max == 0 || !counted(s) || !counts_event(s, ANVIL_RCPT, &n) || n.rate <= max)
		return true;
	log_warning("Recipient address rate limit exceeded: %llu from %s for service %s",
	    (unsigned long long)n.rate, s->peer.namaddr, s->server->counts->service);
	reply(s, 450, "4.7.1", "Error: too many recipients from %s", s->peer.address);
	return false;
}

bool
limits_command(struct session *s, bool good, bool junk)
{
	const struct settings *st = &s->server->settings;

	if (!good)
		s->errors++;
	if (junk && s->junk++ >= st->junk_max)
		s->errors++;
	if (s->errors < st->hard_errors)
		return true;
	reply(s, 421, "4.7.0", "%.*s Error: too many errors", STR_ARG(s->server->myhostname));
	session_end_for(s, "too many errors");
	return false;
}

void
limits_forgive(struct session *s)
{
	s->errors = 0;
	s->junk = 0;
}
