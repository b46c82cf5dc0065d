/* plan_bind - opening the inet sockets of a plan, for good or to see whether they are free. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/io.h"
#include "lib/service/plan.h"

/*
 * Connections inherit TCP_NODELAY from here. Replies are gathered in a buffer already; waiting in the
 * kernel for the client's acknowledgment, which is itself put off, holds up who pipelines by 40 ms.
 */
int
plan_bind(const struct plan_socket *s)
{
	int fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, saved;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    (s->address.ss_family != AF_INET6 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)&s->address, s->address_len) == 0 &&
	    listen(fd, SOMAXCONN) == 0)
		return fd;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return -1;
}

bool
plan_bind_failed(const struct plan *plan, const struct plan_service *s,
    const struct plan_socket *socket, int error, struct conf_problems *problems)
{
	const char *reason = strerror(error);
	/* A machine without IPv6 is no error when nobody asked for it by name. */
	bool skip = socket->optional &&
	    (error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT);

	if (error == EADDRINUSE)
		reason =
		    "the address is in use: another mail system listens there, or a second one "
		    "of this";
	else if (error == EADDRNOTAVAIL)
		reason = "this machine does not have the address";
	else if (error == EACCES && socket->kind == PLAN_INET)
		reason = "permission denied: a port below 1024 is for a suite that root starts";
	else if (error == ENOTSOCK)
		reason = "a file that is no socket is in the way: remove it";
	conf_problem(problems, skip ? CONF_NOTE : CONF_ERROR, plan->file, s->entry->line,
	    "service %s: cannot listen on %s: %s", s->entry->name, socket->name, reason);
	return !skip;
}

void
plan_probe(const struct plan *plan, struct conf_problems *problems)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_service *s = &plan->services[i];

		for (size_t j = 0; j < s->n_sockets; j++) {
			int fd;

			if (s->sockets[j].kind != PLAN_INET)
				continue;
			fd = plan_bind(&s->sockets[j]);
			if (fd < 0)
				plan_bind_failed(plan, s, &s->sockets[j], errno, problems);
			io_close(&fd);
		}
	}
}
