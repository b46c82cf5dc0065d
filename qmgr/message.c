/*
 * message - a message in memory: see message.h
 */
#include "qmgr/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/mail/dsn.h"
#include "lib/mail/verp.h"
#include "lib/service/service.h"
#include "qmgr/dead.h"
#include "qmgr/notice.h"
#include "qmgr/recipients.h"
#include "qmgr/report.h"
#include "qmgr/schedule.h"

#define WORK_MAX 2            /* times that qmgr may end while it reads a slot */
#define MORE_REASONS_MAX 1000 /* of one message, beside those in its slot */
#define LOAD_RETRY 60  /* seconds until a slot that could not be read is tried again, or less */
#define FDS_OTHER 8192 /* descriptors for all but active messages: sessions, free slots, new ones */

/* The other of this daemon's two states in memory. */
static struct {
	size_t active;
	size_t loading;
	size_t cached;
	size_t tokens; /* messages done with, for which as many may come in without a pause */
	size_t fds;    /* how many descriptors the process may have open */
} counts;

void
message_prepare(void)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)conf_int(conf_get(), P_qmgr_message_active_limit) + FDS_OTHER;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_fatal("getrlimit: %s", strerror(errno));
	counts.fds = limit.rlim_cur;
	if (limit.rlim_cur >= want)
		return;
	if (limit.rlim_max < want && geteuid() == 0)
		limit.rlim_max = want;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		counts.fds = limit.rlim_cur;
}

size_t
message_room_for_rcpts(void)
{
	size_t limit = (size_t)conf_int(conf_get(), P_qmgr_message_recipient_limit);
	size_t least = (size_t)conf_int(conf_get(), P_qmgr_message_recipient_minimum);

	/* So many may be there for each message, whatever the others have. */
	limit += least * counts.active;
	return recipients_count() < limit ? limit - recipients_count() : 0;
}

bool
message_room(void)
{
	size_t limit = (size_t)conf_int(conf_get(), P_qmgr_message_active_limit);
	size_t fds = counts.fds > 2 * FDS_OTHER ? counts.fds - FDS_OTHER : counts.fds / 2;

	if (service_leaving())
		return false;
	if (counts.active + counts.loading >= (limit < fds ? limit : fds))
		return false;
	return message_room_for_rcpts() > 0;
}

bool
message_flow(void)
{
	if (message_room()) {
		counts.tokens = 0;
		return true;
	}
	if (counts.tokens == 0)
		return false;
	counts.tokens--;
	return true;
}

bool
message_loading(void)
{
	return counts.loading > 0;
}

static struct message *
message_new(struct slot *slot, struct arena *arena, const struct spool_message *m)
{
	struct message *msg = MEM_NEW(struct message);

	msg->m = *m;
	msg->whole = m->envelope.n_rcpts == m->header.rcpts;
	list_init(&msg->slices);
	fiber_waitq_init(&msg->fewer);
	if (msg->whole)
		recipients_add(m->header.rcpts);

	msg->slot = slot;
	msg->arena = arena;
	msg->active_us = clock_wall_us();
	slot->message = msg;
	slot->use = SLOT_USE_ACTIVE;
	counts.active++;
	return msg;
}

void
message_free(struct message *msg)
{
	for (unsigned i = 0; i < msg->n_blocked_by; i++) {
		msg->blocked_by[i]->refs--;
		destination_unused(msg->blocked_by[i]);
	}
	if (msg->has_content)
		counts.cached -= msg->content.cap;
	buf_free(&msg->content);
	recipients_free(msg);
	arena_free(&msg->arena);
	free(msg);
	counts.active--;
	counts.tokens++;
	schedule_wake();
}

static void
keep_content(struct message *msg, struct buf *content)
{
	if (counts.cached + content->cap > (size_t)conf_int(conf_get(), P_queue_content_cache)) {
		buf_free(content);
		return;
	}
	msg->content = *content;
	msg->has_content = true;
	counts.cached += content->cap;
	buf_init(content);
}

struct str
message_content(const struct message *msg)
{
	return msg->has_content ? buf_view(&msg->content) : STR_EMPTY;
}

/* Every recipient that is to be done gets its turn. A long list waits in between. */
static void
hand_out(void *arg)
{
	struct message *msg = arg;

	schedule_message(msg);
	dead_routed(msg);
	msg->starting = false;
	if (msg->pending == 0 && msg->refs == 0)
		round_over(msg);
}

