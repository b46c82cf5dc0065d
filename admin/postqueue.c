/*
 * postqueue - shows the queue, and has it flushed
 *
 * For everybody: qmgr decides what a caller sees and may order. When qmgr is down, root (or the owner
 * of an unprivileged suite) reads the spool itself.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/groups.h"
#include "admin/listing.h"
#include "admin/maildrop.h"
#include "admin/offline.h"
#include "admin/tool.h"
#include "admin/why.h"
#include "lib/base/clock.h"
#include "lib/conf/conf.h"
#include "lib/queue/id.h"
#include "lib/queue/users.h"

#define USAGE                                                                                      \
	"postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site | " \
	"postqueue -f|-s site [--sender text] [--recipient text] | "                               \
	"postqueue --by destination|reason | postqueue --why queueid [--log file]"

enum mode { MODE_NONE, MODE_FLUSH, MODE_ID, MODE_JSON, MODE_TEXT, MODE_SITE, MODE_BY, MODE_WHY };

struct options {
	enum mode mode;
	const char *value; /* of -i, -s, --by, --why */
	const char *config_dir;
	const char *log;
	const char *sender, *recipient; /* a part of the address, for a flush */
	int verbose;
};

static void
set_mode(struct options *o, enum mode mode, const char *value)
{
	/* "-p --by reason" is natural, and means the same as without -p. */
	if (mode == MODE_TEXT && o->mode == MODE_BY)
		return;
	if (o->mode != MODE_NONE && (o->mode != MODE_TEXT || mode != MODE_BY))
		tool_usage(USAGE);
	o->mode = mode;
	o->value = value;
}

enum { LONG_BY = 256, LONG_WHY, LONG_LOG, LONG_SENDER, LONG_RECIPIENT };

static bool
parse_long(int c, struct options *o)
{
	if (c == LONG_BY)
		set_mode(o, MODE_BY, optarg);
	else if (c == LONG_WHY)
		set_mode(o, MODE_WHY, optarg);
	else if (c == LONG_LOG)
		o->log = optarg;
	else if (c == LONG_SENDER)
		o->sender = optarg;
	else if (c == LONG_RECIPIENT)
		o->recipient = optarg;
	return c >= LONG_BY && c <= LONG_RECIPIENT;
}

static void
parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
	    {"by", required_argument, NULL, LONG_BY},
	    {"why", required_argument, NULL, LONG_WHY},
	    {"log", required_argument, NULL, LONG_LOG},
	    {"sender", required_argument, NULL, LONG_SENDER},
	    {"recipient", required_argument, NULL, LONG_RECIPIENT},
	    {NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "c:fi:jps:v", longs, NULL)) != -1) {
		if (parse_long(c, o))
			continue;
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
	if (o->mode == MODE_NONE || optind < argc || (o->log && o->mode != MODE_WHY))
		tool_usage(USAGE);
	if ((o->sender || o->recipient) && o->mode != MODE_FLUSH && o->mode != MODE_SITE)
		tool_usage(USAGE);
	if ((o->sender && !*o->sender) || (o->recipient && !*o->recipient))
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

/* What is done with each frame. */
struct view {
	void (*show)(const struct msg_showq_entry *entry, void *arg);
	void *arg;
	const char *id; /* one message only, or NULL */
	bool routes;
};

static void
show_listed(const struct msg_showq_entry *entry, void *arg)
{
	listing_entry(arg, entry);
	tool_flush();
}

static void
show_group(const struct msg_showq_entry *entry, void *arg)
{
	groups_entry(arg, entry);
}

/* True: there is more, which this user may not see. */
static bool
list_from_qmgr(struct ipc_blocking *ipc, const struct view *v)
{
	static const struct ipc_schema *const accept[] = {&msg_showq_entry, &msg_showq_end, NULL};
	const struct msg_showq_ask ask = {.id = str_c(v->id), .routes = v->routes};
	struct arena *a = arena_new(0);
	struct ipc_message m;
	bool hidden;

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
		v->show(m.body, v->arg);
	}
	hidden = ((struct msg_showq_end *)m.body)->hidden;
	arena_free(&a);
	return hidden;
}

