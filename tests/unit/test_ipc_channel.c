/*
 * test_ipc_channel - frames between two fibers, between a fiber and a blocking peer, and from a peer
 * that breaks the rules
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/blocking.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LARGE 300000 /* more than four frames, and more than a socket holds */

static const struct ipc_schema *const submission[] = {&msg_submit_begin, &msg_submit_envelope,
    &msg_submit_rcpts, &msg_submit_commit, &msg_submit_cancel, &msg_agent_no, NULL};

/* What a test shares with its fibers; set to zero before every test. */
static struct {
	int fds[2];
	struct str content; /* what the client sends */
	struct buf got;     /* what the server got as content */
	size_t messages;    /* what it got besides */
	enum ipc_status status;
	size_t pieces;
	bool server_done, client_done;
} t;

static char large[LARGE];

static int
reset(void **state)
{
	(void)state;
	buf_free(&t.got);
	memset(&t, 0, sizeof(t));
	t.fds[0] = t.fds[1] = -1;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 31 + i / 251);
	return 0;
}

static int
clean(void **state)
{
	(void)state;
	buf_free(&t.got);
	(void)io_close(&t.fds[1]);
	return 0;
}

static void
pair(int type)
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, t.fds), 0);
}

static struct ipc_channel *
channel(int which, const char *name, const char *peer)
{
	struct ipc_channel *ch = ipc_channel_new(stream_fd(t.fds[which]), name, peer);

	stream_timeout(ipc_stream(ch), 5000);
	t.fds[which] = -1;
	return ch;
}

/* ---- A submission between two fibers ---- */

/* Takes submissions, as many as come, and answers each. */
static void
server(void *arg)
{
	struct ipc_channel *ch = channel(0, "qmgr", "client");
	struct arena *a = arena_new(0);
	struct ipc_message m;

	(void)arg;
	while ((t.status = ipc_recv(ch, a, submission, true, &m)) == IPC_OK) {
		if (m.schema == NULL) {
			buf_str(&t.got, m.content);
			t.pieces++;
			continue;
		}
		t.messages++;
		if (m.schema == &msg_submit_commit) {
			const struct msg_submit_commit *commit = m.body;
			struct msg_submit_ok ok = {STR("4Wabc")};

			assert_int_equal(commit->size, t.got.len);
			assert_true(str_eq(ipc_peer_name(ch), STR("smtpd")));
			assert_int_equal(ipc_send(ch, &msg_submit_ok, &ok), IPC_OK);
			assert_int_equal(ipc_flush(ch), IPC_OK);
			arena_reset(a);
		}
	}
	ipc_channel_free(&ch);
	arena_free(&a);
	t.server_done = true;
}

static void
send_submission(struct ipc_channel *ch, struct str content, size_t piece)
{
	struct msg_rcpt rcpts[2] = {{.address = STR("bob@example.org")}, {.address = STR("root")}};
	struct msg_attr attr = {STR("client_name"), STR("host.example")};
	struct msg_submit_begin begin = {content.len};
	struct msg_submit_envelope envelope = {
	    .sender = STR("alice@example.org"), .attrs = {&attr, 1}};
	struct msg_submit_rcpts list = {{rcpts, 2}};
	struct msg_submit_commit commit = {.size = content.len};

	assert_int_equal(ipc_send(ch, &msg_submit_begin, &begin), IPC_OK);
	assert_int_equal(ipc_send(ch, &msg_submit_envelope, &envelope), IPC_OK);
	assert_int_equal(ipc_send(ch, &msg_submit_rcpts, &list), IPC_OK);
	for (size_t at = 0; at < content.len; at += piece)
		assert_int_equal(ipc_send_content(ch, str_sub(content, at, piece)), IPC_OK);
	assert_int_equal(ipc_send(ch, &msg_submit_commit, &commit), IPC_OK);
	assert_int_equal(ipc_flush(ch), IPC_OK);
}