/* What a round begins with: the log's "queue active" line, then every recipient that is to be done. */
static void
begin_round(struct message *msg)
{
	log_info("%s: from=<%.*s>, size=%" PRIu64 ", nrcpt=%" PRIu32 " (queue active)",
	    msg->m.header.id, STR_ARG(msg->m.envelope.sender), msg->m.header.content,
	    msg->m.header.rcpts);
	msg->starting = true;
	if (msg->whole)
		hand_out(msg);
	else
		fiber_spawn("recipients", hand_out, msg);
}

void
message_accepted(struct slot *slot, struct arena *arena, const struct spool_message *m,
    struct buf *content, size_t content_at)
{
	struct message *msg = message_new(slot, arena, m);

	msg->reason_uses[0] = m->header.rcpts;
	slot->state = SLOT_INCOMING;
	slot->content = m->header.content;
	if (content) {
		buf_consume(content, content_at);
		keep_content(msg, content);
	}
	begin_round(msg);
}

struct load_job {
	int fd;
	const char *id;
	struct arena *arena;
	struct spool_message m;
	struct spool_cursor first_rcpt;
	struct buf content;
	struct buf why;
	size_t keep;
	enum spool_status status;
	bool poisoned; /* former attempts have ended qmgr too often: only .m.mark is filled in */
};

/* Counts an attempt to read this slot. That the count cannot be written is no reason not to read. */
static void
count_work(struct load_job *job)
{
	struct slot_header h;
	struct slot_mark mark;
	bool valid;

	if (spool_peek(job->fd, &h, &mark, &valid) != SPOOL_OK || !valid)
		return;
	job->m.mark = mark;
	job->poisoned = mark.work >= WORK_MAX;
	mark.work++;
	if (!job->poisoned)
		(void)spool_write_mark(job->fd, job->id, &mark);
}

static void
load_slot(void *arg)
{
	struct load_job *job = arg;
	struct slot_mark before;

	count_work(job);
	before = job->m.mark;
	if (job->poisoned)
		return;
	job->status = spool_load_begin(job->fd, true, job->arena, &job->m, &job->first_rcpt,
	    &job->content, job->keep, &job->why);
	/* The count is of crashes, not of a disk's errors. */
	if (job->status == SPOOL_IO_ERROR && before.state)
		(void)spool_write_mark(job->fd, job->id, &before);
}

/* Whoever wants it looks at it first, and then releases it. */
static void
hold_poisoned(struct slot *slot, const char *id, struct load_job *job)
{
	job->m.mark.work = 0;
	job->m.mark.state = SLOT_HOLD;
	slots_mark(slot, id, &job->m.mark);
	log_error("%s: queue manager ended twice while reading this message: placed on hold", id);
	slot->use = SLOT_USE_WAITING;
	slots_unuse(slot);
}

/* Wall seconds of the next attempt to read a slot. */
static int64_t
load_again(void)
{
	int64_t pause = conf_time(conf_get(), P_minimal_backoff_time);

	return clock_wall() + (pause < LOAD_RETRY ? pause : LOAD_RETRY);
}

/* The slot could not be read; MSG was never made. */
static void
load_failed(struct slot *slot, const char *id, struct load_job *job)
{
	switch (job->status) {
	case SPOOL_FREE:
		slots_release(slot);
		break;
	case SPOOL_DAMAGED:
		buf_puts(&job->why,
		    !job->m.mark_valid || job->m.mark.state == SLOT_INCOMING
			? " (probably never acknowledged)"
			: " (it was acknowledged)");
		slots_set_aside(slot, id, buf_cstr(&job->why));
		break;
	default:
		log_error("%s: %s: tried again later", id, buf_cstr(&job->why));
		slot->use = SLOT_USE_WAITING;
		slots_schedule(slot, load_again());
		slots_unuse(slot);
	}
}

/* Reads the message in; NULL when that failed, which has been dealt with. Waits. */
static struct message *
load_message(struct slot *slot, const char *id)
{
	struct load_job job = {.id = id, .arena = arena_new(1024), .keep = 65536};
	struct message *msg = NULL;

	job.fd = slot->fd;
	counts.loading++;
	fiber_offload(FIBER_POOL_READ, load_slot, &job);
	counts.loading--;
	if (job.poisoned) {
		hold_poisoned(slot, id, &job);
	} else if (job.status != SPOOL_OK) {
		load_failed(slot, id, &job);
	} else {
		msg = message_new(slot, job.arena, &job.m);
		job.arena = NULL;
		msg->first_rcpt = msg->cursor = job.first_rcpt;
		if (job.content.len == job.m.header.content)
			keep_content(msg, &job.content);
		for (uint32_t i = 0; i < msg->m.header.rcpts; i++)
			msg->reason_uses[msg->m.marks[i].reason]++;
	}
	arena_free(&job.arena);
	buf_free(&job.content);
	buf_free(&job.why);
	return msg;
}

