/*
 * nexthop - see nexthop.h
 */
#include "smtp/nexthop.h"

#define IPV6_TAG STR("IPv6:")

/* What follows the host: nothing, or ":port". */
static bool
take_port(const struct settings *st, struct str rest, struct nexthop *hop, struct buf *why)
{
	hop->port = st->default_port;
	hop->default_port = rest.len == 0;
	if (rest.len == 0)
		return true;
	if (rest.data[0] == ':' && settings_port(str_from(rest, 1), &hop->port))
		return true;
	buf_printf(why, "bad port in next hop \"%.*s\"", STR_ARG(hop->text));
	return false;
}

static bool
bracketed(const struct settings *st, struct str text, struct nexthop *hop, struct buf *why)
{
	size_t close = str_chr(text, ']');

	if (close == STR_NPOS) {
		buf_printf(why, "missing \"]\" in next hop \"%.*s\"", STR_ARG(hop->text));
		return false;
	}
	hop->host = str_sub(text, 1, close - 1);
	if (str_starts_nocase(hop->host, IPV6_TAG))
		hop->host = str_from(hop->host, IPV6_TAG.len);
	return take_port(st, str_from(text, close + 1), hop, why);
}

static bool
plain(const struct settings *st, struct str text, struct nexthop *hop, struct buf *why)
{
	size_t colon = str_chr(text, ':');

	hop->mx = !st->lmtp;
	hop->host = str_sub(text, 0, colon);
	return take_port(st, colon == STR_NPOS ? STR_EMPTY : str_from(text, colon), hop, why);
}

bool
nexthop_parse(const struct settings *st, struct str text, struct nexthop *hop, struct buf *why)
{
	bool ok = true;

	*hop = (struct nexthop){.text = text};
	if (str_starts(text, STR("unix:"))) {
		hop->unix_socket = true;
		hop->host = str_from(text, 5);
	} else {
		if (str_starts(text, STR("inet:")))
			text = str_from(text, 5);
		ok = text.len > 0 && text.data[0] == '[' ? bracketed(st, text, hop, why)
							 : plain(st, text, hop, why);
	}
	if (ok && hop->host.len == 0) {
		buf_printf(why, "no host in next hop \"%.*s\"", STR_ARG(hop->text));
		ok = false;
	}
	return ok;
}
