/*
 * fuzz_local - a worker of local, and a queue manager that may send anything
 *
 * The first byte says which mailbox there is and in what state; then each byte is an order, its operands
 * behind it: deliveries that are right or not, frames, bytes. As many results say "sent" as messages are
 * in the mailbox at the end (more may be when qmgr hung up, or broke the rules, before it could hear of
 * them), nothing is left in tmp/, and no lock; no recipient has two results.
 */
#define _GNU_SOURCE 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/ipc/blocking.h"
#include "lib/ipc/frame.h"
#include "local/delivery.h"
#include "local/introduction.h"
#include "tests/fuzz/fuzz_world.h"
#include "tests/unit/conf_fixture.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RCPTS_MAX 8
#define ATTEMPTS_MAX 64
#define BYTES_MAX 1000000
#define TURNS_MAX 400000
#define JUMP_TURNS 50
#define JUMP_MS 1000

enum how {
	HOW_MBOX = 1,
	HOW_SMALL = 2,        /* mailbox_size_limit */
	HOW_LOCKED = 4,       /* somebody has the lock */
	HOW_BEGUN = 8,        /* the mailbox ends within a line; a Maildir has no tmp/ */
	HOW_STRANGE = 16,     /* a directory where the file is to be, or the other way round */
	HOW_ABRUPT = 32,      /* hangs up without waiting for results */
	HOW_INTRODUCED = 255, /* no mailbox: what follows is what the parent looks at */
};

static struct {
	char dir[64];
	int fd; /* our end; -1 = closed */
	struct worker worker;
	bool done, spoilt; /* what follows may mean anything */
	struct buf heard;
	bool heard_hello;
	bool open[ATTEMPTS_MAX][RCPTS_MAX]; /* a result may come */
	bool probe[ATTEMPTS_MAX];
	unsigned attempts;
	size_t sent, bytes;
	size_t fibers;
} rig;

static char filler[65536];

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag;
	return ftw->level > 0 ? remove(path) : 0;
}

