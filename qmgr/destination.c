/*
 * destination - what waits for whom: see destination.h
 */
#include "qmgr/destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/master_cf.h"
#include "qmgr/dead.h"

#define DELIVERY_BYTES_MAX 20000 /* a request must fit into a frame, attributes and all */
#define CHANNELS_MAX 1000        /* of one transport, with an unlimited maxproc */

static struct {
	struct hash *transports;
	struct hash *jobs; /* by message and destination */
	struct transport_channels *channels;
	uint64_t attempts;
} state;

/* --- master.cf ---------------------------------------------------------------------------------------- */

struct transport_channels {
	struct master_cf *cf;
	struct conf_problems problems; /* master has reported them */
};

struct transport_channels *
transport_channels_read(void)
{
	struct transport_channels *channels = MEM_NEW(struct transport_channels);

	channels->cf = master_cf_load(conf_dir(conf_get()), &channels->problems);
	return channels;
}

/* The maxproc column of the transport's line. */
static void
set_channel_limit(struct transport *t)
{
	const struct master_cf *cf = state.channels ? state.channels->cf : NULL;
	int maxproc = -1;

	for (size_t i = 0; cf && i < cf->count; i++)
		if (cf->entries[i].type == MASTER_UNIX && strcmp(cf->entries[i].name, t->name) == 0)
			maxproc = cf->entries[i].maxproc;
	t->limit_is_default = maxproc < 0;
	if (maxproc < 0)
		maxproc = (int)conf_int(conf_get(), P_default_process_limit);
	t->channel_limit = maxproc == 0 || maxproc > CHANNELS_MAX ? CHANNELS_MAX : (size_t)maxproc;
}

/* --- Transports ----------------------------------------------------------------------------------------- */

static struct str
setting_name(char *name, size_t n, const char *transport, const char *suffix)
{
	int len = snprintf(name, n, "%s%s", transport, suffix);

	return str_n(name, len < 0 ? 0 : (size_t)len < n ? (size_t)len : n - 1);
}

/* transport_SUFFIX, or the default for all. */
static size_t
limit_of(const struct transport *t, const char *suffix, enum param fallback)
{
	char name[200];
	int64_t n = conf_lookup_int(conf_get(), setting_name(name, sizeof(name), t->name, suffix),
	    conf_int(conf_get(), fallback));

	return n > 0 ? (size_t)n : 0;
}

static int64_t
delay_of(const struct transport *t, const char *suffix, enum param fallback)
{
	char name[200];

	return conf_lookup_time(conf_get(), setting_name(name, sizeof(name), t->name, suffix),
		   conf_time(conf_get(), fallback)) *
	    1000;
}

static struct feedback_step
step_setting(const struct transport *t, const char *suffix, enum param fallback)
{
	char name[200];
	struct feedback_step step = {1, FEEDBACK_BY_ONE};
	struct str value = conf_str(conf_get(), fallback);

	(void)conf_lookup(conf_get(), setting_name(name, sizeof(name), t->name, suffix), &value);
	if (!feedback_parse(value, &step))
		log_warning("%s = %.*s: not a number from 0 to 1, with \"/concurrency\" or "
			    "\"/sqrt_concurrency\" behind it or not: 1 is used",
		    name, STR_ARG(value));
	return step;
}

static void
set_rules(struct transport *t)
{
	struct feedback_rules *r = &t->rules;

	r->limit =
	    limit_of(t, "_destination_concurrency_limit", P_default_destination_concurrency_limit);
	r->initial =
	    limit_of(t, "_initial_destination_concurrency", P_initial_destination_concurrency);
	r->up = step_setting(t, "_destination_concurrency_positive_feedback",
	    P_default_destination_concurrency_positive_feedback);
	r->down = step_setting(t, "_destination_concurrency_negative_feedback",
	    P_default_destination_concurrency_negative_feedback);
	r->cohorts = (unsigned)limit_of(t, "_destination_concurrency_failed_cohort_limit",
	    P_default_destination_concurrency_failed_cohort_limit);
	r->pause_min = conf_time(conf_get(), P_minimal_backoff_time);
	r->pause_max = conf_time(conf_get(), P_maximal_backoff_time);
	/* With pauses between deliveries there is nothing to do at once. */
	if (t->destination_delay > 0)
		r->limit = 1;
}

