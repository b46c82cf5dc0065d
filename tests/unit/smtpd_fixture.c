/*
 * smtpd_fixture - a whole SMTP session in the process
 */
#include "tests/unit/smtpd_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/fiber/stream.h"
#include "lib/route/route.h"
#include "smtpd/access.h"
#include "smtpd/recipients.h"
#include "smtpd/session.h"
#include "tests/unit/conf_fixture.h"

#define MAIN_CF                                                                                    \
	"compatibility_level = 3.11\nmyhostname = mx.example.com\nmydomain = example.com\n"        \
	"mydestination = mx.example.com, example.com\nmynetworks = 127.0.0.1/32\n"                 \
	"alias_maps =\nlocal_recipient_maps = inline:{smith=1, jones=1, brown=1}\n"

/* ---- The sink ---- */

struct sink_message {
	struct memory_sink *sink;
	struct buf envelope, content;
	bool failed;
	char id[16];
};

static struct sink_message *
memory_begin(void *context, uint64_t size, fiber_deadline deadline, struct submit_refusal *no)
{
	struct memory_sink *sink = context;
	struct sink_message *m;

	(void)size;
	(void)deadline;
	if (sink->refuse_begin > 0) {
		sink->refuse_begin--;
		*no = (struct submit_refusal){452, "4.3.1", "Insufficient system storage"};
		return NULL;
	}
	m = MEM_NEW(struct sink_message);
	m->sink = sink;
	snprintf(m->id, sizeof(m->id), "ID%zu", ++sink->begun);
	return m;
}

static struct str
memory_id(const struct sink_message *m)
{
	return str_c(m->id);
}

static bool
memory_envelope(struct sink_message *m, const struct msg_submit_envelope *envelope,
    const struct msg_rcpt *rcpts, size_t n)
{
	buf_str(&m->envelope, envelope->sender);
	for (size_t i = 0; i < n; i++) {
		buf_putc(&m->envelope, i ? ',' : '>');
		buf_str(&m->envelope, rcpts[i].address);
	}
	buf_putc(&m->envelope, '\n');
	return true;
}

static bool
memory_content(struct sink_message *m, struct str chunk)
{
	size_t max = m->sink->content_max;

	buf_str(&m->content, chunk);
	m->failed = m->failed || (max > 0 && m->content.len > max);
	return !m->failed;
}

static void
memory_free(struct sink_message **m)
{
	buf_free(&(*m)->envelope);
	buf_free(&(*m)->content);
	free(*m);
	*m = NULL;
}

static bool
memory_commit(struct sink_message **m, struct buf *id, struct submit_refusal *no)
{
	struct memory_sink *sink = (*m)->sink;
	bool ok = !(*m)->failed && !sink->refuse_commit;

	if (ok) {
		sink->committed++;
		buf_puts(id, (*m)->id);
		buf_str(&sink->envelopes, buf_view(&(*m)->envelope));
		buf_str(&sink->contents, buf_view(&(*m)->content));
	} else {
		sink->canceled++;
		*no = (struct submit_refusal){451, "4.3.0", "Error: queue file write error"};
	}
	memory_free(m);
	return ok;
}

static void
memory_cancel(struct sink_message **m)
{
	if (!*m)
		return;
	(*m)->sink->canceled++;
	memory_free(m);
}

static const struct sink memory_sink = {
    .completes = true,
    .begin = memory_begin,
    .id = memory_id,
    .envelope = memory_envelope,
    .content = memory_content,
    .commit = memory_commit,
    .cancel = memory_cancel,
};

/* ---- The client ---- */

static ssize_t
script_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct script *s = ctx;
	struct str packet;

	(void)wait_for;
	if (s->writes == 0 && !s->early) {
		errno = EAGAIN; /* asked whether the client speaks before the greeting */
		return -1;
	}
	buf_putc(&s->log, '<');
	while (s->next < s->n && s->packets[s->next].len == 0)
		s->next++;
	if (s->next == s->n)
		return 0;
	packet = s->packets[s->next++];
	if (packet.len > n) /* the tests' packets are small: the stream always has room for one */
		abort();
	memcpy(data, packet.data, packet.len);
	return (ssize_t)packet.len;
}

static ssize_t
script_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct script *s = ctx;

	(void)wait_for;
	buf_putc(&s->log, '>');
	buf_append(&s->out, data, n);
	s->writes++;
	return (ssize_t)n;
}

static void
script_close(void *ctx)
{
	(void)ctx;
}

static const struct stream_io script_io = {script_read, script_write, script_close};

void
script_free(struct script *script)
{
	buf_free(&script->out);
	buf_free(&script->log);
}

/* ---- The server ---- */

void
fixture_server_init(struct fixture_server *f, const char *main_cf)
{
	struct buf text = {0}, told = {0}, why = {0};

	memset(f, 0, sizeof(*f));
	buf_puts(&text, MAIN_CF);
	buf_puts(&text, main_cf);
	f->conf = fixture_load(text.data, text.len, NULL, 0, &told);
	server_init(&f->server, f->conf);
	f->server.access = access_new(f->conf);
	f->server.recipients = recipients_new(f->conf);
	if (!route_prepare(f->conf, true, &why)) {
		fprintf(stderr, "%s%s\n", buf_cstr(&told), buf_cstr(&why));
		abort();
	}
	f->server.sink = &memory_sink;
	f->server.sink_context = &f->sink;
	buf_free(&text);
	buf_free(&told);
	buf_free(&why);
}

void
fixture_server_free(struct fixture_server *f)
{
	recipients_free(&f->server.recipients);
	access_free(&f->server.access);
	buf_free(&f->sink.envelopes);
	buf_free(&f->sink.contents);
	route_forget(f->conf);
	conf_free(&f->conf);
}

struct run {
	struct fixture_server *fixture;
	struct script *script;
	const char *address;
};

static void
run_session(void *arg)
{
	struct run *run = arg;
	struct sockaddr_storage from = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&from;
	struct stream *client = stream_memory(STR_EMPTY, NULL);
	struct session_peer peer;

	in->sin_family = AF_INET;
	in->sin_port = htons(1234);
	if (inet_pton(AF_INET, run->address, &in->sin_addr) != 1)
		abort();
	stream_set_io(client, &script_io, run->script);
	peer_from_socket(&peer, &from, false);
	session_run(&run->fixture->server, client, &peer);
	stream_close(&client);
}

void
fixture_session(struct fixture_server *f, struct script *script, const char *address)
{
	struct run run = {f, script, address};

	fiber_main(run_session, &run);
}
