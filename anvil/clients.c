/*
 * clients - connections and rates, per service and client
 */
#include "anvil/clients.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include "lib/mail/date.h"

/* When all are taken, so many are looked at for one that can be forgotten. */
#define EVICT_TRIES 32

struct client {
	struct list_link link; /* by the time of the last event, longest ago first */
	char *key;             /* "smtp:192.0.2.1" */
	int64_t started;       /* of the time unit that rates are counted in */
	uint64_t connections;
	uint64_t rates[ANVIL_EVENTS];
};

/* The highest value of one kind, whose it was, and when. */
struct peak {
	uint64_t value;
	char *who;
	time_t when;
};

enum peak_kind {
	PEAK_CONNECTION_RATE,
	PEAK_CONNECTIONS,
	PEAK_MESSAGE_RATE,
	PEAK_RECIPIENT_RATE,
	PEAK_SIZE,
	PEAKS,
};

struct clients {
	struct hash *by_key;
	struct list by_age;
	size_t max;
	struct peak peaks[PEAKS];
};

struct reporter {
	struct clients *clients;
	struct hash *open; /* key → struct open_count */
};

struct open_count {
	uint64_t n;
};

struct clients *
clients_new(size_t max)
{
	struct clients *c = MEM_NEW(struct clients);

	c->by_key = hash_new();
	list_init(&c->by_age);
	c->max = max;
	return c;
}

static void
client_forget(struct clients *c, struct client *who)
{
	hash_del(c->by_key, str_c(who->key));
	list_remove(&c->by_age, &who->link);
	free(who->key);
	free(who);
}

void
clients_free(struct clients **cp)
{
	struct clients *c = *cp;
	struct list_link *l;

	if (!c)
		return;
	while ((l = list_first(&c->by_age)))
		client_forget(c, LIST_ITEM(l, struct client, link));
	for (size_t i = 0; i < PEAKS; i++)
		free(c->peaks[i].who);
	hash_free(&c->by_key, NULL);
	free(c);
	*cp = NULL;
}

size_t
clients_count(const struct clients *c)
{
	return hash_count(c->by_key);
}

void
clients_expire(struct clients *c, int64_t now_ms, int64_t unit_ms)
{
	struct list_link *l, *next;

	for (l = list_first(&c->by_age); l; l = next) {
		struct client *who = LIST_ITEM(l, struct client, link);

		next = list_next(&c->by_age, l);
		if (who->connections == 0 && now_ms - who->started >= unit_ms)
			client_forget(c, who);
	}
}

/* Makes room for one more. False: all that were looked at are connected. */
static bool
make_room(struct clients *c)
{
	struct list_link *l = list_first(&c->by_age);

	for (int i = 0; i < EVICT_TRIES && l; i++, l = list_next(&c->by_age, l)) {
		struct client *who = LIST_ITEM(l, struct client, link);

		if (who->connections == 0) {
			client_forget(c, who);
			return true;
		}
	}
	return false;
}

static void
peak_note(struct clients *c, enum peak_kind kind, uint64_t value, const char *who)
{
	struct peak *p = &c->peaks[kind];

	if (value <= p->value)
		return;
	p->value = value;
	p->when = clock_wall();
	free(p->who);
	p->who = mem_strdup(who);
}

/* The client KEY, new if need be; NULL when there is no room. */
static struct client *
client_get(struct clients *c, const char *key, int64_t now_ms, int64_t unit_ms)
{
	struct client *who = hash_get(c->by_key, str_c(key));

	if (!who) {
		if (hash_count(c->by_key) >= c->max && !make_room(c))
			return NULL;
		who = MEM_NEW(struct client);
		who->key = mem_strdup(key);
		who->started = now_ms;
		hash_put(c->by_key, str_c(key), who);
		peak_note(c, PEAK_SIZE, hash_count(c->by_key), "");
	} else {
		list_remove(&c->by_age, &who->link);
		if (now_ms - who->started >= unit_ms) {
			memset(who->rates, 0, sizeof(who->rates));
			who->started = now_ms;
		}
	}
	list_append(&c->by_age, &who->link);
	return who;
}