static void
list_offline(const struct view *v)
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
	if (v->id)
		offline_show(o, str_c(v->id), v->show, v->arg);
	else
		offline_list(o, v->show, v->arg);
	offline_close(&o);
	buf_free(&why);
}

/* All that there is goes through V, what waits in maildrop first. True: but for what this user may not see. */
static bool
list(const struct view *v)
{
	struct ipc_blocking *ipc;
	bool hidden = false;

	check_user(P_authorized_mailq_users, "see the queue (authorized_mailq_users)");
	ipc = tool_connect("public/showq");
	if (ipc == NULL && !tool_down(errno))
		tool_fail(EX_SOFTWARE, "connect to public/showq: %s", strerror(errno));
	if (!v->id)
		maildrop_list(v->show, v->arg);
	if (ipc)
		hidden = list_from_qmgr(ipc, v);
	else
		list_offline(v);
	ipc_blocking_free(&ipc);
	return hidden;
}

static void
list_messages(const struct options *o)
{
	struct listing l = {.out = stdout,
	    .json = o->mode == MODE_JSON,
	    .next = o->verbose > 0,
	    .now = clock_wall()};

	l.hidden = list(&(struct view){.show = show_listed, .arg = &l, .routes = l.json});
	if (l.json && l.hidden && l.messages == 0)
		fprintf(stderr, "postqueue: %s", listing_nothing(true));
	listing_end(&l);
	tool_flush();
}

static void
list_groups(const char *by)
{
	bool reason = strcmp(by, "reason") == 0, hidden;
	struct groups *g;

	if (!reason && strcmp(by, "destination") != 0)
		tool_usage(USAGE);
	g = groups_new(reason ? GROUP_REASON : GROUP_DESTINATION);
	hidden = list(&(struct view){.show = show_group, .arg = g});
	groups_print(g, hidden, clock_wall(), stdout);
	groups_free(&g);
	tool_flush();
}

/* LOG: open, or NULL for the usual places. */
static void
tell_why(const char *id, FILE *log, const char *log_name)
{
	struct why *w = why_new(id, clock_wall(), stdout);
	bool known;

	why_log(w, log, log_name);
	(void)list(&(struct view){.show = why_entry, .arg = w, .id = id});
	known = why_end(w);
	why_free(&w);
	tool_flush();
	if (!known)
		exit(EX_UNAVAILABLE);
}

/* ---- Flushing -------------------------------------------------------------------------------- */

static void
flush(const char *id, const char *site, const struct options *o)
{
	const struct msg_flush ask = {.id = str_c(id),
	    .site = str_c(site),
	    .sender = str_c(o->sender),
	    .recipient = str_c(o->recipient)};
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
	if (done.missing)
		tool_say(LOG_LEVEL_WARNING,
		    "%s: no message of that ID waits for another attempt (see postqueue --why %s)",
		    id, id);
	arena_free(&a);
	ipc_blocking_free(&ipc);
}

static void
check_id(const char *id)
{
	int64_t time_us;
	uint32_t slot;

	if (!queue_id_parse(str_c(id), &time_us, &slot))
		tool_fail(EX_USAGE, "not a queue ID: %s", id);
}

/* The file of --log, before the working directory changes; "-" is standard input. */
static FILE *
open_log(const char *name)
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

	if (file == NULL) {
		fprintf(stderr, "postqueue: open %s: %s\n", name, strerror(errno));
		exit(EX_NOINPUT);
	}
	return file;
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	FILE *log;

	parse(argc, argv, &o);
	log = o.log ? open_log(o.log) : NULL;
	tool_start("postqueue", o.config_dir, o.verbose);
	switch (o.mode) {
	case MODE_FLUSH:
		flush(NULL, NULL, &o);
		break;
	case MODE_ID:
		check_id(o.value);
		flush(o.value, NULL, &o);
		break;
	case MODE_SITE:
		if (*o.value == '\0')
			tool_fail(EX_USAGE, "-s needs the name of a site");
		flush(NULL, o.value, &o);
		break;
	case MODE_JSON:
	case MODE_TEXT:
		list_messages(&o);
		break;
	case MODE_BY:
		list_groups(o.value);
		break;
	case MODE_WHY:
		check_id(o.value);
		tell_why(o.value, log, o.log);
		break;
	case MODE_NONE:
		break;
	}
	return EX_OK;
}
