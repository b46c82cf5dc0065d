/*
 * route - transport and next hop of a recipient
 *
 * Called by qmgr for every activation of a message: what is compiled is kept, the rest is look-ups. The
 * recipient is a stranger's and has been checked by lib/mail; it never chooses a transport itself.
 */
#include "lib/route/route_private.h"

#define VIRTUAL_ALIAS_UNKNOWN "5.1.1 User unknown in virtual alias table"
#define VIRTUAL_ALIAS_WAITS "4.3.5 virtual_alias_maps: aliases are not expanded yet"

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

/* A view in A of what WHICH says for SENDER; empty when that is nothing. */
static bool
by_sender(const struct conf *conf, enum route_maps_of which, struct str sender, struct arena *a,
    struct str *found, struct buf *why)
{
	static const enum param null_keys[ROUTE_MAPS] = {
	    [ROUTE_SENDER_RELAYHOST_MAPS] = P_empty_address_relayhost_maps_lookup_key,
	    [ROUTE_SENDER_TRANSPORT_MAPS] = P_empty_address_default_transport_maps_lookup_key,
	};
	struct buf value = {0};
	enum route_status status = route_sender_lookup(
	    route_compiled(conf), which, sender, conf_str(conf, null_keys[which]), &value, why);

	*found = status == ROUTE_OK ? arena_str(a, str_trim(buf_view(&value))) : STR_EMPTY;
	buf_free(&value);
	return status != ROUTE_DEFER;
}

/* The transport of a class, "transport" or "transport:nexthop", and which parameter says so. */
static bool
transport_of(const struct conf *conf, enum route_class class, struct str sender, struct arena *a,
    struct str *value, const char **param, struct buf *why)
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

	*param = "sender_dependent_default_transport_maps";
	*value = STR_EMPTY;
	if (class == ROUTE_DEFAULT &&
	    !by_sender(conf, ROUTE_SENDER_TRANSPORT_MAPS, sender, a, value, why))
		return false;
	if (value->len == 0) {
		*param = params[class].name;
		*value = conf_str(conf, params[class].param);
	}
	return true;
}

/* What stands in for the recipient's domain on the way out, if anything does. */
static bool
relayhost(
    const struct conf *conf, struct str sender, struct arena *a, struct str *host, struct buf *why)
{
	if (!by_sender(conf, ROUTE_SENDER_RELAYHOST_MAPS, sender, a, host, why))
		return false;
	if (host->len == 0)
		*host = str_trim(conf_str(conf, P_relayhost));
	return true;
}

/* What the class's parameters say. */
static bool
by_class(const struct conf *conf, struct str sender, struct str domain, struct arena *a,
    struct route *r, struct buf *why)
{
	struct str value, nexthop, relay = STR_EMPTY;
	const char *param;

	if (r->class == ROUTE_VIRTUAL_ALIAS) {
		/* The address may well be in the table: that is no reason to return its mail. */
		bool maps = conf_str(conf, P_virtual_alias_maps).len > 0;

		r->transport = maps ? STR("retry") : STR("error");
		r->nexthop = maps ? STR(VIRTUAL_ALIAS_WAITS) : STR(VIRTUAL_ALIAS_UNKNOWN);
		return true;
	}
	if (!transport_of(conf, r->class, sender, a, &value, &param, why))
		return false;
	if (!split_transport(value, &r->transport, &nexthop)) {
		buf_printf(why, "%s names no transport", param);
		return false;
	}
	if (nexthop.len == 0 && (r->class == ROUTE_RELAY || r->class == ROUTE_DEFAULT) &&
	    !relayhost(conf, sender, a, &relay, why))
		return false;
	r->nexthop = nexthop.len > 0 ? nexthop : relay.len > 0 ? relay : domain;
	return true;
}

static bool
is_error(struct str transport)
{
	return str_eq(transport, STR("error")) || str_eq(transport, STR("retry"));
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
	else if (is_error(transport))
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

/* Host names do not differ by case; paths of sockets and texts for people do. */
static struct str
destination_of(const struct conf *conf, const struct route *r, const struct mail_address *recipient,
    struct arena *a)
{
	if (str_eq(r->transport, STR("local")))
		return lower(a,
		    address_without_extension(
			recipient->local, conf_str(conf, P_recipient_delimiter), NULL));
	if (is_error(r->transport) || str_chr(r->nexthop, '/') != STR_NPOS)
		return r->nexthop;
	return lower(a, r->nexthop);
}

enum route_status
route_resolve(const struct conf *conf, struct str sender, const struct mail_address *recipient,
    struct arena *a, struct route *route, struct buf *why)
{
	struct route r = {.transport = STR_EMPTY, .nexthop = STR_EMPTY, .destination = STR_EMPTY};
	struct str domain = lower(a, recipient->domain);

	if (address_is_null(recipient)) {
		buf_puts(why, "5.1.3 null recipient address");
		return ROUTE_FAIL;
	}
	if (domain.len == 0)
		domain = conf_str(conf, P_myhostname);
	if (route_class_of(conf, recipient->domain, &r.class, NULL, why) != ROUTE_OK ||
	    !by_class(conf, sender, domain, a, &r, why))
		return ROUTE_DEFER;
	if (r.class != ROUTE_VIRTUAL_ALIAS &&
	    by_transport_maps(conf, recipient, domain, a, &r, why) != ROUTE_OK)
		return ROUTE_DEFER;
	r.destination = destination_of(conf, &r, recipient, a);
	*route = r;
	return ROUTE_OK;
}

bool
route_via(const struct conf *conf, struct str value, struct str nexthop,
    const struct mail_address *recipient, struct arena *a, struct route *route)
{
	struct route r = {.class = ROUTE_DEFAULT};

	if (!split_transport(value, &r.transport, &r.nexthop))
		return false;
	if (r.nexthop.len == 0)
		r.nexthop = nexthop;
	r.destination = destination_of(conf, &r, recipient, a);
	*route = r;
	return true;
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
