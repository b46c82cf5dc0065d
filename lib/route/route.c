/*
 * route - transport and next hop of a recipient
 *
 * Called by qmgr for every activation of a message: what is compiled is kept, the rest is look-ups. The
 * recipient is a stranger's and has been checked by lib/mail; it never chooses a transport itself.
 */
#include "lib/route/route_private.h"

#define VIRTUAL_ALIAS_UNKNOWN "5.1.1 User unknown in virtual alias table"

static struct str
lower(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = s.data[i] >= 'A' && s.data[i] <= 'Z' ? (char)(s.data[i] - 'A' + 'a')
							       : s.data[i];
	return str_n(copy, s.len);
}

/* "transport:nexthop" or "transport"; false when there is no transport. */
static bool
split_transport(struct str value, struct str *transport, struct str *nexthop)
{
	size_t colon = str_chr(value, ':');

	*transport = str_trim(str_sub(value, 0, colon));
	*nexthop = colon == STR_NPOS ? STR_EMPTY : str_trim(str_from(value, colon + 1));
	return transport->len > 0;
}

/* What the class's parameter says; relayhost stands in for the recipient's domain on the way out. */
static bool
by_class(const struct conf *conf, enum route_class class, struct str domain, struct route *r,
    struct buf *why)
{
	static const struct {
		enum param param;
		const char *name;
	} params[] = {
	    [ROUTE_LOCAL] = {P_local_transport, "local_transport"},
	    [ROUTE_VIRTUAL_MAILBOX] = {P_virtual_transport, "virtual_transport"},
	    [ROUTE_RELAY] = {P_relay_transport, "relay_transport"},
	    [ROUTE_DEFAULT] = {P_default_transport, "default_transport"},
	};
	struct str relayhost = conf_str(conf, P_relayhost), nexthop;

	if (class == ROUTE_VIRTUAL_ALIAS) {
		r->transport = STR("error");
		r->nexthop = STR(VIRTUAL_ALIAS_UNKNOWN);
		return true;
	}
	r->nexthop = domain;
	if (relayhost.len > 0 && (class == ROUTE_RELAY || class == ROUTE_DEFAULT))
		r->nexthop = relayhost;
	if (!split_transport(conf_str(conf, params[class].param), &r->transport, &nexthop)) {
		buf_printf(why, "%s names no transport", params[class].name);
		return false;
	}
	if (nexthop.len > 0)
		r->nexthop = nexthop;
	return true;
}

/* An entry of transport_maps over what the class says: transport(5), "RESULT FORMAT". */
static void
by_entry(struct str value, struct str domain, struct route *r)
{
	struct str transport, nexthop;

	if (!split_transport(value, &transport, &nexthop)) {
		if (nexthop.len > 0)
			r->nexthop = nexthop;
		return;
	}
	r->transport = transport;
	if (nexthop.len > 0)
		r->nexthop = nexthop;
	else if (str_eq(transport, STR("error")) || str_eq(transport, STR("retry")))
		r->nexthop = STR("Address is undeliverable");
	else
		r->nexthop = domain;
}

static enum route_status
by_transport_maps(const struct conf *conf, const struct mail_address *recipient, struct str domain,
    struct arena *a, struct route *r, struct buf *why)
{
	struct buf value = {0};
	enum route_status status =
	    route_transport_lookup(route_compiled(conf), recipient, &value, why);

	if (status == ROUTE_OK)
		by_entry(arena_str(a, str_trim(buf_view(&value))), domain, r);
	buf_free(&value);
	return status == ROUTE_DEFER ? ROUTE_DEFER : ROUTE_OK;
}

enum route_status
route_resolve(const struct conf *conf, const struct mail_address *recipient, struct arena *a,
    struct route *route, struct buf *why)
{
	struct route r = {.transport = STR_EMPTY, .nexthop = STR_EMPTY, .destination = STR_EMPTY};
	struct str domain = lower(a, recipient->domain), user;

	if (address_is_null(recipient)) {
		buf_puts(why, "5.1.3 null recipient address");
		return ROUTE_FAIL;
	}
	if (domain.len == 0)
		domain = conf_str(conf, P_myhostname);
	if (route_class_of(conf, recipient->domain, &r.class, NULL, why) != ROUTE_OK ||
	    !by_class(conf, r.class, domain, &r, why))
		return ROUTE_DEFER;
	if (r.class != ROUTE_VIRTUAL_ALIAS &&
	    by_transport_maps(conf, recipient, domain, a, &r, why) != ROUTE_OK)
		return ROUTE_DEFER;
	r.destination = r.nexthop;
	if (str_eq(r.transport, STR("local"))) {
		user = address_without_extension(
		    recipient->local, conf_str(conf, P_recipient_delimiter), NULL);
		r.destination = lower(a, user);
	}
	*route = r;
	return ROUTE_OK;
}

void
route_local_keys(const struct conf *conf, const struct mail_address *recipient, struct arena *a,
    struct route_local_keys *keys)
{
	struct str local = lower(a, recipient->local);
	struct str user =
	    address_without_extension(local, conf_str(conf, P_recipient_delimiter), NULL);

	keys->keys[0] = local;
	keys->n = 1;
	if (user.len < local.len)
		keys->keys[keys->n++] = user;
	if (str_eq(user, STR("postmaster")))
		keys->keys[keys->n++] = STR("root");
}