void
message_activate(struct slot *slot)
{
	char id[QUEUE_ID_SIZE];
	struct message *msg;

	if (dead_keeps(slot))
		return;
	slots_id(slot, id);
	if (!slots_use(slot)) {
		log_error("%s: open queue slot %" PRIu32 ": %s", id, slot->number, strerror(errno));
		slots_schedule(slot, load_again());
		return;
	}
	slots_begin_reading(slot);
	report_forget();
	msg = load_message(slot, id);
	if (!msg)
		return;
	msg->m.mark.work = 0;
	/* After a kill -9 it is due once agents have had the time to report what they did. */
	msg->m.mark.state = SLOT_QUEUED;
	msg->want_expire = msg->m.mark.expire;
	msg->flushed = slot->flushed;
	msg->probe = slot->probe;
	slot->flushed = slot->probe = false;
	slots_mark(slot, id, &msg->m.mark);
	begin_round(msg);
}

/* --- Content ----------------------------------------------------------------------------------------- */

struct read_job {
	int fd;
	const struct slot_header *header;
	uint64_t offset;
	void *data;
	size_t n;
	ssize_t got;
	int error;
};

static void
read_content(void *arg)
{
	struct read_job *job = arg;

	job->got = spool_read_content(job->fd, job->header, job->offset, job->data, job->n);
	job->error = errno;
}

ssize_t
message_read(struct message *msg, uint64_t offset, void *data, size_t n)
{
	struct read_job job = {msg->slot->fd, &msg->m.header, offset, data, n, -1, 0};

	if (msg->has_content) {
		struct str part = str_sub(buf_view(&msg->content), (size_t)offset, n);

		memcpy(data, part.data, part.len);
		return (ssize_t)part.len;
	}
	fiber_offload(FIBER_POOL_READ, read_content, &job);
	errno = job.error;
	return job.got;
}

void
message_ref(struct message *msg)
{
	msg->refs++;
}

void
message_unref(struct message *msg)
{
	if (--msg->refs == 0 && msg->pending == 0 && !msg->starting)
		round_over(msg);
}

/* --- Results ------------------------------------------------------------------------------------------- */

const struct slot_reason *
message_reason_at(const struct message *msg, unsigned n)
{
	if (n > SLOT_REASONS)
		return &msg->more[n - SLOT_REASONS - 1];
	return n > 0 ? &msg->m.reasons[n - 1] : NULL;
}

static bool
same_reason(const struct slot_reason *r, const struct outcome *o)
{
	return str_eq(r->dsn, o->dsn) && str_eq(r->text, o->text) &&
	    str_eq(r->diagnostic, o->diagnostic) && str_eq(r->remote_mta, o->remote_mta);
}

static struct slot_reason
copy_reason(struct message *msg, const struct outcome *o)
{
	return (struct slot_reason){
	    .dsn = arena_str(msg->arena, o->dsn),
	    .text = arena_str(msg->arena, o->text),
	    .diagnostic = arena_str(msg->arena, o->diagnostic),
	    .remote_mta = arena_str(msg->arena, o->remote_mta),
	};
}

/*
 * All places in the slot are taken by reasons that recipients still refer to. In memory it is kept for
 * this round's notices, so that nobody is told another one's reason.
 */
static unsigned
more_reason(struct message *msg, const struct outcome *o)
{
	for (unsigned i = 0; i < msg->n_more; i++)
		if (same_reason(&msg->more[i], o))
			return SLOT_REASONS + 1 + i;
	if (msg->n_more == MORE_REASONS_MAX)
		return 0;
	if (msg->n_more == msg->more_cap) {
		unsigned cap = msg->more_cap ? msg->more_cap * 2 : 16;
		struct slot_reason *grown = arena_array(msg->arena, cap, sizeof(*grown));

		if (msg->n_more > 0)
			memcpy(grown, msg->more, msg->n_more * sizeof(*grown));
		msg->more = grown;
		msg->more_cap = cap;
	}
	msg->more[msg->n_more++] = copy_reason(msg, o);
	return SLOT_REASONS + msg->n_more;
}