struct reporter *
reporter_new(struct clients *c)
{
	struct reporter *r = MEM_NEW(struct reporter);

	r->clients = c;
	r->open = hash_new();
	return r;
}

static void
take_off(struct clients *c, struct str key, uint64_t n)
{
	struct client *who = hash_get(c->by_key, key);

	if (who)
		who->connections -= n < who->connections ? n : who->connections;
}

void
reporter_free(struct reporter **r)
{
	size_t cursor = 0;
	struct str key;
	void *value;

	if (!*r)
		return;
	while (hash_next((*r)->open, &cursor, &key, &value))
		take_off((*r)->clients, key, ((struct open_count *)value)->n);
	hash_free(&(*r)->open, free);
	free(*r);
	*r = NULL;
}

static void
connected(struct reporter *r, struct client *who)
{
	struct open_count *open = hash_get(r->open, str_c(who->key));

	if (!open) {
		open = MEM_NEW(struct open_count);
		hash_put(r->open, str_c(who->key), open);
	}
	open->n++;
	who->connections++;
	peak_note(r->clients, PEAK_CONNECTIONS, who->connections, who->key);
}

/* Only what this channel reported can be taken off by it. */
static void
disconnected(struct reporter *r, struct str key)
{
	struct open_count *open = hash_get(r->open, key);

	if (!open)
		return;
	take_off(r->clients, key, 1);
	if (--open->n == 0)
		free(hash_del(r->open, key));
}

static void
count_rate(struct clients *c, struct client *who, enum anvil_event event)
{
	static const enum peak_kind kinds[ANVIL_EVENTS] = {
	    [ANVIL_CONNECT] = PEAK_CONNECTION_RATE,
	    [ANVIL_MAIL] = PEAK_MESSAGE_RATE,
	    [ANVIL_RCPT] = PEAK_RECIPIENT_RATE,
	};

	who->rates[event]++;
	peak_note(c, kinds[event], who->rates[event], who->key);
}

void
reporter_event(struct reporter *r, const struct msg_anvil *event, int64_t now_ms, int64_t unit_ms,
    struct msg_anvil_count *count)
{
	struct buf key = {0};
	struct client *who;

	*count = (struct msg_anvil_count){0};
	buf_printf(&key, "%.*s:%.*s", STR_ARG(event->service), STR_ARG(event->client));
	if (event->event == ANVIL_DISCONNECT) {
		disconnected(r, buf_view(&key));
		buf_free(&key);
		return;
	}
	who = client_get(r->clients, buf_cstr(&key), now_ms, unit_ms);
	buf_free(&key);
	if (!who)
		return;
	if (event->event == ANVIL_CONNECT)
		connected(r, who);
	count_rate(r->clients, who, (enum anvil_event)event->event);
	count->count = event->event == ANVIL_CONNECT ? who->connections : 0;
	count->rate = who->rates[event->event];
}

void
clients_statistics(struct clients *c, int64_t unit_ms, struct buf *out)
{
	static const struct {
		const char *name;
		bool rate;
	} texts[PEAKS] = {
	    [PEAK_CONNECTION_RATE] = {"connection rate", true},
	    [PEAK_CONNECTIONS] = {"connection count", false},
	    [PEAK_MESSAGE_RATE] = {"message rate", true},
	    [PEAK_RECIPIENT_RATE] = {"recipient rate", true},
	    [PEAK_SIZE] = {"cache size", false},
	};

	for (size_t i = 0; i < PEAKS; i++) {
		struct peak *p = &c->peaks[i];
		char date[MAIL_DATE_SIZE];

		if (p->value == 0)
			continue;
		mail_date_ctime(p->when, date);
		buf_printf(out, "max %s %llu", texts[i].name, (unsigned long long)p->value);
		if (texts[i].rate)
			buf_printf(out, "/%llds", (long long)(unit_ms / 1000));
		if (p->who[0])
			buf_printf(out, " for (%s)", p->who);
		/* "Sun Nov 22 06:07:42 2026": without weekday and year. */
		buf_printf(out, " at %.15s\n", date + 4);
		free(p->who);
		*p = (struct peak){0};
	}
}