static void
client(void *arg)
{
	struct ipc_channel *ch = channel(1, "smtpd", "server");
	struct arena *a = arena_new(0);
	struct msg_submit_ok ok;

	(void)arg;
	for (size_t i = 0; i < 3; i++) {
		buf_reset(&t.got);
		send_submission(ch, t.content, i == 1 ? 777 : SIZE_MAX);
		assert_int_equal(ipc_recv_one(ch, a, &msg_submit_ok, &ok), IPC_OK);
		assert_true(str_eq(ok.id, STR("4Wabc")));
		assert_true(str_eq(ipc_peer_name(ch), STR("qmgr")));
		assert_true(str_eq(buf_view(&t.got), t.content));
	}
	ipc_channel_free(&ch);
	arena_free(&a);
	t.client_done = true;
}

static void
both(void *arg)
{
	(void)arg;
	fiber_spawn("server", server, NULL);
	client(NULL);
	while (!t.server_done)
		fiber_sleep(1);
}

static void
test_submissions(void **state)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, LARGE};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		reset(state);
		t.content = str_n(large, sizes[i]);
		pair(SOCK_STREAM);
		fiber_main(both, NULL);
		assert_true(t.client_done && t.server_done);
		assert_int_equal(t.status, IPC_CLOSED);
		assert_int_equal(t.messages, 12);
		assert_int_equal(t.pieces == 0, sizes[i] == 0);
	}
}

/* ---- One write per flush ---- */

static void
send_small(void *arg)
{
	struct ipc_channel *ch = channel(1, "smtpd", "server");

	(void)arg;
	send_submission(ch, str_n(large, 4096), SIZE_MAX);
	send_submission(ch, str_n(large, 10), SIZE_MAX);
	ipc_channel_free(&ch);
}

static void
test_one_write(void **state)
{
	char packet[16384];
	ssize_t n;

	(void)state;
	pair(SOCK_SEQPACKET);
	fiber_main(send_small, NULL);
	n = recv(t.fds[0], packet, sizeof(packet), 0);
	assert_in_range(n, 4096 + 100, 4096 + 500);
	n = recv(t.fds[0], packet, sizeof(packet), 0);
	assert_in_range(n, 110, 510);
	assert_int_equal(recv(t.fds[0], packet, sizeof(packet), 0), 0);
	(void)io_close(&t.fds[0]);
}

/* ---- Both directions at once ---- */

static void
flood(void *arg)
{
	struct ipc_channel *ch = arg;

	assert_int_equal(ipc_send_content(ch, str_n(large, LARGE)), IPC_OK);
	assert_int_equal(ipc_flush(ch), IPC_OK);
	t.pieces++;
}

static void
drink(struct ipc_channel *ch)
{
	const struct ipc_schema *const nothing[] = {NULL};
	struct arena *a = arena_new(0);
	struct ipc_message m;
	size_t got = 0;

	while (got < LARGE && ipc_recv(ch, a, nothing, true, &m) == IPC_OK) {
		assert_memory_equal(m.content.data, large + got, m.content.len);
		got += m.content.len;
	}
	assert_int_equal(got, LARGE);
	arena_free(&a);
}

static void
other_end(void *arg)
{
	struct ipc_channel *ch = channel(0, "b", "a");

	(void)arg;
	fiber_spawn("flood", flood, ch);
	drink(ch);
	while (t.pieces < 2)
		fiber_sleep(1);
	ipc_channel_free(&ch);
	t.server_done = true;
}

static void
both_ways(void *arg)
{
	struct ipc_channel *ch = channel(1, "a", "b");

	(void)arg;
	fiber_spawn("other", other_end, NULL);
	fiber_spawn("flood", flood, ch);
	drink(ch);
	while (!t.server_done)
		fiber_sleep(1);
	ipc_channel_free(&ch);
	t.client_done = true;
}

static void
test_both_ways(void **state)
{
	(void)state;
	pair(SOCK_STREAM);
	fiber_main(both_ways, NULL);
	assert_true(t.client_done);
}