unsigned
message_reason(struct message *msg, const struct outcome *o)
{
	unsigned place = 0;
	struct slot_reason *r;

	for (unsigned n = SLOT_REASONS; n > 0; n--) {
		if (msg->reason_uses[n] == 0)
			place = n;
		else if (same_reason(&msg->m.reasons[n - 1], o))
			return n;
	}
	if (place == 0)
		return more_reason(msg, o);
	r = &msg->m.reasons[place - 1];
	*r = copy_reason(msg, o);
	if (!spool_write_reason(msg->slot->fd, &msg->m.header, place - 1, r))
		log_warning("%s: write reason: %s", msg->m.header.id, strerror(errno));
	/* The file is longer than its slot now, perhaps. */
	if (slot_reasons_offset(&msg->m.header) + (uint64_t)place * SLOT_REASON_SIZE >
	    (uint64_t)conf_int(conf_get(), P_queue_slot_size))
		msg->slot->grown = true;
	return place;
}

void
message_mark_rcpt(struct message *msg, size_t index, enum slot_rcpt_state state, unsigned reason)
{
	struct slot_rcpt_mark *mark = &msg->m.marks[index];

	if (mark->reason <= SLOT_REASONS)
		msg->reason_uses[mark->reason]--;
	if (reason <= SLOT_REASONS)
		msg->reason_uses[reason]++;
	mark->state = state;
	mark->reason = reason;
	if (!spool_write_rcpt_mark(msg->slot->fd, msg->m.header.id, (uint32_t)index, mark)) {
		log_error("%s: write recipient mark: %s", msg->m.header.id, strerror(errno));
		msg->slot->leaving = true;
	}
	slots_dirty(msg->slot);
}

/* "1.2": seconds as Postfix writes delays, two significant digits below 100. */
static void
put_delay(char *out, size_t n, int64_t us)
{
	double s = us > 0 ? (double)us / 1e6 : 0;

	if (s >= 100)
		snprintf(out, n, "%.0f", s);
	else if (s >= 10)
		snprintf(out, n, "%.1f", s);
	else
		snprintf(out, n, "%.2g", s < 0.01 ? (s < 0.005 ? 0 : 0.01) : s);
}

static void
log_outcome(struct message *msg, size_t index, const struct outcome *o)
{
	static const char *const words[] = {"sent", "deferred", "bounced"};
	static const char *const probe[] = {"deliverable", "undeliverable", "undeliverable"};
	const struct slot_rcpt *r = recipients_get(msg, index);
	int64_t now = clock_wall_us(), sent = o->sent_us ? o->sent_us : now;
	char d[5][16];
	bool orig = r->orig.len > 0 && !str_eq_nocase(r->orig, r->address);

	put_delay(d[0], sizeof(d[0]), now - msg->m.header.arrival_us);
	put_delay(d[1], sizeof(d[1]), msg->active_us - msg->m.header.arrival_us);
	put_delay(d[2], sizeof(d[2]), sent - msg->active_us);
	put_delay(d[3], sizeof(d[3]), o->connect_us);
	put_delay(d[4], sizeof(d[4]), o->transmit_us ? o->transmit_us : now - sent);
	log_as(o->logged_as, LOG_LEVEL_INFO,
	    "%s: to=<%.*s>,%s%.*s%s relay=%.*s, delay=%s, delays=%s/%s/%s/%s,%s%.*s%s dsn=%.*s, "
	    "status=%s (%.*s)",
	    msg->m.header.id, STR_ARG(r->address), orig ? " orig_to=<" : "",
	    orig ? (int)r->orig.len : 0, r->orig.data, orig ? ">," : "", STR_ARG(o->relay), d[0],
	    d[1], d[2], d[3], d[4], o->tls.len > 0 ? " tls=" : "", STR_ARG(o->tls),
	    o->tls.len > 0 ? "," : "", STR_ARG(o->dsn),
	    o->softened                       ? "SOFTBOUNCE"
		: msg->m.envelope.verify_only ? probe[o->status]
					      : words[o->status],
	    STR_ARG(o->text));
}

