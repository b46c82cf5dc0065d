/*
 * smtp_client_fixture - see smtp_client_fixture.h
 */
#include "tests/unit/smtp_client_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/frame.h"
#include "lib/mail/eight_bits.h"
#include "smtp/session.h"
#include "tests/unit/conf_fixture.h"

#define MAIN_CF                                                                                    \
	"compatibility_level = 3.11\nmyhostname = mx.example.com\nmydomain = example.com\n"        \
	"smtp_connection_cache_time_limit = 1000s\nlmtp_connection_cache_time_limit = 1000s\n"

/* The connect hook has no argument of its own. */
static struct play *playing;
/* What DNS was prepared with. */
static struct conf *dns_conf;

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "smtp_client_fixture: %s\n", what);
	abort();
}

/* --- The servers ---------------------------------------------------------------------------------- */

static bool
ends(struct str packet)
{
	return str_eq(packet, STR("\f")) || str_eq(packet, STR("\v"));
}

static ssize_t
server_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct play *p = ctx;
	struct str packet;

	(void)wait_for;
	while (p->next < p->n_packets && p->packets[p->next].len == 0)
		p->next++;
	if (p->next == p->n_packets || ends(p->packets[p->next]))
		return 0;
	packet = p->packets[p->next++];
	must(packet.len <= n, "a packet is too large");
	memcpy(data, packet.data, packet.len);
	return (ssize_t)packet.len;
}

static ssize_t
server_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct play *p = ctx;

	(void)wait_for;
	buf_append(&p->wire, data, n);
	return (ssize_t)n;
}

static void
nothing(void *ctx)
{
	(void)ctx;
}

static const struct stream_io server_io = {server_read, server_write, nothing};

static struct stream *
connect_hook(const struct settings *st, const struct server *server)
{
	struct play *p = playing;
	struct stream *s;

	(void)st;
	(void)server;
	/* What the last connection left unread is not this one's. */
	while (p->connections > 0 && p->next < p->n_packets && !ends(p->packets[p->next]))
		p->next++;
	if (p->next < p->n_packets &&
	    (str_eq(p->packets[p->next], STR("\v")) || str_eq(p->packets[p->next], STR("\a")))) {
		errno = p->packets[p->next++].data[0] == '\v' ? ECONNREFUSED : EMFILE;
		return NULL;
	}
	if (p->connections > 0 && p->next < p->n_packets)
		p->next++;
	p->connections++;
	buf_putc(&p->wire, '\f');
	s = stream_memory(STR_EMPTY, NULL);
	stream_set_io(s, &server_io, p);
	return s;
}

/* --- The queue manager ---------------------------------------------------------------------------- */

static void
put_content(struct play *p, struct str content)
{
	while (content.len > 0) {
		struct str piece = str_sub(content, 0, 50000);
		unsigned char header[IPC_HEADER];

		ipc_frame_put(header,
		    (struct ipc_frame){.length = (uint32_t)piece.len, .type = IPC_TYPE_CONTENT});
		buf_append(&p->channel_in, header, sizeof(header));
		buf_str(&p->channel_in, piece);
		content = str_from(content, piece.len);
	}
}

/* The content of the delivery that is under way comes once more, before the next delivery. */
static void
put_again(struct play *p)
{
	size_t end = p->ends[p->stage], before = p->channel_in.len;
	struct buf next = {0};

	must(p->at == end, "content is asked for again before it was read to its end");
	buf_append(&next, p->channel_in.data + end, before - end);
	buf_truncate(&p->channel_in, end);
	put_content(p, p->deliveries[p->stage].content);
	buf_str(&p->channel_in, buf_view(&next));
	for (size_t i = p->stage; i <= p->n; i++)
		p->ends[i] += p->channel_in.len - before;
	p->asked_again++;
	buf_free(&next);
}

/* Takes the results out of what the client has said. */
static void
hear_results(struct play *p)
{
	struct buf why = {0};
	struct ipc_frame frame;

	while (p->channel_out.len - p->parsed >= IPC_HEADER) {
		const char *at = p->channel_out.data + p->parsed;

		must(ipc_frame_get(at, &frame, &why), "a bad frame");
		if (p->channel_out.len - p->parsed < IPC_HEADER + frame.length)
			break;
		p->parsed += IPC_HEADER + frame.length;
		p->told_connected += frame.type == msg_agent_connected.type;
		if (frame.type == msg_agent_again.type)
			put_again(p);
		if (frame.type != msg_result.type)
			continue;
		must(p->n_results < PLAY_RESULTS_MAX, "too many results");
		must(ipc_unpack(&msg_result,
			 arena_str(p->arena, str_n(at + IPC_HEADER, frame.length)), p->arena,
			 &p->results[p->n_results], &why),
		    "a bad result");
		p->n_results++;
	}
	while (p->stage < p->n && p->n_results >= p->wanted[p->stage])
		p->stage++;
	buf_free(&why);
}

