/*
 * results - see results.h
 */
#include "local/results.h"

#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"

#define TOLD_MAX 128 /* more than qmgr could leave unread: a window, and to spare */
#define TOLD_MS 500  /* after that a qmgr that is alive has taken note */

void
result_free(struct result *result)
{
	buf_free(&result->text);
	free(result);
}

static void
remember(struct results *r, struct result *result)
{
	if (result->m.status != DELIVERY_SENT) {
		result_free(result);
		return;
	}
	result->sent_at = fiber_now();
	list_append(&r->told, &result->link);
	if (r->told.count > TOLD_MAX)
		result_free(LIST_ITEM(list_shift(&r->told), struct result, link));
}

/* All that is ready, in one go. */
static bool
write_ready(struct results *r)
{
	struct list sent;
	struct list_link *l;
	bool ok = true;

	list_init(&sent);
	while (ok && (l = list_shift(&r->ready))) {
		struct result *result = LIST_ITEM(l, struct result, link);

		list_append(&sent, l);
		ok = ipc_send(r->channel, &msg_result, &result->m) == IPC_OK;
	}
	ok = ok && ipc_flush(r->channel) == IPC_OK;
	while ((l = list_shift(&sent)))
		remember(r, LIST_ITEM(l, struct result, link));
	return ok;
}

static void
writer(void *arg)
{
	struct results *r = arg;

	for (;;) {
		if (!list_empty(&r->ready) && !r->lost && !write_ready(r))
			r->lost = true;
		fiber_wake_all(r->changed);
		if (r->stopping)
			break;
		if (list_empty(&r->ready) || r->lost)
			(void)fiber_wait(&r->wake, FIBER_FOREVER);
	}
	r->writing = false;
	fiber_wake_all(r->changed);
}

void
results_start(struct results *r, struct ipc_channel *channel, struct fiber_waitq *changed)
{
	r->channel = channel;
	r->changed = changed;
	list_init(&r->ready);
	list_init(&r->told);
	fiber_waitq_init(&r->wake);
	r->writing = true;
	fiber_spawn("results", writer, r);
}

static struct str
keep(struct buf *text, size_t *at, struct str s)
{
	struct str copy = str_n(text->data + *at, s.len);

	*at += s.len;
	return copy;
}

void
results_add(struct results *r, const struct msg_result *m, struct str ticket)
{
	struct result *result = MEM_NEW(struct result);
	struct str text = str_sub(m->text, 0, MSG_TEXT_MAX);
	size_t at = 0;

	buf_str(&result->text, m->id);
	buf_str(&result->text, m->dsn);
	buf_str(&result->text, text);
	buf_str(&result->text, ticket);
	result->m = *m;
	result->m.id = keep(&result->text, &at, m->id);
	result->m.dsn = keep(&result->text, &at, m->dsn);
	result->m.text = keep(&result->text, &at, text);
	result->ticket = keep(&result->text, &at, ticket);
	/* These are the same for all that local does. */
	result->m.relay = STR("local");
	result->m.diagnostic = result->m.remote_mta = STR_EMPTY;
	list_append(&r->ready, &result->link);
	fiber_wake_one(&r->wake);
}

bool
results_idle(const struct results *r)
{
	return r->lost || list_empty(&r->ready);
}

void
results_stop(struct results *r)
{
	r->stopping = true;
	fiber_wake_all(&r->wake);
	while (r->writing)
		(void)fiber_wait(r->changed, FIBER_FOREVER);
}

void
results_unsure(struct results *r, struct list *out)
{
	struct list *const lists[] = {&r->told, &r->ready};
	struct list_link *l;

	for (size_t i = 0; i < 2; i++) {
		while ((l = list_shift(lists[i]))) {
			struct result *result = LIST_ITEM(l, struct result, link);
			bool fresh = i == 1 || fiber_now() - result->sent_at < TOLD_MS;

			if (fresh && result->m.status == DELIVERY_SENT)
				list_append(out, l);
			else
				result_free(result);
		}
	}
}
