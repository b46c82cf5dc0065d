/*
 * receive - a delivery from the channel
 *
 * Trusts qmgr to mean well, not to be right: it counts. Small messages stay in memory; large ones go to
 * a file piece by piece, so that a worker's memory is bounded by its window.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "local/delivery.h"

#define IN_MEMORY ((size_t)256 * 1024) /* more of a message than this goes to a file */

/* What comes before the body in this target's copy, and whether it has passed here before. */
static void
prepare_targets(struct delivery *d)
{
	const struct msg_deliver_rcpt *rcpts = d->m->rcpts.items;

	d->n = d->m->rcpts.count;
	d->targets = arena_array(d->arena, d->n, sizeof(*d->targets));
	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		t->rcpt = &rcpts[i];
		store_head(d->m->sender, t->rcpt->orig, t->rcpt->address, &t->head);
	}
}

/* Headers are much shorter than what is kept in memory, so the start of the message shows them. */
static void
look_for_loops(struct delivery *d)
{
	if (d->looked)
		return;
	d->looked = true;
	for (size_t i = 0; i < d->n; i++)
		d->targets[i].loop =
		    store_was_delivered_to(buf_view(&d->body), d->targets[i].rcpt->address);
}

static void
spool(struct delivery *d)
{
	look_for_loops(d);
	if (!d->failed && !d->m->probe) {
		if (d->worker->maildir)
			maildir_spool(d);
		else
			mbox_spool(d);
	}
	buf_reset(&d->body);
}

static bool
receive_content(struct delivery *d)
{
	static const struct ipc_schema *const nothing[] = {NULL};
	uint64_t left = d->m->size;
	struct ipc_message m;

	if (left > 0)
		(void)buf_reserve(&d->body, left < IN_MEMORY ? (size_t)left : IN_MEMORY);
	while (left > 0) {
		if (ipc_recv(d->worker->channel, d->arena, nothing, true, &m) != IPC_OK)
			return false;
		if (m.content.len > left) {
			log_warning("%.*s: more content than was announced", STR_ARG(d->m->id));
			return false;
		}
		left -= m.content.len;
		lines_to_local(&d->lines, m.content, &d->body);
		if (left > 0 && d->body.len > IN_MEMORY)
			spool(d);
	}
	lines_end(&d->lines, &d->body);
	look_for_loops(d);
	return true;
}

struct delivery *
delivery_receive(struct worker *w)
{
	static const struct ipc_schema *const accept[] = {&msg_deliver, &msg_agent_close, NULL};
	struct delivery *d = delivery_new(w);
	struct stream *stream = ipc_stream(w->channel);
	struct ipc_message m;

	/* In between there may be nothing to do for long; within a message qmgr must not pause. */
	stream_timeout(stream, 0);
	if (ipc_recv(w->channel, d->arena, accept, false, &m) != IPC_OK) {
		/* The channel was lost. */
	} else if (m.schema == &msg_agent_close) {
		w->all_heard = true;
	} else {
		d->m = m.body;
		d->begun_us = clock_wall_us();
		prepare_targets(d);
		stream_timeout(stream, conf_time(conf_get(), P_ipc_timeout) * 1000);
		if (receive_content(d))
			return d;
	}
	delivery_free(d);
	return NULL;
}
