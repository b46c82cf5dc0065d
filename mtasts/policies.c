/*
 * policies - see policies.h
 *
 * A policy holds until its max_age is over, whatever happens to its TXT record or its server meanwhile
 * (RFC 8461 section 5.1): who cuts both off wins nothing. It is fetched again when the record has another
 * id, and once a day; when that fails, not again for five minutes.
 *
 * A fetch has a fiber of its own. Who asks waits for it for a minute at most (section 3.3), and not at all when
 * the policy is only looked at again: a web server that hangs must not hold up mail.
 */
#include "mtasts/policies.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "mtasts/policy.h"

#define PAUSE_MS ((int64_t)5 * 60 * 1000)
#define REFRESH_MS ((int64_t)24 * 60 * 60 * 1000)
#define MS 1000
#define KNOWN_WAIT_MS 10000
#define UNKNOWN_WAIT_MS 60000

struct entry {
	struct list_link link;
	char *domain;
	/* The policy; known when end is not 0. */
	enum sts_mode mode;
	char *id, *mx;
	int64_t max_age;      /* seconds */
	int64_t end, fetched; /* clock_mono_ms() */
	char *why;            /* why the last fetch failed, or NULL */
	const char *failure;  /* the same for reports (RFC 8460) */
	int64_t pause;        /* no fetch before */
	bool fetching;
	fiber_deadline begun; /* the fetch */
	unsigned waiting;     /* fibers that look at it: it must stay */
	struct fiber_waitq done;
};

struct policies {
	struct hash *by_domain;
	struct list order; /* the oldest use first */
	size_t max;
	policies_fetch *fetch;
	policies_keep *keep;
	int64_t known_wait, unknown_wait; /* milliseconds */
};

/* A fetch under way. */
struct job {
	struct policies *c;
	struct entry *e;
	char *id;
};

struct policies *
policies_new(size_t max, policies_fetch *fetch, policies_keep *keep)
{
	struct policies *c = MEM_NEW(struct policies);

	c->by_domain = hash_new();
	list_init(&c->order);
	c->max = max;
	c->fetch = fetch;
	c->keep = keep;
	policies_patience(c, KNOWN_WAIT_MS, UNKNOWN_WAIT_MS);
	return c;
}

void
policies_patience(struct policies *c, int64_t known_ms, int64_t unknown_ms)
{
	c->known_wait = known_ms;
	c->unknown_wait = unknown_ms;
}

static void
drop(struct policies *c, struct entry *e)
{
	hash_del(c->by_domain, str_c(e->domain));
	list_remove(&c->order, &e->link);
	free(e->domain);
	free(e->id);
	free(e->mx);
	free(e->why);
	free(e);
}

void
policies_free(struct policies **pc)
{
	struct policies *c = *pc;
	struct list_link *l;

	if (!c)
		return;
	*pc = NULL;
	while ((l = list_first(&c->order)))
		drop(c, LIST_ITEM(l, struct entry, link));
	hash_free(&c->by_domain, NULL);
	free(c);
}

size_t
policies_count(const struct policies *c)
{
	return hash_count(c->by_domain);
}

/* Drops those not asked for longest until there is room for one more; ALL: those, too, that protect mail. */
static void
drop_old(struct policies *c, bool all)
{
	struct list_link *l = list_first(&c->order);
	int64_t now = clock_mono_ms();

	while (l && hash_count(c->by_domain) >= c->max) {
		struct entry *e = LIST_ITEM(l, struct entry, link);

		l = list_next(&c->order, l);
		if (e->waiting == 0 && (all || e->end <= now || e->mode == STS_NONE))
			drop(c, e);
	}
}

/* Many domains without a policy, which cost nothing, must not make those with one forgotten. */
static void
make_room(struct policies *c)
{
	drop_old(c, false);
	drop_old(c, true);
}

static struct entry *
find(struct policies *c, struct str domain, bool make)
{
	struct entry *e = hash_get(c->by_domain, domain);

	if (!e && !make)
		return NULL;
	if (!e) {
		make_room(c);
		e = MEM_NEW(struct entry);
		e->domain = str_dup(domain);
		fiber_waitq_init(&e->done);
		hash_put(c->by_domain, domain, e);
	} else {
		list_remove(&c->order, &e->link);
	}
	list_append(&c->order, &e->link);
	return e;
}

static void
replace(char **text, struct str with)
{
	free(*text);
	*text = with.len > 0 ? str_dup(with) : NULL;
}

static struct kept_policy
as_kept(const struct entry *e)
{
	return (struct kept_policy){.domain = str_c(e->domain),
	    .id = str_c(e->id),
	    .mx = str_c(e->mx),
	    .mode = e->mode,
	    .max_age = e->max_age,
	    .end = (int64_t)clock_wall() + (e->end - clock_mono_ms()) / MS};
}

static void
take(struct policies *c, struct entry *e, const struct policy *p, struct str id)
{
	struct kept_policy kept;

	e->mode = p->mode;
	e->fetched = clock_mono_ms();
	e->max_age = p->max_age;
	e->end = e->fetched + p->max_age * MS;
	e->pause = e->fetched + PAUSE_MS;
	replace(&e->mx, p->mx);
	replace(&e->id, id);
	replace(&e->why, STR_EMPTY);
	log_info("policy of %s: %s, for %lld seconds", e->domain, sts_mode_name(p->mode),
	    (long long)p->max_age);
	kept = as_kept(e);
	if (c->keep)
		c->keep(&kept);
}

