/*
 * question - questions under way, shared by all who ask the same
 *
 * A question has a fiber of its own, which nobody cancels: those who wait may come and go, the answer is kept
 * in the cache all the same. It lives as long as its fiber or somebody who has asked needs it.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/dns/internal.h"

/* Names and answers of a busy day: most answers have some hundred bytes. */
#define CACHE_ENTRIES 8192
#define CACHE_BYTES ((size_t)4 * 1024 * 1024)

struct dns_question {
	struct dns *dns;
	struct arena *arena;
	struct str key, name;
	enum dns_type type;
	struct fiber_waitq queue;
	unsigned users;
	bool done;
	struct dns_answer answer;
};

/* One per process, as there is one loop: dns_prepare() makes it, and nothing replaces it. */
static struct dns *process_dns;

struct dns *
dns_get(void)
{
	if (!process_dns)
		log_panic("a name is looked up before dns_prepare()");
	return process_dns;
}

void
dns_set(struct dns *dns)
{
	process_dns = dns;
}

struct dns *
dns_new(struct dns_settings *settings, struct buf *why)
{
	struct dns_resolver *resolver = dns_resolver_new(settings, why);
	struct dns *dns;

	if (!resolver)
		return NULL;
	dns = MEM_NEW(struct dns);
	dns->settings = settings;
	dns->resolver = resolver;
	dns->cache = dns_cache_new(CACHE_ENTRIES, CACHE_BYTES);
	dns->questions = hash_new();
	return dns;
}

void
dns_free(struct dns **dns)
{
	if (!*dns)
		return;
	dns_resolver_free(&(*dns)->resolver);
	dns_cache_free(&(*dns)->cache);
	dns_settings_free(&(*dns)->settings);
	hash_free(&(*dns)->questions, NULL);
	free(*dns);
	*dns = NULL;
}

/* --- Copies ----------------------------------------------------------------------------------------- */

static uint32_t
aged(uint32_t ttl, uint32_t age)
{
	return ttl > age ? ttl - age : 0;
}

void
dns_answer_copy(
    const struct dns_answer *from, uint32_t age, struct arena *arena, struct dns_answer *to)
{
	struct dns_record *records = NULL;

	if (from->n > 0)
		records = arena_array(arena, from->n, sizeof(*records));
	for (size_t i = 0; i < from->n; i++) {
		records[i] = from->records[i];
		records[i].ttl = aged(records[i].ttl, age);
		records[i].name = arena_str(arena, records[i].name);
		records[i].txt = arena_str(arena, records[i].txt);
		records[i].tlsa.data = arena_str(arena, records[i].tlsa.data);
	}
	*to = *from;
	to->records = records;
	to->ttl = aged(from->ttl, age);
	to->canonical = arena_str(arena, from->canonical);
	to->why = arena_str(arena, from->why);
}

/* --- Asking ----------------------------------------------------------------------------------------- */

static void
leave(struct dns_question *q)
{
	if (--q->users > 0)
		return;
	arena_free(&q->arena);
	free(q);
}

static void
question_fiber(void *arg)
{
	struct dns_question *q = arg;

	dns_resolve(q->dns->resolver, q->name, q->type, q->arena, &q->answer);
	q->done = true;
	q->dns->validates |= q->answer.authentic;
	hash_del(q->dns->questions, q->key);
	dns_cache_put(q->dns->cache, q->name, q->type, fiber_now(), &q->answer);
	fiber_wake_all(&q->queue);
	leave(q);
}

static struct dns_question *
question_new(struct dns *dns, struct str key, struct str name, enum dns_type type)
{
	struct dns_question *q = MEM_NEW(struct dns_question);

	q->dns = dns;
	q->arena = arena_new(0);
	q->key = arena_str(q->arena, key);
	q->name = arena_str(q->arena, name);
	q->type = type;
	q->users = 1;
	fiber_waitq_init(&q->queue);
	hash_put(dns->questions, q->key, q);
	fiber_spawn("dns", question_fiber, q);
	return q;
}

void
dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
    struct dns_asked *asked)
{
	struct buf key = {0};

	memset(asked, 0, sizeof(*asked));
	asked->type = type;
	if (!dns_name_normal(name, arena, &asked->name)) {
		asked->name = arena_str(arena, name);
		asked->answer.status = DNS_NO_NAME;
		asked->answer.canonical = asked->name;
		asked->answer.ttl = INT32_MAX;
		asked->answer.why = dns_why(arena, asked->name, type, DNS_NO_NAME, STR_EMPTY);
		return;
	}
	if (dns_cache_get(dns->cache, asked->name, type, fiber_now(), arena, &asked->answer))
		return;
	buf_printf(&key, "%d %.*s", (int)type, STR_ARG(asked->name));
	asked->question = hash_get(dns->questions, buf_view(&key));
	if (!asked->question)
		asked->question = question_new(dns, buf_view(&key), asked->name, type);
	asked->question->users++;
	buf_free(&key);
}

void
dns_wait(struct dns_asked *asked, struct arena *arena, struct dns_answer *out)
{
	struct dns_question *q = asked->question;

	if (!q) {
		*out = asked->answer;
		return;
	}
	while (!q->done && fiber_wait(&q->queue, FIBER_FOREVER) == FIBER_OK)
		continue;
	if (q->done) {
		dns_answer_copy(&q->answer, 0, arena, out);
	} else {
		memset(out, 0, sizeof(*out));
		out->status = DNS_AGAIN;
		out->canonical = asked->name;
		out->why = dns_why(arena, asked->name, asked->type, DNS_AGAIN, STR("given up"));
	}
	asked->question = NULL;
	leave(q);
}
