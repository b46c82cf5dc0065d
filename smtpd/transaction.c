/*
 * transaction - an envelope as it grows, and its one end
 */
#include "smtpd/transaction.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "smtpd/content.h"

/* Up to so many recipients are compared one by one; most messages have one. */
#define FEW_RECIPIENTS 8
/* First bytes of the arena: a sender and a recipient or two. */
#define TRANSACTION_ARENA 512
/* Envelopes of all sessions of the process together; one of less than HELD_FREE is always taken. */
#define HELD_MAX ((size_t)64 << 20)
#define HELD_FREE ((size_t)64 << 10)

static size_t held; /* bytes of envelopes, of all sessions */

static void
count_held(struct transaction *t, size_t now)
{
	held += now - t->held;
	t->held = now;
}

struct transaction *
transaction_new(void)
{
	struct transaction *t = MEM_NEW(struct transaction);

	t->arena = arena_new(TRANSACTION_ARENA);
	return t;
}

void
transaction_end(struct transaction **t)
{
	if (!*t)
		return;
	count_held(*t, 0);
	content_free(&(*t)->content);
	hash_free(&(*t)->seen, NULL);
	free((*t)->rcpts);
	arena_free(&(*t)->arena);
	free(*t);
	*t = NULL;
}

bool
transaction_room(struct transaction *t)
{
	/* What was seen is there a second time. */
	size_t now = 2 * arena_used(t->arena) + t->cap_rcpts * sizeof(*t->rcpts);

	count_held(t, now);
	return now <= HELD_FREE || held <= HELD_MAX;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* What makes two recipients the same: the address (its domain in any case) and the DSN parameters. */
static void
rcpt_key(const struct msg_rcpt *rcpt, struct buf *key)
{
	size_t at = str_rchr(rcpt->address, '@');

	buf_reset(key);
	buf_str(key, rcpt->address);
	for (size_t i = at; i < key->len; i++)
		key->data[i] = lower(key->data[i]);
	buf_printf(key, "\n%u\n", (unsigned)rcpt->notify);
	buf_str(key, rcpt->orcpt);
}

static bool
rcpt_eq(const struct msg_rcpt *a, const struct msg_rcpt *b)
{
	size_t at = str_rchr(a->address, '@');

	if (a->address.len != b->address.len || a->notify != b->notify ||
	    !str_eq(a->orcpt, b->orcpt))
		return false;
	if (at == STR_NPOS)
		return str_eq(a->address, b->address);
	return str_eq(str_sub(a->address, 0, at), str_sub(b->address, 0, at)) &&
	    str_eq_nocase(str_from(a->address, at), str_from(b->address, at));
}

/* Have more than a few recipients: ask the table, which is made when it is first needed. */
static bool
seen_in_table(struct transaction *t, const struct msg_rcpt *rcpt, unsigned limit)
{
	struct buf key = {0};
	bool seen;

	if (!t->seen) {
		t->seen = hash_new();
		for (size_t i = 0; i < t->n_rcpts; i++) {
			rcpt_key(&t->rcpts[i], &key);
			hash_put(t->seen, buf_view(&key), t);
		}
	}
	rcpt_key(rcpt, &key);
	seen = hash_get(t->seen, buf_view(&key)) != NULL;
	if (!seen && hash_count(t->seen) < limit)
		hash_put(t->seen, buf_view(&key), t);
	buf_free(&key);
	return seen;
}

static bool
seen_before(struct transaction *t, const struct msg_rcpt *rcpt, unsigned limit)
{
	if (t->n_rcpts >= FEW_RECIPIENTS)
		return seen_in_table(t, rcpt, limit);
	for (size_t i = 0; i < t->n_rcpts; i++)
		if (rcpt_eq(&t->rcpts[i], rcpt))
			return true;
	return false;
}

void
transaction_add(struct transaction *t, const struct msg_rcpt *rcpt, unsigned limit)
{
	t->accepted++;
	if (limit > 0 && seen_before(t, rcpt, limit))
		return;
	if (t->n_rcpts == t->cap_rcpts) {
		t->cap_rcpts = t->cap_rcpts ? t->cap_rcpts * 2 : 2;
		t->rcpts = mem_resize(t->rcpts, t->cap_rcpts * sizeof(*t->rcpts));
	}
	t->rcpts[t->n_rcpts++] = *rcpt;
}
