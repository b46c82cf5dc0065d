/*
 * notice - what senders are told, through the bounce program: see notice.h
 *
 * A recipient counts as noticed only when bounce says that the notice is in the queue. Until then its
 * mark stays, and the next round tries again. A few fibers send them, so that thousands of messages that
 * fail together cost no more than one after the other; while bounce does not answer, the rest is put off
 * at once instead of waiting for it, too.
 */
#include "qmgr/notice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "lib/mail/dsn.h"
#include "qmgr/recipients.h"

#define CONNECT_MS 10000
#define REPLY_MS 100000       /* bounce waits for us, too */
#define RCPTS_MAX 40          /* in one notice */
#define RCPTS_BYTES_MAX 20000 /* so that the request fits into a frame, attributes and all */
#define HEADER_MAX 65536      /* of the original, when only headers are returned */
#define FIBERS_MAX 16
#define HOUR_MS 3600000
#define TOLD_MAX 10  /* notices of trouble to the postmaster, of a class, in an hour */
#define DOWN_MS 5000 /* without an answer from bounce, nothing is sent for this long */

/* A message that waits for its notices. */
struct request {
	struct list_link link;
	struct message *msg;
	bool delay;
	int64_t expire_at;
	const char *class; /* of notify_classes: about recipient .index alone; else NULL */
	size_t index;
};

static struct {
	struct list requests;
	unsigned fibers;
	fiber_deadline down_until;
} waiting;

/* The notice being sent. */
struct job {
	struct message *msg;
	struct recipients_reader reader;
	struct arena *texts; /* of .rcpts */
	enum notice_kind kind;
	int64_t expire_at;
	const char *class;
	struct msg_notice_rcpt rcpts[RCPTS_MAX];
	uint32_t indexes[RCPTS_MAX];
	size_t n;
	size_t bytes;
	bool verp; /* one recipient in each, to the return path that was made for it */
	struct buf sender;
};

bool
notice_owed(const struct message *msg)
{
	for (size_t i = 0; i < msg->m.header.rcpts; i++)
		if (msg->m.marks[i].state == SLOT_RCPT_FAILED_NOTICE ||
		    msg->m.marks[i].state == SLOT_RCPT_SENT_NOTICE)
			return true;
	return false;
}

/* Does recipient I belong into a notice of this kind? */
static bool
belongs(struct job *job, size_t i)
{
	const struct message *msg = job->msg;
	enum slot_rcpt_state state = msg->m.marks[i].state;
	const struct slot_rcpt *r;
	bool report = msg->m.envelope.verify_only || msg->m.envelope.verbose;

	switch (job->kind) {
	case NOTICE_FAILURE:
		return state == SLOT_RCPT_FAILED_NOTICE && !report;
	case NOTICE_SUCCESS:
		return state == SLOT_RCPT_SENT_NOTICE && !report;
	case NOTICE_VERIFY:
		return report &&
		    (state == SLOT_RCPT_FAILED_NOTICE || state == SLOT_RCPT_SENT_NOTICE);
	case NOTICE_DELAY:
		r = state == SLOT_RCPT_TODO ? recipients_read(&job->reader, (uint32_t)i) : NULL;
		return r && (r->notify == 0 || r->notify & DSN_NOTIFY_DELAY);
	default:
		return false;
	}
}

/* RFC 3464 section 2.3.3; "relayed" (RFC 3461 section 5.2.2): what another server has taken without DSN. */
static const char *
action_word(const struct job *job, enum slot_rcpt_state state, const struct slot_reason *reason)
{
	bool probe = job->msg->m.envelope.verify_only;

	if (state == SLOT_RCPT_SENT_NOTICE)
		return probe ? "deliverable" : reason->remote_mta.len ? "relayed" : "delivered";
	if (state == SLOT_RCPT_FAILED_NOTICE)
		return probe ? "undeliverable" : "failed";
	return "delayed";
}

