/*
 * probe_server - one server: connection, greeting, EHLO, TLS; see probe.h
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/probe.h"
#include "lib/base/io.h"
#include "lib/smtp/reply.h"

#define SERVER_MS 15000
#define CONNECT_MS 5000
#define REPLY_MS 5000
#define LINE_MAX_BYTES 2048
#define WRAPPED_PORT 465

/* A conversation. */
struct talk {
	struct probe *p;
	const struct dns_target *target;
	struct arena *arena;
	struct stream *s;
	struct smtp_reply reply;
	struct buf peer; /* "host[address]:port" */
	bool starttls;   /* EHLO offers it */
	bool encrypted;
};

/* ---- Connection ---------------------------------------------------------------------------------------- */

static int
wait_connected(int fd, int64_t ms)
{
	struct fiber_fd *wait = fiber_fd_new(fd);
	enum fiber_result result = fiber_fd_wait(wait, FIBER_WRITE, fiber_after(ms));
	socklen_t len = sizeof(int);
	int error = 0;

	fiber_fd_free(&wait);
	if (result != FIBER_OK)
		error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	return error;
}

struct stream *
probe_connect(const struct dns_target *target, uint16_t port, int64_t ms)
{
	union dns_address to = target->address;
	int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return NULL;
	if (to.sa.sa_family == AF_INET6)
		to.in6.sin6_port = htons(port);
	else
		to.in.sin_port = htons(port);
	if (connect(fd, &to.sa, dns_address_len(&to)) != 0)
		error = errno == EINPROGRESS ? wait_connected(fd, ms) : errno;
	if (error == 0)
		return stream_fd(fd);
	(void)io_close(&fd);
	errno = error;
	return NULL;
}

static bool
open_connection(struct talk *t)
{
	int64_t started = fiber_now();
	struct buf why = {0};

	t->s = probe_connect(t->target, t->target->port, CONNECT_MS);
	t->p->timed_out = !t->s && errno == ETIMEDOUT;
	if (t->s) {
		stream_deadline(t->s, fiber_after(SERVER_MS));
		stream_timeout(t->s, REPLY_MS);
		probe_step("connect", started, true, STR_EMPTY);
		return true;
	}
	buf_printf(&why, "connect to %s: %s", buf_cstr(&t->peer), strerror(errno));
	probe_step("connect", started, false, buf_view(&why));
	buf_free(&why);
	return false;
}

/* ---- Replies ------------------------------------------------------------------------------------------- */

/* A whole reply. False: WHY says what came instead. */
static bool
hear(struct talk *t, struct buf *why)
{
	enum smtp_reply_status status;
	enum stream_status read;
	struct str line;

	smtp_reply_reset(&t->reply);
	do {
		read = stream_read_line(t->s, LINE_MAX_BYTES, &line);
		if (read != STREAM_OK) {
			buf_printf(why, "lost connection: %s", stream_status_text(read));
			return false;
		}
		status = smtp_reply_line(&t->reply, str_trim_end(line));
	} while (status == SMTP_REPLY_MORE);
	if (status == SMTP_REPLY_DONE)
		return true;
	buf_printf(why, "no reply of SMTP: \"%.*s\"", STR_ARG(str_sub(str_trim_end(line), 0, 200)));
	return false;
}

/*
 * Says COMMAND (NULL: only listens) and hears a reply, which should be of class 2; prints the step. TEXT,
 * unless NULL: what is shown of a good one.
 */
static bool
ask(struct talk *t, const char *step, const char *command, struct buf *text)
{
	int64_t started = fiber_now();
	struct buf why = {0}, joined = {0};
	bool ok = true, heard;

	if (command)
		ok = stream_printf(t->s, "%s\r\n", command) == STREAM_OK &&
		    stream_flush(t->s) == STREAM_OK;
	if (!ok)
		buf_puts(&why, "lost connection");
	heard = ok && hear(t, &why);
	if (heard)
		smtp_reply_join(&t->reply, &joined);
	ok = heard && t->reply.code / 100 == 2;
	if (ok && text)
		buf_str(text, buf_view(&joined));
	if (!ok || !text)
		probe_step(step, started, ok, heard ? buf_view(&joined) : buf_view(&why));
	buf_free(&why);
	buf_free(&joined);
	return ok;
}

/* The keywords of EHLO that say something to an operator. */
static void
note_keywords(struct talk *t, struct buf *out)
{
	struct str rest = buf_view(&t->reply.text), line;
	static const char *const shown[] = {
	    "STARTTLS", "AUTH", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "PIPELINING"};

	t->starttls = false;
	(void)str_token(&rest, "\n", &line); /* its name */
	while (str_token(&rest, "\n", &line))
		for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
			if (str_starts_nocase(line, str_c(shown[i]))) {
				buf_printf(out, "%s%.*s", out->len ? ", " : "", STR_ARG(line));
				t->starttls = t->starttls || i == 0;
			}
}

