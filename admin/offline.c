/*
 * offline - reading and changing slots under the spool's lock; see offline.h
 *
 * The same orders as qmgr's (qmgr/admin.c), on marks alone: nothing is in memory, nothing is being
 * delivered. A slot is read as if a stranger had written it.
 */
#include "config.h"

#include "admin/offline.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/tool.h"
#include "lib/base/arena.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/queue/order.h"
#include "lib/queue/show.h"

struct offline {
	struct spool *spool;
};

/* The messages there are: slot numbers with what sorts them. */
struct found {
	uint32_t number;
	int64_t arrival_us;
};
struct search {
	struct spool *spool;
	struct found *list;
	size_t n, cap;
};

/*
 * Root becomes the spool's owner for good: less to do harm with, and what is made (the lock, say) can be
 * opened by qmgr later.
 */
static bool
become_owner(struct buf *why)
{
	struct stat st;

	if (lstat("slots", &st) < 0 || !S_ISDIR(st.st_mode)) {
		buf_printf(why, "there is no queue here: slots: %s", strerror(errno));
		return false;
	}
	if (geteuid() != 0 || st.st_uid == 0)
		return true;
	if (setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == 0)
		return true;
	buf_printf(why, "become the owner of the queue: %s", strerror(errno));
	return false;
}

struct offline *
offline_open(bool *busy, struct buf *why)
{
	struct spool *spool;
	struct offline *o;

	*busy = false;
	spool = become_owner(why) ? spool_open(".", busy, why) : NULL;
	if (spool == NULL)
		return NULL;
	o = MEM_NEW(struct offline);
	o->spool = spool;
	return o;
}

void
offline_close(struct offline **o)
{
	if (*o == NULL)
		return;
	spool_close(&(*o)->spool);
	free(*o);
	*o = NULL;
}

static void
look_at(uint32_t number, void *arg)
{
	struct search *s = arg;
	struct slot_header h;
	struct slot_mark mark;
	bool valid;
	int fd = spool_slot_open(s->spool, number);

	if (fd < 0)
		return;
	if (spool_peek(fd, &h, &mark, &valid) == SPOOL_OK) {
		if (s->n == s->cap) {
			s->cap = s->cap ? s->cap * 2 : 64;
			s->list = mem_resize(s->list, s->cap * sizeof(*s->list));
		}
		s->list[s->n++] = (struct found){number, h.arrival_us};
	}
	io_close(&fd);
}

static int
compare_arrival(const void *a, const void *b)
{
	const struct found *x = a;
	const struct found *y = b;

	return (x->arrival_us > y->arrival_us) - (x->arrival_us < y->arrival_us);
}

/* All messages, oldest first. */
static void
find_all(struct offline *o, struct search *s)
{
	struct buf why = {0};

	*s = (struct search){.spool = o->spool};
	if (!spool_each(o->spool, look_at, s, &why))
		tool_say(LOG_LEVEL_WARNING, "%s", buf_cstr(&why));
	if (s->n)
		qsort(s->list, s->n, sizeof(*s->list), compare_arrival);
	buf_free(&why);
}

static const char *
state_name(const struct slot_mark *mark, bool valid)
{
	if (valid && mark->state == SLOT_HOLD)
		return "hold";
	return valid && mark->state == SLOT_DEFERRED ? "deferred" : "incoming";
}

/* ---- Showing --------------------------------------------------------------------------------- */

typedef void show_fn(const struct msg_showq_entry *entry, void *arg);

/* DETAIL: all recipients, and who brought it. */
static void
show_message(const struct spool_message *m, bool detail, show_fn *show, void *arg)
{
	struct msg_showq_rcpt rcpts[SHOW_RCPTS];
	struct msg_showq_entry entry = {
	    .state = str_c(state_name(&m->mark, m->mark_valid)),
	    .next = m->mark.next,
	};
	struct buf origin = {0};
	size_t at = 0;

	show_head(conf_get(), m, &entry);
	if (detail)
		show_origin(&m->envelope, &origin);
	entry.origin = buf_view(&origin);
	do {
		size_t n = 0;

		for (; at < m->envelope.n_rcpts && n < SHOW_RCPTS; at++) {
			unsigned reason = m->marks[at].reason;

			if (show_rcpt(
				m, at, reason ? &m->reasons[reason - 1] : NULL, detail, &rcpts[n]))
				n++;
		}
		entry.rcpts = (struct ipc_list){rcpts, n};
		entry.more = at < m->envelope.n_rcpts;
		show(&entry, arg);
	} while (entry.more);
	buf_free(&origin);
}