static enum delivery_status
status_of(enum slot_rcpt_state state)
{
	return state == SLOT_RCPT_SENT_NOTICE  ? DELIVERY_SENT
	    : state == SLOT_RCPT_FAILED_NOTICE ? DELIVERY_BOUNCED
					       : DELIVERY_DEFERRED;
}

static void
add_rcpt(struct job *job, size_t i)
{
	const struct slot_rcpt *r = recipients_read(&job->reader, (uint32_t)i);
	const struct slot_rcpt_mark *mark = &job->msg->m.marks[i];
	struct slot_reason none = {STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY};
	const struct slot_reason *reason = message_reason_at(job->msg, mark->reason);
	struct msg_notice_rcpt *out = &job->rcpts[job->n];

	/* One that cannot be read now is told of in the next round. */
	if (!r)
		return;
	if (!reason)
		reason = &none;
	*out = (struct msg_notice_rcpt){
	    .address = arena_str(job->texts, r->address),
	    .orig = arena_str(job->texts, r->orig),
	    .orcpt = arena_str(job->texts, r->orcpt),
	    .notify = r->notify,
	    .status = status_of(mark->state),
	    .action = str_c(action_word(job, mark->state, reason)),
	    .dsn = reason->dsn,
	    .text = reason->text,
	    .diagnostic = reason->diagnostic,
	    .remote_mta = reason->remote_mta,
	};
	job->indexes[job->n++] = (uint32_t)i;
	job->bytes += r->address.len + r->orig.len + r->orcpt.len + reason->text.len +
	    reason->diagnostic.len + reason->remote_mta.len + 100;
}

/* Fills the next notice with recipients from *AT on; false when there are none. */
static bool
gather(struct job *job, size_t *at)
{
	job->n = job->bytes = 0;
	arena_reset(job->texts);
	for (; *at < job->msg->m.header.rcpts; (*at)++) {
		if (job->n == (job->verp ? 1 : RCPTS_MAX) || job->bytes > RCPTS_BYTES_MAX)
			break;
		if (belongs(job, *at))
			add_rcpt(job, *at);
	}
	return job->n > 0;
}

/* How much of the original goes along: its header, or all of it if that was asked for and is small. */
static uint64_t
returned_size(struct job *job)
{
	struct message *msg = job->msg;
	uint64_t full = msg->m.header.content;
	uint64_t wanted = (uint64_t)conf_int(conf_get(), P_bounce_size_limit);
	uint64_t limit = wanted < MSG_NOTICE_SIZE_MAX ? wanted : MSG_NOTICE_SIZE_MAX;
	bool whole =
	    job->kind == NOTICE_FAILURE && msg->m.envelope.ret != DSN_RET_HDRS && full <= limit;
	struct str head;
	char *data;
	ssize_t n;

	if (whole)
		return full;
	data = mem_alloc(HEADER_MAX);
	n = message_read(msg, 0, data, HEADER_MAX);
	head = str_n(data, n > 0 ? (size_t)n : 0);
	size_t end = str_find(head, STR("\r\n\r\n"));
	uint64_t size = end == STR_NPOS ? head.len : end + 4;
	free(data);
	return size < limit ? size : limit;
}

static bool
send_original(struct ipc_channel *channel, struct message *msg, uint64_t size)
{
	char *data = mem_alloc(HEADER_MAX);
	uint64_t done = 0;
	bool ok = true;

	while (ok && done < size) {
		size_t want = size - done < HEADER_MAX ? (size_t)(size - done) : HEADER_MAX;
		ssize_t n = message_read(msg, done, data, want);

		ok = n > 0 && ipc_send_content(channel, str_n(data, (size_t)n)) == IPC_OK;
		done += n > 0 ? (uint64_t)n : 0;
	}
	free(data);
	return ok;
}

