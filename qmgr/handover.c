/*
 * handover - what a delivery agent is told, and what it says: see handover.h
 */
#include "qmgr/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/messages.h"
#include "lib/mail/dsn.h"
#include "qmgr/recipients.h"
#include "qmgr/ticket.h"

#define CHUNK 65536

static bool
send_content(struct ipc_channel *channel, struct message *msg)
{
	struct str content = message_content(msg);
	uint64_t done = 0;
	bool ok = true;
	char *chunk;

	if (msg->has_content)
		return ipc_send_content(channel, content) == IPC_OK;
	chunk = mem_alloc(CHUNK);
	while (ok && done < msg->m.header.content) {
		ssize_t n = message_read(msg, done, chunk, CHUNK);

		ok = n > 0 && ipc_send_content(channel, str_n(chunk, (size_t)n)) == IPC_OK;
		if (n <= 0)
			log_error("%s: read content: %s", msg->m.header.id,
			    n == 0 ? "the slot ends early" : strerror(errno));
		else
			done += (uint64_t)n;
	}
	free(chunk);
	return ok;
}

bool
handover_content(struct ipc_channel *channel, struct message *msg)
{
	bool ok;

	message_ref(msg);
	ok = send_content(channel, msg) && ipc_flush(channel) == IPC_OK;
	message_unref(msg);
	return ok;
}

static void
fill_rcpts(
    const struct delivery *d, struct msg_deliver_rcpt *rcpts, char (*tickets)[MSG_TICKET_SIZE])
{
	struct str id = str_c(d->message->m.header.id);

	for (size_t i = 0; i < d->count; i++) {
		const struct slot_rcpt *r = recipients_get(d->message, d->rcpts[i]);

		ticket_make(id, d->rcpts[i], tickets[i]);
		rcpts[i] = (struct msg_deliver_rcpt){
		    .index = d->rcpts[i],
		    .address = r->address,
		    .orig = r->orig,
		    .orcpt = r->orcpt,
		    .notify = r->notify,
		    .ticket = str_n(tickets[i], MSG_TICKET_SIZE),
		};
	}
}

bool
handover(struct ipc_channel *channel, const struct delivery *d, bool tell_connected)
{
	struct message *msg = d->message;
	const struct slot_envelope *e = &msg->m.envelope;
	struct msg_deliver_rcpt *rcpts = mem_array(d->count, sizeof(*rcpts));
	char(*tickets)[MSG_TICKET_SIZE] = mem_array(d->count, sizeof(*tickets));
	struct msg_deliver deliver = {
	    .id = str_c(msg->m.header.id),
	    .attempt = d->attempt,
	    .nexthop = str_c(d->destination->nexthop),
	    .sender = e->sender,
	    .size = msg->m.header.content,
	    .arrival_us = msg->m.header.arrival_us,
	    .smtputf8 = e->smtputf8,
	    .body_8bit = e->body_8bit,
	    .header_has_8bit = msg->m.bits.header,
	    .body_has_8bit = msg->m.bits.body,
	    .probe = e->verify_only,
	    .tell_connected = tell_connected,
	    .ret = e->ret,
	    .envid = e->envid,
	    .attrs = {e->attrs, e->n_attrs},
	    .rcpts = {rcpts, d->count},
	};
	struct buf sender = {0};
	bool ok;

	if (message_verp(msg).len > 0 && d->count == 1) {
		message_sender(msg, recipients_get(msg, d->rcpts[0]), &sender);
		deliver.sender = buf_view(&sender);
	}
	_Static_assert(
	    sizeof(struct slot_attr) == sizeof(struct msg_attr), "one is sent as the other");
	fill_rcpts(d, rcpts, tickets);
	message_ref(msg);
	ok = ipc_send(channel, &msg_deliver, &deliver) == IPC_OK && handover_content(channel, msg);
	free(rcpts);
	free(tickets);
	buf_free(&sender);
	message_unref(msg);
	return ok;
}

void
handover_outcome(const struct msg_result *r, const char *transport, struct outcome *o)
{
	static const char *const plain[] = {"2.0.0", "4.0.0", "5.0.0"};
	enum delivery_status status =
	    r->status < DELIVERY_STATUSES ? (enum delivery_status)r->status : DELIVERY_DEFERRED;

	*o = (struct outcome){
	    .status = status,
	    .dsn = dsn_valid(r->dsn) ? r->dsn : str_c(plain[status]),
	    .text = r->text,
	    .relay = r->relay,
	    .diagnostic = r->diagnostic,
	    .remote_mta = r->remote_mta,
	    .tls = r->tls,
	    .dsn_passed = status == DELIVERY_SENT && r->dsn_passed,
	    .connect_us = r->connect_us,
	    .transmit_us = r->transmit_us,
	    .logged_as = transport,
	};
}
