/*
 * plan_inet - from "host:port" and inet_interfaces to socket addresses
 *
 * Each family is listened on by itself (IPV6_V6ONLY), so that what is open is what is written down.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/service/plan_inet.h"

/* What is wanted: one line of master.cf under one configuration. */
struct inet_want {
	const char *file;
	struct plan_service *service;
	struct conf_problems *problems;
	bool v4, v6;
	uint16_t port; /* host order */
};

struct plan_socket *
plan_add_socket(struct plan_service *s)
{
	struct plan_socket *socket;

	s->sockets = mem_resize(s->sockets, (s->n_sockets + 1) * sizeof(*s->sockets));
	socket = &s->sockets[s->n_sockets++];
	memset(socket, 0, sizeof(*socket));
	return socket;
}

static bool
protocols(const struct conf *c, struct inet_want *want)
{
	struct str rest = conf_str(c, P_inet_protocols), item;

	while (conf_list_next(&rest, &item)) {
		if (str_eq_nocase(item, STR("all")))
			want->v4 = want->v6 = true;
		else if (str_eq_nocase(item, STR("ipv4")))
			want->v4 = true;
		else if (str_eq_nocase(item, STR("ipv6")))
			want->v6 = true;
	}
	return want->v4 || want->v6;
}

static void
add_address(struct inet_want *want, const struct sockaddr *sa, socklen_t len, bool optional)
{
	struct plan_socket *s;
	struct buf name = {0};
	char text[INET6_ADDRSTRLEN];

	if ((sa->sa_family == AF_INET && !want->v4) || (sa->sa_family == AF_INET6 && !want->v6))
		return;
	s = plan_add_socket(want->service);
	s->kind = PLAN_INET;
	s->optional = optional;
	s->address_len = len;
	memcpy(&s->address, sa, len);
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&s->address;

		in->sin_port = htons(want->port);
		buf_printf(&name, "inet:%s:%u",
		    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), want->port);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&s->address;

		in6->sin6_port = htons(want->port);
		buf_printf(&name, "inet:[%s]:%u",
		    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)), want->port);
	}
	s->name = buf_take(&name);
}

static void
add_any(struct inet_want *want)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};

	add_address(want, (struct sockaddr *)&in, sizeof(in), true);
	add_address(want, (struct sockaddr *)&in6, sizeof(in6), true);
}

static void
add_loopback(struct inet_want *want)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};

	add_address(want, (struct sockaddr *)&in, sizeof(in), true);
	add_address(want, (struct sockaddr *)&in6, sizeof(in6), true);
}

/* A host by name or address, with or without square brackets. */
static void
add_host(struct inet_want *want, struct str host, const char *origin)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
	size_t before = want->service->n_sockets;
	char *name;
	int error;

	if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
		host = str_sub(host, 1, host.len - 2);
	if (str_starts_nocase(host, STR("ipv6:")))
		host = str_from(host, 5);
	name = str_dup(host);
	error = getaddrinfo(name, NULL, &hints, &list);
	if (error != 0) {
		conf_problem(want->problems, CONF_ERROR, want->file, want->service->entry->line,
		    "service %s: %s in %s is no address of this machine: %s",
		    want->service->entry->name, name, origin,
		    error == EAI_NONAME ? "there is no such host" : gai_strerror(error));
		free(name);
		return;
	}
	for (struct addrinfo *a = list; a; a = a->ai_next)
		if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
			add_address(want, a->ai_addr, a->ai_addrlen, list->ai_next != NULL);
	if (want->service->n_sockets == before)
		conf_problem(want->problems, CONF_WARNING, want->file, want->service->entry->line,
		    "service %s: %s in %s has no address of the families in inet_protocols",
		    want->service->entry->name, name, origin);
	free(name);
	freeaddrinfo(list);
}

static void
add_interfaces(const struct conf *c, struct inet_want *want)
{
	struct str rest = conf_str(c, P_inet_interfaces), item;
	size_t before = want->service->n_sockets;

	while (conf_list_next(&rest, &item)) {
		if (str_eq_nocase(item, STR("all")))
			add_any(want);
		else if (str_eq_nocase(item, STR("loopback-only")))
			add_loopback(want);
		else
			add_host(want, item, "inet_interfaces");
	}
	if (want->service->n_sockets == before && want->problems->errors == 0)
		conf_problem(want->problems, CONF_ERROR, want->file, want->service->entry->line,
		    "service %s listens nowhere: inet_interfaces and inet_protocols leave no "
		    "address",
		    want->service->entry->name);
}

static bool
parse_port(struct str text, uint16_t *port)
{
	struct servent *known;
	uint64_t n;
	char *name;

	if (str_to_u64(text, 65535, &n)) {
		*port = (uint16_t)n;
		return n > 0;
	}
	name = str_dup(text);
	known = getservbyname(name, "tcp");
	free(name);
	if (!known)
		return false;
	*port = ntohs((uint16_t)known->s_port);
	return true;
}

void
plan_inet(
    const struct conf *c, const char *file, struct plan_service *s, struct conf_problems *problems)
{
	struct inet_want want = {.file = file, .service = s, .problems = problems};
	struct str name = str_c(s->entry->name), host = STR_EMPTY, port = name;
	size_t colon = str_rchr(name, ':'), bracket = str_rchr(name, ']');

	if (colon != STR_NPOS && (bracket == STR_NPOS || colon > bracket)) {
		host = str_sub(name, 0, colon);
		port = str_from(name, colon + 1);
	}
	if (!protocols(c, &want)) {
		conf_problem(problems, CONF_ERROR, file, s->entry->line,
		    "service %s: inet_protocols must be all, ipv4 or ipv6", s->entry->name);
		return;
	}
	if (!parse_port(port, &want.port)) {
		conf_problem(problems, CONF_ERROR, file, s->entry->line,
		    "service %s: \"%.*s\" is neither a port (1 to 65535) nor a name in "
		    "/etc/services; "
		    "write PORT, HOST:PORT or [ADDRESS]:PORT",
		    s->entry->name, STR_ARG(port));
		return;
	}
	if (host.len > 0)
		add_host(&want, host, "its name");
	else
		add_interfaces(c, &want);
}
