/*
 * qmgr_rig_agents - what qmgr hears from those it calls: right answers, wrong ones, none
 *
 * Whatever the script says, qmgr's own frames must be right: they are read with the real channel, and
 * the content of a delivery has the size that was announced.
 */
#define _GNU_SOURCE 1
#include "tests/fuzz/qmgr_rig_agents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "tests/fuzz/qmgr_rig.h"

struct door {
	const char *path;
	void (*answer)(struct ipc_channel *channel, struct arena *a, struct str *script);
	struct str script;
	int fd;
};

/* A connection that qmgr has made. */
struct peer {
	struct list_link link;
	struct door *door;
	struct fiber *fiber;
	int fd;
};

static void agent_answers(struct ipc_channel *channel, struct arena *a, struct str *script);
static void bounce_answers(struct ipc_channel *channel, struct arena *a, struct str *script);

static struct {
	struct list peers;
	bool ending;
	struct door agent, bounce;
} state = {
    .agent = {.path = "private/local", .answer = agent_answers},
    .bounce = {.path = "private/bounce", .answer = bounce_answers},
};

static unsigned
next(struct str *script)
{
	unsigned char byte;

	if (script->len == 0)
		return 0;
	byte = (unsigned char)script->data[0];
	*script = str_from(*script, 1);
	return byte;
}

/* Bytes of the script as they are, in place of a frame. */
static void
say_raw(struct ipc_channel *channel, struct str *script)
{
	struct str bytes = str_sub(*script, 0, next(script) % 64);

	*script = str_from(*script, bytes.len);
	stream_write(ipc_stream(channel), bytes.data, bytes.len);
	ipc_flush(channel);
}

/* SIZE bytes of content. False: the channel has ended. */
static bool
hear_content(struct ipc_channel *channel, struct arena *a, uint64_t size)
{
	static const struct ipc_schema *const none[] = {NULL};
	struct ipc_message m;

	while (size > 0) {
		if (ipc_recv(channel, a, none, true, &m) != IPC_OK)
			return false;
		if (m.content.len > size)
			log_panic("more content than was announced");
		size -= m.content.len;
	}
	return true;
}

/* --- A delivery agent ---------------------------------------------------------------------------- */

static bool
introduced(struct ipc_channel *channel, struct arena *a, struct str *script)
{
	struct msg_agent_ready ready = {1};
	struct msg_agent_no no = {STR("4.2.0"), STR("not now"), false};
	struct msg_agent_open open;
	unsigned how;

	if (ipc_recv_one(channel, a, &msg_agent_open, &open) != IPC_OK || script->len == 0)
		return false;
	how = next(script);
	if (how % 8 == 7) {
		say_raw(channel, script);
		return true;
	}
	if (how % 8 == 6)
		return false;
	if (how % 8 >= 4) {
		no.busy = how & 8;
		no.dsn = how & 16 ? STR("") : how % 8 == 4 ? STR("5.1.1") : STR("4.2.0");
		ipc_send(channel, &msg_agent_no, &no);
		ipc_flush(channel);
		return how & 32;
	}
	ready.window = how / 8;
	return ipc_send(channel, &msg_agent_ready, &ready) == IPC_OK &&
	    ipc_flush(channel) == IPC_OK;
}

static void
say_result(struct ipc_channel *channel, const struct msg_deliver *d, uint64_t index, unsigned how,
    struct str *script)
{
	static const char *const codes[] = {"2.0.0", "4.2.2", "5.1.1", "", "5.7", "2.\n.0"};
	static const char filler[1900] = {'x', '\r', '\n', 0, 'y', '\x80'};
	unsigned more = next(script);
	struct msg_result r = {
	    .id = d->id,
	    .attempt = d->attempt + (how % 16 == 5 ? 1 : 0),
	    .index = index + (how % 16 == 4 ? 1 : 0),
	    .status = how / 16 % DELIVERY_STATUSES,
	    .dsn = str_c(codes[more % 6]),
	    .text = str_n(filler, more * 7),
	    .relay = STR("local"),
	    .diagnostic = str_n(filler, more & 1 ? more : 0),
	    .remote_mta = more & 2 ? STR("dns; a.test") : STR_EMPTY,
	    .connect_us = more & 4 ? INT64_MIN : 5,
	    .transmit_us = more & 8 ? INT64_MAX : 5,
	    .unreachable = (more & 16) != 0,
	    .dsn_passed = (more & 32) != 0,
	    .conn_use = more & 64 ? UINT64_MAX : 0,
	};

	const struct msg_agent_connected connected = {d->attempt + (more & 128 ? 1 : 0)};

