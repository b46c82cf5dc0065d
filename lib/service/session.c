/*
 * session - one client, on a fiber of its own
 *
 * Looks at who it is before the program does: a UNIX caller that the endpoint table does not let in is
 * logged and hung up on.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/internal.h"

#define PASS_MS 10000 /* for a connection to be handed over */
/* A socket is for every user of the machine: one of them gets no more than this part of the sessions. */
#define ONE_USER_PART 10
#define CROWD_QUIET_MS 10000

struct service_session {
	struct list_link link;
	struct service_client client;
	struct fiber *fiber;
};

static void
close_session(struct service_process *p, struct service_session *s)
{
	stream_close(&s->client.stream);
	list_remove(&p->open, &s->link);
	p->args.endpoints[s->client.endpoint].sessions--;
	p->sessions--;
	free(s);
	fiber_wake_all(&p->room);
	if (p->sessions == 0)
		p->idle_since = fiber_now();
	if (p->leaving)
		fiber_wake_all(&p->ended);
}

static bool
inet_client(struct service_client *client, int fd)
{
	socklen_t peer = sizeof(client->peer), local = sizeof(client->local);

	client->inet = true;
	/* A client that has gone already has no name any more: nothing to say about it. */
	return getpeername(fd, (struct sockaddr *)&client->peer, &peer) == 0 &&
	    getsockname(fd, (struct sockaddr *)&client->local, &local) == 0;
}

/* Has an ordinary user of the machine as many sessions as one may have? Nobody counts root or the suite. */
static bool
crowds(struct service_process *p, const struct service_endpoint *e, uid_t uid)
{
	unsigned n = 0, max = p->limit < ONE_USER_PART ? 1 : p->limit / ONE_USER_PART;

	if (!(e->peers & (PEER_ANYONE | PEER_POSTDROP)) || p->ids.unprivileged)
		return false;
	for (size_t i = 0; i < SERVICE_USERS; i++)
		if (uid == p->ids.uid[i])
			return false;
	for (struct list_link *l = list_first(&p->open); l && n < max; l = list_next(&p->open, l)) {
		const struct service_client *c =
		    &LIST_ITEM(l, struct service_session, link)->client;

		n += !c->inet && c->uid == uid;
	}
	if (n < max)
		return false;
	if (p->crowd_quiet <= fiber_now())
		log_warning("%s: user %ld has %u sessions, the most that one user may have",
		    e->text, (long)uid, n);
	p->crowd_quiet = fiber_after(CROWD_QUIET_MS);
	return true;
}

static bool
unix_client(struct service_process *p, struct service_client *client, int fd,
    const struct service_endpoint *e)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0) {
		log_warning("%s: cannot tell who connects: %s", e->text, strerror(errno));
		return false;
	}
	client->uid = who.uid;
	client->gid = who.gid;
	client->pid = who.pid;
	if (service_peer_allowed(client))
		return !crowds(p, e, client->uid);
	log_warning("%s: process %ld of user %ld, group %ld may not connect here", e->text,
	    (long)who.pid, (long)who.uid, (long)who.gid);
	return false;
}

/*
 * A client of a "pass" service hands over a connection with one byte or more of anything; from then on
 * the session is with who is at the other end of it. False: none came. Waits.
 */
static bool
take_passed(struct service_client *client)
{
	struct str byte;
	int fd = -1;

	stream_accept_fds(client->stream, true);
	stream_timeout(client->stream, PASS_MS);
	if (stream_peek(client->stream, 1, &byte) == STREAM_OK)
		fd = stream_take_fd(client->stream);
	if (fd == -1) {
		log_warning("process %ld of user %ld handed over no connection", (long)client->pid,
		    (long)client->uid);
		return false;
	}
	stream_close(&client->stream);
	client->stream = stream_fd(fd);
	return inet_client(client, fd);
}

static void
session_fiber(void *arg)
{
	struct service_session *s = arg;
	struct service_process *p = service_process();

	if (!p->args.endpoints[s->client.endpoint].pass || take_passed(&s->client))
		p->service->session(&s->client);
	close_session(p, s);
}

void
service_open_session(struct service_process *p, size_t endpoint, int fd)
{
	struct service_session *s = MEM_NEW(struct service_session);
	struct service_endpoint *e = &p->args.endpoints[endpoint];

	s->client.endpoint = endpoint;
	if (!(e->inet ? inet_client(&s->client, fd) : unix_client(p, &s->client, fd, e))) {
		free(s);
		(void)io_close(&fd);
		return;
	}
	s->client.stream = stream_fd(fd);
	list_append(&p->open, &s->link);
	e->sessions++;
	p->sessions++;
	p->served++;
	s->fiber = fiber_spawn("session", session_fiber, s);
	if (p->retire > 0 && p->served >= p->retire)
		service_leave(p, "has served its number of sessions", -1);
}

void
service_cancel_sessions(struct service_process *p, bool only_idle)
{
	for (struct list_link *l = list_first(&p->open); l; l = list_next(&p->open, l)) {
		struct service_session *s = LIST_ITEM(l, struct service_session, link);

		if (!only_idle || s->client.idle)
			fiber_cancel(s->fiber);
	}
}

bool
service_idle(struct service_client *client, bool idle)
{
	client->idle = idle;
	return !service_process()->leaving;
}

bool
service_peer_allowed(const struct service_client *client)
{
	const struct service_process *p = service_process();

	if (client->inet || client->endpoint >= p->args.n_endpoints)
		return client->inet;
	return endpoint_admits(
	    p->args.endpoints[client->endpoint].peers, &p->ids, client->uid, client->gid);
}
