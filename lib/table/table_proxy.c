/*
 * table_proxy - proxy:type:name: asks proxymap, for programs that may not open the table themselves
 *
 * On a fiber a look-up waits, and several may be under way at once, each on a channel of its own; idle
 * channels are kept. Off a fiber (small tools, start-up) it connects for one look-up. An answer that
 * does not come is an error, never a "no". Look-ups change nothing, so one that failed on a channel that
 * had been idle (proxymap may have been restarted) is made again on a fresh one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include "lib/ipc/blocking.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "lib/table/table_private.h"

/* In queue_directory, or in the program's chroot. */
#define PROXY_SOCKET "private/proxymap"
#define PROXY_SOCKET_CONFINED "private/proxymap-net"
#define PROXY_SOCKET_SMTP "private/proxymap-smtp"
#define PROXY_TIMEOUT 60000 /* milliseconds for one look-up */
#define PROXY_IDLE_MAX 4    /* channels kept per table */

struct proxy_table {
	const char *socket;
	char *spec; /* without "proxy:" */
	char *param;
	struct ipc_channel *idle[PROXY_IDLE_MAX];
	size_t n_idle;
};

static void *
open_at(const char *socket, struct str spec, struct str name, const char *param, struct buf *why)
{
	struct proxy_table *t;

	if (str_chr(name, ':') == STR_NPOS) {
		buf_printf(why, "%.*s: proxy:type:name is needed", STR_ARG(spec));
		return NULL;
	}
	t = MEM_NEW(struct proxy_table);
	t->socket = socket;
	t->spec = str_dup(name);
	t->param = mem_strdup(param);
	return t;
}

static void *
proxy_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	return open_at(PROXY_SOCKET, spec, name, param, why);
}

static void *
proxy_open_confined(struct str spec, struct str name, const char *param, struct buf *why)
{
	return open_at(PROXY_SOCKET_CONFINED, spec, name, param, why);
}

static void *
proxy_open_smtp(struct str spec, struct str name, const char *param, struct buf *why)
{
	return open_at(PROXY_SOCKET_SMTP, spec, name, param, why);
}

static void
proxy_close(void *state)
{
	struct proxy_table *t = state;

	while (t->n_idle > 0)
		ipc_channel_free(&t->idle[--t->n_idle]);
	free(t->spec);
	free(t->param);
	free(t);
}

/* One try on CH; the channel is kept for later or freed. */
static enum ipc_status
ask_on(struct proxy_table *t, struct ipc_channel *ch, struct arena *a,
    const struct msg_lookup *request, struct msg_lookup_answer *answer)
{
	enum ipc_status status;

	stream_deadline(ipc_stream(ch), fiber_after(PROXY_TIMEOUT));
	status = ipc_call(ch, a, &msg_lookup, request, &msg_lookup_answer, answer);
	if (status == IPC_OK && t->n_idle < PROXY_IDLE_MAX)
		t->idle[t->n_idle++] = ch;
	else
		ipc_channel_free(&ch);
	return status;
}

static enum ipc_status
ask_fiber(struct proxy_table *t, struct arena *a, const struct msg_lookup *request,
    struct msg_lookup_answer *answer, struct buf *why)
{
	enum ipc_status status = IPC_CLOSED;
	struct ipc_channel *ch;

	while (status == IPC_CLOSED && t->n_idle > 0)
		status = ask_on(t, t->idle[--t->n_idle], a, request, answer);
	if (status == IPC_CLOSED) {
		ch = ipc_connect(t->socket, "table", fiber_after(PROXY_TIMEOUT));
		if (!ch) {
			buf_printf(why, "%s: %s", t->socket, strerror(errno));
			return IPC_CLOSED;
		}
		status = ask_on(t, ch, a, request, answer);
	}
	if (status != IPC_OK)
		buf_printf(why, "%s: %s", t->socket, ipc_status_text(status));
	return status;
}

static enum ipc_status
ask_blocking(const struct proxy_table *t, struct arena *a, const struct msg_lookup *request,
    struct msg_lookup_answer *answer, struct buf *why)
{
	struct ipc_blocking *b = ipc_blocking_connect(t->socket, "table", PROXY_TIMEOUT);
	enum ipc_status status;

	if (!b) {
		buf_printf(why, "%s: %s", t->socket, strerror(errno));
		return IPC_CLOSED;
	}
	status = ipc_blocking_call(b, a, &msg_lookup, request, &msg_lookup_answer, answer);
	if (status != IPC_OK)
		buf_printf(why, "%s: %s", t->socket, ipc_blocking_why(b));
	ipc_blocking_free(&b);
	return status;
}

static enum table_status
proxy_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	struct proxy_table *t = state;
	struct msg_lookup request = {str_c(t->spec), str_c(t->param), key};
	struct msg_lookup_answer answer = {0};
	enum table_status status = TABLE_ERROR;
	struct arena *a = arena_new(0);
	struct buf cause = {0};
	enum ipc_status sent;

	sent = fiber_running() ? ask_fiber(t, a, &request, &answer, &cause)
			       : ask_blocking(t, a, &request, &answer, &cause);
	if (sent != IPC_OK) {
		buf_printf(why, "table proxy:%s: %s", t->spec, buf_cstr(&cause));
	} else if (answer.status == TABLE_FOUND) {
		buf_str(value, answer.value);
		status = TABLE_FOUND;
	} else if (answer.status == TABLE_NOT_FOUND) {
		status = TABLE_NOT_FOUND;
	} else {
		buf_printf(why, "table proxy:%s: %.*s", t->spec, STR_ARG(answer.why));
	}
	buf_free(&cause);
	arena_free(&a);
	return status;
}

const struct table_type table_type_proxy = {
    .name = "proxy", .open = proxy_open, .lookup = proxy_lookup, .close = proxy_close};

const struct table_type table_type_proxy_confined = {
    .name = "proxy", .open = proxy_open_confined, .lookup = proxy_lookup, .close = proxy_close};

const struct table_type table_type_proxy_smtp = {
    .name = "proxy", .open = proxy_open_smtp, .lookup = proxy_lookup, .close = proxy_close};
