/*
 * sink_postdrop - messages of a stand-alone session go to postdrop, as sendmail's do
 *
 * Runs as the user who started sendmail -bs: postdrop checks everything again. It is started by an
 * argument vector; no shell is involved.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/stream.h"
#include "lib/queue/drop.h"
#include "smtpd/server.h"
#include "smtpd/sink.h"

extern char **environ;

#define ANSWER_MAX 4000
/* postdrop waits for pickup, which waits for a sync. */
#define ANSWER_MS (600 * 1000)

struct sink_message {
	pid_t pid;
	struct stream *to;     /* its standard input */
	struct stream *answer; /* its standard output */
	struct buf records;    /* on their way */
	uint64_t size;
	bool cr;      /* the last byte was a CR that is not passed on yet */
	bool partial; /* content does not end in CRLF so far */
	bool broken;
};

static void
refuse(struct submit_refusal *no, unsigned code, const char *dsn, struct str text)
{
	no->code = code;
	snprintf(no->dsn, sizeof(no->dsn), "%s", dsn);
	snprintf(no->text, sizeof(no->text), "Error: %.*s", STR_ARG(text));
}

/* Starts PATH -r with IN and OUT as standard input and output. Returns 0 or errno. */
static int
spawn(pid_t *pid, const char *path, int in, int out)
{
	char *argv[] = {(char[]){"postdrop"}, (char[]){"-r"}, NULL};
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc != 0)
		return rc;
	rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn(pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static int
start(struct sink_message *m, const char *path)
{
	int in[2] = {-1, -1};
	int out[2] = {-1, -1};
	int rc;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		rc = errno;
	else
		rc = spawn(&m->pid, path, in[0], out[1]);
	io_close(&in[0]);
	io_close(&out[1]);
	if (rc != 0) {
		io_close(&in[1]);
		io_close(&out[0]);
		return rc;
	}
	m->to = stream_fd(in[1]);
	m->answer = stream_fd(out[0]);
	stream_timeout(m->to, ANSWER_MS);
	stream_timeout(m->answer, ANSWER_MS);
	return 0;
}

static struct sink_message *
postdrop_begin(void *context, uint64_t size, fiber_deadline deadline, struct submit_refusal *no)
{
	const struct server *server = context;
	struct sink_message *m = MEM_NEW(struct sink_message);
	struct buf path = {0};
	int rc;

	(void)size;
	(void)deadline;
	buf_printf(&path, "%s/postdrop", conf_cstr(server->conf, P_command_directory));
	rc = start(m, buf_cstr(&path));
	if (rc != 0) {
		log_warning("cannot run %s: %s", buf_cstr(&path), strerror(rc));
		refuse(no, 451, "4.3.0", STR("mail cannot be taken now"));
		free(m);
		m = NULL;
	}
	buf_free(&path);
	return m;
}

static struct str
postdrop_id(const struct sink_message *m)
{
	(void)m;
	return STR_EMPTY;
}

/* Sends what has been gathered. */
static bool
send_records(struct sink_message *m)
{
	if (!m->broken &&
	    (stream_write(m->to, m->records.data, m->records.len) != STREAM_OK ||
		stream_flush(m->to) != STREAM_OK))
		m->broken = true;
	buf_reset(&m->records);
	return !m->broken;
}

static bool
postdrop_envelope(struct sink_message *m, const struct msg_submit_envelope *envelope,
    const struct msg_rcpt *rcpts, size_t n)
{
	struct msg_drop_begin begin = {
	    .sender = envelope->sender,
	    .ret = envelope->ret,
	    .envid = envelope->envid,
	    .smtputf8 = envelope->smtputf8,
	    .body_8bit = envelope->body_8bit,
	};

	drop_write_begin(&m->records, &begin);
	for (size_t i = 0; i < n; i++)
		drop_write_rcpt(&m->records, &rcpts[i]);
	return send_records(m);
}

/* postdrop takes no CR or LF that ends no line: a CR alone becomes a blank. */
static void
clean_piece(struct sink_message *m, struct str chunk, struct buf *out)
{
	for (size_t i = 0; i < chunk.len; i++) {
		char c = chunk.data[i];

		if (m->cr)
			buf_puts(out, c == '\n' ? "\r\n" : " ");
		else if (c == '\n')
			buf_puts(out, "\r\n");
		if (c != '\n' && c != '\r')
			buf_putc(out, c);
		m->cr = c == '\r';
		m->partial = c != '\n';
	}
}

static bool
postdrop_content(struct sink_message *m, struct str chunk)
{
	struct buf clean = {0};

	clean_piece(m, chunk, &clean);
	m->size += clean.len;
	drop_write_content(&m->records, buf_view(&clean));
	buf_free(&clean);
	return send_records(m);
}

struct child {
	pid_t pid;
	int status;
};

static void
wait_child(void *arg)
{
	struct child *c = arg;

	while (waitpid(c->pid, &c->status, 0) < 0)
		if (errno != EINTR) {
			c->status = W_EXITCODE(EX_OSERR, 0);
			return;
		}
}

/* Closes its input, takes its answer and its exit status. */
static int
finish(struct sink_message **mp, struct buf *answer)
{
	struct sink_message *m = *mp;
	struct child child = {.pid = m->pid};
	struct str line;
	bool broken = m->broken;

	stream_close(&m->to);
	if (stream_read_line(m->answer, ANSWER_MAX, &line) == STREAM_OK)
		buf_str(answer, str_trim(line));
	stream_close(&m->answer);
	fiber_offload(FIBER_POOL_READ, wait_child, &child);
	buf_free(&m->records);
	free(m);
	*mp = NULL;
	/* Whatever it says: who could not take all of it has not accepted it. */
	if (!WIFEXITED(child.status) || (broken && WEXITSTATUS(child.status) == 0))
		return EX_TEMPFAIL;
	return WEXITSTATUS(child.status);
}

static bool
postdrop_commit(struct sink_message **m, struct buf *id, struct submit_refusal *no)
{
	struct buf answer = {0};
	struct str text;
	int status;

	if ((*m)->partial && postdrop_content(*m, STR("\n")))
		(*m)->partial = false;
	drop_write_end(&(*m)->records, (*m)->size);
	send_records(*m);
	status = finish(m, &answer);
	text = buf_view(&answer);
	if (status == EX_OK) {
		if (str_starts(text, STR("queued as ")))
			buf_str(id, str_from(text, sizeof("queued as ") - 1));
	} else if (status == EX_UNAVAILABLE) {
		refuse(no, 552, "5.3.4", text); /* postdrop's word for too large */
	} else if (status == EX_DATAERR) {
		refuse(no, 554, "5.6.0", text);
	} else if (status == EX_NOPERM) {
		refuse(no, 554, "5.7.1", text);
	} else {
		refuse(no, 451, "4.3.0", text.len ? text : STR("queue file write error"));
	}
	buf_free(&answer);
	return status == EX_OK;
}

/* Input without its last record is no message. */
static void
postdrop_cancel(struct sink_message **m)
{
	struct buf answer = {0};

	if (!*m)
		return;
	finish(m, &answer);
	buf_free(&answer);
}

const struct sink sink_postdrop = {
    .completes = false,
    .begin = postdrop_begin,
    .id = postdrop_id,
    .envelope = postdrop_envelope,
    .content = postdrop_content,
    .commit = postdrop_commit,
    .cancel = postdrop_cancel,
};
