/*
 * receive - submissions: from a receiver's frames to a message on stable storage
 *
 * The receiver is not trusted: addresses are parsed again, attributes are compared with a list, sizes
 * are counted here. A small message is one write and one sync in a worker thread; a large one is
 * written as it comes, behind the place of its header, which is written last.
 */
#include "config.h"

#include "qmgr/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "lib/mail/address.h"
#include "qmgr/flush.h"
#include "qmgr/message.h"

#define SLOT_WAIT_MS 20000     /* for new slots to be made */
#define STREAM_AT (256 * 1024) /* a message larger than this is written as it comes */
/* All messages on their way in together: with more in memory pieces are written that early. */
#define GATHERED_MAX (16u << 20)
#define STREAM_EARLY_AT 16384
#define LIST_AT 1000     /* more recipients are kept as text, and read back from the slot */
#define RCPTS_MAX 500000 /* of one message, whatever the receiver's own limit is */
#define RECEIVE_TIMEOUT_MS (3600 * 1000)
/* Bytes of addresses of one message: what sendmail may send (DROP_ENVELOPE_MAX), each address twice. */
#define ADDRESSES_MAX (40u << 20)
/* The same of all messages on their way in together, with what a recipient takes beside its text. */
#define ADDRESSES_ALL_MAX (4 * ADDRESSES_MAX)
#define RCPT_COST 64
/* So much of one message is taken whatever the others have: few recipients wait for nobody. */
#define ADDRESSES_FREE (64u << 10)

/* One message on its way in. */
struct receipt {
	enum receive_from from;
	struct slot *slot;
	struct arena *arena;
	struct arena *scratch; /* for one frame */
	struct spool_message m;
	size_t n_rcpts, rcpts_cap;
	struct buf list;  /* the recipients of a long list, as they stand in the slot; else empty */
	size_t addresses; /* bytes of text */
	size_t listed;    /* what its recipients count in the sum over all */
	struct buf
	    data; /* the slot from offset .written on; from 0 on when nothing is written yet */
	size_t gathered;  /* what .data counts in the sum over all */
	uint64_t written; /* bytes of the slot that are in the file */
	uint64_t content_at;
	struct siphash sum;
	bool has_envelope, laid_out;
	unsigned code; /* refused with this; 0 = not refused */
	const char *dsn, *text;
};

static struct {
	struct fiber_group small; /* writes and syncs of messages that fit into memory */
} state;

static void
refuse(struct receipt *r, unsigned code, const char *dsn, const char *text)
{
	if (r->code)
		return;
	r->code = code;
	r->dsn = dsn;
	r->text = text;
}

/* --- The envelope -------------------------------------------------------------------------------------- */

static bool
address_ok(struct receipt *r, struct str text, unsigned flags)
{
	struct mail_address address;
	struct buf why = {0};
	bool ok = text.len == 0
	    ? (flags & ADDRESS_NULL_OK) != 0
	    : address_parse(text, flags | ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL,
		  r->scratch, &address, &why);

	if (!ok)
		log_warning("%s: submission refused: bad address \"%.*s\": %s", r->m.header.id,
		    STR_ARG(text), buf_cstr(&why));
	buf_free(&why);
	return ok;
}

static bool
attrs_ok(struct receipt *r, const struct msg_attr *attrs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!msg_attr_allowed(attrs[i].name, r->from != RECEIVE_NETWORK)) {
			log_warning(
			    "%s: submission refused: attribute \"%.*s\" is not for this receiver",
			    r->m.header.id, STR_ARG(attrs[i].name));
			return false;
		}
	return true;
}

static void
take_envelope(struct receipt *r, const struct msg_submit_envelope *m)
{
	struct slot_envelope *e = &r->m.envelope;

	if (r->has_envelope || !address_ok(r, m->sender, ADDRESS_NULL_OK) ||
	    !attrs_ok(r, m->attrs.items, m->attrs.count) ||
	    (r->from == RECEIVE_BOUNCE && m->sender.len > 0 &&
		!str_starts_nocase(m->sender, conf_str(conf_get(), P_double_bounce_sender)))) {
		refuse(r, 451, "4.3.0", "Error: envelope was not understood");
		return;
	}
	r->has_envelope = true;
	e->sender = m->sender;
	e->ret = (unsigned)m->ret;
	e->envid = m->envid;
	e->smtputf8 = m->smtputf8;
	e->body_8bit = m->body_8bit;
	e->verify_only = m->verify_only && r->from == RECEIVE_LOCAL;
	e->verbose = m->verbose && r->from == RECEIVE_LOCAL;
	e->attrs = (struct slot_attr *)m->attrs.items;
	e->n_attrs = m->attrs.count;
	r->m.mark.state = m->hold ? SLOT_HOLD : SLOT_INCOMING;
}

