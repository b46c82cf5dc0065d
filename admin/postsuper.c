/*
 * postsuper - hold, release, delete, requeue and expire messages
 *
 * For root, and for the owner of an unprivileged suite. While qmgr runs it does the work, and has made
 * it durable when this program ends; else the slots are changed here, under the spool's lock.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/maildrop.h"
#include "admin/offline.h"
#include "admin/tool.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/queue/id.h"

#define USAGE                                                                                      \
	"postsuper [-c config_dir] [-d queue_id] [-e queue_id] [-f queue_id] [-h queue_id]"        \
	" [-H queue_id] [-r queue_id] [-R queue_id] [-psv] [queue...]"
#define LINE_MAX_BYTES 1000

/* An option that changes messages: the orders it stands for, and what is said of them. */
struct action {
	char letter;
	enum admin_verb verb;
	const char *done, *one;
	bool release; /* the same messages are released as well */
	uint64_t count, released;
};

struct work {
	struct action *action;
	const char *id; /* "ALL", "-", a queue ID */
};

struct options {
	struct work *work;
	size_t n_work;
	char **queues; /* NULL at the end; none = any */
	bool purge, structure;
	const char *config_dir;
	int verbose;
};

struct session {
	struct action actions[7];
	struct ipc_blocking *ipc; /* qmgr, or … */
	struct offline *offline;  /* … the spool */
	struct arena *arena;
	const struct options *options;
	bool failed;
	bool reading; /* IDs from standard input */
	bool missing; /* the last one that was named is not there */
};

static const struct action action_table[] = {
    {.letter = 'd', .verb = ADMIN_DELETE, .done = "Deleted", .one = "removed"},
    {.letter = 'e', .verb = ADMIN_EXPIRE, .done = "Expired", .one = "expired"},
    {.letter = 'f', .verb = ADMIN_EXPIRE, .done = "Expired", .one = "expired", .release = true},
    {.letter = 'h', .verb = ADMIN_HOLD, .done = "Placed on hold", .one = "placed on hold"},
    {.letter = 'H',
	.verb = ADMIN_RELEASE,
	.done = "Released from hold",
	.one = "released from hold"},
    {.letter = 'r', .verb = ADMIN_REQUEUE, .done = "Requeued", .one = "requeued"},
    {.letter = 'R', .verb = ADMIN_RETRY, .done = "To be tried again", .one = "to be tried again"},
};
#define ACTIONS (sizeof(action_table) / sizeof(action_table[0]))

static struct action *
find_action(struct session *s, int letter)
{
	for (size_t i = 0; i < ACTIONS; i++)
		if (s->actions[i].letter == letter)
			return &s->actions[i];
	return NULL;
}

static bool
valid_id(const char *id)
{
	int64_t time_us;
	uint32_t slot;

	return strcmp(id, "ALL") == 0 || strcmp(id, "-") == 0 ||
	    queue_id_parse(str_c(id), &time_us, &slot);
}

static void
parse(int argc, char **argv, struct session *s, struct options *o)
{
	int c;

	o->work = mem_array((size_t)argc, sizeof(*o->work));
	opterr = 0;
	while ((c = getopt(argc, argv, "c:d:e:f:h:H:pr:R:sSv")) != -1) {
		struct action *action = find_action(s, c);

		if (action)
			o->work[o->n_work++] = (struct work){action, optarg};
		else if (c == 'c')
			o->config_dir = optarg;
		else if (c == 'p')
			o->purge = true;
		else if (c == 's' || c == 'S')
			o->structure = true;
		else if (c == 'v')
			o->verbose++;
		else
			tool_usage(USAGE);
	}
	o->queues = argv + optind;
	if (o->n_work == 0 && !o->purge && !o->structure)
		o->purge = o->structure = true;
}

/* Names that do not exist are refused before anything is done. */
static void
check_names(const struct options *o)
{
	static const char *const queues[] = {"incoming", "active", "deferred", "hold"};

	for (size_t i = 0; i < o->n_work; i++)
		if (!valid_id(o->work[i].id))
			tool_fail(EX_USAGE, "not a queue ID: %s (all messages are \"ALL\")",
			    o->work[i].id);
	for (char **q = o->queues; *q; q++) {
		bool known = false;

		for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
			known |= strcmp(*q, queues[i]) == 0;
		if (!known)
			tool_fail(EX_USAGE, "no queue is called %s", *q);
	}
}

/* ---- Orders ---------------------------------------------------------------------------------- */

static bool
is_there(struct offline *o, const char *id)
{
	int fd = strcmp(id, "ALL") == 0 ? -1 : offline_find(o, str_c(id));
	bool found = fd >= 0 || strcmp(id, "ALL") == 0;

	io_close(&fd);
	return found;
}