	if (how % 16 == 9)
		ipc_send(channel, &msg_agent_connected, &connected);
	ipc_send(channel, &msg_result, &r);
	if (how % 16 == 3)
		ipc_send(channel, &msg_result, &r);
}

/* Its content once more; HOW: of a delivery that is not there, or without waiting for it. */
static bool
wants_again(struct ipc_channel *channel, struct arena *a, const struct msg_deliver *d, unsigned how)
{
	const struct msg_agent_again again = {d->attempt + (how % 4 == 3)};

	if (ipc_send(channel, &msg_agent_again, &again) != IPC_OK || ipc_flush(channel) != IPC_OK)
		return false;
	return how % 4 == 2 || hear_content(channel, a, d->size);
}

/* One delivery with its results. False: enough. */
static bool
deliver(struct ipc_channel *channel, struct arena *a, struct str *script)
{
	struct msg_deliver d;
	const struct msg_deliver_rcpt *rcpts;

	if (ipc_recv_one(channel, a, &msg_deliver, &d) != IPC_OK ||
	    !hear_content(channel, a, d.size))
		return false;
	rcpts = d.rcpts.items;
	for (size_t i = 0; i < d.rcpts.count; i++) {
		unsigned how = next(script);

		if (script->len == 0)
			return false;
		if (how % 16 == 7)
			say_raw(channel, script);
		else if (how % 16 != 6)
			say_result(channel, &d, rcpts[i].index, how, script);
		if (how % 16 == 8)
			return false;
		if (how % 16 == 10 && !wants_again(channel, a, &d, next(script)))
			return false;
	}
	return ipc_flush(channel) == IPC_OK;
}

static void
agent_answers(struct ipc_channel *channel, struct arena *a, struct str *script)
{
	if (!introduced(channel, a, script))
		return;
	while (deliver(channel, a, script))
		arena_reset(a);
	ipc_flush(channel);
}

/* --- bounce ---------------------------------------------------------------------------------------- */

static void
bounce_answers(struct ipc_channel *channel, struct arena *a, struct str *script)
{
	struct msg_notice_done done = {.id = STR("1"), .why = STR("not now")};
	struct msg_notice notice;
	unsigned how;

	if (ipc_recv_one(channel, a, &msg_notice, &notice) != IPC_OK ||
	    !hear_content(channel, a, notice.size) || script->len == 0)
		return;
	how = next(script);
	if (how % 4 == 3)
		return;
	if (how % 4 == 2) {
		say_raw(channel, script);
		return;
	}
	done.accepted = how % 4 == 0;
	ipc_send(channel, &msg_notice_done, &done);
	ipc_flush(channel);
}

/* --- Their sockets ------------------------------------------------------------------------------------ */

static void
peer_fiber(void *arg)
{
	struct peer *p = arg;
	struct ipc_channel *channel = ipc_channel_new(stream_fd(p->fd), "agent", "qmgr");
	struct arena *a = arena_new(1024);

	p->door->answer(channel, a, &p->door->script);
	ipc_channel_free(&channel);
	arena_free(&a);
	list_remove(&state.peers, &p->link);
	free(p);
}

static void
door_fiber(void *arg)
{
	struct door *door = arg;
	struct fiber_fd *ffd = fiber_fd_new(door->fd);
	int fd;

	while (fiber_fd_wait(ffd, FIBER_READ, FIBER_FOREVER) != FIBER_CANCELED)
		while ((fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) != -1) {
			struct peer *p;

			if (state.ending) {
				io_close(&fd);
				continue;
			}
			p = MEM_NEW(struct peer);
			p->door = door;
			p->fd = fd;
			list_append(&state.peers, &p->link);
			p->fiber = fiber_spawn("peer", peer_fiber, p);
		}
}

static void
door_open(struct door *door)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", door->path);
	door->script = STR_EMPTY;
	door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (door->fd == -1 || bind(door->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(door->fd, 100) != 0)
		log_fatal("%s: %s", door->path, strerror(errno));
	fiber_spawn("door", door_fiber, door);
}

void
rig_agents_start(void)
{
	list_init(&state.peers);
	if (mkdir("private", 0700) != 0)
		log_fatal("private: %s", strerror(errno));
	door_open(&state.agent);
	door_open(&state.bounce);
}

void
rig_agents_begin(void)
{
	state.ending = false;
}

void
rig_agents_end(void)
{
	state.ending = true;
	state.agent.script = state.bounce.script = STR_EMPTY;
	for (struct list_link *l = list_first(&state.peers); l; l = list_next(&state.peers, l))
		fiber_cancel(LIST_ITEM(l, struct peer, link)->fiber);
}

void
rig_agents_say(struct str script)
{
	state.agent.script = script;
}

void
rig_bounce_says(struct str script)
{
	state.bounce.script = script;
}
