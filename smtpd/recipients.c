/*
 * recipients - is there such a user?
 */
#include "smtpd/recipients.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"

/* A user that was found is taken to exist for so long without asking again. */
#define FOUND_MS 5000
/* So many are remembered; then all are forgotten. */
#define FOUND_MAX 5000
/* Keys a recipient is looked up under in one table. */
#define KEYS_MAX 4

/* One table of a class. */
struct listing {
	struct table *table; /* NULL: it cannot be used */
	char *broken;        /* … and why */
	bool names;          /* its keys are plain user names: unix: */
};

struct class_listings {
	struct listing *list;
	size_t n;
};

struct recipients {
	const struct conf *conf;
	struct class_listings classes[ROUTE_DEFAULT + 1];
	struct hash *found; /* "class user@domain" → struct found */
};

struct found {
	int64_t until;
};

static const struct {
	enum route_class class;
	enum param maps;
	const char *param; /* its name */
	const char *name;
} class_maps[] = {
    {ROUTE_LOCAL, P_local_recipient_maps, "local_recipient_maps", "local recipient table"},
    {ROUTE_VIRTUAL_ALIAS, P_virtual_alias_maps, "virtual_alias_maps", "virtual alias table"},
    {ROUTE_VIRTUAL_MAILBOX, P_virtual_mailbox_maps, "virtual_mailbox_maps",
	"virtual mailbox table"},
    {ROUTE_RELAY, P_relay_recipient_maps, "relay_recipient_maps", "relay recipient table"},
};
#define N_CLASSES (sizeof(class_maps) / sizeof(class_maps[0]))

const char *recipients_table_name(enum route_class class)
{
	for (size_t i = 0; i < N_CLASSES; i++)
		if (class_maps[i].class == class)
			return class_maps[i].name;
	return "recipient table";
}

/* Does ITEM stand in the list of P too? */
static bool
stands_in(const struct conf *conf, enum param p, struct str item)
{
	struct str rest = conf_str(conf, p), other;

	while (conf_list_next(&rest, &other))
		if (str_eq(other, item))
			return true;
	return false;
}

static void
open_class(struct recipients *r, size_t row)
{
	struct class_listings *c = &r->classes[class_maps[row].class];
	struct str rest = conf_str(r->conf, class_maps[row].maps), item;

	while (conf_list_next(&rest, &item)) {
		struct str bare = str_starts(item, STR("proxy:")) ? str_from(item, 6) : item;
		struct listing *l;
		struct buf why = {0};

		/* Aliases are not expanded yet: whoever exists only there does not exist. */
		if (class_maps[row].class == ROUTE_LOCAL && stands_in(r->conf, P_alias_maps, item))
			continue;
		c->list = mem_resize(c->list, (c->n + 1) * sizeof(*c->list));
		l = &c->list[c->n++];
		*l = (struct listing){.names = str_starts(bare, STR("unix:"))};
		l->table = table_open_for(item, class_maps[row].param, true, &why);
		if (!l->table) {
			log_error("%s: %s", class_maps[row].param, buf_cstr(&why));
			l->broken = buf_take(&why);
		}
		buf_free(&why);
	}
}

struct recipients *
recipients_new(const struct conf *conf)
{
	struct recipients *r = MEM_NEW(struct recipients);

	r->conf = conf;
	r->found = hash_new();
	for (size_t i = 0; i < N_CLASSES; i++)
		open_class(r, i);
	return r;
}

void
recipients_free(struct recipients **rp)
{
	struct recipients *r = *rp;

	if (!r)
		return;
	for (size_t i = 0; i < N_CLASSES; i++) {
		struct class_listings *c = &r->classes[class_maps[i].class];

		for (size_t k = 0; k < c->n; k++) {
			table_close(&c->list[k].table);
			free(c->list[k].broken);
		}
		free(c->list);
	}
	hash_free(&r->found, free);
	free(r);
	*rp = NULL;
}