bool
offline_show(struct offline *o, struct str id, show_fn *show, void *arg)
{
	struct arena *a = arena_new(0);
	struct buf why = {0};
	struct spool_message m;
	int fd = offline_find(o, id);
	bool found = fd >= 0 && spool_load(fd, false, a, &m, NULL, 0, &why) == SPOOL_OK;

	if (found)
		show_message(&m, true, show, arg);
	else if (why.len)
		tool_say(LOG_LEVEL_WARNING, "%.*s: %s", STR_ARG(id), buf_cstr(&why));
	io_close(&fd);
	arena_free(&a);
	buf_free(&why);
	return found;
}

void
offline_list(struct offline *o, show_fn *show, void *arg)
{
	struct search s;
	struct arena *a = arena_new(0);
	struct buf why = {0};

	find_all(o, &s);
	for (size_t i = 0; i < s.n; i++) {
		int fd = spool_slot_open(o->spool, s.list[i].number);
		struct spool_message m;

		if (fd < 0)
			continue;
		arena_reset(a);
		buf_reset(&why);
		if (spool_load(fd, false, a, &m, NULL, 0, &why) == SPOOL_OK)
			show_message(&m, false, show, arg);
		else
			tool_say(LOG_LEVEL_WARNING, "slot %" PRIu32 ": %s", s.list[i].number,
			    buf_cstr(&why));
		io_close(&fd);
	}
	free(s.list);
	arena_free(&a);
	buf_free(&why);
}

/* ---- Orders ---------------------------------------------------------------------------------- */

/* True when it was done to the message in FD. */
static bool
order_slot(int fd, const struct msg_admin *m, struct buf *why)
{
	enum admin_verb verb = (enum admin_verb)m->verb;
	struct slot_header h;
	struct slot_mark mark;
	bool valid;

	if (spool_peek(fd, &h, &mark, &valid) != SPOOL_OK)
		return false;
	if (m->state.len && !str_eq(m->state, str_c(state_name(&mark, valid))))
		return false;
	if (!order_mark(verb, &mark))
		return false;
	if (!spool_write_mark(fd, h.id, &mark) || fdatasync(fd) < 0) {
		buf_reset(why);
		buf_printf(why, "%s: write queue slot: %s", h.id, strerror(errno));
		return false;
	}
	tool_say(LOG_LEVEL_INFO, "%s: %s", h.id, order_done(verb));
	return true;
}

int
offline_find(struct offline *o, struct str id)
{
	struct slot_header h;
	struct slot_mark mark;
	bool valid;
	uint32_t number;
	int64_t time_us;
	int fd;

	if (!queue_id_parse(id, &time_us, &number))
		return -1;
	fd = spool_slot_open(o->spool, number);
	if (fd >= 0 && (spool_peek(fd, &h, &mark, &valid) != SPOOL_OK || !str_eq(id, str_c(h.id))))
		io_close(&fd);
	return fd;
}

uint64_t
offline_order(struct offline *o, const struct msg_admin *m, struct buf *why)
{
	struct search s = {0};
	uint64_t count = 0;
	int fd;

	if (!str_eq(m->id, STR("ALL"))) {
		fd = offline_find(o, m->id);
		if (fd >= 0 && order_slot(fd, m, why))
			count++;
		io_close(&fd);
		return count;
	}
	find_all(o, &s);
	for (size_t i = 0; i < s.n; i++) {
		fd = spool_slot_open(o->spool, s.list[i].number);
		if (fd >= 0 && order_slot(fd, m, why))
			count++;
		io_close(&fd);
	}
	free(s.list);
	return count;
}

/* ---- Verifying ------------------------------------------------------------------------------- */

struct verification {
	struct spool *spool;
	struct arena *arena;
	uint64_t damaged;
};

static void
verify_slot(uint32_t number, void *arg)
{
	struct verification *v = arg;
	struct spool_message m = {0};
	struct buf why = {0};
	enum spool_status status;
	int fd = spool_slot_open(v->spool, number);

	if (fd < 0)
		return;
	arena_reset(v->arena);
	status = spool_load(fd, true, v->arena, &m, NULL, 0, &why);
	if (status == SPOOL_DAMAGED) {
		tool_say(LOG_LEVEL_WARNING, "slot %" PRIu32 ": %s: moved to corrupt", number,
		    buf_cstr(&why));
		buf_reset(&why);
		if (spool_set_aside(v->spool, number, m.header.id, &why))
			v->damaged++;
		else
			tool_say(LOG_LEVEL_ERROR, "%s", buf_cstr(&why));
	} else if (status == SPOOL_IO_ERROR) {
		tool_say(LOG_LEVEL_ERROR, "slot %" PRIu32 ": %s", number, buf_cstr(&why));
	}
	io_close(&fd);
	buf_free(&why);
}

uint64_t
offline_verify(struct offline *o)
{
	struct verification v = {.spool = o->spool, .arena = arena_new(0)};
	struct buf why = {0};

	if (!spool_each(o->spool, verify_slot, &v, &why))
		tool_say(LOG_LEVEL_ERROR, "%s", buf_cstr(&why));
	arena_free(&v.arena);
	buf_free(&why);
	return v.damaged;
}
