/*
 * tally - see tally.h
 *
 * In a file:
 *
 *	tlsrpt	1
 *	dropped	COUNT
 *	policy	DOMAIN	TYPE	SUCCESSES	STRING	STRING…
 *	failed	COUNT	RESULT	FROM	HOST	ADDRESS	REASON		of the policy above
 */
#include "tlsrpt/tally.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define VERSION "1"

static const struct tally_limits usual = {
    .domains = 10000,
    .policies = 32,
    .details = 50,
    .bytes = (size_t)8 * 1024 * 1024,
};

struct tally {
	struct tally_limits limits;
	struct hash *by_name;
	struct list domains;
	size_t bytes;
	uint64_t dropped;
};

struct tally *
tally_new(const struct tally_limits *limits)
{
	struct tally *t = MEM_NEW(struct tally);

	t->limits = limits ? *limits : usual;
	t->by_name = hash_new();
	list_init(&t->domains);
	return t;
}

static void
free_policy(struct tally_policy *p)
{
	struct list_link *l;

	while ((l = list_shift(&p->details)))
		free(LIST_ITEM(l, struct tally_detail, link));
	free(p);
}

static void
free_domain(struct tally_domain *d)
{
	struct list_link *l;

	while ((l = list_shift(&d->policies)))
		free_policy(LIST_ITEM(l, struct tally_policy, link));
	free(d);
}

void
tally_free(struct tally **pt)
{
	struct tally *t = *pt;
	struct list_link *l;

	if (!t)
		return;
	*pt = NULL;
	hash_free(&t->by_name, NULL);
	while ((l = list_shift(&t->domains)))
		free_domain(LIST_ITEM(l, struct tally_domain, link));
	free(t);
}

const struct list *
tally_domains(const struct tally *t)
{
	return &t->domains;
}

uint64_t
tally_dropped(const struct tally *t)
{
	return t->dropped;
}

/* Tab-separated TEXT from field N on; empty when there are no so many. */
static struct str
from_field(struct str text, size_t n)
{
	for (; n > 0; n--) {
		size_t tab = str_chr(text, '\t');

		if (tab == STR_NPOS)
			return STR_EMPTY;
		text = str_from(text, tab + 1);
	}
	return text;
}

/* Field N of it, which may be empty. */
static struct str
field(struct str text, size_t n)
{
	struct str rest = from_field(text, n);
	size_t tab = str_chr(rest, '\t');

	return tab == STR_NPOS ? rest : str_sub(rest, 0, tab);
}

struct str
tally_text(const struct tally_detail *detail, enum tally_text which)
{
	return field(detail->text, which);
}

/* --- Adding ----------------------------------------------------------------------------------------- */

/* SIZE bytes for a struct, followed by a copy of TEXT (*COPY); NULL when there is no room. */
static void *
make(struct tally *t, size_t size, struct str text, struct str *copy)
{
	char *p;

	if (text.len + size > t->limits.bytes - t->bytes)
		return NULL;
	t->bytes += size + text.len;
	p = mem_alloc(size + text.len + 1);
	memcpy(p + size, text.data, text.len);
	*copy = str_n(p + size, text.len);
	return p;
}

static struct tally_domain *
domain_of(struct tally *t, struct str name)
{
	struct tally_domain *d = hash_get(t->by_name, name);
	struct str copy;

	if (d || t->domains.count >= t->limits.domains || !(d = make(t, sizeof(*d), name, &copy)))
		return d;
	d->name = copy;
	list_init(&d->policies);
	list_append(&t->domains, &d->link);
	hash_put(t->by_name, copy, d);
	return d;
}

static struct tally_policy *
policy_of(struct tally *t, struct tally_domain *d, enum tlsrpt_policy type, struct str strings)
{
	struct tally_policy *p;
	struct str copy;

	for (struct list_link *l = list_first(&d->policies); l; l = list_next(&d->policies, l)) {
		p = LIST_ITEM(l, struct tally_policy, link);
		if (p->type == type && str_eq(p->strings, strings))
			return p;
	}
	if (d->policies.count >= t->limits.policies || !(p = make(t, sizeof(*p), strings, &copy)))
		return NULL;
	p->type = type;
	p->strings = copy;
	list_init(&p->details);
	list_append(&d->policies, &p->link);
	return p;
}

static struct tally_detail *
detail_of(struct tally *t, struct tally_policy *p, struct str text, bool always)
{
	struct tally_detail *d;
	struct str copy;

	for (struct list_link *l = list_first(&p->details); l; l = list_next(&p->details, l)) {
		d = LIST_ITEM(l, struct tally_detail, link);
		if (str_eq(d->text, text))
			return d;
	}
	if ((p->details.count >= t->limits.details && !always) ||
	    !(d = make(t, sizeof(*d), text, &copy)))
		return NULL;
	d->text = copy;
	list_append(&p->details, &d->link);
	return d;
}

static bool
count_failure(struct tally *t, struct tally_policy *p, struct str text, uint64_t n)
{
	struct tally_detail *d = detail_of(t, p, text, false);
	struct buf short_text = {0};

	if (!d) {
		buf_str(&short_text, field(text, TALLY_RESULT));
		buf_puts(&short_text, "\t\t\t\t");
		d = detail_of(t, p, buf_view(&short_text), true);
		buf_free(&short_text);
	}
	if (!d)
		return false;
	d->count += n;
	p->failures += n;
	return true;
}

