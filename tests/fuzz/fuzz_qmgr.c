/*
 * fuzz_qmgr - the queue manager, between receivers, agents, administrators and users that all may lie
 *
 * The input is a program: each byte an order, its operands behind it. Orders open and close callers of
 * every kind, send bytes, frames of any type with any body, or whole submissions for the rest to work
 * on; say what agents and bounce answer; and let time pass. What must hold is in qmgr_rig.c.
 */
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/messages.h"
#include "qmgr/agent.h"
#include "qmgr/dead.h"
#include "qmgr/schedule.h"
#include "qmgr/ticket.h"
#include "tests/fuzz/fuzz_world.h"
#include "tests/fuzz/qmgr_rig.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AT_ONCE 8 /* callers that orders can choose from */
#define ORDERS_MAX 60
#define FILLER 65535
#define STREAMED 260000

struct program {
	struct str rest;
	struct rig_client *clients[AT_ONCE];
	uint64_t content[AT_ONCE]; /* bytes sent since the last begin */
	unsigned current;
};

/* What content is made of. */
static char filler[FILLER];

static unsigned
next(struct program *p)
{
	unsigned char byte;

	if (p->rest.len == 0)
		return 0;
	byte = (unsigned char)p->rest.data[0];
	p->rest = str_from(p->rest, 1);
	return byte;
}

static struct str
next_bytes(struct program *p, size_t max)
{
	struct str bytes = str_sub(p->rest, 0, max);

	p->rest = str_from(p->rest, bytes.len);
	return bytes;
}

static void
send_now(struct program *p, const struct ipc_schema *schema, const void *message)
{
	rig_send_message(p->clients[p->current], schema, message);
}

/* --- Orders ------------------------------------------------------------------------------------------ */

static void
order_open(struct program *p)
{
	struct ipc_hello hello = {IPC_VERSION, STR("fuzz")};
	unsigned how = next(p);

	p->current = (p->current + 1) % AT_ONCE;
	rig_close(p->clients[p->current], false);
	p->clients[p->current] = rig_open(how % RIG_CALLERS);
	p->content[p->current] = 0;
	if (how < 224)
		send_now(p, &ipc_hello, &hello);
}

static void
order_select(struct program *p)
{
	p->current = next(p) % AT_ONCE;
}

static void
order_close(struct program *p)
{
	rig_close(p->clients[p->current], next(p) & 1);
}

/* A body that is the input's; addresses of some domains end messages by themselves. */
static void
order_frame(struct program *p)
{
	size_t n = 0, type = next(p), size = next(p);
	struct str body;

	while (msg_all[n])
		n++;
	body = next_bytes(p, size < 128 ? size : (size - 127) * 32);
	rig_excuse();
	rig_send_frame(p->clients[p->current], msg_all[type % n]->type, body);
}

static void
order_raw(struct program *p)
{
	rig_excuse();
	rig_send(p->clients[p->current], next_bytes(p, next(p)));
}

static void
send_content(struct program *p, size_t size)
{
	while (size > 0) {
		size_t piece = size < FILLER ? size : FILLER;

		rig_send_frame(p->clients[p->current], IPC_TYPE_CONTENT, str_n(filler, piece));
		p->content[p->current] += piece;
		size -= piece;
	}
}

/* From a byte a size: small ones, about a slot, a few more, and what is written as it comes. */
static size_t
size_from(size_t byte)
{
	if (byte < 64)
		return byte;
	if (byte < 240)
		return (byte - 60) * 64;
	return byte < 250 ? byte * 128 : STREAMED + (byte - 250) * 20000;
}

static void
order_content(struct program *p)
{
	send_content(p, size_from(next(p)));
}

static void
order_commit(struct program *p)
{
	struct msg_submit_commit commit = {p->content[p->current]};
	struct msg_submit_cancel cancel = {0};
	unsigned how = next(p);

	commit.size += how & 1;
	if (how & 2)
		send_now(p, &msg_submit_cancel, &cancel);
	else
		send_now(p, &msg_submit_commit, &commit);
	p->content[p->current] = 0;
}

static void
send_rcpts(struct program *p, unsigned how, unsigned notify)
{
	static const char *const names[] = {"a@test", "b@test", "c+x@user.test", "\"d e\"@test",
	    "e@later.test", "f@other.test", "g@[192.0.2.1]", "h@xn--a.test"};
	struct msg_rcpt list[MSG_RCPT_PER_FRAME];
	struct msg_submit_rcpts rcpts = {{list, how & 64 ? MSG_RCPT_PER_FRAME : 1 + how % 5}};

	for (size_t i = 0; i < rcpts.rcpts.count; i++)
		list[i] = (struct msg_rcpt){str_c(names[(how / 8 + i) % 8]),
		    i % 2 ? STR("orig@test") : STR_EMPTY, i % 3 ? STR_EMPTY : STR("rfc822;o@test"),
		    notify % 16};
	if (notify % 16)
		rig_excuse();
	for (unsigned i = 0; i < (how & 128 ? 4 : 1); i++)
		send_now(p, &msg_submit_rcpts, &rcpts);
}