/* From here on recipients are kept as the text they become. */
static void
begin_list(struct receipt *r)
{
	struct slot_envelope *e = &r->m.envelope;

	for (size_t i = 0; i < e->n_rcpts; i++)
		slot_put_rcpt(&e->rcpts[i], &r->list);
	e->n_rcpts = 0;
}

static void
add_rcpt(struct receipt *r, const struct slot_rcpt *rcpt)
{
	struct slot_envelope *e = &r->m.envelope;

	if (++r->n_rcpts > LIST_AT) {
		if (r->list.len == 0)
			begin_list(r);
		slot_put_rcpt(rcpt, &r->list);
		return;
	}
	if (e->n_rcpts == r->rcpts_cap) {
		size_t cap = r->rcpts_cap * 2 + 8;
		struct slot_rcpt *grown = arena_array(r->arena, cap, sizeof(*grown));

		if (e->n_rcpts > 0)
			memcpy(grown, e->rcpts, e->n_rcpts * sizeof(*grown));
		e->rcpts = grown;
		r->rcpts_cap = cap;
	}
	e->rcpts[e->n_rcpts++] = *rcpt;
}

static size_t listed; /* bytes of recipients of messages on their way in */

static void
count_listed(struct receipt *r, size_t now)
{
	listed += now - r->listed;
	r->listed = now;
}

/* Is there memory for N more recipients with TEXT bytes? */
static bool
list_fits(struct receipt *r, size_t n, size_t text)
{
	size_t now = r->listed + n * RCPT_COST + text;

	if (r->addresses > ADDRESSES_MAX)
		return false;
	if (now > ADDRESSES_FREE && listed + (now - r->listed) > ADDRESSES_ALL_MAX)
		return false;
	count_listed(r, now);
	return true;
}

static void
take_rcpts(struct receipt *r, const struct msg_submit_rcpts *m)
{
	const struct msg_rcpt *in = m->rcpts.items;
	size_t text = 0;

	if (!r->has_envelope || r->laid_out || m->rcpts.count == 0 ||
	    r->n_rcpts + m->rcpts.count > RCPTS_MAX) {
		refuse(r, 451, "4.3.0", "Error: too many recipients, or out of order");
		return;
	}
	for (size_t i = 0; i < m->rcpts.count; i++)
		text += in[i].address.len + in[i].orig.len + in[i].orcpt.len;
	r->addresses += text;
	if (!list_fits(r, m->rcpts.count, text)) {
		refuse(r, 452, "4.5.3", "Error: too many recipients");
		return;
	}
	for (size_t i = 0; i < m->rcpts.count; i++) {
		if (!address_ok(r, in[i].address, 0)) {
			refuse(r, 451, "4.3.0", "Error: recipient was not understood");
			return;
		}
		add_rcpt(r,
		    &(struct slot_rcpt){
			in[i].address, in[i].orig, in[i].orcpt, (unsigned)in[i].notify});
	}
}

/* All recipients are known: the places of everything follow. */
static void
lay_out(struct receipt *r)
{
	static const struct slot_rcpt_mark todo = {.state = SLOT_RCPT_TODO};
	struct slot_header *h = &r->m.header;
	size_t at;

	r->laid_out = true;
	h->rcpts = (uint32_t)r->n_rcpts;
	if (!r->has_envelope || h->rcpts == 0) {
		refuse(r, 451, "4.3.0", "Error: message has no recipients");
		return;
	}
	/* Of a long list nothing stays in memory. */
	if (r->list.len == 0)
		r->m.marks = arena_array(r->arena, h->rcpts, sizeof(*r->m.marks));
	buf_reserve(&r->data, SLOT_MARKS_OFFSET + (size_t)h->rcpts * SLOT_MARK_SIZE + 8192);
	memset(r->data.data, ' ', SLOT_MARKS_OFFSET);
	r->data.len = SLOT_MARKS_OFFSET;
	for (uint32_t i = 0; i < h->rcpts; i++) {
		if (r->m.marks)
			r->m.marks[i] = todo;
		slot_put_rcpt_mark(h->id, i, &todo, buf_reserve(&r->data, SLOT_MARK_SIZE));
		r->data.len += SLOT_MARK_SIZE;
	}
	at = r->data.len;
	slot_put_envelope(&r->m.envelope, &r->data);
	buf_str(&r->data, buf_view(&r->list));
	buf_free(&r->list);
	h->envelope = r->data.len - at;
	r->content_at = r->data.len;
	slot_sum_init(&r->sum);
	siphash_update(&r->sum, r->data.data + at, (size_t)h->envelope);
}

