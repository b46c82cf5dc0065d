/* groups - the queue summed up by destination or by reason: see groups.h */
#include "admin/groups.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/listing.h"
#include "admin/span.h"
#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/mail/replies.h"

#define GROUPS_MAX 10000 /* beyond, what is new goes into one for all others */
#define KEY_MAX 160      /* bytes of a reason that tell it from others */
#define LONG_WORD 12     /* letters and digits mixed, so long: somebody's ID */
#define NEVER INT64_MAX

struct group {
	char *name; /* a domain, or the first such reason */
	const struct reply_advice *advice;
	uint64_t messages, rcpts, bytes;
	uint64_t last; /* number of the last message that was counted */
	int64_t oldest, next;
};

struct groups {
	enum group_by by;
	struct hash *table;
	struct hash *texts; /* reason → its group: the same one comes again and again */
	uint64_t messages, rcpts, bytes;
	bool within; /* the last frame said that more of its message follows */
};

struct groups *
groups_new(enum group_by by)
{
	struct groups *g = MEM_NEW(struct groups);

	g->by = by;
	g->table = hash_new();
	g->texts = hash_new();
	return g;
}

static void
group_free(void *arg)
{
	struct group *group = arg;

	free(group->name);
	free(group);
}

void
groups_free(struct groups **g)
{
	if (*g == NULL)
		return;
	hash_free(&(*g)->texts, NULL);
	hash_free(&(*g)->table, group_free);
	free(*g);
	*g = NULL;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Is WORD an ID of somebody's making: long, and with digits? */
static bool
is_id(struct str word)
{
	size_t digits = 0;

	for (size_t i = 0; i < word.len; i++)
		digits += is_digit(word.data[i]);
	return word.len >= LONG_WORD && digits * 4 >= word.len;
}

/* WORD without what stands in brackets, and with # for numbers. */
static void
put_word(struct str word, struct buf *out)
{
	char end = 0;

	for (size_t i = 0; i < word.len; i++) {
		char c = word.data[i];

		if (end) {
			end = c == end ? 0 : end;
			continue;
		}
		if (c == '<' || c == '[')
			end = c == '<' ? '>' : ']';
		if (!is_digit(c))
			buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
		else if (i == 0 || !is_digit(word.data[i - 1]))
			buf_putc(out, '#');
	}
}

/* The reason without what differs from message to message: addresses, numbers, IDs. */
static void
reason_key(struct str reason, struct buf *out)
{
	struct str word;

	while (out->len < KEY_MAX && str_token(&reason, " ", &word)) {
		if (out->len)
			buf_putc(out, ' ');
		if (is_id(word))
			buf_putc(out, '*');
		else
			put_word(word, out);
	}
	buf_truncate(out, out->len < KEY_MAX ? out->len : KEY_MAX);
}

static void
destination_key(struct str address, struct buf *out)
{
	size_t at = str_rchr(address, '@');
	struct str domain = at == STR_NPOS ? STR("(no domain)") : str_from(address, at + 1);

	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.data[i];

		buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
}

/* ---- Counting -------------------------------------------------------------------------------- */

/* The group of KEY, made when it is new; NAME is what it is called then. */
static struct group *
find(struct groups *g, struct str key, struct str name, const struct reply_advice *advice)
{
	struct group *group = hash_get(g->table, key);

	if (group)
		return group;
	if (hash_count(g->table) >= GROUPS_MAX) {
		key = name = STR("(all others)");
		advice = NULL;
		group = hash_get(g->table, key);
		if (group)
			return group;
	}
	group = MEM_NEW(struct group);
	group->name = str_dup(name);
	group->advice = advice;
	group->oldest = group->next = NEVER;
	hash_put(g->table, key, group);
	return group;
}

static struct group *
group_of(struct groups *g, const struct msg_showq_entry *e, const struct msg_showq_rcpt *r)
{
	const struct reply_advice *advice = NULL;
	/* Of a long list's recipients a slot keeps some answers only. */
	struct str name = r->reason.len ? r->reason
	    : e->tries > 0              ? STR("(tried, the answer was not kept: see the log)")
					: STR("(not tried yet)");
	struct buf key = {0};
	struct group *group = g->by == GROUP_REASON ? hash_get(g->texts, name) : NULL;

	if (group)
		return group;
	if (g->by == GROUP_DESTINATION) {
		destination_key(r->address, &key);
		name = buf_view(&key);
	} else if ((advice = reply_advice(r->reason, r->dsn))) {
		buf_puts(&key, advice->name);
	} else {
		reason_key(name, &key);
	}
	group = find(g, buf_view(&key), name, advice);
	if (g->by == GROUP_REASON && hash_count(g->texts) < GROUPS_MAX)
		hash_put(g->texts, name, group);
	buf_free(&key);
	return group;
}

/* When the message is tried next: 0 = now; NEVER while it is on hold. */
static int64_t
next_of(const struct msg_showq_entry *e)
{
	return str_eq(e->state, STR("hold"))    ? NEVER
	    : str_eq(e->state, STR("deferred")) ? e->next
						: 0;
}

static void
count(struct groups *g, const struct msg_showq_entry *e, const struct msg_showq_rcpt *r)
{
	struct group *group = group_of(g, e, r);
	int64_t next = next_of(e);

	group->rcpts++;
	g->rcpts++;
	if (group->last == g->messages)
		return;
	group->last = g->messages;
	group->messages++;
	group->bytes += e->size;
	group->oldest = e->arrival < group->oldest ? e->arrival : group->oldest;
	group->next = next < group->next ? next : group->next;
}

void
groups_entry(struct groups *g, const struct msg_showq_entry *e)
{
	const struct msg_showq_rcpt *rcpts = e->rcpts.items;

	if (!g->within) {
		g->messages++;
		g->bytes += e->size;
	}
	for (size_t i = 0; i < e->rcpts.count; i++)
		count(g, e, &rcpts[i]);
	g->within = e->more;
}

/* ---- The table ------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const struct group *x = *(const struct group *const *)a;
	const struct group *y = *(const struct group *const *)b;

	if (x->rcpts != y->rcpts)
		return x->rcpts < y->rcpts ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void
put_name(FILE *out, const char *name)
{
	struct buf copy = {0};

	buf_puts(&copy, name);
	log_printable(copy.data, copy.len);
	fputs(buf_cstr(&copy), out);
	buf_free(&copy);
}

static void
print_group(const struct group *group, int64_t now, FILE *out)
{
	char age[SPAN_SIZE], next[SPAN_SIZE];

	span_text(now - group->oldest, age);
	if (group->next == NEVER)
		snprintf(next, sizeof(next), "on hold");
	else if (group->next <= now)
		snprintf(next, sizeof(next), "now");
	else
		span_text(group->next - now, next);
	fprintf(out, "%7" PRIu64 " %7" PRIu64 " %9" PRIu64 "  %-12s %-12s ", group->messages,
	    group->rcpts, group->bytes / 1024, age, next);
	put_name(out, group->name);
	fputc('\n', out);
	if (group->advice) {
		fprintf(out, "%16sWhat it means: %s\n", "", group->advice->cause);
		fprintf(out, "%16sWhat helps: %s\n", "", group->advice->remedy);
	}
}

void
groups_print(const struct groups *g, bool hidden, int64_t now, FILE *out)
{
	size_t n = hash_count(g->table), cursor = 0, at = 0;
	const struct group **sorted = mem_array(n + 1, sizeof(struct group *));
	struct str key;
	void *value;

	if (g->messages == 0) {
		fputs(listing_nothing(hidden), out);
		free(sorted);
		return;
	}
	while (hash_next(g->table, &cursor, &key, &value))
		sorted[at++] = value;
	qsort(sorted, at, sizeof(*sorted), compare);
	fprintf(out, "%7s %7s %9s  %-12s %-12s %s\n", "Msgs", "Rcpts", "Kbytes", "Oldest",
	    "Next try", g->by == GROUP_DESTINATION ? "Destination" : "Reason");
	for (size_t i = 0; i < at; i++)
		print_group(sorted[i], now, out);
	fprintf(out, "\n-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s, %" PRIu64 " recipient%s.\n",
	    g->bytes / 1024, g->messages, g->messages == 1 ? "" : "s", g->rcpts,
	    g->rcpts == 1 ? "" : "s");
	free(sorted);
}