/* Control characters become blanks, and line ends LINE_END. */
static void
add_clean(struct buf *out, struct str s, char line_end)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		buf_putc(out, c == '\n' ? line_end : c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
}

static bool
count_note(struct tally *t, struct tally_policy *p, const struct msg_tlsrpt_note *note)
{
	struct buf text = {0};
	bool ok;

	if (note->result.len == 0) {
		p->successes++;
		return true;
	}
	add_clean(&text, note->result, ' ');
	buf_putc(&text, '\t');
	add_clean(&text, note->from, ' ');
	buf_putc(&text, '\t');
	add_clean(&text, note->host, ' ');
	buf_putc(&text, '\t');
	add_clean(&text, note->address, ' ');
	buf_putc(&text, '\t');
	add_clean(&text, note->reason, ' ');
	ok = count_failure(t, p, buf_view(&text), 1);
	buf_free(&text);
	return ok;
}

bool
tally_add(struct tally *t, const struct msg_tlsrpt_note *note)
{
	struct buf name = {0}, strings = {0};
	struct tally_domain *d;
	struct tally_policy *p = NULL;
	bool ok = false;

	if (note->domain.len == 0 || note->policy >= TLSRPT_POLICIES ||
	    (note->result.len > 0 && !tlsrpt_result_known(note->result)))
		return false;
	add_clean(&name, note->domain, ' ');
	add_clean(&strings, note->strings, '\t');
	d = domain_of(t, buf_view(&name));
	if (d)
		p = policy_of(t, d, (enum tlsrpt_policy)note->policy, buf_view(&strings));
	if (p)
		ok = count_note(t, p, note);
	t->dropped += !ok;
	buf_free(&name);
	buf_free(&strings);
	return ok;
}

/* --- Files ------------------------------------------------------------------------------------------ */

static void
write_policy(const struct tally_domain *d, const struct tally_policy *p, struct buf *out)
{
	buf_printf(out, "policy\t%.*s\t%s\t%llu", STR_ARG(d->name), tlsrpt_policy_name(p->type),
	    (unsigned long long)p->successes);
	if (p->strings.len > 0)
		buf_printf(out, "\t%.*s", STR_ARG(p->strings));
	buf_putc(out, '\n');
	for (struct list_link *l = list_first(&p->details); l; l = list_next(&p->details, l)) {
		const struct tally_detail *f = LIST_ITEM(l, struct tally_detail, link);

		buf_printf(
		    out, "failed\t%llu\t%.*s\n", (unsigned long long)f->count, STR_ARG(f->text));
	}
}

void
tally_write(const struct tally *t, struct buf *out)
{
	buf_printf(out, "tlsrpt\t" VERSION "\ndropped\t%llu\n", (unsigned long long)t->dropped);
	for (struct list_link *l = list_first(&t->domains); l; l = list_next(&t->domains, l)) {
		const struct tally_domain *d = LIST_ITEM(l, struct tally_domain, link);

		for (struct list_link *m = list_first(&d->policies); m;
		     m = list_next(&d->policies, m))
			write_policy(d, LIST_ITEM(m, struct tally_policy, link), out);
	}
}

/* NULL: it makes no sense. */
static struct tally_policy *
read_policy(struct tally *t, struct str line)
{
	struct str name = field(line, 1), type = field(line, 2);
	struct tally_policy *p;
	struct tally_domain *d;
	uint64_t successes;
	int i = 0;

	while (
	    i < TLSRPT_POLICIES && !str_eq(type, str_c(tlsrpt_policy_name((enum tlsrpt_policy)i))))
		i++;
	if (name.len == 0 || i == TLSRPT_POLICIES ||
	    !str_to_u64(field(line, 3), INT64_MAX, &successes))
		return NULL;
	d = domain_of(t, name);
	p = d ? policy_of(t, d, (enum tlsrpt_policy)i, from_field(line, 4)) : NULL;
	if (p)
		p->successes += successes;
	return p;
}

static void
read_failed(struct tally *t, struct tally_policy *p, struct str line)
{
	struct str text;
	uint64_t count;

	if (!p || !str_to_u64(field(line, 1), INT64_MAX, &count) || count == 0 ||
	    !tlsrpt_result_known(field(line, 2)))
		return;
	text = from_field(line, 2);
	for (size_t i = 0, tabs = 0; i < text.len; i++)
		if (text.data[i] == '\t' && ++tabs == TALLY_TEXTS)
			return;
	(void)count_failure(t, p, text, count);
}

void
tally_read(struct tally *t, struct str text)
{
	struct tally_policy *p = NULL;
	struct str line, word;
	uint64_t n;

	if (!str_token(&text, "\n", &line) || !str_eq(line, STR("tlsrpt\t" VERSION)))
		return;
	while (str_token(&text, "\n", &line)) {
		word = field(line, 0);
		if (str_eq(word, STR("policy")))
			p = read_policy(t, line);
		else if (str_eq(word, STR("failed")))
			read_failed(t, p, line);
		else if (str_eq(word, STR("dropped")) && str_to_u64(field(line, 1), INT64_MAX, &n))
			t->dropped = n;
	}
}