void
message_log_late(const struct slot_header *h, struct str address, const struct outcome *sent)
{
	char delay[16];

	put_delay(delay, sizeof(delay), clock_wall_us() - h->arrival_us);
	log_info("%s: to=<%.*s>, relay=%.*s, delay=%s, dsn=%.*s, status=sent (told late: %.*s)",
	    h->id, STR_ARG(address), STR_ARG(sent->relay), delay, STR_ARG(sent->dsn),
	    STR_ARG(sent->text));
}

enum slot_rcpt_state
message_failed_state(const struct message *msg, const struct slot_rcpt *r)
{
	unsigned notify = r ? r->notify : 0;

	/*
	 * RFC 3461 section 4.1: NOTIFY without FAILURE asks for no such notice. A notice goes out with
	 * NEVER (section 6.1), but the postmaster may want to hear that it failed: bounce knows.
	 */
	if (notify && !(notify & DSN_NOTIFY_FAILURE) && !message_is_notice(msg))
		return SLOT_RCPT_REMOVED;
	return SLOT_RCPT_FAILED_NOTICE;
}

struct str
message_verp(const struct message *msg)
{
	const struct slot_envelope *e = &msg->m.envelope;

	if (e->sender.len > 0)
		for (size_t i = 0; i < e->n_attrs; i++)
			if (str_eq(e->attrs[i].name, STR(VERP_ATTRIBUTE)) &&
			    verp_delimiters_ok(e->attrs[i].value, STR_EMPTY))
				return e->attrs[i].value;
	return STR_EMPTY;
}

void
message_sender(const struct message *msg, const struct slot_rcpt *r, struct buf *out)
{
	const struct slot_envelope *e = &msg->m.envelope;
	struct str verp = message_verp(msg);

	/* The recipient as the sender knows it, before aliases: that is what a list looks for. */
	if (verp.len)
		verp_sender(
		    e->sender, r->orig.len ? r->orig : r->address, verp, MSG_ADDRESS_MAX, out);
	else
		buf_str(out, e->sender);
}

bool
message_is_notice(const struct message *msg)
{
	struct str sender = msg->m.envelope.sender;
	struct str name = conf_str(conf_get(), P_double_bounce_sender);

	if (str_chr(name, '@') == STR_NPOS)
		sender = str_sub(sender, 0, str_rchr(sender, '@'));
	return msg->m.envelope.sender.len == 0 || str_eq_nocase(sender, name);
}

enum slot_rcpt_state
message_sent_state(
    const struct slot_envelope *e, const struct slot_rcpt *r, const struct outcome *sent)
{
	/* RFC 3461 section 5.2.1: a server that took the wish over answers it. */
	bool owed =
	    (r->notify & DSN_NOTIFY_SUCCESS && !sent->dsn_passed) || e->verbose || e->verify_only;

	return owed ? SLOT_RCPT_SENT_NOTICE : SLOT_RCPT_SENT;
}

/* The mark that follows from a result. */
static enum slot_rcpt_state
state_after(const struct message *msg, const struct slot_rcpt *r, const struct outcome *o)
{
	switch (o->status) {
	case DELIVERY_SENT:
		return message_sent_state(&msg->m.envelope, r, o);
	case DELIVERY_BOUNCED:
		return message_failed_state(msg, r);
	default:
		/* Who asks what would become of mail is told what is the case now. */
		return msg->m.envelope.verify_only ? SLOT_RCPT_FAILED_NOTICE : SLOT_RCPT_TODO;
	}
}

/*
 * A refusal becomes a deferral when soft_bounce says so: *SOFT, whose status code is in DSN. What a probe
 * finds is told as it is.
 */
static const struct outcome *
soften(const struct message *msg, const struct outcome *o, struct outcome *soft,
    char dsn[DSN_TEXT_SIZE])
{
	if (o->status != DELIVERY_BOUNCED || msg->m.envelope.verify_only ||
	    !conf_bool(conf_get(), P_soft_bounce))
		return o;
	*soft = *o;
	soft->status = DELIVERY_DEFERRED;
	soft->softened = true;
	snprintf(dsn, DSN_TEXT_SIZE, "4%.*s", STR_ARG(str_from(o->dsn, 1)));
	soft->dsn = str_c(dsn);
	return soft;
}

