/*
 * tables - the tables that proxymap may look up, and their look-ups in worker threads
 *
 * A table is opened at its first look-up and stays open: only what stands in the configuration can be
 * asked for, so there are few. Look-ups may block (files, NSS), so none runs on a fiber; in a table that
 * has state they take turns. Entries of the user database that were found are remembered for a moment.
 */
#include "proxymap/tables.h"

#include <stdlib.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"

/* An entry found in the user database is not asked for again for so long. */
#define FOUND_MS 2000
#define FOUND_MAX 10000

struct open_table {
	struct table *table;
	bool stateless; /* unix: several threads may look up at once */
	bool busy;
	struct fiber_waitq turn;
};

struct found {
	int64_t until;
	char *value;
};

struct tables {
	const struct conf *conf;
	struct hash
	    *allowed; /* the items of proxy_read_maps, without "proxy:"; values are of no meaning */
	struct hash *open;  /* spec → struct open_table */
	struct hash *found; /* "spec key" → struct found */
};

static struct str
without_proxy(struct str spec)
{
	return str_starts(spec, STR("proxy:")) ? str_from(spec, 6) : spec;
}

struct tables *
tables_new(const struct conf *conf)
{
	struct tables *t = MEM_NEW(struct tables);
	struct str rest = conf_str(conf, P_proxy_read_maps), item;

	t->conf = conf;
	t->allowed = hash_new();
	t->open = hash_new();
	t->found = hash_new();
	while (conf_list_next(&rest, &item))
		hash_put(t->allowed, without_proxy(item), t);
	return t;
}

static void
open_free(void *value)
{
	struct open_table *o = value;

	table_close(&o->table);
	free(o);
}

static void
found_free(void *value)
{
	struct found *f = value;

	free(f->value);
	free(f);
}

void
tables_free(struct tables **t)
{
	if (!*t)
		return;
	hash_free(&(*t)->allowed, NULL);
	hash_free(&(*t)->open, open_free);
	hash_free(&(*t)->found, found_free);
	free(*t);
	*t = NULL;
}

/*
 * What smtpd asks: is a domain, an address or a user listed? (smtpd/access.c, smtpd/recipients.c and
 * lib/route). Whoever takes smtpd over shall not read everybody's aliases or the passwords of relays.
 */
static const char *const network_params[] = {
    "mydestination",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "relay_domains",
    "mynetworks",
    "smtpd_client_event_limit_exceptions",
    "smtpd_forbid_bare_newline_exclusions",
    "local_recipient_maps",
    "virtual_alias_maps",
    "virtual_mailbox_maps",
    "relay_recipient_maps",
};

/* What the SMTP client looks up, behind "smtp_" or "lmtp_". */
static const char *const smtp_suffixes[] = {
    "body_checks",
    "connection_cache_destinations",
    "delivery_status_filter",
    "discard_ehlo_keyword_address_maps",
    "dns_reply_filter",
    "generic_maps",
    "header_checks",
    "mime_header_checks",
    "nested_header_checks",
    "pix_workaround_maps",
    "reply_filter",
    "sasl_mechanism_filter",
    "sasl_password_maps",
    "tls_policy_maps",
};

static bool
is_one_of(struct str name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_c(list[i])))
			return true;
	return false;
}

static bool
has_use_for(enum tables_caller caller, struct str param)
{
	switch (caller) {
	case TABLES_NETWORK:
		return is_one_of(
		    param, network_params, sizeof(network_params) / sizeof(network_params[0]));
	case TABLES_SMTP:
		return (str_starts(param, STR("smtp_")) || str_starts(param, STR("lmtp_"))) &&
		    is_one_of(str_from(param, 5), smtp_suffixes,
			sizeof(smtp_suffixes) / sizeof(smtp_suffixes[0]));
	default:
		return true;
	}
}

bool
tables_tell_value(enum tables_caller caller)
{
	return caller != TABLES_NETWORK;
}