static ssize_t
channel_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct play *p = ctx;
	size_t there = p->ends[p->stage] - p->at;

	(void)wait_for;
	if (there == 0 && p->stage < p->n && p->deliveries[p->stage].cut == 0) {
		errno = EAGAIN; /* asked whether the queue manager is still there */
		return -1;
	}
	if (n > there)
		n = there;
	memcpy(data, p->channel_in.data + p->at, n);
	p->at += n;
	return (ssize_t)n;
}

static ssize_t
channel_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct play *p = ctx;

	(void)wait_for;
	buf_append(&p->channel_out, data, n);
	hear_results(p);
	return (ssize_t)n;
}

static const struct stream_io channel_io = {channel_read, channel_write, nothing};

static void
put(struct play *p, const struct ipc_schema *schema, const void *message)
{
	struct buf why = {0};

	must(ipc_frame_pack(schema, message, &p->channel_in, &why), "a message does not fit");
	buf_free(&why);
}

static void
put_delivery(struct play *p, size_t i)
{
	const struct play_delivery *d = &p->deliveries[i];
	static const struct msg_attr attrs[] = {{{"client_name", 11}, {"c d.example", 11}},
	    {{"client_address", 14}, {"192.0.2.1", 9}}, {{"log_helo_name", 13}, {"h+", 2}}};
	struct msg_deliver_rcpt rcpts[PLAY_RESULTS_MAX] = {0};
	struct msg_deliver m = {
	    .id = STR("4bTESTID0001"),
	    .attempt = i + 1,
	    .nexthop = d->nexthop,
	    .sender = STR("s@example.org"),
	    .size = d->content.len,
	    .smtputf8 = d->smtputf8,
	    .body_8bit = d->body_8bit,
	    .probe = d->probe,
	    .tell_connected = d->tell_connected,
	};
	struct eight_bits bits = {0};
	size_t n = 0;

	eight_bits_add(&bits, d->content);
	m.header_has_8bit = bits.header;
	m.body_has_8bit = bits.body;
	for (; d->rcpts[n]; n++) {
		rcpts[n].index = n;
		rcpts[n].address = str_c(d->rcpts[n]);
	}
	m.rcpts = (struct ipc_list){rcpts, n};
	m.attrs = (struct ipc_list){(void *)(uintptr_t)attrs, sizeof(attrs) / sizeof(attrs[0])};
	put(p, &msg_deliver, &m);
	put_content(p, str_sub(d->content, 0, d->content.len - d->cut));
	p->ends[i] = p->channel_in.len;
	p->wanted[i] = (i > 0 ? p->wanted[i - 1] : 0) + n;
}

/* Names of ports, which is all that is needed of it; once in a process. */
static void
prepare_dns(void)
{
	struct buf why = {0};

	if (dns_conf)
		return;
	dns_conf = fixture_load_good(MAIN_CF, "");
	must(dns_prepare(dns_conf, "smtp", &why), "dns");
}

/* --- All together --------------------------------------------------------------------------------- */

static void
run(void *arg)
{
	struct play *p = arg;
	struct stream *s = stream_memory(STR_EMPTY, NULL);
	struct client client = {.cache = cache_new(), .connect = connect_hook};
	struct conf *conf = fixture_load_good(MAIN_CF, p->main_cf ? p->main_cf : "");
	struct buf why = {0};

	must(settings_read(&client.settings, conf, p->lmtp, &why), "settings");
	stream_set_io(s, &channel_io, p);
	session_serve(&client, s, NULL, NULL, NULL);
	cache_free(&client.cache);
	/* The fiber that looked after the cache ends. */
	fiber_yield();
	conf_free(&conf);
	buf_free(&why);
}

void
play(struct play *p)
{
	const struct msg_agent_open hello = {.recipient = STR("hop")};
	const struct msg_agent_close bye = {0};

	prepare_dns();
	p->arena = arena_new(0);
	must(ipc_frame_pack_hello("qmgr", &p->channel_in), "hello");
	put(p, &msg_agent_open, &hello);
	for (size_t i = 0; i < p->n; i++)
		put_delivery(p, i);
	put(p, &msg_agent_close, &bye);
	p->ends[p->n] = p->channel_in.len;
	playing = p;
	fiber_main(run, p);
}

void
play_free(struct play *p)
{
	buf_free(&p->wire);
	buf_free(&p->channel_in);
	buf_free(&p->channel_out);
	arena_free(&p->arena);
}