/* ---- A peer that breaks the rules ---- */

#define HELLO "\x0e\0\0\0\xfe\xff\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0pe"
#define BEGIN "\x08\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0"
#define COMMIT "\x08\0\0\0\x06\0\0\0\x03\0\0\0\0\0\0\0"
#define CONTENT "\x03\0\0\0\xff\xff\0\0xyz"
#define BYTES(literal)                                                                             \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static const struct {
	const char *name;
	struct str input;
	bool content;    /* is it allowed */
	size_t messages; /* that arrive before */
	enum ipc_status end;
} raw[] = {
    {"nothing", BYTES(""), true, 0, IPC_CLOSED},
    {"all is well", BYTES(HELLO BEGIN CONTENT COMMIT), true, 2, IPC_CLOSED},
    {"no hello", BYTES(BEGIN), true, 0, IPC_BAD},
    {"hello twice", BYTES(HELLO HELLO), true, 0, IPC_BAD},
    {"content first", BYTES(CONTENT), true, 0, IPC_BAD},
    {"other version", BYTES("\x0e\0\0\0\xfe\xff\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0pe"), true, 0,
	IPC_BAD},
    {"name too long", BYTES("\x0e\0\0\0\xfe\xff\0\0\x01\0\0\0\0\0\0\0\x41\0\0\0pe"), true, 0,
	IPC_BAD},
    {"unknown type", BYTES(HELLO BEGIN "\0\0\0\0\x63\0\0\0"), true, 1, IPC_BAD},
    {"known, not expected", BYTES(HELLO BEGIN "\x09\0\0\0\x02\0\0\0\x05\0\0\0abcde"), true, 1,
	IPC_BAD},
    {"content not expected", BYTES(HELLO BEGIN CONTENT), false, 1, IPC_BAD},
    {"empty content", BYTES(HELLO BEGIN "\0\0\0\0\xff\xff\0\0"), true, 1, IPC_BAD},
    {"reserved byte", BYTES(HELLO "\x08\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0"), true, 0, IPC_BAD},
    {"one byte too long", BYTES(HELLO "\x01\0\x01\0\x01\0\0\0"), true, 0, IPC_BAD},
    {"4 GiB", BYTES(HELLO "\xff\xff\xff\xff\x01\0\0\0"), true, 0, IPC_BAD},
    {"surplus", BYTES(HELLO "\x09\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0\0\0"), true, 0, IPC_BAD},
    {"short", BYTES(HELLO "\x07\0\0\0\x01\0\0\0\x05\0\0\0\0\0\0"), true, 0, IPC_BAD},
    {"frame of no bytes", BYTES(HELLO "\0\0\0\0\x01\0\0\0"), true, 0, IPC_BAD},
    {"bad truth value", BYTES(HELLO "\x09\0\0\0\x12\0\0\0\0\0\0\0\0\0\0\0\x02"), true, 0, IPC_BAD},
};

struct reading {
	struct str input;
	bool content;
	size_t messages, bytes;
	enum ipc_status end, again, send;
	struct buf output;
};

static void
read_all(void *arg)
{
	struct reading *r = arg;
	struct ipc_channel *ch =
	    ipc_channel_new(stream_memory(r->input, &r->output), "qmgr", "test");
	struct arena *a = arena_new(0);
	struct msg_submit_begin begin = {1};
	struct ipc_message m;

	while ((r->end = ipc_recv(ch, a, submission, r->content, &m)) == IPC_OK) {
		if (m.schema)
			r->messages++;
		else
			r->bytes += m.content.len;
	}
	r->again = ipc_recv(ch, a, submission, r->content, &m);
	r->send = ipc_send(ch, &msg_submit_begin, &begin);
	ipc_channel_free(&ch);
	arena_free(&a);
	buf_free(&r->output);
}