const char *
tables_refusal(enum tables_caller caller)
{
	switch (caller) {
	case TABLES_NETWORK:
		return "may not be asked for by the network side, as of";
	case TABLES_SMTP:
		return "is not for the SMTP client, or does not stand in the value of";
	default:
		return "stands neither in proxy_read_maps nor in";
	}
}

static bool
stands_in(const struct tables *t, struct str table, struct str param)
{
	struct str rest, item;

	if (param.len == 0 || !conf_lookup(t->conf, param, &rest))
		return false;
	while (conf_list_next(&rest, &item))
		if (str_eq(without_proxy(item), table))
			return true;
	return false;
}

bool
tables_allowed(
    const struct tables *t, enum tables_caller caller, struct str table, struct str param)
{
	if (str_chr(table, ':') == STR_NPOS || !has_use_for(caller, param))
		return false;
	if (caller != TABLES_SMTP && hash_get(t->allowed, table))
		return true;
	return stands_in(t, table, param);
}

static struct open_table *
open_get(struct tables *t, struct str spec, struct buf *why)
{
	struct open_table *o = hash_get(t->open, spec);
	struct table *table;

	if (o)
		return o;
	table = table_open(spec, why);
	if (!table)
		return NULL;
	o = MEM_NEW(struct open_table);
	o->table = table;
	o->stateless = str_starts(spec, STR("unix:"));
	fiber_waitq_init(&o->turn);
	hash_put(t->open, spec, o);
	return o;
}

/* ---- What was found lately -------------------------------------------------------------------- */

static bool
found_lately(struct tables *t, struct str key, struct buf *value)
{
	struct found *f = hash_get(t->found, key);

	if (f && f->until > fiber_now()) {
		buf_puts(value, f->value);
		return true;
	}
	if (f)
		found_free(hash_del(t->found, key));
	return false;
}

static void
found_now(struct tables *t, struct str key, struct str value)
{
	struct found *f = MEM_NEW(struct found);
	struct found *before;

	if (hash_count(t->found) >= FOUND_MAX) {
		hash_free(&t->found, found_free);
		t->found = hash_new();
	}
	f->until = fiber_after(FOUND_MS);
	f->value = str_dup(value);
	before = hash_put(t->found, key, f);
	if (before)
		found_free(before);
}

/* ---- Look-ups --------------------------------------------------------------------------------- */

struct job {
	struct table *table;
	struct str key;
	struct buf *value, *why;
	enum table_status status;
};

/* In a worker thread. */
static void
run_job(void *arg)
{
	struct job *j = arg;

	j->status = table_lookup(j->table, j->key, j->value, j->why);
}

/* A process that is to end may cancel the wait; the turn is taken all the same. */
static void
take_turn(struct open_table *o)
{
	while (o->busy)
		if (fiber_wait(&o->turn, FIBER_FOREVER) == FIBER_CANCELED)
			fiber_yield();
	o->busy = true;
}

enum table_status
tables_lookup(
    struct tables *t, const struct msg_lookup *request, struct buf *value, struct buf *why)
{
	struct open_table *o = open_get(t, request->table, why);
	struct job job = {.key = request->key, .value = value, .why = why};
	struct buf key = {0};

	if (!o)
		return TABLE_ERROR;
	buf_printf(&key, "%.*s %.*s", STR_ARG(request->table), STR_ARG(request->key));
	if (found_lately(t, buf_view(&key), value)) {
		buf_free(&key);
		return TABLE_FOUND;
	}
	job.table = o->table;
	if (!o->stateless)
		take_turn(o);
	fiber_offload(FIBER_POOL_READ, run_job, &job);
	if (!o->stateless) {
		o->busy = false;
		fiber_wake_one(&o->turn);
	} else if (job.status == TABLE_FOUND) {
		found_now(t, buf_view(&key), buf_view(value));
	}
	buf_free(&key);
	return job.status;
}
