/*
 * policies - see policies.h
 *
 * A policy holds until its max_age is over, whatever happens to its TXT record or its server meanwhile
 * (RFC 8461 section 5.1): who cuts both off wins nothing. It is fetched again when the record has another
 * id, and once a day; when that fails, not again for five minutes.
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
	unsigned waiting; /* fibers that look at it: it must stay */
	struct fiber_waitq done;
};

struct policies {
	struct hash *by_domain;
	struct list order; /* the oldest use first */
	size_t max;
	policies_fetch *fetch;
	policies_keep *keep;
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
	return c;
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

	e->fetching = true;
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

void
policies_ask(struct policies *c, struct str domain, struct str id, struct arena *arena,
    struct msg_sts_answer *answer)
{
	struct entry *e = find(c, domain, id.len > 0);

	*answer = (struct msg_sts_answer){
	    .mode = STS_NONE, .mx = STR_EMPTY, .why = STR_EMPTY, .failure = STR_EMPTY};
	if (!e)
		return;
	e->waiting++;
	while (e->fetching && fiber_wait(&e->done, FIBER_FOREVER) == FIBER_OK)
		;
	if (worth_fetching(e, id))
		fetch(c, e, id);
	e->waiting--;
	if (e->end > clock_mono_ms()) {
		answer->mode = e->mode;
		answer->max_age = (uint64_t)e->max_age;
		answer->mx = e->mx ? arena_str(arena, str_c(e->mx)) : STR_EMPTY;
	}
	if (e->why) {
		answer->why = arena_str(arena, str_sub(str_c(e->why), 0, MSG_TEXT_MAX));
		answer->failure = str_c(e->failure);
	}
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