static void
test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(raw); i++) {
		struct reading r = {.input = raw[i].input, .content = raw[i].content};

		fiber_main(read_all, &r);
		if (r.end != raw[i].end || r.messages != raw[i].messages)
			print_error("case \"%s\"\n", raw[i].name);
		assert_int_equal(r.end, raw[i].end);
		assert_int_equal(r.messages, raw[i].messages);
		assert_int_equal(r.again, raw[i].end);
		/* One that broke the rules is not spoken to any more. */
		assert_int_equal(r.send == IPC_OK, raw[i].end == IPC_CLOSED);
	}
}

/* Cut at every byte: what arrived whole is seen, the rest is a lost connection and never an error. */
static void
test_cut(void **state)
{
	struct str whole = raw[1].input;

	(void)state;
	for (size_t n = 0; n <= whole.len; n++) {
		struct reading r = {.input = str_sub(whole, 0, n), .content = true};

		fiber_main(read_all, &r);
		assert_int_equal(r.end, IPC_CLOSED);
		assert_int_equal(r.messages,
		    (n >= sizeof(HELLO BEGIN) - 1) + (n >= sizeof(HELLO BEGIN CONTENT COMMIT) - 1));
		assert_true(r.bytes <= 3);
	}
}

static void
bad_over_socket(void *arg)
{
	struct ipc_channel *ch = channel(0, "qmgr", "test");
	struct arena *a = arena_new(0);
	struct ipc_message m;

	(void)arg;
	t.status = ipc_recv(ch, a, submission, true, &m);
	/* Not freed yet, and still the peer sees the end. */
	t.messages = (size_t)recv(t.fds[1], large, 1, MSG_DONTWAIT);
	ipc_channel_free(&ch);
	arena_free(&a);
}