/* --- Memory ---------------------------------------------------------------------------------------------- */

static size_t gathered; /* bytes of memory for messages on their way in */

static void
count_gathered(struct receipt *r, size_t now)
{
	gathered += now - r->gathered;
	r->gathered = now;
}

/* --- Writing --------------------------------------------------------------------------------------------- */

struct write_job {
	int fd;
	struct str data;
	off_t at;
	struct str head; /* written at 0 as well, unless empty */
	bool sync;
	int error;
};

static void
write_slot(void *arg)
{
	struct write_job *job = arg;

	job->error = 0;
	if (io_pwrite_all(job->fd, job->data.data, job->data.len, job->at) == -1 ||
	    (job->head.len > 0 && io_pwrite_all(job->fd, job->head.data, job->head.len, 0) == -1) ||
	    (job->sync && fdatasync(job->fd) == -1))
		job->error = errno;
}

/* A write or sync has failed: the slot is lost, the message refused. */
static void
write_failed(struct receipt *r, int error)
{
	bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;

	log_error("%s: write queue slot %" PRIu32 ": %s", r->m.header.id, r->slot->number,
	    strerror(error));
	slots_discard(r->slot);
	r->slot = NULL;
	refuse(r, full ? 452 : 451, full ? "4.3.1" : "4.3.0",
	    full ? "Error: insufficient system storage" : "Error: queue file write error");
}

/* Puts what has gathered into the file; the header's place stays as it was. Waits. */
static void
write_piece(struct receipt *r)
{
	size_t skip = r->written == 0 ? SLOT_MARKS_OFFSET : 0;
	struct write_job job = {
	    .fd = r->slot->fd,
	    .data = str_from(buf_view(&r->data), skip),
	    .at = (off_t)(r->written + skip),
	};

	fiber_offload(FIBER_POOL_BULK, write_slot, &job);
	if (job.error) {
		write_failed(r, job.error);
		return;
	}
	r->written += r->data.len;
	if (gathered > GATHERED_MAX)
		buf_free(&r->data);
	else
		buf_reset(&r->data);
	count_gathered(r, r->data.cap);
}

static void
take_content(struct receipt *r, struct str chunk)
{
	int64_t limit = conf_int(conf_get(), P_message_size_limit);

	if (!r->laid_out && !r->code)
		lay_out(r);
	if (r->code)
		return;
	r->m.header.content += chunk.len;
	/* What intake adds to a header must not make a message too large that its sender was allowed. */
	if (limit > 0 && r->from != RECEIVE_BOUNCE &&
	    r->m.header.content >
		(uint64_t)limit + (uint64_t)conf_int(conf_get(), P_header_size_limit)) {
		refuse(r, 552, "5.3.4", "Error: message file too big");
		return;
	}
	siphash_update(&r->sum, chunk.data, chunk.len);
	eight_bits_add(&r->m.bits, chunk);
	buf_append(&r->data, chunk.data, chunk.len);
	count_gathered(r, r->data.cap);
	if (r->data.len >= (gathered > GATHERED_MAX ? STREAM_EARLY_AT : STREAM_AT))
		write_piece(r);
}