/* A submission that is right but for what its operands say, up to its content. */
static void
order_message(struct program *p)
{
	static const char *const senders[] = {"", "s@test", "double-bounce@test", "no address"};
	struct msg_attr attrs[] = {
	    {STR("client_name"), STR("c.test")}, {STR("local_uid"), STR("12345")}};
	unsigned how = next(p), more = next(p);
	struct msg_submit_begin begin = {how & 1 ? 0 : (uint64_t)more * 4096};
	struct msg_submit_envelope e = {
	    .sender = str_c(senders[how / 2 % 4]),
	    .ret = how / 8 % 3,
	    .envid = how & 32 ? STR("envid") : STR_EMPTY,
	    .verify_only = (more & 7) == 1,
	    .verbose = (more & 7) == 2,
	    .hold = (more & 7) == 3,
	    .attrs = {attrs, how & 64 ? 2 : 1},
	};

	p->content[p->current] = 0;
	send_now(p, &msg_submit_begin, &begin);
	send_now(p, &msg_submit_envelope, &e);
	send_rcpts(p, next(p), how & 128 ? more / 16 : 0);
	send_content(p, size_from(next(p)));
}

static void
order_admin(struct program *p)
{
	static const char *const states[] = {"", "hold", "deferred", "active", "incoming"};
	unsigned how = next(p), which = next(p);
	struct msg_admin m = {how % ADMIN_VERBS, which == 0 ? STR("ALL") : rig_id(which - 1),
	    str_c(states[how / 8 % 5])};

	send_now(p, &msg_admin, &m);
}

/* A question: a slot for postcat, a flush, a listing. */
static void
order_ask(struct program *p)
{
	unsigned how = next(p);
	struct msg_admin_cat cat = {rig_id(how / 4)};
	struct msg_flush flush = {how & 64 ? rig_id(how / 4 % 16) : STR_EMPTY,
	    how & 128 ? STR("TEST") : STR_EMPTY, how & 4 ? STR("A") : STR_EMPTY,
	    how & 8 ? STR("@test") : STR_EMPTY};
	struct msg_showq_ask showq = {how & 4 ? rig_id(how / 8) : STR_EMPTY, how & 128};

	if (how % 4 == 0)
		send_now(p, &msg_admin_cat, &cat);
	else if (how % 4 == 1)
		send_now(p, &msg_showq_ask, &showq);
	else
		send_now(p, &msg_flush, &flush);
}

/* What an agent says that has lost its channel; or somebody who was given nothing, or something else. */
static void
order_report(struct program *p)
{
	unsigned how = next(p), index = next(p);
	struct msg_report r = {
	    .id = rig_id(how % 16),
	    .index = index < 250 ? index % 8 : index * 1000,
	    .dsn = STR("2.0.0"),
	    .text = STR("250 ok"),
	    .relay = STR("hop.test[192.0.2.1]:25"),
	    .remote_mta = how & 16 ? STR("dns; hop.test") : STR_EMPTY,
	    .dsn_passed = how & 32,
	};
	char ticket[MSG_TICKET_SIZE];

	/* Of the next recipient, or not whole, it changes nothing. */
	ticket_make(r.id, how & 128 ? r.index + 1 : r.index, ticket);
	r.ticket = str_n(ticket, how & 64 ? next(p) % MSG_TICKET_SIZE : MSG_TICKET_SIZE);
	if (!(how & (64 | 128)))
		rig_excuse();
	send_now(p, &msg_report, &r);
}

static void
order_settle(struct program *p)
{
	(void)p;
	rig_settle();
}

static void
order_time(struct program *p)
{
	unsigned how = next(p);

	rig_excuse();
	if (how < 250)
		fuzz_time_passes(how < 100 ? how * 10 : (how - 99) * 10000);
	else
		fuzz_clock_set((how - 252) * 3600);
	rig_settle();
}

static void
order_agents(struct program *p)
{
	rig_excuse();
	rig_agents_say(next_bytes(p, next(p)));
}

static void
order_bounce(struct program *p)
{
	rig_excuse();
	rig_bounce_says(next_bytes(p, next(p)));
}

/* 8192 is the size of a slot: what is larger finds no room, or nothing new at all. */
static void
order_full(struct program *p)
{
	unsigned how = next(p);

	fuzz_disk_full(how % 4 == 0 ? 0 : how % 4 == 1 ? 6000 : 8192 + how * 100);
}

/* A new configuration: channels are given back. */
static void
order_reload(struct program *p)
{
	(void)p;
	agent_let_go();
	dead_release_all();
	schedule_wake();
}

static void (*const orders[])(struct program *p) = {order_open, order_select, order_close,
    order_frame, order_raw, order_content, order_commit, order_message, order_admin, order_ask,
    order_report, order_settle, order_time, order_agents, order_bounce, order_full, order_reload};

static void
run(void *arg)
{
	struct program *p = arg;

	for (unsigned i = 0; p->rest.len > 0 && i < ORDERS_MAX; i++)
		orders[next(p) % (sizeof(orders) / sizeof(orders[0]))](p);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	rig_start(argc, argv);
	for (size_t i = 0; i < FILLER; i++)
		filler[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'a' + (char)(i % 26);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program p = {.rest = str_n(data, size)};

	rig_run(run, &p);
	return 0;
}
