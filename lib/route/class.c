/*
 * class - which class a domain belongs to
 *
 * The domain is a stranger's word, checked by lib/mail. A list that cannot be read makes the answer
 * "later", even when a list behind it would match: nobody knows what it would have said.
 */
#include "lib/route/route_private.h"

const char *route_class_name(enum route_class class)
{
	static const char *const names[] = {
	    "local", "virtual alias", "virtual mailbox", "relay", "default"};

	return names[class];
}

enum table_status
route_own_literal(struct match_list *addresses, struct str domain, struct buf *why)
{
	struct str address;

	if (!address_is_literal(domain))
		return TABLE_NOT_FOUND;
	address = str_sub(domain, 1, domain.len - 2);
	if (str_starts_nocase(address, STR("IPv6:")))
		address = str_from(address, 5);
	return match_list_has(addresses, STR_EMPTY, address, why);
}

/* Is the literal one of our own addresses? */
static enum table_status
own_literal(struct route_compiled *rc, struct str domain, struct buf *why)
{
	if (rc->addresses)
		return route_own_literal(rc->addresses, domain, why);
	if (!address_is_literal(domain))
		return TABLE_NOT_FOUND;
	buf_str(why, buf_view(&rc->addresses_broken));
	return TABLE_ERROR;
}

static enum table_status
in_class(struct route_compiled *rc, enum route_class class, struct str domain, struct buf *why)
{
	struct route_list *l = &rc->lists[class];
	struct buf cause = {0};
	enum table_status status;

	if (!l->list) {
		buf_str(why, buf_view(&l->broken));
		return TABLE_ERROR;
	}
	status = match_list_has(l->list, domain, STR_EMPTY, &cause);
	if (status == TABLE_ERROR)
		buf_printf(why, "%s: %s", l->param, buf_cstr(&cause));
	buf_free(&cause);
	if (status == TABLE_NOT_FOUND && class == ROUTE_LOCAL)
		status = own_literal(rc, domain, why);
	return status;
}

/*
 * A domain in two classes is a mistake; but relay_domains held $mydestination by default once, so that
 * pair means nothing.
 */
static enum route_status
find_second(struct route_compiled *rc, struct str domain, enum route_class first, bool *ambiguous,
    struct buf *why)
{
	for (enum route_class c = first + 1; c < ROUTE_LISTS; c++) {
		enum table_status status;

		if (first == ROUTE_LOCAL && c == ROUTE_RELAY)
			continue;
		status = in_class(rc, c, domain, why);
		if (status == TABLE_ERROR)
			return ROUTE_DEFER;
		if (status == TABLE_FOUND) {
			*ambiguous = true;
			buf_printf(why, "%.*s stands in %s and in %s", STR_ARG(domain),
			    rc->lists[first].param, rc->lists[c].param);
			return ROUTE_OK;
		}
	}
	return ROUTE_OK;
}

enum route_status
route_class_of(const struct conf *conf, struct str domain, enum route_class *class, bool *ambiguous,
    struct buf *why)
{
	struct route_compiled *rc;

	if (ambiguous)
		*ambiguous = false;
	*class = ROUTE_LOCAL;
	if (domain.len == 0)
		return ROUTE_OK;
	rc = route_compiled(conf);
	for (enum route_class c = ROUTE_LOCAL; c < ROUTE_LISTS; c++)
		switch (in_class(rc, c, domain, why)) {
		case TABLE_FOUND:
			*class = c;
			return ambiguous ? find_second(rc, domain, c, ambiguous, why) : ROUTE_OK;
		case TABLE_ERROR:
			return ROUTE_DEFER;
		case TABLE_NOT_FOUND:
			break;
		}
	*class = ROUTE_DEFAULT;
	return ROUTE_OK;
}