static bool
hello(struct talk *t)
{
	int64_t started = fiber_now();
	struct buf command = {0}, text = {0}, words = {0};
	bool ok;

	buf_printf(&command, "EHLO %.*s", STR_ARG(t->p->helo));
	ok = ask(t, "EHLO", buf_cstr(&command), &text);
	if (ok) {
		note_keywords(t, &words);
		probe_step("EHLO", started, true, buf_view(&words));
	}
	buf_free(&command);
	buf_free(&text);
	buf_free(&words);
	return ok;
}

/* ---- TLS ----------------------------------------------------------------------------------------------- */

/*
 * The policy of main.cf, if it can be used without more questions to DNS; else any TLS: what is wanted to be
 * known is whether it can be had.
 */
static void
choose_policy(struct talk *t, struct tls_policy *policy)
{
	struct buf why = {0};

	tls_policy_default(t->p->tls, policy);
	if (policy->level == TLS_NONE || policy->level == TLS_DANE ||
	    policy->level == TLS_DANE_ONLY)
		(void)tls_policy_parse(t->p->tls, STR("encrypt"), t->arena, policy, &why);
	buf_free(&why);
}

static bool
shake_hands(struct talk *t)
{
	int64_t started = fiber_now();
	const struct tls_target target = {
	    .host = t->target->host, .nexthop = t->p->domain, .peer = buf_view(&t->peer)};
	struct tls_policy policy;
	struct tls_result result;
	struct buf text = {0};
	bool ok;

	if (tls_client_fault(t->p->tls)) {
		probe_step("TLS", started, false, str_c(tls_client_fault(t->p->tls)));
		return false;
	}
	choose_policy(t, &policy);
	ok = tls_client_start(t->s, t->p->tls, &policy, &target, t->arena, &result) == TLS_OK;
	if (ok)
		buf_printf(&text, "%.*s with %.*s; the certificate is %s", STR_ARG(result.protocol),
		    STR_ARG(result.cipher),
		    result.verified      ? "trusted, and of the right name"
			: result.trusted ? "trusted"
					 : "not trusted (which mail between servers allows)");
	else
		buf_str(&text, result.why);
	probe_step("TLS", started, ok, buf_view(&text));
	/* It may have changed the limits. */
	stream_timeout(t->s, REPLY_MS);
	t->encrypted = ok;
	buf_free(&text);
	return ok;
}

/* STARTTLS where it is offered; without TLS it is well only if the settings allow it. */
static bool
encrypt(struct talk *t)
{
	struct tls_policy policy;

	tls_policy_default(t->p->tls, &policy);
	if (t->starttls)
		return ask(t, "STARTTLS", "STARTTLS", NULL) && shake_hands(t) && hello(t);
	if (!tls_level_mandatory(policy.level))
		return true;
	probe_step("TLS", fiber_now(), false,
	    STR("TLS is required, but was not offered by the server (smtp_tls_security_level)"));
	return false;
}

/* ---- All of it ------------------------------------------------------------------------------------------- */

static bool
talk(struct talk *t)
{
	bool wrapped = t->p->implicit_tls || t->target->port == WRAPPED_PORT;

	if (wrapped && !shake_hands(t))
		return false;
	if (!ask(t, "greeting", NULL, NULL)) {
		/* A server that waits for TLS says nothing. */
		if (!wrapped && t->reply.lines == 0)
			printf("  %-12s %6s     If it speaks TLS from the start, it is on port 465 "
			       "usually: smtp_tls_wrappermode = yes.\n",
			    "", "");
		return false;
	}
	return hello(t) && (t->encrypted || encrypt(t));
}

enum probe_result
probe_server(struct probe *p, const struct dns_target *target)
{
	struct talk t = {.p = p, .target = target, .arena = arena_new(1024)};
	enum probe_result result = PROBE_NO_CONNECTION;

	buf_printf(&t.peer, "%.*s[%.*s]:%u", STR_ARG(target->host), STR_ARG(target->text),
	    (unsigned)target->port);
	printf("%s\n", buf_cstr(&t.peer));
	if (open_connection(&t)) {
		result = talk(&t) ? PROBE_OK : PROBE_UNWILLING;
		/* Nobody waits for the answer. */
		if (stream_puts(t.s, "QUIT\r\n") == STREAM_OK)
			(void)stream_flush(t.s);
		stream_close(&t.s);
	}
	smtp_reply_free(&t.reply);
	buf_free(&t.peer);
	arena_free(&t.arena);
	return result;
}