void
message_result(struct message *msg, size_t index, const struct outcome *o)
{
	enum slot_rcpt_state state;
	struct outcome soft;
	char dsn[DSN_TEXT_SIZE];
	unsigned reason = 0;

	if (index >= msg->m.header.rcpts || msg->m.marks[index].state != SLOT_RCPT_TODO)
		return;
	o = soften(msg, o, &soft, dsn);
	state = state_after(msg, recipients_get(msg, index), o);
	if (state == SLOT_RCPT_TODO)
		round_blocked(msg, o);
	log_outcome(msg, index, o);
	if (o->status != DELIVERY_SENT || state == SLOT_RCPT_SENT_NOTICE)
		reason = message_reason(msg, o);
	if (state == SLOT_RCPT_SENT && msg->m.header.rcpts == 1 && msg->refs == 0)
		/* The slot's own mark, written before anything else runs, says the same. */
		msg->m.marks[index].state = state;
	else
		message_mark_rcpt(msg, index, state, reason);
	recipients_done(msg, index);
	notice_trouble(msg, index, o);
	if (--msg->pending == 0 && msg->refs == 0 && !msg->starting)
		round_over(msg);
}

/* Notes that recipient INDEX was delivered. */
static const struct late_report *
add_report(
    struct message *msg, uint32_t index, const struct slot_rcpt *r, const struct outcome *sent)
{
	struct late_report *report;

	for (size_t i = 0; i < msg->n_reported; i++)
		if (msg->reported[i].index == index)
			return &msg->reported[i];
	if (msg->n_reported == msg->reported_cap) {
		size_t cap = msg->reported_cap * 2 + 4;
		struct late_report *grown = arena_array(msg->arena, cap, sizeof(*grown));

		if (msg->n_reported > 0)
			memcpy(grown, msg->reported, msg->n_reported * sizeof(*grown));
		msg->reported = grown;
		msg->reported_cap = cap;
	}
	report = &msg->reported[msg->n_reported++];
	report->index = index;
	report->state = state_after(msg, r, sent);
	report->address = arena_str(msg->arena, r->address);
	report->sent = *sent;
	report->sent.dsn = arena_str(msg->arena, sent->dsn);
	report->sent.text = arena_str(msg->arena, sent->text);
	report->sent.relay = arena_str(msg->arena, sent->relay);
	report->sent.remote_mta = arena_str(msg->arena, sent->remote_mta);
	return report;
}

void
message_reported(struct message *msg, uint32_t index, const struct outcome *sent)
{
	struct recipients_reader reader = {.msg = msg};
	struct slot_rcpt_mark mark = {0};
	const struct slot_rcpt *r;

	if (index >= msg->m.header.rcpts || msg->m.marks[index].state != SLOT_RCPT_TODO)
		return;
	message_ref(msg);
	r = recipients_read(&reader, index);
	if (r && msg->m.marks[index].state == SLOT_RCPT_TODO) {
		mark.state = add_report(msg, index, r, sent)->state;
		if (!spool_write_rcpt_mark(msg->slot->fd, msg->m.header.id, index, &mark))
			log_error(
			    "%s: write recipient mark: %s", msg->m.header.id, strerror(errno));
		slots_dirty(msg->slot);
	}
	recipients_reader_end(&reader);
	message_unref(msg);
}

void
message_settle_reports(struct message *msg)
{
	for (size_t i = 0; i < msg->n_reported; i++) {
		const struct late_report *report = &msg->reported[i];
		unsigned reason = 0;

		if (msg->m.marks[report->index].state != SLOT_RCPT_TODO)
			continue;
		message_log_late(&msg->m.header, report->address, &report->sent);
		if (report->state == SLOT_RCPT_SENT_NOTICE)
			reason = message_reason(msg, &report->sent);
		message_mark_rcpt(msg, report->index, report->state, reason);
	}
}

bool
message_stopped(const struct message *msg)
{
	return msg->want_delete || msg->want_hold;
}

void
message_leave_out(struct message *msg)
{
	msg->left_out = true;
	/* They wait for nobody: the message must not be parked, whatever has become of the others. */
	msg->blocked_otherwise = true;
}

void
message_drop(struct message *msg, size_t count)
{
	msg->pending -= count;
	message_leave_out(msg);
	fiber_wake_all(&msg->fewer);
	if (msg->pending == 0 && msg->refs == 0 && !msg->starting)
		round_over(msg);
}

void
message_want_hold(struct message *msg)
{
	msg->want_hold = true;
}

void
message_want_delete(struct message *msg)
{
	msg->want_delete = true;
}

void
message_want_expire(struct message *msg)
{
	msg->want_expire = true;
}

void
message_want_on(struct message *msg, bool renewed)
{
	msg->want_hold = false;
	msg->want_expire = msg->want_expire && !renewed;
}