/* ---- What was found lately -------------------------------------------------------------------- */

static bool
found_lately(struct recipients *r, struct str key)
{
	struct found *f = hash_get(r->found, key);

	if (f && f->until > fiber_now())
		return true;
	if (f)
		free(hash_del(r->found, key));
	return false;
}

static void
found_now(struct recipients *r, struct str key)
{
	struct found *f = MEM_NEW(struct found);

	if (hash_count(r->found) >= FOUND_MAX) {
		hash_free(&r->found, free);
		r->found = hash_new();
	}
	f->until = fiber_after(FOUND_MS);
	free(hash_put(r->found, key, f));
}

/* ---- Look-ups --------------------------------------------------------------------------------- */

struct keys {
	struct str keys[KEYS_MAX];
	size_t n;
};

static void
add_key(struct keys *k, struct str key)
{
	for (size_t i = 0; i < k->n; i++)
		if (str_eq(k->keys[i], key))
			return;
	if (k->n < KEYS_MAX)
		k->keys[k->n++] = key;
}

/* User names only; or addresses, then (local class) user names, then the whole domain. */
static void
keys_for(const struct recipients *r, enum route_class class, const struct mail_address *to,
    bool names, struct arena *a, struct keys *k)
{
	struct route_local_keys local = {0};

	k->n = 0;
	if (class == ROUTE_LOCAL)
		route_local_keys(r->conf, to, a, &local);
	if (!names) {
		struct str extension,
		    user = address_without_extension(
			to->local, conf_str(r->conf, P_recipient_delimiter), &extension);

		add_key(k, address_internal(to, a));
		add_key(k, arena_printf(a, "%.*s@%.*s", STR_ARG(user), STR_ARG(to->domain)));
		if (local.n > 0)
			add_key(k, local.keys[local.n - 1]);
		add_key(k, arena_printf(a, "@%.*s", STR_ARG(to->domain)));
		return;
	}
	for (size_t i = 0; i < local.n; i++)
		add_key(k, local.keys[i]);
}

static enum table_status
look_up(struct recipients *r, enum route_class class, const struct mail_address *to,
    struct arena *a, struct buf *why)
{
	const struct class_listings *c = &r->classes[class];
	struct buf value = {0};
	enum table_status status = TABLE_NOT_FOUND;

	for (size_t i = 0; i < c->n && status == TABLE_NOT_FOUND; i++) {
		struct keys k;

		if (!c->list[i].table) {
			buf_puts(why, c->list[i].broken);
			status = TABLE_ERROR;
			break;
		}
		keys_for(r, class, to, c->list[i].names, a, &k);
		for (size_t j = 0; j < k.n && status == TABLE_NOT_FOUND; j++) {
			buf_reset(&value);
			status = table_lookup(c->list[i].table, k.keys[j], &value, why);
		}
	}
	buf_free(&value);
	return status;
}

enum table_status
recipients_listed(
    struct recipients *r, enum route_class class, const struct mail_address *to, struct buf *why)
{
	struct buf key = {0};
	enum table_status status = TABLE_FOUND;
	struct arena *a;

	/* RFC 5321 section 4.5.1: postmaster is always there. */
	if (class == ROUTE_LOCAL && str_eq_nocase(to->local, STR("postmaster")))
		return TABLE_FOUND;
	/* A class that nobody lists has every user; virtual aliases exist in their table alone. */
	if (class == ROUTE_DEFAULT || (r->classes[class].n == 0 && class != ROUTE_VIRTUAL_ALIAS))
		return TABLE_FOUND;
	buf_printf(&key, "%u %.*s@%.*s", (unsigned)class, STR_ARG(to->local), STR_ARG(to->domain));
	if (!found_lately(r, buf_view(&key))) {
		a = arena_new(0);
		status = look_up(r, class, to, a, why);
		arena_free(&a);
		if (status == TABLE_FOUND)
			found_now(r, buf_view(&key));
	}
	buf_free(&key);
	return status;
}