static bool
converse(
    struct job *job, struct ipc_channel *channel, struct msg_notice_done *done, struct arena *a)
{
	struct message *msg = job->msg;
	const struct slot_envelope *e = &msg->m.envelope;
	struct msg_notice notice = {
	    .kind = job->kind,
	    .id = str_c(msg->m.header.id),
	    .sender = job->verp ? buf_view(&job->sender) : e->sender,
	    .class = str_c(job->class),
	    .double_bounce = message_is_notice(msg),
	    .ret = e->ret,
	    .envid = e->envid,
	    .smtputf8 = e->smtputf8,
	    .body_8bit = e->body_8bit,
	    .arrival_us = msg->m.header.arrival_us,
	    .expire_at = job->expire_at,
	    .size = returned_size(job),
	    .full_size = msg->m.header.content,
	    .attrs = {e->attrs, e->n_attrs},
	    .rcpts = {job->rcpts, job->n},
	};

	stream_timeout(ipc_stream(channel), REPLY_MS);
	return ipc_send(channel, &msg_notice, &notice) == IPC_OK &&
	    send_original(channel, msg, notice.size) && ipc_flush(channel) == IPC_OK &&
	    ipc_recv_one(channel, a, &msg_notice_done, done) == IPC_OK;
}

/* One notice; true when it has been accepted, or by rule none is sent. */
static bool
send_one(struct job *job)
{
	struct arena *a = arena_new(512);
	struct msg_notice_done done = {0};
	struct ipc_channel *channel;
	char path[120];
	bool heard;

	if (fiber_now() < waiting.down_until) {
		arena_free(&a);
		return false;
	}
	snprintf(path, sizeof(path), "private/%s", conf_cstr(conf_get(), P_bounce_service_name));
	channel = ipc_connect(path, "qmgr", fiber_after(CONNECT_MS));
	heard = channel && converse(job, channel, &done, a);
	waiting.down_until = heard ? 0 : fiber_after(DOWN_MS);
	if (!heard)
		log_warning("%s: no answer from %s, notice is tried again later",
		    job->msg->m.header.id, path);
	else if (!done.accepted)
		log_warning("%s: notice was not accepted, tried again later: %.*s",
		    job->msg->m.header.id, STR_ARG(done.why));
	bool accepted = heard && done.accepted;
	ipc_channel_free(&channel);
	arena_free(&a);
	return accepted;
}

static void
mark_noticed(struct job *job)
{
	struct message *msg = job->msg;

	for (size_t i = 0; i < job->n; i++) {
		struct slot_rcpt_mark *mark = &msg->m.marks[job->indexes[i]];

		if (mark->state == SLOT_RCPT_FAILED_NOTICE)
			message_mark_rcpt(msg, job->indexes[i], SLOT_RCPT_BOUNCED, mark->reason);
		else if (mark->state == SLOT_RCPT_SENT_NOTICE)
			message_mark_rcpt(msg, job->indexes[i], SLOT_RCPT_SENT, mark->reason);
	}
	if (job->kind == NOTICE_DELAY)
		msg->m.mark.warned = true;
}

/* All notices of one kind. */
static void
send_kind(struct job *job, enum notice_kind kind)
{
	size_t at = 0;

	job->kind = kind;
	job->verp = kind == NOTICE_FAILURE && message_verp(job->msg).len > 0 &&
	    !conf_bool(conf_get(), P_disable_verp_bounces);
	while (gather(job, &at)) {
		const struct slot_rcpt first = {
		    .address = job->rcpts[0].address, .orig = job->rcpts[0].orig};

		buf_reset(&job->sender);
		if (job->verp)
			message_sender(job->msg, &first, &job->sender);
		if (send_one(job))
			mark_noticed(job);
	}
}

/* What the postmaster wants to hear of; if bounce does not take it now, that is all. */
static void
send_trouble(struct job *job, size_t index)
{
	bool failed = job->msg->m.marks[index].state != SLOT_RCPT_TODO;

	job->kind = failed ? NOTICE_FAILURE : NOTICE_DELAY;
	job->verp = false;
	job->n = job->bytes = 0;
	add_rcpt(job, index);
	if (job->n > 0)
		(void)send_one(job);
}

