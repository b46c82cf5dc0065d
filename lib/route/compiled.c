/*
 * compiled - the lists and tables of one configuration snapshot
 *
 * Kept in one place per process, by snapshot: a process has one, or during a reload two.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/mem.h"
#include "lib/route/route_private.h"

static struct route_cache {
	struct route_compiled *first;
	char *
	    interfaces; /* addresses of this machine, as add_interfaces() has read them last; or NULL */
} cache;

/* --- Domain lists --------------------------------------------------------------------------- */

static const struct {
	enum param param;
	const char *name;
	enum match_kind kind;
} list_params[ROUTE_LISTS] = {
    [ROUTE_LOCAL] = {P_mydestination, "mydestination", MATCH_STRING},
    [ROUTE_VIRTUAL_ALIAS] = {P_virtual_alias_domains, "virtual_alias_domains", MATCH_STRING},
    [ROUTE_VIRTUAL_MAILBOX] = {P_virtual_mailbox_domains, "virtual_mailbox_domains", MATCH_STRING},
    [ROUTE_RELAY] = {P_relay_domains, "relay_domains", MATCH_DOMAIN},
};

/* Does parent_domain_matches_subdomains name the parameter? */
static bool
parent_matches(const struct conf *conf, const char *param)
{
	struct str rest = conf_str(conf, P_parent_domain_matches_subdomains), item;

	while (conf_list_next(&rest, &item))
		if (str_eq_nocase(item, str_c(param)))
			return true;
	return false;
}

static void
compile_lists(struct route_compiled *rc, bool confined)
{
	for (size_t i = 0; i < ROUTE_LISTS; i++) {
		struct route_list *l = &rc->lists[i];
		struct buf why = {0};

		l->param = list_params[i].name;
		l->list =
		    match_list_new_for(list_params[i].kind, parent_matches(rc->conf, l->param),
			conf_str(rc->conf, list_params[i].param), l->param, confined, &why);
		if (!l->list)
			buf_printf(&l->broken, "%s: %s", l->param, buf_cstr(&why));
		buf_free(&why);
	}
}

/* --- Tables --------------------------------------------------------------------------------- */

static const struct {
	enum param param;
	const char *name;
} maps_params[ROUTE_MAPS] = {
    [ROUTE_TRANSPORT_MAPS] = {P_transport_maps, "transport_maps"},
    [ROUTE_SENDER_RELAYHOST_MAPS] = {P_sender_dependent_relayhost_maps,
	"sender_dependent_relayhost_maps"},
    [ROUTE_SENDER_TRANSPORT_MAPS] = {P_sender_dependent_default_transport_maps,
	"sender_dependent_default_transport_maps"},
};

/* --- Own addresses -------------------------------------------------------------------------- */

