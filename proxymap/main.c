/*
 * proxymap - table look-ups for programs that cannot open the tables themselves
 *
 * Its callers talk to strangers, so they are not trusted with more than an answer: a request names a
 * table and the parameter it stands in, and is answered only if the administrator wrote that table
 * there, or in proxy_read_maps. What comes by the socket for programs that talk to strangers may be for
 * a few parameters only, and is told that a key is there, not what stands beside it. The SMTP client, which
 * talks to strangers too, needs values: it has a socket of its own, and is answered for its own parameters
 * alone. Read only. A table that fails gives an error, never a "no".
 */
#include <grp.h>
#include <pwd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/ipc/messages.h"
#include "lib/service/questions.h"
#include "lib/table/table_db.h"
#include "proxymap/tables.h"

/* Bytes of a value that can be answered: the limit of lookup_answer.value. */
#define ANSWER_MAX 32000

/* The master.cf line's own socket is 0; these are those of endpoint_table. */
#define ENDPOINT_NETWORK 1
#define ENDPOINT_SMTP 2

static struct {
	struct tables *tables;
} proxymap;

/* The C library loads its name services at their first use: before confinement. */
static bool
proxymap_open_resources(void)
{
	if (!getpwnam("root"))
		log_debug("the user database does not know root");
	if (!getgrgid(0))
		log_debug("the group database does not know group 0");
	table_register_db();
	return true;
}

static bool
proxymap_start(void)
{
	proxymap.tables = tables_new(conf_get());
	return true;
}

static enum tables_caller
caller_at(size_t endpoint)
{
	switch (endpoint) {
	case ENDPOINT_NETWORK:
		return TABLES_NETWORK;
	case ENDPOINT_SMTP:
		return TABLES_SMTP;
	default:
		return TABLES_SUITE;
	}
}

static void
answer_lookup(enum tables_caller caller, const struct msg_lookup *request,
    struct msg_lookup_answer *answer, struct buf *value, struct buf *why)
{
	enum table_status status = TABLE_ERROR;

	if (tables_allowed(proxymap.tables, caller, request->table, request->param)) {
		status = tables_lookup(proxymap.tables, request, value, why);
		if (status == TABLE_ERROR)
			log_warning("%s", buf_cstr(why));
	} else {
		buf_printf(why, "table %.*s %s %.*s", STR_ARG(request->table),
		    tables_refusal(caller), STR_ARG(request->param));
		log_warning("refused: %s", buf_cstr(why));
	}
	if (value->len > ANSWER_MAX && status == TABLE_FOUND) {
		status = TABLE_ERROR;
		buf_printf(why, "table %.*s: a value of %zu bytes is too long",
		    STR_ARG(request->table), value->len);
		log_warning("%s", buf_cstr(why));
	}
	buf_truncate(why, MSG_TEXT_MAX);
	answer->status = status;
	answer->value =
	    status == TABLE_FOUND && tables_tell_value(caller) ? buf_view(value) : STR_EMPTY;
	answer->why = status == TABLE_ERROR ? buf_view(why) : STR_EMPTY;
}

static bool
answer(void *state, struct ipc_channel *ch, const void *question, struct arena *a)
{
	const struct service_client *client = state;
	struct msg_lookup_answer answer = {0};
	struct buf value = {0}, why = {0};
	bool ok;

	(void)a;
	answer_lookup(caller_at(client->endpoint), question, &answer, &value, &why);
	ok = ipc_send(ch, &msg_lookup_answer, &answer) == IPC_OK;
	buf_free(&value);
	buf_free(&why);
	return ok;
}

static void
proxymap_session(struct service_client *client)
{
	static const struct questions questions = {
	    "proxymap", "proxymap client", &msg_lookup, answer};

	questions_serve(client, &questions, client);
}

static const struct service proxymap_service = {
    .name = "proxymap",
    .sandbox = SANDBOX_FILES,
    .session_limit = P_default_session_limit,
    .before_confinement = proxymap_open_resources,
    .start = proxymap_start,
    .session = proxymap_session,
};

int
main(int argc, char **argv)
{
	return service_run(&proxymap_service, argc, argv);
}