static void
notice_fiber(void *arg)
{
	struct job *job = MEM_NEW(struct job);
	struct list_link *l;

	(void)arg;
	job->texts = arena_new(4096);
	while ((l = list_shift(&waiting.requests))) {
		struct request *request = LIST_ITEM(l, struct request, link);

		job->msg = request->msg;
		job->reader = (struct recipients_reader){.msg = request->msg};
		job->expire_at = request->expire_at;
		job->class = request->class;
		if (request->class) {
			send_trouble(job, request->index);
		} else if (request->delay) {
			send_kind(job, NOTICE_DELAY);
		} else {
			send_kind(job, NOTICE_FAILURE);
			send_kind(job, NOTICE_SUCCESS);
			send_kind(job, NOTICE_VERIFY);
		}
		free(request);
		recipients_reader_end(&job->reader);
		message_unref(job->msg);
	}
	buf_free(&job->sender);
	arena_free(&job->texts);
	free(job);
	waiting.fibers--;
}

static void
enqueue(const struct request *wanted)
{
	struct request *request = MEM_NEW(struct request);

	*request = *wanted;
	message_ref(request->msg);
	if (!waiting.requests.ends.next)
		list_init(&waiting.requests);
	list_append(&waiting.requests, &request->link);
	if (waiting.fibers < FIBERS_MAX) {
		waiting.fibers++;
		fiber_spawn("notices", notice_fiber, NULL);
	}
}

void
notice_send(struct message *msg)
{
	enqueue(&(struct request){.msg = msg});
}

void
notice_delay(struct message *msg, int64_t expire_at)
{
	enqueue(&(struct request){.msg = msg, .delay = true, .expire_at = expire_at});
}

/* --- Trouble for the postmaster ---------------------------------------------------------------------- */

/* A class of notify_classes, and how often it was told of lately. */
static struct trouble {
	const char *class;
	int64_t since; /* milliseconds: when the count began */
	unsigned told, left_out;
} troubles[] = {
    {.class = "protocol"}, {.class = "resource"}, {.class = "software"}, {.class = "data"}};

/*
 * The class of a result: by its status code. What another server says is our trouble only if it does not
 * understand us; of our own programs it is what they lack.
 */
static struct trouble *
trouble_of(const struct outcome *o)
{
	struct dsn dsn;

	if (o->status == DELIVERY_SENT || o->ordered || !dsn_parse(o->dsn, &dsn, NULL))
		return NULL;
	if (o->remote_mta.len > 0)
		return dsn.subject == 5 ? &troubles[0] : NULL;
	if (dsn.subject != 3)
		return NULL;
	return &troubles[dsn.detail == 1 ? 1 : dsn.detail == 5 ? 3 : 2];
}

static bool
wanted(const char *class)
{
	struct str rest = conf_str(conf_get(), P_notify_classes), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, str_c(class)))
			return true;
	return false;
}

/* Is there room for one more in this hour? */
static bool
may_tell(struct trouble *t)
{
	int64_t now = fiber_now();

	if (t->since == 0 || now - t->since >= HOUR_MS) {
		if (t->left_out > 0)
			log_info("notify_classes: %u notices of class %s were left out",
			    t->left_out, t->class);
		*t = (struct trouble){.class = t->class, .since = now};
	}
	if (t->told < TOLD_MAX) {
		t->told++;
		return true;
	}
	t->left_out++;
	return false;
}

void
notice_trouble(struct message *msg, size_t index, const struct outcome *o)
{
	struct trouble *t = trouble_of(o);

	/* A notice's own trouble would bring the next one. */
	if (t && !message_is_notice(msg) && !msg->m.envelope.verify_only && wanted(t->class) &&
	    may_tell(t))
		enqueue(&(struct request){.msg = msg, .class = t->class, .index = index});
}

void
notice_retry(void)
{
	waiting.down_until = 0;
}
