/*
 * delivery - its beginning, its end, and its result: see delivery.h
 */
#include "local/delivery.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/mem.h"

#define ARENA_FIRST 2048 /* holds deliver and one recipient */

struct delivery *
delivery_new(struct worker *w)
{
	struct delivery *d = MEM_NEW(struct delivery);

	d->worker = w;
	d->arena = arena_new(ARENA_FIRST);
	d->spool_fd = -1;
	w->open++;
	return d;
}

void
delivery_free(struct delivery *d)
{
	for (size_t i = 0; i < d->n; i++) {
		buf_free(&d->targets[i].head);
		buf_free(&d->targets[i].problem.why);
		maildir_drop(&d->targets[i].file);
	}
	if (d->own_spool)
		(void)io_close(&d->spool_fd);
	buf_free(&d->body);
	buf_free(&d->problem.why);
	arena_free(&d->arena);
	d->worker->open--;
	fiber_wake_all(&d->worker->changed);
	free(d);
}

bool
target_open(const struct delivery *d, const struct target *t)
{
	return !d->failed && !t->failed && !t->loop;
}

void
delivery_message(const struct delivery *d, const struct target *t, struct store_message *message)
{
	*message = (struct store_message){
	    .head = buf_view(&t->head),
	    .body = buf_view(&d->body),
	    .fd = d->spool_fd,
	    .at = d->spool_at,
	    .size = d->spooled,
	};
}

static void
result_of(const struct delivery *d, const struct target *t, struct msg_result *r, struct buf *text)
{
	const struct store_problem *problem = d->failed ? &d->problem : &t->problem;

	if (t->loop) {
		r->status = DELIVERY_BOUNCED;
		r->dsn = STR("5.4.6");
		buf_puts(text, "mail forwarding loop for ");
		buf_str(text, t->rcpt->address);
	} else if (d->failed || t->failed) {
		r->status = DELIVERY_DEFERRED;
		r->dsn = str_c(problem->dsn);
		buf_str(text, buf_view(&problem->why));
	} else {
		r->status = DELIVERY_SENT;
		r->dsn = STR("2.0.0");
		buf_printf(text, "%s to %s", d->m->probe ? "delivers" : "delivered",
		    d->worker->maildir ? "maildir" : "mailbox");
	}
	r->text = buf_view(text);
}

void
delivery_end(struct delivery *d)
{
	struct buf text = {0};

	for (size_t i = 0; i < d->n; i++) {
		struct msg_result r = {.id = d->m->id,
		    .attempt = d->m->attempt,
		    .index = d->targets[i].rcpt->index,
		    .transmit_us = clock_wall_us() - d->begun_us};

		buf_reset(&text);
		result_of(d, &d->targets[i], &r, &text);
		results_add(&d->worker->results, &r, d->targets[i].rcpt->ticket);
	}
	buf_free(&text);
	delivery_free(d);
}
