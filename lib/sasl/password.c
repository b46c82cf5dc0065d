/*
 * password - who to log in as: smtp_sasl_password_maps
 *
 * What is looked up are addresses and names that strangers may have chosen; what is found is secret, and
 * wiped where it was only passing.
 */
#include "lib/sasl/password.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/table/maps.h"

struct sasl_passwords {
	char *param;
	char *delimiter;           /* between name and password */
	char *extension_delimiter; /* recipient_delimiter: any of these */
	bool by_sender;
	struct table_maps maps;
};

static struct str
value_of(const struct conf *conf, const char *prefix, const char *suffix)
{
	struct str value = STR_EMPTY;
	struct buf full = {0};

	buf_printf(&full, "%s_%s", prefix, suffix);
	conf_lookup(conf, buf_view(&full), &value);
	buf_free(&full);
	return value;
}

struct sasl_passwords *
sasl_passwords_new(const struct conf *conf, const char *prefix, struct table_paths *paths)
{
	struct sasl_passwords *p = MEM_NEW(struct sasl_passwords);
	struct buf param = {0};

	buf_printf(&param, "%s_sasl_password_maps", prefix);
	p->param = buf_take(&param);
	p->delimiter = str_dup(value_of(conf, prefix, "sasl_password_result_delimiter"));
	p->extension_delimiter = mem_strdup(conf_cstr(conf, P_recipient_delimiter));
	p->by_sender =
	    str_eq(value_of(conf, prefix, "sender_dependent_authentication"), STR("yes"));
	table_maps_preload(&p->maps, value_of(conf, prefix, "sasl_password_maps"), p->param, paths);
	return p;
}

void
sasl_passwords_free(struct sasl_passwords **p)
{
	if (!*p)
		return;
	table_maps_close(&(*p)->maps);
	free((*p)->param);
	free((*p)->delimiter);
	free((*p)->extension_delimiter);
	free(*p);
	*p = NULL;
}

/* --- Search ---------------------------------------------------------------------------------- */

static enum table_status
look_up(struct sasl_passwords *p, struct str key, bool whole, struct buf *value, struct buf *why)
{
	if (key.len == 0)
		return TABLE_NOT_FOUND;
	return table_maps_lookup(&p->maps, key, whole, value, why);
}

/* user+extension@domain, user@domain, @domain */
static enum table_status
by_sender(struct sasl_passwords *p, struct str sender, struct buf *value, struct buf *why)
{
	enum table_status status = look_up(p, sender, true, value, why);
	size_t at = str_rchr(sender, '@'), plus = STR_NPOS;
	struct buf key = {0};

	if (status != TABLE_NOT_FOUND || at == STR_NPOS)
		return status;
	for (const char *d = p->extension_delimiter; *d && plus == STR_NPOS; d++)
		plus = str_chr(str_sub(sender, 0, at), *d);
	if (plus != STR_NPOS && plus > 0) {
		buf_str(&key, str_sub(sender, 0, plus));
		buf_str(&key, str_from(sender, at));
		status = look_up(p, buf_view(&key), false, value, why);
	}
	if (status == TABLE_NOT_FOUND)
		status = look_up(p, str_from(sender, at), false, value, why);
	buf_free(&key);
	return status;
}

/* An entry without a name or a password would be a login that fails, and at some servers one that counts. */
static bool
split(const struct sasl_passwords *p, struct str key, struct str value,
    struct sasl_account *account, struct buf *why)
{
	struct str delimiter = str_c(p->delimiter);
	size_t end = delimiter.len > 0 ? str_find(value, delimiter) : STR_NPOS;

	sasl_account_clear(account);
	buf_reserve(&account->user, value.len + 1);
	buf_reserve(&account->password, value.len + 1);
	buf_str(&account->user, str_sub(value, 0, end));
	if (end != STR_NPOS)
		buf_str(&account->password, str_from(value, end + delimiter.len));
	if (account->user.len > 0 && account->password.len > 0)
		return true;
	buf_printf(why, "%s: the entry for %.*s has no %s: \"user%spassword\" is needed", p->param,
	    STR_ARG(key), account->user.len > 0 ? "password" : "user", p->delimiter);
	sasl_account_clear(account);
	return false;
}

enum table_status
sasl_passwords_find(struct sasl_passwords *p, struct str sender, struct str host,
    struct str nexthop, struct sasl_account *account, struct buf *why)
{
	enum table_status status = TABLE_NOT_FOUND;
	struct str key = sender;
	struct buf value = {0};

	buf_reserve(&value, 1024);
	if (p->by_sender && sender.len > 0)
		status = by_sender(p, sender, &value, why);
	if (status == TABLE_NOT_FOUND) {
		key = host;
		status = look_up(p, key, true, &value, why);
	}
	if (status == TABLE_NOT_FOUND) {
		key = nexthop;
		status = look_up(p, key, true, &value, why);
	}
	if (status == TABLE_FOUND && !split(p, key, buf_view(&value), account, why))
		status = TABLE_ERROR;
	buf_wipe(&value);
	return status;
}