/* Appends the address of SA to the list in TEXT. */
static void
add_address(const struct sockaddr *sa, struct buf *text)
{
	socklen_t len =
	    sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	char host[NI_MAXHOST];
	size_t n;

	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return;
	if (getnameinfo(sa, len, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
		return;
	/* A link-local address comes with its interface: "fe80::1%eth0". */
	n = strcspn(host, "%");
	buf_printf(text, sa->sa_family == AF_INET ? "%.*s " : "[%.*s] ", (int)n, host);
}

/* A confined process that reads its configuration again cannot ask the kernel: it has what it read before. */
static bool
add_interfaces(bool loopback_only, struct buf *text, struct buf *why)
{
	size_t before = text->len;
	struct ifaddrs *all;

	if (loopback_only) {
		buf_puts(text, "127.0.0.1 [::1] ");
		return true;
	}
	if (getifaddrs(&all) < 0) {
		if (cache.interfaces) {
			buf_puts(text, cache.interfaces);
			return true;
		}
		buf_printf(why, "the addresses of this machine: %s", strerror(errno));
		return false;
	}
	for (struct ifaddrs *i = all; i; i = i->ifa_next)
		if (i->ifa_addr)
			add_address(i->ifa_addr, text);
	freeifaddrs(all);
	free(cache.interfaces);
	cache.interfaces = str_dup(str_from(buf_view(text), before));
	return true;
}

/* One word of inet_interfaces or proxy_interfaces. */
static bool
add_word(struct str word, struct buf *text, struct buf *why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	struct buf host = {0};
	int error;

	if (str_eq_nocase(word, STR("all")))
		return add_interfaces(false, text, why);
	if (str_eq_nocase(word, STR("loopback-only")))
		return add_interfaces(true, text, why);
	if (word.len > 2 && word.data[0] == '[' && word.data[word.len - 1] == ']')
		word = str_sub(word, 1, word.len - 2);
	buf_str(&host, word);
	error = getaddrinfo(buf_cstr(&host), NULL, &hints, &found);
	buf_free(&host);
	if (error != 0) {
		buf_printf(why, "\"%.*s\": %s", STR_ARG(word), gai_strerror(error));
		return false;
	}
	for (struct addrinfo *i = found; i; i = i->ai_next)
		add_address(i->ai_addr, text);
	freeaddrinfo(found);
	return true;
}

static bool
is_local(struct str address)
{
	return str_starts(address, STR("127.")) || str_eq(address, STR("[::1]")) ||
	    str_starts(address, STR("[fe80:"));
}

bool
route_only_address(const struct conf *conf, int family, struct buf *out)
{
	struct str rest = conf_str(conf, P_inet_interfaces), word, only = STR_EMPTY;
	struct buf text = {0}, why = {0};
	bool known = true;
	size_t n = 0;

	while (known && conf_list_next(&rest, &word))
		known = !str_eq_nocase(word, STR("all")) && add_word(word, &text, &why);
	rest = buf_view(&text);
	while (str_token(&rest, " ", &word))
		if ((word.data[0] == '[') == (family == AF_INET6)) {
			only = word;
			n++;
		}
	known = known && n == 1 && !is_local(only);
	if (known)
		buf_str(out, family == AF_INET6 ? str_sub(only, 1, only.len - 2) : only);
	buf_free(&text);
	buf_free(&why);
	return known;
}

struct match_list *
route_own_addresses(const struct conf *conf, struct buf *why)
{
	static const enum param params[] = {P_inet_interfaces, P_proxy_interfaces};
	struct match_list *list = NULL;
	struct buf text = {0}, cause = {0};
	bool ok = true;

	for (size_t i = 0; i < 2; i++) {
		struct str rest = conf_str(conf, params[i]), word;

		while (ok && conf_list_next(&rest, &word))
			ok = add_word(word, &text, &cause);
	}
	if (ok)
		list = match_list_new(MATCH_ADDRESS, false, buf_view(&text), &cause);
	if (!list)
		buf_printf(why, "inet_interfaces: %s", buf_cstr(&cause));
	buf_free(&text);
	buf_free(&cause);
	return list;
}

/* --- The cache ------------------------------------------------------------------------------ */

static struct route_compiled *
compile(const struct conf *conf, bool confined)
{
	struct route_compiled *rc = MEM_NEW(struct route_compiled);

	rc->conf = conf;
	compile_lists(rc, confined);
	for (enum route_maps_of m = 0; m < ROUTE_MAPS; m++)
		table_maps_open(&rc->maps[m], conf_str(conf, maps_params[m].param),
		    maps_params[m].name, confined);
	rc->addresses = route_own_addresses(conf, &rc->addresses_broken);
	rc->next = cache.first;
	cache.first = rc;
	return rc;
}

static struct route_compiled *
find(const struct conf *conf)
{
	struct route_compiled *rc = cache.first;

	while (rc && rc->conf != conf)
		rc = rc->next;
	return rc;
}

struct route_compiled *
route_compiled(const struct conf *conf)
{
	struct route_compiled *rc = find(conf);

	return rc ? rc : compile(conf, false);
}

bool
route_prepare(const struct conf *conf, bool confined, struct buf *why)
{
	struct route_compiled *rc;
	const struct buf *broken;

	route_forget(conf);
	rc = compile(conf, confined);
	broken = &rc->addresses_broken;
	for (size_t i = 0; i < ROUTE_MAPS; i++)
		if (rc->maps[i].broken.len > 0)
			broken = &rc->maps[i].broken;
	for (size_t i = 0; i < ROUTE_LISTS; i++)
		if (rc->lists[i].broken.len > 0)
			broken = &rc->lists[i].broken;
	buf_str(why, buf_view(broken));
	return broken->len == 0;
}

void
route_forget(const struct conf *conf)
{
	struct route_compiled **link = &cache.first, *rc;

	while (*link && (*link)->conf != conf)
		link = &(*link)->next;
	rc = *link;
	if (!rc)
		return;
	*link = rc->next;
	for (size_t i = 0; i < ROUTE_LISTS; i++) {
		match_list_free(&rc->lists[i].list);
		buf_free(&rc->lists[i].broken);
	}
	for (size_t i = 0; i < ROUTE_MAPS; i++)
		table_maps_close(&rc->maps[i]);
	match_list_free(&rc->addresses);
	buf_free(&rc->addresses_broken);
	free(rc);
}
