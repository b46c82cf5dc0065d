/* orders - what master tells its children: the timers of the wakeup column, and requests of postkeep. */
#include <string.h>

#include "lib/base/clock.h"
#include "master/master.h"

static struct master_child *
serving_child(struct master *m, const struct master_service *s)
{
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service == s && child_serving(c))
			return c;
	}
	return NULL;
}

static void
wakeup(struct master *m, struct master_service *s)
{
	struct master_child *c = serving_child(m, s);

	if (!c) {
		s->wakeup_pending = !s->plan->entry->wakeup_if_used || s->used;
		return;
	}
	if (c->status.ready)
		child_order(c, SERVICE_ORDER_WAKEUP);
	else
		c->wakeup_due = true;
}

void
orders_wakeups(struct master *m, int64_t now)
{
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l)) {
		struct master_service *s = LIST_ITEM(l, struct master_service, link);

		if (s->next_wakeup == 0 || now < s->next_wakeup)
			continue;
		s->next_wakeup = now + s->plan->entry->wakeup * INT64_C(1000);
		wakeup(m, s);
	}
}

size_t
orders_send(struct master *m, const char *program, enum service_order order)
{
	size_t sent = 0;

	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (!c->service || !c->service->plan->program || !child_serving(c) ||
		    strcmp(c->service->plan->program->name, program) != 0)
			continue;
		child_order(c, order);
		sent++;
	}
	return sent;
}
