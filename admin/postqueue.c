/*
 * postqueue - shows the queue, and has it flushed
 *
 * For everybody: qmgr decides what a caller sees and may order. When qmgr is down, root (or the owner
 * of an unprivileged suite) reads the spool itself.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/listing.h"
#include "admin/maildrop.h"
#include "admin/offline.h"
#include "admin/tool.h"
#include "lib/conf/conf.h"
#include "lib/queue/id.h"
#include "lib/queue/users.h"

#define USAGE                                                                                      \
	"postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"

enum mode { MODE_NONE, MODE_FLUSH, MODE_ID, MODE_JSON, MODE_TEXT, MODE_SITE };

struct options {
	enum mode mode;
	const char *value; /* of -i, -s */
	const char *config_dir;
	int verbose;
};

static void
set_mode(struct options *o, enum mode mode, const char *value)
{
	if (o->mode != MODE_NONE)
		tool_usage(USAGE);
	o->mode = mode;
	o->value = value;
}

static void
parse(int argc, char **argv, struct options *o)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		if (c == 'c')
			o->config_dir = optarg;
		else if (c == 'f')
			set_mode(o, MODE_FLUSH, NULL);
		else if (c == 'i')
			set_mode(o, MODE_ID, optarg);
		else if (c == 'j')
			set_mode(o, MODE_JSON, NULL);
		else if (c == 'p')
			set_mode(o, MODE_TEXT, NULL);
		else if (c == 's')
			set_mode(o, MODE_SITE, optarg);
		else if (c == 'v')
			o->verbose++;
		else
			tool_usage(USAGE);
	}
	if (o->mode == MODE_NONE || optind < argc)
		tool_usage(USAGE);
}

/* A friendlier refusal than qmgr's, which does not depend on it. */
static void
check_user(enum param list, const char *what)
{
	struct buf why = {0};
	struct buf name = {0};
	uid_t uid = getuid();

	if (uid == 0)
		return;
	switch (users_allowed(conf_str(conf_get(), list), uid, &why)) {
	case USERS_YES:
		break;
	case USERS_NO:
		users_name(uid, &name);
		tool_fail(EX_NOPERM, "user %s(%ld) may not %s", buf_cstr(&name), (long)uid, what);
	case USERS_ERROR:
		tool_fail(EX_TEMPFAIL, "%s", buf_cstr(&why));
	}
	buf_free(&why);
}

/* ---- Listing --------------------------------------------------------------------------------- */

static void
show(const struct msg_showq_entry *entry, void *arg)
{
	listing_entry(arg, entry);
	tool_flush();
}

static void
list_from_qmgr(struct ipc_blocking *ipc, struct listing *l)
{
	static const struct ipc_schema *const accept[] = {&msg_showq_entry, &msg_showq_end, NULL};
	const struct msg_showq_ask ask = {.all_recipients = false};
	struct arena *a = arena_new(0);
	struct ipc_message m;

	if (ipc_blocking_send(ipc, &msg_showq_ask, &ask) != IPC_OK ||
	    ipc_blocking_flush(ipc) != IPC_OK)
		tool_fail(EX_UNAVAILABLE, "the queue cannot be shown: %s", ipc_blocking_why(ipc));
	for (;;) {
		arena_reset(a);
		if (ipc_blocking_recv(ipc, a, accept, false, &m) != IPC_OK)
			tool_fail(
			    EX_UNAVAILABLE, "the queue cannot be shown: %s", ipc_blocking_why(ipc));
		if (m.schema == &msg_showq_end)
			break;
		show(m.body, l);
	}
	arena_free(&a);
}

static void
list_offline(struct listing *l)
{
	struct buf why = {0};
	bool busy = false;
	struct offline *o;

	if (access("slots", R_OK | W_OK) < 0)
		tool_fail(EX_UNAVAILABLE,
		    "mail system is down: only root and the owner of the queue can see it now");
	o = offline_open(&busy, &why);
	if (o == NULL)
		tool_fail(EX_UNAVAILABLE, "the queue cannot be shown: %s", buf_cstr(&why));
	tool_say(LOG_LEVEL_WARNING, "Mail system is down -- accessing queue directly");
	offline_list(o, show, l);
	offline_close(&o);
	buf_free(&why);
}

static void
list(bool json)
{
	struct listing l = {.out = stdout, .json = json};
	struct ipc_blocking *ipc;

	check_user(P_authorized_mailq_users, "see the queue (authorized_mailq_users)");
	ipc = tool_connect("public/showq");
	if (ipc == NULL && !tool_down(errno))
		tool_fail(EX_SOFTWARE, "connect to public/showq: %s", strerror(errno));
	maildrop_list(show, &l);
	if (ipc)
		list_from_qmgr(ipc, &l);
	else
		list_offline(&l);
	listing_end(&l);
	tool_flush();
	ipc_blocking_free(&ipc);
}

/* ---- Flushing -------------------------------------------------------------------------------- */

static void
flush(const char *id, const char *site)
{
	const struct msg_flush ask = {.id = str_c(id), .site = str_c(site)};
	struct arena *a = arena_new(0);
	struct msg_admin_done done;
	struct ipc_blocking *ipc;

	check_user(P_authorized_flush_users, "flush the queue (authorized_flush_users)");
	ipc = tool_connect("public/flush");
	if (ipc == NULL && !tool_down(errno))
		tool_fail(EX_SOFTWARE, "connect to public/flush: %s", strerror(errno));
	if (ipc == NULL)
		tool_fail(
		    EX_UNAVAILABLE, "mail system is down: there is nobody to flush the queue");
	if (ipc_blocking_call(ipc, a, &msg_flush, &ask, &msg_admin_done, &done) != IPC_OK)
		tool_fail(EX_UNAVAILABLE, "the queue cannot be flushed: %s", ipc_blocking_why(ipc));
	if (done.why.len)
		tool_fail(EX_NOPERM, "%.*s", STR_ARG(done.why));
	arena_free(&a);
	ipc_blocking_free(&ipc);
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	int64_t time_us;
	uint32_t slot;

	parse(argc, argv, &o);
	tool_start("postqueue", o.config_dir, o.verbose);
	switch (o.mode) {
	case MODE_FLUSH:
		flush(NULL, NULL);
		break;
	case MODE_ID:
		if (!queue_id_parse(str_c(o.value), &time_us, &slot))
			tool_fail(EX_USAGE, "not a queue ID: %s", o.value);
		flush(o.value, NULL);
		break;
	case MODE_SITE:
		if (*o.value == '\0')
			tool_fail(EX_USAGE, "-s needs the name of a site");
		flush(NULL, o.value);
		break;
	case MODE_JSON:
	case MODE_TEXT:
		list(o.mode == MODE_JSON);
		break;
	case MODE_NONE:
		break;
	}
	return EX_OK;
}