/* What came from a configuration that has been replaced is looked up again. */
static void
transport_refresh(struct transport *t)
{
	size_t limit;

	if (t->conf == conf_get())
		return;
	t->conf = conf_get();
	limit = limit_of(t, "_destination_recipient_limit", P_default_destination_recipient_limit);
	t->by_recipient = limit == 1;
	t->recipient_limit = limit > 0 && limit < MSG_RCPT_PER_FRAME ? limit : MSG_RCPT_PER_FRAME;
	t->destination_delay =
	    delay_of(t, "_destination_rate_delay", P_default_destination_rate_delay);
	t->delay = delay_of(t, "_transport_rate_delay", P_default_transport_rate_delay);
	set_channel_limit(t);
	set_rules(t);
}

/* A pause that began under an earlier configuration is no longer than this one has it. */
static void
shorten_pauses(struct transport *t)
{
	fiber_deadline most = fiber_after(t->destination_delay);
	size_t cursor = 0;
	struct str key;
	void *value;

	if (t->not_before > fiber_after(t->delay))
		t->not_before = fiber_after(t->delay);
	/* Those in the list "resting" stay in the order of their ends. */
	while (hash_next(t->destinations, &cursor, &key, &value)) {
		struct destination *dest = value;

		if (dest->not_before > most)
			dest->not_before = most;
	}
}

void
transport_channels_take(struct transport_channels *channels)
{
	struct transport_channels *old = state.channels;
	struct transport *t;
	size_t cursor = 0;

	state.channels = channels;
	/* At once: who waits for a channel may be all there is for long. */
	while ((t = transport_next(&cursor))) {
		t->conf = NULL;
		transport_refresh(t);
		shorten_pauses(t);
	}
	if (!old)
		return;
	master_cf_free(&old->cf);
	conf_problems_free(&old->problems);
	free(old);
}

static struct transport *
transport_new(struct str name)
{
	struct transport *t = MEM_NEW(struct transport);

	t->name = str_dup(name);
	t->destinations = hash_new();
	t->by_user = str_eq(name, STR("local"));
	if (t->by_user)
		t->kind = TRANSPORT_MULTIPLE;
	list_init(&t->starved);
	list_init(&t->hungry);
	list_init(&t->resting);
	fiber_waitq_init(&t->spare);
	hash_put(state.transports, name, t);
	return t;
}

struct transport *
transport_find(struct str name)
{
	struct transport *t;

	if (!state.transports)
		state.transports = hash_new();
	t = hash_get(state.transports, name);
	if (!t)
		t = transport_new(name);
	transport_refresh(t);
	return t;
}

struct transport *
transport_next(size_t *cursor)
{
	struct str name;
	void *value;

	return state.transports && hash_next(state.transports, cursor, &name, &value) ? value
										      : NULL;
}

/* --- Destinations ------------------------------------------------------------------------------------------ */

static struct destination *
destination_new(struct transport *t, const struct route *route, struct str key)
{
	struct destination *d = MEM_NEW(struct destination);

	d->transport = t;
	d->key = str_dup(key);
	d->open_as = str_dup(route->destination);
	d->nexthop = str_dup(route->nexthop);
	list_init(&d->jobs);
	list_init(&d->channels);
	list_init(&d->parked);
	feedback_init(&d->feedback, &t->rules);
	hash_put(t->destinations, key, d);
	return d;
}

struct destination *
destination_find(struct transport *t, const struct route *route, struct str recipient)
{
	/* local's own destinations are finer: whoever the recipient's extensions stand for. */
	bool by_recipient = t->by_recipient && !t->by_user;
	struct destination *d;
	struct buf key = {0};

	if (!by_recipient) {
		d = hash_get(t->destinations, route->destination);
		return d ? d : destination_new(t, route, route->destination);
	}
	/* Two next hops are two destinations for the same recipient, too. */
	buf_append(&key, recipient.data, recipient.len);
	buf_putc(&key, '\n');
	buf_append(&key, route->destination.data, route->destination.len);
	for (size_t i = 0; i < recipient.len; i++)
		if (key.data[i] >= 'A' && key.data[i] <= 'Z')
			key.data[i] = (char)(key.data[i] - 'A' + 'a');
	d = hash_get(t->destinations, buf_view(&key));
	if (!d)
		d = destination_new(t, route, buf_view(&key));
	buf_free(&key);
	return d;
}

void
destination_queue(struct destination *dest, struct list *queue)
{
	if (dest->queue)
		list_remove(dest->queue, &dest->link);
	dest->queue = queue;
	if (queue)
		list_append(queue, &dest->link);
}

void
destination_unused(struct destination *dest)
{
	bool rests = dest->not_before > fiber_now();

	if (dest->refs > 0 || !list_empty(&dest->channels) || rests ||
	    feedback_dead(&dest->feedback))
		return;
	dead_release(dest, SIZE_MAX);
	destination_queue(dest, NULL);
	hash_del(dest->transport->destinations, str_c(dest->key));
	free(dest->key);
	free(dest->open_as);
	free(dest->nexthop);
	free(dest);
}

