/*
 * server - see server.h
 */
#include "smtp/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "smtp/failure.h"

static bool
unix_server(const struct settings *st, const struct nexthop *hop, struct arena *a,
    struct server *server, struct failure *f)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&server->sa;

	if (hop->host.len >= sizeof(un->sun_path) || memchr(hop->host.data, 0, hop->host.len)) {
		failure_local(f, a, NULL, "4.3.5", "path too long: %.*s", STR_ARG(hop->text));
		return false;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, hop->host.data, hop->host.len);
	server->sa_len = sizeof(*un);
	server->name = st->my_name;
	server->address = hop->host;
	return true;
}

/* HOST as a numeric address. */
static bool
literal(struct arena *a, const struct nexthop *hop, struct server *server)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&server->sa;
	struct sockaddr_in *four = (struct sockaddr_in *)&server->sa;
	const char *text = arena_cstr(a, hop->host);

	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)hop->port);
		server->sa_len = sizeof(*four);
	} else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)hop->port);
		server->sa_len = sizeof(*six);
	} else {
		return false;
	}
	server->name = server->address = hop->host;
	server->port = hop->port;
	return true;
}

static void
name_server(struct arena *a, struct server *s)
{
	s->peer = arena_printf(a, "%.*s[%.*s]", STR_ARG(s->name), STR_ARG(s->address));
	s->relay = s->port > 0 ? arena_printf(a, "%.*s:%u", STR_ARG(s->peer), s->port) : s->peer;
}

bool
servers_find(const struct settings *st, const struct nexthop *hop, struct arena *a,
    struct servers *servers, struct failure *f)
{
	servers->list = arena_array(a, 1, sizeof(*servers->list));
	servers->n = 1;
	if (hop->unix_socket ? unix_server(st, hop, a, servers->list, f)
			     : !hop->mx && literal(a, hop, servers->list)) {
		name_server(a, servers->list);
		return true;
	}
	if (hop->unix_socket)
		return false;
	failure_local(f, a, NULL, "4.4.3", "Host or domain name not found: %.*s is no address",
	    STR_ARG(hop->host));
	f->unreachable = true;
	return false;
}