/* All writes are begun before the first sync is waited for. */
static void
write_small_slots(void *const *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct write_job *job = args[i];

		job->error = io_pwrite_all(job->fd, job->data.data, job->data.len, job->at) == -1
		    ? errno
		    : 0;
		/* A hint: what it could say, the sync says. */
		if (n > 1 && job->error == 0)
			(void)sync_file_range(job->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (size_t i = 0; i < n; i++) {
		struct write_job *job = args[i];

		if (job->error == 0 && fdatasync(job->fd) == -1)
			job->error = errno;
	}
}

/* The last write, and the sync that makes it an accepted message. Waits. */
static bool
store(struct receipt *r)
{
	struct slot_header *h = &r->m.header;
	char head[SLOT_MARKS_OFFSET];
	bool small = r->written == 0;
	struct write_job job = {.fd = r->slot->fd, .at = (off_t)r->written, .sync = true};

	h->sum = siphash_final(&r->sum);
	memset(head, ' ', sizeof(head));
	slot_put_header(h, head);
	slot_put_mark(h->id, &r->m.mark, head + SLOT_STATE_OFFSET);
	if (small)
		memcpy(r->data.data, head, sizeof(head));
	else
		job.head = str_n(head, sizeof(head));
	job.data = buf_view(&r->data);
	if (slot_content_offset(h) + h->content > (uint64_t)conf_int(conf_get(), P_queue_slot_size))
		r->slot->grown = true;
	if (small)
		fiber_group_run(&state.small, &job);
	else
		fiber_offload(FIBER_POOL_BULK, write_slot, &job);
	if (job.error) {
		write_failed(r, job.error);
		return false;
	}
	return true;
}

/* --- The conversation -------------------------------------------------------------------------------------- */

static bool
send_no(struct ipc_channel *channel, const struct receipt *r)
{
	struct msg_submit_no no = {r->code, str_c(r->dsn), str_c(r->text)};

	return ipc_send(channel, &msg_submit_no, &no) == IPC_OK && ipc_flush(channel) == IPC_OK;
}

/* Is there room for a message of SIZE bytes, as queue_minfree and message_size_limit want it? */
static bool
room_for(struct receipt *r, uint64_t size)
{
	uint64_t room = slots_room();
	uint64_t least = (uint64_t)conf_int(conf_get(), P_queue_minfree);
	uint64_t limit = (uint64_t)conf_int(conf_get(), P_message_size_limit);

	if (r->from == RECEIVE_BOUNCE)
		return true;
	limit += limit / 2;
	least = least > limit ? least : limit;
	return size <= room && room - size >= least;
}

/* A slot and an ID for the next message; or a refusal. False: the channel is lost. */
static bool
begin(struct ipc_channel *channel, struct receipt *r, const struct msg_submit_begin *m)
{
	struct msg_submit_id id;
	bool full = false;

	/* Who brings more than is done with is slowed a little; nobody is refused for it. */
	if (r->from != RECEIVE_BOUNCE && !service_leaving() && !message_flow())
		fiber_sleep(conf_time(conf_get(), P_in_flow_delay) * 1000);
	if (service_leaving()) {
		refuse(r, 451, "4.3.0", "Error: queue manager is stopping");
	} else if (!room_for(r, m->size)) {
		refuse(r, 452, "4.3.1", "Insufficient system storage");
	} else {
		r->slot = slots_take(r->from == RECEIVE_BOUNCE, fiber_after(SLOT_WAIT_MS), &full);
		if (!r->slot)
			refuse(r, full ? 452 : 451, full ? "4.3.1" : "4.3.0",
			    full ? "Insufficient system storage"
				 : "Error: no queue slot, try again later");
	}
	if (r->code)
		return send_no(channel, r);
	slots_new_id(r->slot, r->m.header.id);
	r->m.header.arrival_us = clock_wall_us();
	id.id = str_c(r->m.header.id);
	return ipc_send(channel, &msg_submit_id, &id) == IPC_OK && ipc_flush(channel) == IPC_OK;
}

/* Takes frames up to the commit. False: the channel is lost, or the receiver gave up (CANCELED). */
static bool
take_message(struct ipc_channel *channel, struct receipt *r, bool *canceled)
{
	static const struct ipc_schema *const accept[] = {
	    &msg_submit_envelope, &msg_submit_rcpts, &msg_submit_commit, &msg_submit_cancel, NULL};
	struct ipc_message m;

	for (;;) {
		/* What follows a refusal is read and forgotten. */
		arena_reset(r->scratch);
		struct arena *a = r->code || r->n_rcpts >= LIST_AT ? r->scratch : r->arena;

		if (ipc_recv(channel, a, accept, true, &m) != IPC_OK)
			return false;
		if (r->code && m.schema != &msg_submit_commit && m.schema != &msg_submit_cancel)
			continue;
		if (!m.schema) {
			take_content(r, m.content);
		} else if (m.schema == &msg_submit_envelope) {
			take_envelope(r, m.body);
		} else if (m.schema == &msg_submit_rcpts) {
			take_rcpts(r, m.body);
		} else {
			*canceled = m.schema == &msg_submit_cancel;
			if (!*canceled) {
				take_content(r, STR_EMPTY);
				if (((struct msg_submit_commit *)m.body)->size !=
				    r->m.header.content)
					refuse(r, 451, "4.3.0", "Error: content is not complete");
			}
			return true;
		}
	}
}

/* The message is on stable storage: says so, then lets it go its way. */
static bool
accept_message(struct ipc_channel *channel, struct receipt *r)
{
	struct msg_submit_ok ok = {str_c(r->m.header.id)};
	bool alive =
	    ipc_send(channel, &msg_submit_ok, &ok) == IPC_OK && ipc_flush(channel) == IPC_OK;
	bool in_memory = r->written == 0;

	slots_arrived(r->slot);
	/* A long list is read back slice by slice. */
	if (r->m.mark.state == SLOT_HOLD || !message_room() || r->n_rcpts > LIST_AT ||
	    r->m.header.envelope > SPOOL_WHOLE_MAX) {
		slots_put_new(r->slot, r->m.header.content, r->m.mark.state == SLOT_HOLD);
	} else {
		message_accepted(
		    r->slot, r->arena, &r->m, in_memory ? &r->data : NULL, (size_t)r->content_at);
		r->arena = NULL;
	}
	r->slot = NULL;
	return alive;
}

/* One message, from its begin on. False: the channel is of no more use. */
static bool
receive_one(struct ipc_channel *channel, struct receipt *r, const struct msg_submit_begin *m)
{
	bool canceled = false;

	if (!begin(channel, r, m))
		return false;
	if (!r->slot)
		return true;
	if (!take_message(channel, r, &canceled))
		return false;
	if (canceled)
		refuse(r, 451, "4.3.0", "Error: submission was canceled");
	if (r->code || !store(r))
		return send_no(channel, r);
	return accept_message(channel, r);
}

/* A client of smtpd wants the mail to its domain. */
static bool
answer_etrn(struct ipc_channel *channel, const struct msg_flush *m)
{
	struct msg_admin_done done = {.why = STR_EMPTY};

	switch (m->site.len > 0 ? flush_for_stranger(m->site) : FLUSH_NOT_ALLOWED) {
	case FLUSH_STARTED:
		done.count = 1;
		break;
	case FLUSH_NOT_ALLOWED:
		done.why = STR("not allowed");
		break;
	case FLUSH_NOT_NOW:
		break;
	}
	return ipc_send(channel, &msg_admin_done, &done) == IPC_OK && ipc_flush(channel) == IPC_OK;
}

void
receive_session(struct service_client *client, enum receive_from from)
{
	static const struct ipc_schema *const network[] = {&msg_submit_begin, &msg_flush, NULL};
	static const struct ipc_schema *const others[] = {&msg_submit_begin, NULL};
	const struct ipc_schema *const *accept = from == RECEIVE_NETWORK ? network : others;
	struct ipc_channel *channel = ipc_channel_new(client->stream, "qmgr", "receiver");
	bool ok = true;

	client->stream = NULL;
	stream_timeout(ipc_stream(channel), RECEIVE_TIMEOUT_MS);
	while (ok) {
		struct receipt *r = MEM_NEW(struct receipt);
		struct ipc_message m;

		r->from = from;
		r->arena = arena_new(1024);
		r->scratch = arena_new(1024);
		r->m.envelope.sender = r->m.envelope.envid = STR_EMPTY;
		ok = service_idle(client, true) &&
		    ipc_recv(channel, r->arena, accept, false, &m) == IPC_OK &&
		    service_idle(client, false) &&
		    (m.schema == &msg_flush ? answer_etrn(channel, m.body)
					    : receive_one(channel, r, m.body));
		/* Whatever was not accepted leaves nothing behind. */
		if (r->slot)
			slots_release(r->slot);
		count_gathered(r, 0);
		count_listed(r, 0);
		buf_free(&r->data);
		buf_free(&r->list);
		arena_free(&r->arena);
		arena_free(&r->scratch);
		free(r);
	}
	ipc_channel_free(&channel);
}

void
receive_start(void)
{
	fiber_group_init(&state.small, FIBER_POOL_SYNC, write_small_slots);
}
