/*
 * sessions - what is needed to resume a session with a server
 *
 * In memory only, bounded in number and bytes; the one that was not asked for longest goes first. The
 * key holds who the server is and all that was demanded of it, so a session never serves a connection
 * of which more is demanded.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/tls/internal.h"

#define MS 1000

struct entry {
	struct list_link link;
	int64_t end; /* clock_mono_ms() */
	size_t key_len, len;
	char bytes[]; /* the key, the session */
};

struct tls_sessions {
	struct hash *by_key;
	struct list order; /* the oldest use first */
	size_t bytes;
	int64_t life;
};

struct tls_sessions *
tls_sessions_new(int64_t seconds)
{
	struct tls_sessions *s = MEM_NEW(struct tls_sessions);

	s->by_key = hash_new();
	list_init(&s->order);
	s->life = seconds * MS;
	return s;
}

static struct str
key_of(const struct entry *e)
{
	return str_n(e->bytes, e->key_len);
}

static void
drop(struct tls_sessions *s, struct entry *e)
{
	hash_del(s->by_key, key_of(e));
	list_remove(&s->order, &e->link);
	s->bytes -= e->key_len + e->len;
	OPENSSL_cleanse(e->bytes, e->key_len + e->len);
	free(e);
}

void
tls_sessions_free(struct tls_sessions **ps)
{
	struct tls_sessions *s = *ps;
	struct list_link *l;

	if (!s)
		return;
	*ps = NULL;
	while ((l = list_first(&s->order)))
		drop(s, LIST_ITEM(l, struct entry, link));
	hash_free(&s->by_key, NULL);
	free(s);
}

void
tls_sessions_put(struct tls_sessions *s, struct str key, struct str session, int64_t now)
{
	struct entry *e;

	tls_sessions_drop(s, key);
	if (s->life <= 0 || session.len == 0 || session.len > SESSION_BYTES)
		return;
	while (!list_empty(&s->order) &&
	    (hash_count(s->by_key) >= SESSIONS_MAX ||
		s->bytes + key.len + session.len > SESSIONS_BYTES))
		drop(s, LIST_ITEM(list_first(&s->order), struct entry, link));
	e = mem_alloc(sizeof(*e) + key.len + session.len);
	e->end = now + s->life;
	e->key_len = key.len;
	e->len = session.len;
	memcpy(e->bytes, key.data, key.len);
	memcpy(e->bytes + key.len, session.data, session.len);
	s->bytes += key.len + session.len;
	list_append(&s->order, &e->link);
	hash_put(s->by_key, key, e);
}

struct str
tls_sessions_get(struct tls_sessions *s, struct str key, int64_t now)
{
	struct entry *e = hash_get(s->by_key, key);

	if (e && now >= e->end) {
		drop(s, e);
		e = NULL;
	}
	if (!e)
		return STR_EMPTY;
	list_remove(&s->order, &e->link);
	list_append(&s->order, &e->link);
	return str_n(e->bytes + e->key_len, e->len);
}

void
tls_sessions_drop(struct tls_sessions *s, struct str key)
{
	struct entry *e = hash_get(s->by_key, key);

	if (e)
		drop(s, e);
}

size_t
tls_sessions_count(const struct tls_sessions *s)
{
	return hash_count(s->by_key);
}

size_t
tls_sessions_bytes(const struct tls_sessions *s)
{
	return s->bytes;
}
