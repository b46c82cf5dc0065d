/*
 * qmgr_rig - qmgr in one process: see qmgr_rig.h
 *
 * What must hold after every run: nobody is left that waits, and no descriptor; every slot is free or
 * holds a message that spool_load() accepts whole and that was acknowledged (or whose receiver hung up
 * before it could hear so); the counts agree; and unless an agent, an administrator or time had a say,
 * what was acknowledged is there.
 */
#define _GNU_SOURCE 1
#include "tests/fuzz/qmgr_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/fiber/stream.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/messages.h"
#include "lib/route/route.h"
#include "qmgr/admin.h"
#include "qmgr/agent.h"
#include "qmgr/flush.h"
#include "qmgr/message.h"
#include "qmgr/receive.h"
#include "qmgr/report.h"
#include "qmgr/schedule.h"
#include "qmgr/slots_upkeep.h"
#include "qmgr/ticket.h"
#include "tests/fuzz/fuzz_world.h"
#include "tests/fuzz/qmgr_rig_agents.h"

#define CLIENTS_MAX 64
#define ACKS_MAX 512
#define BYTES_MAX 1000000 /* of one run */
#define SEND_TRIES 200
#define SETTLE_TURNS 200
#define JUMP_TURNS 100 /* without the end of a wait: time goes on */
#define JUMP_MS 250
#define TURNS_MAX 400000

#define MAIN_CF                                                                                    \
	"compatibility_level = 3.11\nmyhostname = mx.test\nmydomain = test\nmydestination = "      \
	"test\n"                                                                                   \
	"alias_maps =\nlocal_recipient_maps =\ndefault_transport = nowhere\n"                      \
	"transport_maps = inline:{ {dead.test = error:5.1.1 dead}, {later.test = retry:4.2.0 x},"  \
	" {gone.test = discard:}, {user.test = local:} }\n"                                        \
	"queue_slot_size = 8192\nqueue_slots_ahead = 8\nqueue_slots_reserved = 2\n"                \
	"queue_slots_spare = 12\nqueue_content_cache = 100000\nqmgr_message_active_limit = 12\n"   \
	"qmgr_sync_threads = 2\nmessage_size_limit = 500000\nheader_size_limit = 1024\n"           \
	"maximal_queue_lifetime = 1200s\nbounce_queue_lifetime = 600s\n"                           \
	"delay_warning_time = 400s\nminimal_backoff_time = 300s\nmaximal_backoff_time = 600s\n"    \
	"bounce_size_limit = 2000\n"

struct rig_client {
	enum rig_caller who;
	int fd; /* our end; -1 = hung up */
	bool done, heard_hello;
	struct buf replies;
	struct service_client server;
	uint64_t admin_count; /* of the last admin_done */
};

