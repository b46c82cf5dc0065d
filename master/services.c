/* services - the list of services follows the plan; what is unchanged keeps its state and processes. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/conf/params.h"
#include "master/master.h"

static struct master_service *
find(struct master *m, const struct plan_service *plan)
{
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l)) {
		struct master_service *s = LIST_ITEM(l, struct master_service, link);

		if (s->plan->entry->type == plan->entry->type &&
		    strcmp(s->plan->entry->name, plan->entry->name) == 0)
			return s;
	}
	return NULL;
}

static void
take_listeners(struct master *m, struct master_service *s)
{
	free(s->listeners);
	s->listeners = mem_array(s->plan->n_sockets + 1, sizeof(*s->listeners));
	s->n_listeners = 0;
	for (size_t i = 0; i < s->plan->n_sockets; i++) {
		struct listener *l = listen_find(m, s->plan->sockets[i].name);

		if (l)
			s->listeners[s->n_listeners++] = l;
	}
}

static bool
same_listeners(struct master *m, const struct master_service *s, const struct plan_service *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_sockets; i++) {
		struct listener *l = listen_find(m, plan->sockets[i].name);

		if (!l)
			continue;
		if (n >= s->n_listeners || s->listeners[n] != l)
			return false;
		n++;
	}
	return n == s->n_listeners;
}

/* Its processes finish what they do; new ones are started with what the line says now. */
static void
drain_children(struct master *m, struct master_service *s)
{
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service == s)
			child_drain(c);
	}
}

static void
expand(const struct conf *c, struct str raw, struct buf *out)
{
	struct buf why = {0};

	buf_reset(out);
	(void)conf_expand(c, raw, out, &why); /* both were checked as a whole */
	buf_free(&why);
}

static bool
is_read_by(enum param p, const char *program)
{
	struct str rest = param_readers(p), word;

	while (str_token(&rest, " ", &word))
		if (str_eq(word, STR("all")) || str_eq(word, str_c(program)))
			return true;
	return false;
}

/* Is everything that PROGRAM reads of main.cf as it was? */
static bool
same_parameters(const struct conf *old, const struct conf *new, const char *program)
{
	struct buf a = {0}, b = {0};
	bool same = true;

	for (size_t i = 0; i < PARAM_COUNT && same; i++) {
		if (!is_read_by((enum param)i, program))
			continue;
		expand(old, conf_raw(old, (enum param)i), &a);
		expand(new, conf_raw(new, (enum param)i), &b);
		same = str_eq(buf_view(&a), buf_view(&b));
	}
	buf_free(&a);
	buf_free(&b);
	return same;
}

static void
reload_children(struct master *m, struct master_service *s, const struct plan_service *plan,
    const struct conf *old)
{
	bool in_place = s->plan->single && plan->single && plan_service_same(s->plan, plan) &&
	    same_listeners(m, s, plan);

	if (!in_place) {
		drain_children(m, s);
		return;
	}
	if (plan->program->forgetful && same_parameters(old, m->conf, plan->program->name))
		return;
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service == s)
			child_order(c, SERVICE_ORDER_RELOAD);
	}
}

static void
set_timer(struct master_service *s, const struct plan_service *old)
{
	const struct master_entry *e = s->plan->entry;

	if (e->wakeup == 0) {
		s->next_wakeup = 0;
		s->wakeup_pending = false;
	} else if (!old || old->entry->wakeup != e->wakeup) {
		s->next_wakeup = clock_mono_ms() + e->wakeup * INT64_C(1000);
		/* What has gathered while nobody was there is looked at now. */
		s->wakeup_pending = !old && !e->wakeup_if_used;
	}
}

static void
remove_service(struct master *m, struct master_service *s)
{
	drain_children(m, s);
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service == s)
			c->service = NULL;
	}
	list_remove(&m->services, &s->link);
	free(s->listeners);
	free(s);
}

void
services_adopt(struct master *m, struct plan *plan, const struct conf *old_conf)
{
	struct list_link *l, *next;

	for (l = list_first(&m->services); l; l = next) {
		struct master_service *s = LIST_ITEM(l, struct master_service, link);

		next = list_next(&m->services, l);
		if (!plan_find(plan, s->plan->entry->name, s->plan->entry->type))
			remove_service(m, s);
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_service *p = &plan->services[i], *old = NULL;
		struct master_service *s = find(m, p);

		if (s) {
			reload_children(m, s, p, old_conf);
			old = s->plan;
		} else {
			s = MEM_NEW(struct master_service);
			/* The log writer comes first, so that it starts first. */
			if (policy_logger(p))
				list_prepend(&m->services, &s->link);
			else
				list_append(&m->services, &s->link);
		}
		s->plan = p;
		s->kept = policy_kept(p);
		s->failures = 0;
		s->not_before = 0;
		take_listeners(m, s);
		set_timer(s, old);
	}
}

void
services_free(struct master *m)
{
	struct list_link *l;

	while ((l = list_first(&m->services)))
		remove_service(m, LIST_ITEM(l, struct master_service, link));
}