static void
test_bad_peer_is_hung_up_on(void **state)
{
	(void)state;
	pair(SOCK_STREAM);
	assert_int_equal(send(t.fds[1], "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	fiber_main(bad_over_socket, NULL);
	assert_int_equal(t.status, IPC_BAD);
	assert_int_equal(t.messages, 0);
}

/* ---- Byte by byte, and not at all ---- */

static void
dripper(void *arg)
{
	struct str *bytes = arg;

	for (size_t i = 0; i < bytes->len; i++) {
		assert_int_equal(send(t.fds[1], bytes->data + i, 1, 0), 1);
		fiber_yield();
	}
	(void)io_close(&t.fds[1]);
}

static void
drip(void *arg)
{
	struct str bytes = raw[1].input;
	struct ipc_channel *ch = channel(0, "qmgr", "dripper");
	struct arena *a = arena_new(0);
	struct ipc_message m;

	(void)arg;
	fiber_spawn("dripper", dripper, &bytes);
	while ((t.status = ipc_recv(ch, a, submission, true, &m)) == IPC_OK) {
		if (m.schema)
			t.messages++;
		else
			buf_str(&t.got, m.content);
	}
	ipc_channel_free(&ch);
	arena_free(&a);
}

static void
test_drip(void **state)
{
	(void)state;
	pair(SOCK_STREAM);
	fiber_main(drip, NULL);
	assert_int_equal(t.status, IPC_CLOSED);
	assert_int_equal(t.messages, 2);
	assert_true(str_eq(buf_view(&t.got), STR("xyz")));
}

static void
silence(void *arg)
{
	struct ipc_channel *ch = channel(0, "qmgr", "silent");
	struct arena *a = arena_new(0);
	struct msg_submit_begin begin = {1};
	struct msg_submit_id id;

	(void)arg;
	stream_timeout(ipc_stream(ch), 30);
	t.status = ipc_call(ch, a, &msg_submit_begin, &begin, &msg_submit_id, &id);
	ipc_channel_free(&ch);
	arena_free(&a);
}

static void
test_timeout(void **state)
{
	(void)state;
	pair(SOCK_STREAM);
	fiber_main(silence, NULL);
	assert_int_equal(t.status, IPC_TIMED_OUT);
}

/* ---- Our own mistake ---- */

static void
invalid(void *arg)
{
	struct buf *output = arg;
	struct ipc_channel *ch = ipc_channel_new(stream_memory(STR_EMPTY, output), "a", "b");
	struct msg_submit_id id = {STR("an identifier that is longer than allowed")};

	assert_int_equal(ipc_send(ch, &msg_submit_id, &id), IPC_INVALID);
	assert_int_equal(ipc_flush(ch), IPC_OK);
	assert_int_equal(output->len, 0);
	id.id = STR("short");
	assert_int_equal(ipc_send(ch, &msg_submit_id, &id), IPC_OK);
	assert_int_equal(ipc_flush(ch), IPC_OK);
	assert_int_equal(output->len, IPC_HEADER + 8 + 4 + 1 + IPC_HEADER + 4 + 5);
	ipc_channel_free(&ch);
}

static void
test_invalid(void **state)
{
	struct buf output = {0};

	(void)state;
	fiber_main(invalid, &output);
	buf_free(&output);
}

/* ---- Without fibers ---- */

/* In a worker thread: must not use what belongs to fibers. */
static void
blocking_client(void *arg)
{
	struct ipc_blocking *b = arg;
	struct arena *a = arena_new(0);
	struct msg_submit_begin begin = {t.content.len};
	struct msg_submit_commit commit = {.size = t.content.len};
	struct msg_submit_ok ok;

	for (int i = 0; i < 2; i++) {
		buf_reset(&t.got);
		assert_int_equal(ipc_blocking_send(b, &msg_submit_begin, &begin), IPC_OK);
		assert_int_equal(ipc_blocking_content(b, t.content), IPC_OK);
		assert_int_equal(
		    ipc_blocking_call(b, a, &msg_submit_commit, &commit, &msg_submit_ok, &ok),
		    IPC_OK);
		assert_true(str_eq(ok.id, STR("4Wabc")));
		assert_true(str_eq(buf_view(&t.got), t.content));
	}
	ipc_blocking_free(&b);
	arena_free(&a);
	t.client_done = true;
}

static void
blocking_pair(void *arg)
{
	struct ipc_blocking *b = ipc_blocking_new(t.fds[1], "smtpd", 5000);

	(void)arg;
	t.fds[1] = -1;
	fiber_spawn("server", server, NULL);
	fiber_offload(FIBER_POOL_READ, blocking_client, b);
	while (!t.server_done)
		fiber_sleep(1);
}

static void
test_blocking(void **state)
{
	(void)state;
	t.content = str_n(large, LARGE);
	pair(SOCK_STREAM);
	fiber_main(blocking_pair, NULL);
	assert_true(t.client_done);
	assert_int_equal(t.status, IPC_CLOSED);
	assert_int_equal(t.messages, 4);
}

static void
test_blocking_rules(void **state)
{
	for (size_t i = 0; i < COUNT(raw); i++) {
		struct ipc_blocking *b;
		struct arena *a = arena_new(0);
		struct ipc_message m;
		size_t messages = 0;
		enum ipc_status end;

		reset(state);
		pair(SOCK_STREAM);
		assert_int_equal(
		    send(t.fds[0], raw[i].input.data, raw[i].input.len, 0), raw[i].input.len);
		assert_int_equal(io_close(&t.fds[0]), 0);
		b = ipc_blocking_new(t.fds[1], "test", 1000);
		t.fds[1] = -1;
		while ((end = ipc_blocking_recv(b, a, submission, raw[i].content, &m)) == IPC_OK)
			messages += m.schema != NULL;
		assert_int_equal(end, raw[i].end);
		assert_int_equal(messages, raw[i].messages);
		assert_string_not_equal(ipc_blocking_why(b), "");
		assert_int_equal(
		    ipc_blocking_recv(b, a, submission, raw[i].content, &m), raw[i].end);
		ipc_blocking_free(&b);
		arena_free(&a);
	}
}

static void
test_blocking_timeout(void **state)
{
	struct ipc_blocking *b;
	struct arena *a = arena_new(0);
	struct msg_submit_id id;

	(void)state;
	pair(SOCK_STREAM);
	b = ipc_blocking_new(t.fds[0], "test", 20);
	assert_false(ipc_blocking_readable(b));
	assert_int_equal(ipc_blocking_recv_one(b, a, &msg_submit_id, &id), IPC_TIMED_OUT);
	assert_string_equal(ipc_blocking_why(b), "timeout");
	/* Nobody reads: once the socket is full, sending ends too. */
	assert_int_equal(ipc_blocking_content(b, str_n(large, LARGE)), IPC_TIMED_OUT);
	ipc_blocking_free(&b);
	arena_free(&a);
}

/* A peer that refused and left before we were done: its word can still be read. */
static void
test_blocking_early_answer(void **state)
{
	static const char answer[] = HELLO "\x09\0\0\0\x02\0\0\0\x05\0\0\0abcde";
	struct ipc_blocking *b;
	struct arena *a = arena_new(0);
	struct msg_submit_id id;

	(void)state;
	pair(SOCK_STREAM);
	assert_int_equal(send(t.fds[1], answer, sizeof(answer) - 1, 0), sizeof(answer) - 1);
	assert_int_equal(io_close(&t.fds[1]), 0);
	b = ipc_blocking_new(t.fds[0], "test", 1000);
	assert_int_equal(ipc_blocking_content(b, str_n(large, LARGE)), IPC_CLOSED);
	assert_true(ipc_blocking_readable(b));
	assert_int_equal(ipc_blocking_recv_one(b, a, &msg_submit_id, &id), IPC_OK);
	assert_true(str_eq(id.id, STR("abcde")));
	ipc_blocking_free(&b);
	arena_free(&a);
}

static void
test_blocking_connect(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/test_ipc.XXXXXX", path[64], far[200];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ipc_blocking *b, *full[3];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	assert_null(ipc_blocking_connect(path, "test", 100));
	assert_int_equal(errno, ENOENT);
	memset(far, 'x', sizeof(far));
	far[sizeof(far) - 1] = '\0';
	assert_null(ipc_blocking_connect(far, "test", 100));
	assert_int_equal(errno, ENAMETOOLONG);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_null(ipc_blocking_connect(path, "test", 100));
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(listen(fd, 1), 0);
	b = ipc_blocking_connect(path, "test", 100);
	assert_non_null(b);
	/* Nobody accepts: the queue of the listener is full before long. */
	for (size_t i = 0; i < COUNT(full); i++)
		full[i] = ipc_blocking_connect(path, "test", 50);
	assert_null(full[2]);
	assert_int_equal(errno, ETIMEDOUT);
	for (size_t i = 0; i < COUNT(full); i++)
		ipc_blocking_free(&full[i]);
	ipc_blocking_free(&b);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_submissions, reset, clean),
	    cmocka_unit_test_setup_teardown(test_one_write, reset, clean),
	    cmocka_unit_test_setup_teardown(test_both_ways, reset, clean),
	    cmocka_unit_test_setup_teardown(test_rules, reset, clean),
	    cmocka_unit_test_setup_teardown(test_cut, reset, clean),
	    cmocka_unit_test_setup_teardown(test_bad_peer_is_hung_up_on, reset, clean),
	    cmocka_unit_test_setup_teardown(test_drip, reset, clean),
	    cmocka_unit_test_setup_teardown(test_timeout, reset, clean),
	    cmocka_unit_test_setup_teardown(test_invalid, reset, clean),
	    cmocka_unit_test_setup_teardown(test_blocking, reset, clean),
	    cmocka_unit_test_setup_teardown(test_blocking_rules, reset, clean),
	    cmocka_unit_test_setup_teardown(test_blocking_timeout, reset, clean),
	    cmocka_unit_test_setup_teardown(test_blocking_early_answer, reset, clean),
	    cmocka_unit_test_setup_teardown(test_blocking_connect, reset, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