static struct {
	char dir[64];
	int home, spool; /* directories */
	size_t fibers, fds;
	struct rig_client clients[CLIENTS_MAX];
	size_t n_clients;
	size_t bytes;
	char acks[ACKS_MAX][QUEUE_ID_SIZE];
	size_t n_acks;
	size_t unheard; /* callers that hung up on an answer */
	bool excused;
	char id[QUEUE_ID_SIZE];
} rig;

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void
remove_dir(void)
{
	nftw(rig.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void __attribute__((noreturn)) broken(const char *what)
{
	fuzz_disk_full(0);
	fprintf(stderr, "fuzz_qmgr: %s\n", what);
	remove_dir();
	abort();
}

/* --- Callers ------------------------------------------------------------------------------------------ */

static void
session_fiber(void *arg)
{
	struct rig_client *c = arg;

	switch (c->who) {
	case RIG_NETWORK:
		receive_session(&c->server, RECEIVE_NETWORK);
		break;
	case RIG_LOCAL:
		receive_session(&c->server, RECEIVE_LOCAL);
		break;
	case RIG_BOUNCE:
		receive_session(&c->server, RECEIVE_BOUNCE);
		break;
	case RIG_REPORT:
		report_session(&c->server);
		break;
	case RIG_ADMIN:
		admin_session(&c->server);
		break;
	case RIG_FLUSH:
		admin_flush_session(&c->server);
		break;
	default:
		admin_showq_session(&c->server);
	}
	stream_close(&c->server.stream);
	c->done = true;
}

struct rig_client *
rig_open(enum rig_caller who)
{
	struct rig_client *c = &rig.clients[rig.n_clients];
	int pair[2];

	if (rig.n_clients == CLIENTS_MAX - 1) /* the last one is the rig's own */
		return NULL;
	rig.n_clients++;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		broken("no socket pair");
	*c = (struct rig_client){.who = who, .fd = pair[0]};
	c->server.stream = stream_fd(pair[1]);
	c->server.uid = who == RIG_SHOWQ_USER ? 12345 : 0;
	fiber_spawn("session", session_fiber, c);
	if (who == RIG_ADMIN)
		rig.excused = true;
	return c;
}

static void
acknowledged(struct str id)
{
	if (id.len == 0 || id.len >= QUEUE_ID_SIZE)
		broken("an acknowledgement without an ID");
	for (size_t i = 0; i < rig.n_acks; i++)
		if (str_eq(str_c(rig.acks[i]), id))
			broken("an ID was given twice");
	if (rig.n_acks == ACKS_MAX)
		broken("more acknowledgements than commits can have been sent");
	memcpy(rig.acks[rig.n_acks], id.data, id.len);
	rig.acks[rig.n_acks++][id.len] = 0;
}

/* What qmgr says fits its own tables. */
static void
hear_frame(struct rig_client *c, struct ipc_frame frame, struct str body)
{
	struct arena *a = arena_new(512);
	const struct ipc_schema *schema;
	struct buf why = {0}, name = {0};
	void *message;

	if (!c->heard_hello) {
		if (!ipc_frame_hello(frame, body, &name, &why))
			broken("no hello");
		c->heard_hello = true;
	} else if (!ipc_frame_expected(frame, msg_all, c->who == RIG_ADMIN, &schema, &why)) {
		broken("a frame of no known kind");
	} else if (schema) {
		message = arena_alloc(a, schema->size);
		if (!ipc_unpack(schema, body, a, message, &why))
			broken("a frame that does not fit its schema");
		if (schema == &msg_submit_ok)
			acknowledged(((struct msg_submit_ok *)message)->id);
		if (schema == &msg_admin_done)
			c->admin_count = ((struct msg_admin_done *)message)->count;
	}
	buf_free(&why);
	buf_free(&name);
	arena_free(&a);
}

/* Reads what has been answered. */
static void
hear(struct rig_client *c)
{
	struct buf why = {0};
	struct ipc_frame frame;
	char data[16384];
	ssize_t n;

	if (c->fd == -1)
		return;
	while ((n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		buf_append(&c->replies, data, (size_t)n);
	if (n == 0)
		io_close(&c->fd);
	while (c->replies.len >= IPC_HEADER) {
		if (!ipc_frame_get(c->replies.data, &frame, &why))
			broken("an answer that is no frame");
		if (c->replies.len - IPC_HEADER < frame.length)
			break;
		hear_frame(c, frame, str_sub(buf_view(&c->replies), IPC_HEADER, frame.length));
		buf_consume(&c->replies, IPC_HEADER + frame.length);
	}
}

static void
hear_all(void)
{
	for (size_t i = 0; i < rig.n_clients; i++)
		hear(&rig.clients[i]);
}

void
rig_send(struct rig_client *c, struct str bytes)
{
	unsigned tries = 0;

	if (!c || c->fd == -1 || rig.bytes + bytes.len > BYTES_MAX)
		return;
	rig.bytes += bytes.len;
	while (bytes.len > 0) {
		ssize_t n = send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			bytes = str_from(bytes, (size_t)n);
			continue;
		}
		if (n == 0 || errno != EAGAIN || ++tries > SEND_TRIES)
			return;
		hear(c);
		fiber_yield();
	}
}

void
rig_send_frame(struct rig_client *c, uint16_t type, struct str body)
{
	unsigned char header[IPC_HEADER];

	ipc_frame_put(header, (struct ipc_frame){(uint32_t)body.len, type});
	rig_send(c, str_n(header, sizeof(header)));
	rig_send(c, body);
}

void
rig_send_message(struct rig_client *c, const struct ipc_schema *schema, const void *message)
{
	struct buf out = {0}, why = {0};

	if (ipc_frame_pack(schema, message, &out, &why))
		rig_send(c, buf_view(&out));
	buf_free(&out);
	buf_free(&why);
}

void
rig_close(struct rig_client *c, bool abruptly)
{
	if (!c || c->fd == -1)
		return;
	if (!abruptly) {
		(void)shutdown(c->fd, SHUT_WR);
		return;
	}
	hear(c);
	rig.unheard++;
	close(c->fd);
	c->fd = -1;
}

/* --- Rest ------------------------------------------------------------------------------------------------ */

/* Is a slot in work? */
static bool
in_work(void)
{
	struct slot *slot;
	uint32_t at = 0;

	while ((slot = slots_next(&at)))
		if (slot->use == SLOT_USE_READING || slot->use == SLOT_USE_ACTIVE ||
		    slot->use == SLOT_USE_FILLING)
			return true;
	return false;
}

/* Has everybody read what was sent? */
static bool
all_read(void)
{
	for (size_t i = 0; i < rig.n_clients; i++) {
		int left = 0;

		if (rig.clients[i].fd != -1 && !rig.clients[i].done &&
		    ioctl(rig.clients[i].fd, TIOCOUTQ, &left) == 0 && left > 0)
			return false;
	}
	return true;
}

void
rig_settle(void)
{
	for (unsigned turns = 0; turns < SETTLE_TURNS; turns++) {
		hear_all();
		fiber_yield();
		if (turns > 3 && all_read() && !in_work())
			return;
	}
}

static bool
at_rest(void)
{
	struct slot *slot;
	uint32_t at = 0;

	for (size_t i = 0; i < rig.n_clients; i++)
		if (!rig.clients[i].done)
			return false;
	/* A sync of marks may be under way, a free slot be trimmed, a message's next round about to begin. */
	while ((slot = slots_next(&at)))
		if (slot->users > 0 || (slot->use == SLOT_USE_FREE && !list_linked(&slot->link)) ||
		    (slot->heap_at != 0 && slot->next <= clock_wall()))
			return false;
	return fiber_count() <= rig.fibers && !in_work();
}

/* Waits until QUIET; pauses of the code under test pass by. */
static void
come_to(bool (*quiet)(void))
{
	for (unsigned turns = 1; !quiet(); turns++) {
		hear_all();
		fiber_yield();
		if (turns % JUMP_TURNS == 0) {
			fuzz_time_passes(JUMP_MS);
			usleep(50);
		}
		if (turns > TURNS_MAX)
			broken("does not come to rest");
	}
	hear_all();
}

/* --- What must hold ------------------------------------------------------------------------------------- */

static bool
was_acknowledged(const char *id)
{
	for (size_t i = 0; i < rig.n_acks; i++)
		if (strcmp(rig.acks[i], id) == 0)
			return true;
	return false;
}

static void
check_message(const struct slot *slot, const struct spool_message *m)
{
	char id[QUEUE_ID_SIZE];
	bool open = false;

	slots_id(slot, id);
	if (slot->use != SLOT_USE_WAITING || slot->users != 0 || slot->message)
		broken("a message is not at rest");
	if (strcmp(m->header.id, id) != 0 || m->header.content != slot->content)
		broken("the slot holds another message than is known");
	if (!m->mark_valid || m->mark.state != slot->state || m->mark.work != 0)
		broken("the state mark is not what is known");
	for (uint32_t i = 0; i < m->header.rcpts; i++)
		open = open || m->marks[i].state == SLOT_RCPT_TODO ||
		    m->marks[i].state == SLOT_RCPT_FAILED_NOTICE ||
		    m->marks[i].state == SLOT_RCPT_SENT_NOTICE;
	if (!open)
		broken("a message without anything to do");
	if ((slot->heap_at != 0) != (slot->state != SLOT_HOLD))
		broken("a message that is never due, or due while on hold");
}

/* True when it holds a message. */
static bool
check_slot(struct slot *slot)
{
	struct arena *a = arena_new(1024);
	struct spool_message m;
	struct buf why = {0};
	int fd = slot->fd != -1 ? slot->fd : spool_slot_open(slots_spool(), slot->number);
	enum spool_status status = spool_load(fd, true, a, &m, NULL, 0, &why);

	if (slot->use == SLOT_USE_FREE ? status != SPOOL_FREE : status != SPOOL_OK) {
		fprintf(stderr, "slot %u: %s; in use as %d\n", slot->number, buf_cstr(&why),
		    (int)slot->use);
		broken("a slot is not what it should be");
	}
	if (slot->use != SLOT_USE_FREE)
		check_message(slot, &m);
	if (fd != slot->fd)
		close(fd);
	buf_free(&why);
	arena_free(&a);
	return slot->use != SLOT_USE_FREE;
}

static void
check_spool(void)
{
	size_t messages = 0, strange = 0;
	struct slot *slot;
	char id[QUEUE_ID_SIZE];
	uint32_t at = 0;

	while ((slot = slots_next(&at))) {
		if (!check_slot(slot))
			continue;
		messages++;
		slots_id(slot, id);
		strange += !was_acknowledged(id);
	}
	if (messages != slots_messages())
		broken("the number of messages is wrong");
	if (strange > rig.unheard)
		broken("a message that was never acknowledged");
	for (size_t i = 0; i < rig.n_acks && !rig.excused; i++)
		if (!slots_find(str_c(rig.acks[i])))
			broken("a message that was acknowledged is gone");
	if (message_loading() || !message_room())
		broken("messages count as active that are not");
}

static size_t
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;
	uint32_t at = 0;
	struct slot *slot;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	while ((slot = slots_next(&at)))
		n -= slot->fd != -1;
	return n;
}

static bool
fds_closed(void)
{
	return count_fds() <= rig.fds;
}

/* --- A run ------------------------------------------------------------------------------------------------- */

static void
hang_up(void)
{
	for (size_t i = 0; i < rig.n_clients; i++)
		rig_close(&rig.clients[i], false);
}

static void
forget_clients(void)
{
	for (size_t i = 0; i < rig.n_clients; i++) {
		if (rig.clients[i].fd != -1)
			close(rig.clients[i].fd);
		buf_free(&rig.clients[i].replies);
	}
	rig.n_clients = 0;
}

/* Everything is removed, by an administrator's order. */
static void
empty(void)
{
	struct msg_admin all = {ADMIN_DELETE, STR("ALL"), STR_EMPTY};
	struct ipc_hello hello = {IPC_VERSION, STR("rig")};
	size_t before = slots_messages();
	struct rig_client *c;
	struct slot *slot;
	uint32_t at = 0;

	rig.bytes = 0;
	c = rig_open(RIG_ADMIN);
	rig_send_message(c, &ipc_hello, &hello);
	rig_send_message(c, &msg_admin, &all);
	hang_up();
	come_to(at_rest);
	if (c->admin_count != before || slots_messages() != 0)
		broken("not everything was removed");
	while ((slot = slots_next(&at)))
		if (slot->use != SLOT_USE_FREE || check_slot(slot))
			broken("a slot is not free");
	forget_clients();
}

struct run {
	void (*fn)(void *arg);
	void *arg;
};

static void
run_fiber(void *arg)
{
	struct run *run = arg;

	rig.bytes = rig.n_acks = rig.unheard = 0;
	rig.excused = false;
	rig.fds = count_fds(); /* libFuzzer has some of its own, now and then one more */
	rig_agents_begin();
	run->fn(run->arg);
	fuzz_disk_full(0);
	rig_agents_end();
	hang_up();
	come_to(at_rest);
	check_spool();
	forget_clients();
	empty();
	/* A thread may be making slots, or remove some. */
	come_to(fds_closed);
}

void
rig_run(void (*fn)(void *arg), void *arg)
{
	struct run run = {fn, arg};

	if (fchdir(rig.spool) != 0)
		broken("the spool is gone");
	fuzz_world_on(true);
	fiber_main(run_fiber, &run);
	fuzz_world_on(false);
	if (fchdir(rig.home) != 0)
		broken("no way back");
}

struct str
rig_id(unsigned n)
{
	struct slot *slot;
	uint32_t at = 0;

	snprintf(rig.id, sizeof(rig.id), "0BBBBBBBBBBz1");
	while ((slot = slots_next(&at)))
		if (slot->use != SLOT_USE_FREE && slot->use != SLOT_USE_FILLING && n-- == 0)
			slots_id(slot, rig.id);
	return str_c(rig.id);
}

void
rig_excuse(void)
{
	rig.excused = true;
}

/* --- Start --------------------------------------------------------------------------------------------------- */

static bool
ready(void)
{
	return slots_state.free.count >= 10 && fiber_count() <= rig.fibers;
}

static void
start_fiber(void *arg)
{
	struct buf why = {0};

	(void)arg;
	if (!slots_open(&why))
		broken(buf_cstr(&why));
	ticket_start();
	slots_start();
	receive_start();
	flush_init();
	agent_init();
	schedule_start();
	rig_agents_start();
	rig.fibers = fiber_count() - 1; /* one ends soon: "sync former marks" */
	come_to(ready);
}

static void
make_dir(void)
{
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(rig.dir, sizeof(rig.dir), "%s/fuzz_qmgr.XXXXXX", tmp);
	if (!mkdtemp(rig.dir))
		broken("no directory for the spool");
	atexit(remove_dir);
	rig.home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig.spool = open(rig.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rig.home == -1 || rig.spool == -1 || fchdir(rig.spool) != 0)
		broken("no directory for the spool");
}

static void
configure(void)
{
	struct conf_problems problems = {0};
	struct buf why = {0};
	struct conf *conf;
	FILE *f = fopen("main.cf", "w");

	if (!f || fprintf(f, MAIN_CF "queue_directory = %s\n", rig.dir) < 0 || fclose(f) != 0)
		broken("main.cf");
	conf = conf_load(".", NULL, 0, &problems);
	if (problems.count > 0)
		broken(problems.list[0].text);
	conf_problems_free(&problems);
	conf_set(conf);
	if (!route_prepare(conf, false, &why))
		broken(buf_cstr(&why));
	message_prepare();
	fiber_pool_size(FIBER_POOL_SYNC, 2);
	fiber_pool_size(FIBER_POOL_READ, 1);
	fiber_pool_size(FIBER_POOL_BULK, 1);
}

void
rig_start(int *argc, char ***argv)
{
	int nowhere[2];

	fuzz_artifacts_here(argc, argv);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, nowhere) != 0)
		broken("no socket pair");
	close(nowhere[1]);
	if (!getenv("FUZZ_LOG"))
		log_to_socket(nowhere[0], false);
	make_dir();
	configure();
	fuzz_world_on(true);
	fiber_main(start_fiber, NULL);
	fuzz_world_on(false);
	if (fchdir(rig.home) != 0)
		broken("no way back");
}