/* E stays: somebody waits for it. */
static void
fetch(struct policies *c, struct entry *e, struct str id)
{
	struct arena *a = arena_new(0);
	struct buf text = {0}, why = {0};
	const char *failure = "sts-policy-fetch-error";
	struct policy p;
	bool ok;

	ok = c->fetch(str_c(e->domain), &text, &why, &failure);
	if (ok && policy_parse(buf_view(&text), a, &p, &why)) {
		take(c, e, &p, id);
	} else {
		e->failure = ok ? "sts-policy-invalid" : failure;
		e->pause = clock_mono_ms() + PAUSE_MS;
		replace(&e->why, buf_view(&why));
		log_warning("the policy of %s cannot be had: %.*s%s", e->domain,
		    STR_ARG(buf_view(&why)),
		    e->end > clock_mono_ms() ? "; the last one holds" : "");
	}
	e->fetching = false;
	fiber_wake_all(&e->done);
	buf_free(&text);
	buf_free(&why);
	arena_free(&a);
}

static void
run_job(void *arg)
{
	struct job *job = arg;

	fetch(job->c, job->e, str_c(job->id));
	job->e->waiting--;
	free(job->id);
	free(job);
}

static void
begin_fetch(struct policies *c, struct entry *e, struct str id)
{
	struct job *job = MEM_NEW(struct job);

	*job = (struct job){c, e, str_dup(id)};
	e->fetching = true;
	e->begun = fiber_now();
	e->waiting++;
	fiber_spawn("fetch", run_job, job);
}

static bool
worth_fetching(const struct entry *e, struct str id)
{
	int64_t now = clock_mono_ms();

	if (id.len == 0 || e->fetching)
		return false;
	if (e->end > now && e->id && str_eq(str_c(e->id), id))
		return now >= e->fetched + REFRESH_MS && now >= e->pause;
	/* Another id is news, unless it was tried a moment ago. */
	return now >= e->pause || (e->end > now && !e->why);
}

/* Until the fetch under way is over, or has taken too long for mail that waits: false. */
static bool
wait_for_fetch(struct policies *c, struct entry *e, struct str id)
{
	bool known = e->end > clock_mono_ms();
	int64_t patience = known ? c->known_wait : c->unknown_wait;

	/* What holds anyway, and is only looked at again, needs no waiting for. */
	if (known && (id.len == 0 || (e->id && str_eq(str_c(e->id), id))))
		return false;
	while (e->fetching)
		if (fiber_wait(&e->done, e->begun + patience) != FIBER_OK)
			return false;
	return true;
}

static void
put_answer(const struct entry *e, struct arena *arena, struct msg_sts_answer *answer)
{
	bool known = e->end > clock_mono_ms();

	if (known) {
		answer->mode = e->mode;
		answer->max_age = (uint64_t)e->max_age;
		answer->mx = e->mx ? arena_str(arena, str_c(e->mx)) : STR_EMPTY;
	}
	if (e->why) {
		answer->why = arena_str(arena, str_sub(str_c(e->why), 0, MSG_TEXT_MAX));
		answer->failure = str_c(e->failure);
	} else if (!known && e->fetching) {
		answer->why = STR("the web server takes too long");
		answer->failure = STR("sts-policy-fetch-error");
	}
}

void
policies_ask(struct policies *c, struct str domain, struct str id, struct arena *arena,
    struct msg_sts_answer *answer)
{
	struct entry *e = find(c, domain, id.len > 0);
	bool again = true;

	*answer = (struct msg_sts_answer){
	    .mode = STS_NONE, .mx = STR_EMPTY, .why = STR_EMPTY, .failure = STR_EMPTY};
	if (!e)
		return;
	e->waiting++;
	/* One that is under way may be for another id. */
	for (int i = 0; i < 2 && again; i++) {
		if (worth_fetching(e, id))
			begin_fetch(c, e, id);
		again = wait_for_fetch(c, e, id);
	}
	e->waiting--;
	put_answer(e, arena, answer);
}

void
policies_add(struct policies *c, const struct kept_policy *policy)
{
	int64_t left = policy->end - (int64_t)clock_wall();
	struct entry *e;

	if (policy->domain.len == 0 || policy->id.len == 0)
		return;
	e = find(c, policy->domain, true);
	e->mode = policy->mode;
	e->max_age = policy->max_age;
	e->fetched = clock_mono_ms();
	e->end = left <= 0 ? 0 : e->fetched + (left < POLICY_AGE_MAX ? left : POLICY_AGE_MAX) * MS;
	replace(&e->mx, policy->mx);
	replace(&e->id, policy->id);
}

bool
policies_next(const struct policies *c, size_t *cursor, struct kept_policy *policy)
{
	int64_t now = clock_mono_ms();
	struct str key;
	void *value;

	while (hash_next(c->by_domain, cursor, &key, &value)) {
		const struct entry *e = value;

		if (e->end <= now || !e->id)
			continue;
		*policy = as_kept(e);
		return true;
	}
	return false;
}