static void
remove_all(void)
{
	nftw(rig.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
remove_dir(void)
{
	remove_all();
	rmdir(rig.dir);
}

static void __attribute__((noreturn)) broken(const char *what)
{
	fuzz_disk_full(0);
	fprintf(stderr, "fuzz_local: %s\n", what);
	remove_dir();
	abort();
}

static unsigned
next(struct str *rest)
{
	unsigned char byte;

	if (rest->len == 0)
		return 0;
	byte = (unsigned char)rest->data[0];
	*rest = str_from(*rest, 1);
	return byte;
}

/* --- The queue manager -------------------------------------------------------------------------------- */

static void
take_result(const struct msg_result *r)
{
	if (r->attempt >= ATTEMPTS_MAX || r->index >= RCPTS_MAX) {
		if (!rig.spoilt)
			broken("a result for what was not sent");
		return;
	}
	if (!rig.open[r->attempt][r->index] && !rig.spoilt)
		broken("two results, or one too many");
	rig.open[r->attempt][r->index] = false;
	rig.sent += r->status == DELIVERY_SENT && !rig.probe[r->attempt];
}

static void
hear_frame(struct ipc_frame frame, struct str body)
{
	struct arena *a = arena_new(512);
	struct buf why = {0}, name = {0};
	struct msg_result r;

	if (!rig.heard_hello) {
		if (!ipc_frame_hello(frame, body, &name, &why))
			broken("no hello");
		rig.heard_hello = true;
	} else if (frame.type != msg_result.type || !ipc_unpack(&msg_result, body, a, &r, &why)) {
		broken("no result");
	} else {
		take_result(&r);
	}
	buf_free(&why);
	buf_free(&name);
	arena_free(&a);
}

static void
hear(void)
{
	struct buf why = {0};
	struct ipc_frame frame;
	char data[4096];
	ssize_t n;

	while (rig.fd != -1 && (n = recv(rig.fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		buf_append(&rig.heard, data, (size_t)n);
	while (rig.heard.len >= IPC_HEADER) {
		if (!ipc_frame_get(rig.heard.data, &frame, &why))
			broken("no frame");
		if (rig.heard.len - IPC_HEADER < frame.length)
			return;
		hear_frame(frame, str_sub(buf_view(&rig.heard), IPC_HEADER, frame.length));
		buf_consume(&rig.heard, IPC_HEADER + frame.length);
	}
}

static void
send_bytes(struct str bytes)
{
	if (rig.bytes + bytes.len > BYTES_MAX)
		rig.spoilt = true;
	for (unsigned tries = 0; bytes.len > 0 && rig.bytes < BYTES_MAX && tries < 200; tries++) {
		ssize_t n = send(rig.fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			bytes = str_from(bytes, (size_t)n);
			rig.bytes += (size_t)n;
			continue;
		}
		hear();
		fiber_yield();
	}
	if (bytes.len > 0)
		rig.spoilt = true;
}

static void
send_frame(uint16_t type, struct str body)
{
	unsigned char header[IPC_HEADER];

	ipc_frame_put(header, (struct ipc_frame){(uint32_t)body.len, type});
	send_bytes(str_n(header, sizeof(header)));
	send_bytes(body);
}

static void
send_content(uint64_t size)
{
	while (size > 0) {
		size_t piece = size < IPC_FRAME_MAX ? (size_t)size : IPC_FRAME_MAX;

		send_frame(IPC_TYPE_CONTENT, str_n(filler, piece));
		size -= piece;
	}
}

/* A delivery; OFF: its content is shorter, or longer, than it says. */
static void
order_deliver(struct str *rest)
{
	static const char *const names[] = {"a@test", "b@test", "loop@test", "\"x y\"@test"};
	struct msg_deliver_rcpt rcpts[RCPTS_MAX];
	unsigned how = next(rest), length = next(rest);
	uint64_t size = length < 128 ? length : length < 250 ? length * 64 : length * 1200;
	struct msg_deliver d = {
	    .id = STR("4jXKcV6sGYz8"),
	    .attempt = rig.attempts,
	    .nexthop = STR("test"),
	    .sender = how & 1 ? STR("s@test") : STR_EMPTY,
	    .size = size,
	    .probe = how & 2,
	    .envid = STR_EMPTY,
	    .rcpts = {rcpts, how / 4 % 4 + 1},
	};
	struct buf out = {0}, why = {0};

	if (rig.attempts == ATTEMPTS_MAX)
		return;
	rig.probe[rig.attempts] = d.probe;
	for (size_t i = 0; i < d.rcpts.count; i++) {
		rcpts[i] = (struct msg_deliver_rcpt){.index = i,
		    .address = str_c(names[(i + how / 16) % 4]),
		    .orig = i ? STR("o@test") : STR_EMPTY,
		    .orcpt = STR_EMPTY};
		rig.open[rig.attempts][i] = true;
	}
	rig.attempts++;
	if (ipc_frame_pack(&msg_deliver, &d, &out, &why))
		send_bytes(buf_view(&out));
	if (how & 64)
		size = how & 128 ? size + 1 : size / 2;
	rig.spoilt = rig.spoilt || size != d.size;
	send_content(size);
	buf_free(&out);
	buf_free(&why);
}

static void
order_frame(struct str *rest)
{
	unsigned type = next(rest);
	struct str body = str_sub(*rest, 1, next(rest) * 4);

	*rest = str_from(*rest, body.len);
	rig.spoilt = true;
	send_frame(type & 1 ? msg_deliver.type : (uint16_t)(type / 2), body);
}

static void
order_raw(struct str *rest)
{
	struct str bytes = str_sub(*rest, 1, next(rest));

	*rest = str_from(*rest, bytes.len);
	rig.spoilt = true;
	send_bytes(bytes);
}

static void
order_settle(struct str *rest)
{
	(void)rest;
	for (unsigned i = 0; i < 100; i++) {
		fiber_yield();
		hear();
	}
}

static void
order_full(struct str *rest)
{
	fuzz_disk_full(next(rest) * 100);
}

static void (*const orders[])(struct str *rest) = {
    order_deliver, order_frame, order_raw, order_settle, order_full};

/* --- The mailbox ---------------------------------------------------------------------------------------- */

static void
put_file(const char *name, const char *text)
{
	fixture_write(rig.dir, name, text, strlen(text));
}

static void
make_mailbox(unsigned how)
{
	const struct mbox_options options = {.base = rig.dir,
	    .path = "box",
	    .owner = geteuid(),
	    .locks = MBOX_LOCK_FCNTL | MBOX_LOCK_DOTLOCK,
	    .stale = 500,
	    .size_limit = how & HOW_SMALL ? 3000 : 0};
	char path[128];

	snprintf(path, sizeof(path), "%s/box", rig.dir);
	if (how & HOW_LOCKED)
		put_file("box.lock", "1");
	if (how & HOW_STRANGE && (how & HOW_MBOX))
		mkdir(path, 0700);
	else if (how & HOW_STRANGE || (how & HOW_BEGUN && how & HOW_MBOX))
		put_file("box", "x");
	else if (how & HOW_BEGUN)
		mkdir(path, 0700);
	if (how & HOW_MBOX) {
		rig.worker.mbox = mbox_new(&options);
	} else {
		rig.worker.maildir = maildir_new(rig.dir, "box", geteuid(), "host");
		maildir_limit(rig.worker.maildir, options.size_limit);
	}
}

static size_t
count_files(const char *sub)
{
	char path[128];
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/box/%s", rig.dir, sub);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static size_t
count_from_lines(void)
{
	char path[128], line[65536];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/box", rig.dir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		n += strncmp(line, "From ", 5) == 0;
	if (f)
		fclose(f);
	return n;
}

static void
check_mailbox(unsigned how)
{
	/* Who breaks the rules is hung up on, and hears no more. */
	bool exact = !(how & HOW_ABRUPT) && !rig.spoilt, mbox = how & HOW_MBOX;
	size_t there = mbox ? count_from_lines() : count_files("new");
	char lock[128];

	if (there < rig.sent || (exact && there != rig.sent)) {
		fprintf(stderr, "%zu messages, %zu results\n", there, rig.sent);
		broken("the mailbox has not what was said");
	}
	if (!mbox && count_files("tmp") > 0)
		broken("a file is left in tmp/");
	snprintf(lock, sizeof(lock), "%s/box.lock", rig.dir);
	if (!(how & HOW_LOCKED) && access(lock, F_OK) == 0)
		broken("a lock is left");
}

/* --- A run ------------------------------------------------------------------------------------------------ */

static void
worker_fiber(void *arg)
{
	(void)arg;
	worker_serve(&rig.worker);
	rig.done = true;
}

static void
begin(unsigned how)
{
	struct buf hello = {0};
	int pair[2], control[2];

	memset(&rig.worker, 0, sizeof(rig.worker));
	rig.worker.mailbox.base = rig.dir;
	memset(rig.open, 0, sizeof(rig.open));
	rig.done = rig.spoilt = rig.heard_hello = false;
	rig.attempts = 0;
	rig.sent = rig.bytes = 0;
	make_mailbox(how);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0)
		broken("no socket pair");
	rig.fd = pair[0];
	close(control[0]); /* the parent is gone */
	rig.worker.control = control[1];
	rig.worker.channel = ipc_channel_new(stream_fd(pair[1]), "local", "qmgr");
	rig.fibers = fiber_count();
	fiber_spawn("worker", worker_fiber, NULL);
	ipc_frame_pack_hello("qmgr", &hello);
	send_bytes(buf_view(&hello));
	buf_free(&hello);
}

static void
end(unsigned how)
{
	if (how & HOW_ABRUPT)
		io_close(&rig.fd);
	else
		(void)shutdown(rig.fd, SHUT_WR);
	for (unsigned turns = 1; !rig.done || fiber_count() > rig.fibers; turns++) {
		hear();
		fiber_yield();
		if (turns % JUMP_TURNS == 0) {
			fuzz_time_passes(JUMP_MS);
			usleep(50);
		}
		if (turns > TURNS_MAX)
			broken("does not end");
	}
	hear();
	fuzz_disk_full(0);
	check_mailbox(how);
	io_close(&rig.fd);
	close(rig.worker.control);
	maildir_free(&rig.worker.maildir);
	mbox_free(&rig.worker.mbox);
	buf_free(&rig.heard);
	remove_all();
}

static void
run(void *arg)
{
	struct str *rest = arg;
	unsigned how = next(rest);

	begin(how);
	for (unsigned i = 0; rest->len > 0 && i < 60; i++)
		orders[next(rest) % (sizeof(orders) / sizeof(orders[0]))](rest);
	end(how);
}

/* --- What the parent reads, as root ------------------------------------------------------------------------- */

/* A refusal with any text, as the one who is refused hears it. */
static void
check_refusal(int pair[2], struct str text)
{
	struct ipc_blocking *qmgr = ipc_blocking_new(pair[0], "qmgr", 1000);
	struct arena *a = arena_new(0);
	struct buf copy = {0};
	struct msg_agent_no no;

	buf_str(&copy, text);
	introduction_refuse(pair[1], "4.3.0", &copy, false);
	if (ipc_blocking_recv_one(qmgr, a, &msg_agent_no, &no) != IPC_OK ||
	    !str_eq(no.text, str_sub(text, 0, MSG_TEXT_MAX)))
		broken("a refusal that is not understood");
	ipc_blocking_free(&qmgr);
	arena_free(&a);
	buf_free(&copy);
}

/* An introduction that comes in two pieces: what was said of the first stays true. */
static void
introduce(struct str all)
{
	struct buf first = {0}, second = {0}, why = {0};
	enum introduction before, after;
	size_t half = all.len / 2;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		broken("no socket pair");
	(void)send(pair[0], all.data, half, MSG_DONTWAIT);
	before = introduction_peek(pair[1], &first, &why);
	(void)send(pair[0], all.data + half, all.len - half, MSG_DONTWAIT);
	after = introduction_peek(pair[1], &second, &why);
	if ((before != INTRODUCTION_PARTIAL && after != before) ||
	    (before == INTRODUCTION_COMPLETE && !str_eq(buf_view(&first), buf_view(&second))) ||
	    (after == INTRODUCTION_BAD && why.len == 0) || second.len > MSG_ADDRESS_MAX)
		broken("an introduction that changes its meaning");
	check_refusal(pair, all);
	close(pair[1]);
	buf_free(&first);
	buf_free(&second);
	buf_free(&why);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int nowhere[2];

	(void)argc, (void)argv;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, nowhere) != 0)
		broken("no socket pair");
	close(nowhere[1]);
	log_to_socket(nowhere[0], false);
	conf_set(fixture_load_good("compatibility_level = 3.11\nmyhostname = mx.test\n", ""));
	snprintf(rig.dir, sizeof(rig.dir), "%s/fuzz_local.XXXXXX", tmp);
	if (!mkdtemp(rig.dir))
		broken("no directory");
	atexit(remove_dir);
	fiber_pool_size(FIBER_POOL_SYNC, 2);
	fiber_pool_size(FIBER_POOL_READ, 1);
	fiber_pool_size(FIBER_POOL_BULK, 1);
	for (size_t i = 0; i < sizeof(filler); i++)
		filler[i] = (char)('a' + i % 26);
	memcpy(filler, "Delivered-To: loop@test\r\nFrom x\r\n\r\nFrom y\r\n", 43);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_n(data, size);

	if (size > 0 && data[0] == HOW_INTRODUCED) {
		introduce(str_from(rest, 1));
		return 0;
	}
	fuzz_world_on(true);
	fiber_main(run, &rest);
	fuzz_world_on(false);
	return 0;
}
