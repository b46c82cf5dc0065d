/*
 * message - a local message through intake to qmgr; see message.h
 *
 * Trusts nothing of a message: addresses are parsed again here, whoever has looked at them before.
 * The header of local mail is completed and qualified (lib/intake), the envelope as well.
 */
#include "pickup/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/intake/intake.h"
#include "lib/mail/address.h"
#include "lib/mail/received.h"
#include "lib/mail/verp.h"
#include "lib/queue/submit.h"

#define QMGR_SOCKET "private/qmgr-local"
#define ADDRESS_FLAGS (ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL)

struct process_state {
	struct submit_pool *pool;
};
static struct process_state state;

struct message {
	struct arena *arena;
	struct submit *submit;
	struct intake *intake;
	struct buf received;
	struct str id;
	uid_t uid;
	int64_t arrival_us;
	uint64_t size, size_limit;
	bool failed; /* no.text says why, unless the submission itself knows */
	struct message_no no;
};

void
message_start(void)
{
	state.pool = submit_pool_new(QMGR_SOCKET, "pickup");
}

static bool
refuse(struct message *m, int status, const char *text, struct str about)
{
	m->failed = true;
	m->no.status = status;
	snprintf(m->no.text, sizeof(m->no.text), "%s%.*s", text, STR_ARG(str_sub(about, 0, 200)));
	return false;
}

/* An SMTP answer as an exit status: only a whole "no" is one. */
static int
exit_status(unsigned code)
{
	return code >= 500 ? EX_UNAVAILABLE : EX_TEMPFAIL;
}

struct message *
message_begin(uid_t uid, int64_t arrival_us, fiber_deadline deadline, struct message_no *no)
{
	struct submit_refusal refusal;
	struct submit *submit = submit_begin(state.pool, 0, deadline, &refusal);
	int64_t limit = conf_int(conf_get(), P_message_size_limit);
	struct message *m;

	if (submit == NULL) {
		no->status = exit_status(refusal.code);
		snprintf(no->text, sizeof(no->text), "%s", refusal.text);
		return NULL;
	}
	m = MEM_NEW(struct message);
	m->arena = arena_new(0);
	m->submit = submit;
	m->id = arena_str(m->arena, submit_id(submit));
	m->uid = uid;
	m->arrival_us = arrival_us;
	m->size_limit = limit > 0 ? (uint64_t)limit : 0;
	return m;
}

struct str
message_id(const struct message *m)
{
	return m->id;
}

static void
free_message(struct message **m)
{
	intake_free(&(*m)->intake);
	buf_free(&(*m)->received);
	arena_free(&(*m)->arena);
	free(*m);
	*m = NULL;
}

/* ---- Envelope -------------------------------------------------------------------------------- */

static bool
to_qmgr(void *arg, struct str chunk)
{
	struct message *m = arg;

	return submit_content(m->submit, chunk);
}

static void
start_intake(struct message *m, const struct msg_drop_begin *e, const struct mail_address *sender)
{
	const struct conf *conf = conf_get();
	const struct received trace = {
	    .myhostname = conf_str(conf, P_myhostname),
	    .mail_name = conf_str(conf, P_mail_name),
	    .queue_id = m->id,
	    .time = m->arrival_us / 1000000,
	};
	const struct intake_context context = {
	    .conf = conf,
	    .queue_id = m->id,
	    .local = !e->gateway,
	    .remove_bcc = e->remove_bcc,
	    .sender = *sender,
	    .full_name = arena_str(m->arena, e->full_name),
	    .arrival_us = m->arrival_us,
	};
	struct intake_context with_trace = context;

	received_local(&trace, m->uid, &m->received);
	with_trace.received = buf_view(&m->received);
	m->intake = intake_new(&with_trace, to_qmgr, m);
}

static bool
parse_sender(struct message *m, struct str text, struct mail_address *sender)
{
	struct buf why = {0};
	bool ok;

	*sender = (struct mail_address){0};
	if (text.len == 0)
		return true;
	ok = address_parse(text, ADDRESS_FLAGS, m->arena, sender, &why);
	if (ok)
		intake_qualify(conf_get(), m->arena, sender);
	else
		refuse(m, EX_DATAERR, "bad sender address: ", text);
	buf_free(&why);
	return ok;
}

static bool
parse_rcpts(struct message *m, const struct msg_drop_begin *e, const struct msg_rcpt *in,
    struct msg_rcpt *out, size_t n, bool *utf8)
{
	struct buf why = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		struct mail_address address;