/* One order on one message or all, in one state or any. */
static uint64_t
order(struct session *s, enum admin_verb verb, const char *id, const char *state)
{
	const struct msg_admin m = {.verb = verb, .id = str_c(id), .state = str_c(state)};
	struct msg_admin_done done = {.why = STR_EMPTY};
	struct buf why = {0};

	arena_reset(s->arena);
	if (s->offline) {
		done.count = offline_order(s->offline, &m, &why);
		done.missing = done.count == 0 && !is_there(s->offline, id);
		done.why = buf_view(&why);
	} else if (ipc_blocking_call(s->ipc, s->arena, &msg_admin, &m, &msg_admin_done, &done) !=
	    IPC_OK) {
		tool_fail(EX_UNAVAILABLE, "private/qmgr-admin: %s", ipc_blocking_why(s->ipc));
	}
	if (done.why.len) {
		tool_say(LOG_LEVEL_ERROR, "%.*s", STR_ARG(done.why));
		s->failed = true;
	}
	s->missing = done.missing;
	buf_free(&why);
	return done.count;
}

static void
act(struct session *s, struct action *action, const char *id)
{
	char **q = s->options->queues;
	uint64_t done = action->count;

	do {
		const char *state = *q ? *q : "";

		uint64_t count = order(s, action->verb, id, state);

		/* Offline the line has been said already; qmgr has it in the log. */
		if (count == 1 && s->ipc && strcmp(id, "ALL") != 0)
			log_info("%s: %s", id, action->one);
		action->count += count;
		/* Held ones are still where they were, the others know no release. */
		if (action->release && (*state == '\0' || strcmp(state, "hold") == 0))
			action->released += order(s, ADMIN_RELEASE, id, state);
	} while (*q && *++q);
	/* It may have left by what was done, and of those on standard input some always have. */
	if (s->missing && action->count == done && !s->reading)
		tool_say(LOG_LEVEL_WARNING, "%s: no such message in the queue", id);
}

/* The queue IDs on standard input, one a line; the marks that mailq puts behind them may stay. */
static void
act_on_input(struct session *s, struct action *action)
{
	char line[LINE_MAX_BYTES];

	s->reading = true;
	while (fgets(line, sizeof(line), stdin)) {
		struct str rest = str_c(line);
		struct str id;
		char *text;

		if (!str_token(&rest, " \t\r\n*!#", &id))
			continue;
		text = str_dup(id);
		if (strcmp(text, "ALL") == 0 || strcmp(text, "-") == 0 || !valid_id(text))
			tool_say(LOG_LEVEL_WARNING, "not a queue ID: %s", text);
		else
			act(s, action, text);
		free(text);
	}
	s->reading = false;
	if (ferror(stdin))
		tool_fail(EX_IOERR, "read standard input: %s", strerror(errno));
}

static void
say_count(const char *what, uint64_t count)
{
	if (count)
		tool_say(LOG_LEVEL_INFO, "%s: %" PRIu64 " message%s", what, count,
		    count == 1 ? "" : "s");
}

/* ---- Maintenance ----------------------------------------------------------------------------- */

static void
purge(void)
{
	size_t purged = maildrop_purge();

	if (purged)
		tool_say(LOG_LEVEL_INFO, "Removed: %zu unfinished file%s from maildrop", purged,
		    purged == 1 ? "" : "s");
}

static void
check_structure(struct session *s)
{
	if (s->offline)
		say_count("Moved to corrupt", offline_verify(s->offline));
	else
		tool_say(
		    LOG_LEVEL_INFO, "qmgr is running, and checks each message when it reads it");
}

static void
open_queue(struct session *s)
{
	struct buf why = {0};
	bool busy = false;

	s->ipc = tool_connect("private/qmgr-admin");
	if (s->ipc)
		return;
	if (errno == EACCES || errno == EPERM)
		tool_fail(EX_NOPERM, "the queue is for root and its owner alone");
	if (!tool_down(errno))
		tool_fail(EX_UNAVAILABLE, "connect to private/qmgr-admin: %s", strerror(errno));
	if (access("slots", R_OK | W_OK) < 0 && errno == EACCES)
		tool_fail(EX_NOPERM, "the queue is for root and its owner alone");
	s->offline = offline_open(&busy, &why);
	if (s->offline == NULL)
		tool_fail(EX_UNAVAILABLE, "%s", buf_cstr(&why));
	buf_free(&why);
}

int
main(int argc, char **argv)
{
	struct session s = {0};
	struct options o = {0};

	memcpy(s.actions, action_table, sizeof(action_table));
	parse(argc, argv, &s, &o);
	s.options = &o;
	s.arena = arena_new(0);
	tool_start("postsuper", o.config_dir, o.verbose);
	check_names(&o);
	if (o.purge)
		purge();
	open_queue(&s);
	if (o.structure)
		check_structure(&s);
	for (size_t i = 0; i < o.n_work; i++) {
		if (strcmp(o.work[i].id, "-") == 0)
			act_on_input(&s, o.work[i].action);
		else
			act(&s, o.work[i].action, o.work[i].id);
	}
	for (size_t i = 0; i < ACTIONS; i++) {
		say_count(s.actions[i].done, s.actions[i].count);
		say_count("Released from hold", s.actions[i].released);
	}
	offline_close(&s.offline);
	ipc_blocking_free(&s.ipc);
	arena_free(&s.arena);
	free(o.work);
	return s.failed ? EX_SOFTWARE : EX_OK;
}