/* --- Jobs: what one message has for one destination ----------------------------------------------------------- */

static struct str
job_key(const void *pair[2], const struct message *msg, const struct destination *dest)
{
	pair[0] = msg;
	pair[1] = dest;
	return str_n((const char *)pair, 2 * sizeof(pair[0]));
}

static struct job *
job_find(struct destination *dest, struct message *msg)
{
	struct list_link *last = dest->jobs.ends.prev;
	const void *pair[2];
	struct job *job;

	if (list_empty(&dest->jobs))
		return NULL;
	job = LIST_ITEM(last, struct job, link);
	if (job->message == msg)
		return job;
	/* With one recipient it has one delivery. */
	if (msg->m.header.rcpts == 1 || !state.jobs)
		return NULL;
	return hash_get(state.jobs, job_key(pair, msg, dest));
}

static struct job *
job_new(struct destination *dest, struct message *msg)
{
	struct job *job = MEM_NEW(struct job);
	const void *pair[2];

	job->message = msg;
	job->destination = dest;
	list_init(&job->deliveries);
	list_append(&dest->jobs, &job->link);
	if (!state.jobs)
		state.jobs = hash_new();
	if (msg->m.header.rcpts > 1)
		hash_put(state.jobs, job_key(pair, msg, dest), job);
	return job;
}

static void
job_free(struct job *job)
{
	const void *pair[2];

	if (job->message->m.header.rcpts > 1)
		hash_del(state.jobs, job_key(pair, job->message, job->destination));
	free(job);
}

/* --- Deliveries ------------------------------------------------------------------------------------------------ */

static struct delivery *
delivery_new(struct job *job)
{
	struct delivery *d = mem_alloc(sizeof(*d) + sizeof(d->rcpts[0]));

	memset(d, 0, sizeof(*d));
	d->message = job->message;
	d->destination = job->destination;
	d->attempt = ++state.attempts;
	d->room = 1;
	list_append(&job->deliveries, &d->link);
	job->destination->waiting++;
	job->destination->refs++;
	return d;
}

/* Room for more recipients in the last delivery of its job. */
static struct delivery *
delivery_grow(struct job *job, struct delivery *d)
{
	list_remove(&job->deliveries, &d->link);
	d->room *= 2;
	d = mem_resize(d, sizeof(*d) + d->room * sizeof(d->rcpts[0]));
	list_append(&job->deliveries, &d->link);
	return d;
}

void
destination_add(struct destination *dest, struct message *msg, size_t index, size_t bytes)
{
	struct job *job = job_find(dest, msg);
	struct delivery *d = NULL;

	if (!job)
		job = job_new(dest, msg);
	if (!list_empty(&job->deliveries))
		d = LIST_ITEM(job->deliveries.ends.prev, struct delivery, link);
	if (!d || d->count >= dest->transport->recipient_limit || d->bytes > DELIVERY_BYTES_MAX ||
	    message_verp(msg).len > 0)
		d = delivery_new(job);
	else if (d->count == d->room)
		d = delivery_grow(job, d);
	d->rcpts[d->count++] = (uint32_t)index;
	d->bytes += bytes;
	d->open++;
}

struct delivery *
destination_take(struct destination *dest)
{
	struct list_link *l = list_shift(&dest->jobs);
	struct delivery *d;
	struct job *job;

	if (!l)
		return NULL;
	job = LIST_ITEM(l, struct job, link);
	d = LIST_ITEM(list_shift(&job->deliveries), struct delivery, link);
	dest->waiting--;
	/* Its next turn comes after those of all the others. */
	if (list_empty(&job->deliveries))
		job_free(job);
	else
		list_append(&dest->jobs, &job->link);
	return d;
}

void
delivery_free(struct delivery *d)
{
	struct destination *dest = d->destination;

	dest->refs--;
	free(d);
	if (dest->probing && dest->waiting + dest->under_way == 0)
		dead_probe_lost(dest);
}

void
delivery_fail(struct delivery *d, const struct outcome *o)
{
	struct message *msg = d->message;

	message_ref(msg);
	if (msg->want_delete || !o)
		message_drop(msg, d->open);
	else
		for (size_t i = 0; i < d->count; i++)
			message_result(msg, d->rcpts[i], o);
	message_unref(msg);
	delivery_free(d);
}

void
destination_fail(struct destination *dest, const struct outcome *o)
{
	struct delivery *d;

	while ((d = destination_take(dest)))
		delivery_fail(d, o);
}