		ok = address_parse(in[i].address, ADDRESS_FLAGS, m->arena, &address, &why);
		if (!ok) {
			refuse(m, EX_DATAERR, "bad recipient address: ", in[i].address);
			break;
		}
		intake_qualify(conf_get(), m->arena, &address);
		*utf8 |= address.utf8;
		out[i] = (struct msg_rcpt){
		    .address = address_text(&address, m->arena),
		    .orig = in[i].address,
		    .orcpt = in[i].orcpt,
		    .notify = in[i].notify ? in[i].notify : e->notify,
		};
	}
	buf_free(&why);
	return ok;
}

/* What the log and, by qmgr, mailq know of the submitter, and how the sender is to be written. */
static struct ipc_list
attributes(struct message *m, const struct msg_drop_begin *e)
{
	struct msg_attr *list = arena_array(m->arena, 2, sizeof(*list));

	list[0].name = STR("local_uid");
	list[0].value = arena_printf(m->arena, "%ju", (uintmax_t)m->uid);
	if (!verp_delimiters_ok(e->verp, conf_str(conf_get(), P_verp_delimiter_filter)))
		return (struct ipc_list){.items = list, .count = 1};
	list[1].name = STR(VERP_ATTRIBUTE);
	list[1].value = e->verp;
	return (struct ipc_list){.items = list, .count = 2};
}

bool
message_envelope(
    struct message *m, const struct msg_drop_begin *e, const struct msg_rcpt *rcpts, size_t n_rcpts)
{
	struct msg_rcpt *list = arena_array(m->arena, n_rcpts, sizeof(*list));
	struct msg_submit_envelope envelope = {
	    .ret = e->ret,
	    .envid = e->envid,
	    .smtputf8 = e->smtputf8,
	    .body_8bit = e->body_8bit,
	    .verify_only = e->verify_only,
	    .verbose = e->verbose,
	};
	struct mail_address sender;
	bool utf8 = false;

	if (m->failed)
		return false;
	log_info(
	    "%.*s: uid=%ju from=<%.*s>", STR_ARG(m->id), (uintmax_t)m->uid, STR_ARG(e->sender));
	if (n_rcpts == 0)
		return refuse(m, EX_USAGE, "no recipients", STR_EMPTY);
	if (!parse_sender(m, e->sender, &sender) || !parse_rcpts(m, e, rcpts, list, n_rcpts, &utf8))
		return false;
	envelope.sender = address_text(&sender, m->arena);
	envelope.smtputf8 |= utf8 || sender.utf8;
	envelope.attrs = attributes(m, e);
	start_intake(m, e, &sender);
	if (!submit_envelope(m->submit, &envelope, list, n_rcpts))
		m->failed = true;
	return !m->failed;
}

/* ---- Content --------------------------------------------------------------------------------- */

/* intake's refusal, "554 5.4.0 text", in the words of an exit status. */
static bool
intake_said(struct message *m, enum intake_status status)
{
	struct str why;
	uint64_t code = 0;

	if (status == INTAKE_OK)
		return true;
	if (status == INTAKE_SINK_FAILED) {
		m->failed = true;
		return false;
	}
	why = intake_why(m->intake);
	if (!str_to_u64(str_sub(why, 0, 3), 599, &code))
		code = 554;
	return refuse(m, exit_status((unsigned)code), "", why);
}

bool
message_content(struct message *m, struct str chunk)
{
	if (m->failed)
		return false;
	m->size += chunk.len;
	if (m->size_limit && m->size > m->size_limit)
		return refuse(m, EX_UNAVAILABLE, "message file too big", STR_EMPTY);
	return intake_said(m, intake_data(m->intake, chunk));
}

static bool
finish(struct message *m, struct message_no *no)
{
	struct submit_refusal refusal;
	struct str message_id_field;

	if (!m->failed && m->intake == NULL)
		refuse(m, EX_DATAERR, "the message has no envelope", STR_EMPTY);
	if (!m->failed && intake_said(m, intake_end(m->intake))) {
		message_id_field = intake_message_id(m->intake);
		if (message_id_field.len)
			log_as("cleanup", LOG_LEVEL_INFO, "%.*s: message-id=%.*s", STR_ARG(m->id),
			    STR_ARG(message_id_field));
	}
	if (m->no.status) {
		*no = m->no;
		submit_cancel(&m->submit);
		return false;
	}
	if (submit_commit(&m->submit, &refusal))
		return true;
	no->status = exit_status(refusal.code);
	snprintf(no->text, sizeof(no->text), "%s", refusal.text);
	return false;
}

bool
message_commit(struct message **m, struct message_no *no)
{
	bool ok = finish(*m, no);

	free_message(m);
	return ok;
}

void
message_cancel(struct message **m)
{
	if (*m == NULL)
		return;
	submit_cancel(&(*m)->submit);
	free_message(m);
}
