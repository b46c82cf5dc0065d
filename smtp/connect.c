/*
 * connect - see connect.h
 */
#define _GNU_SOURCE
#include "smtp/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>

#include "lib/base/log.h"

/* The address to come from, for this family. False: none is set, or it makes no sense. */
static bool
bind_address(const struct settings *st, int family, struct sockaddr_storage *sa, socklen_t *len)
{
	struct str text = family == AF_INET ? st->bind4 : st->bind6;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)sa;
	struct sockaddr_in *four = (struct sockaddr_in *)sa;
	char numeric[INET6_ADDRSTRLEN];

	if (text.len > 1 && text.data[0] == '[')
		text = str_sub(text, 1, text.len - 2);
	if (text.len == 0 || text.len >= sizeof(numeric))
		return false;
	memcpy(numeric, text.data, text.len);
	numeric[text.len] = '\0';
	memset(sa, 0, sizeof(*sa));
	sa->ss_family = (sa_family_t)family;
	*len = family == AF_INET ? sizeof(*four) : sizeof(*six);
	if (inet_pton(family, numeric,
		family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr) == 1)
		return true;
	log_warning("%.*s is no address to connect from", STR_ARG(text));
	return false;
}

/* -1 with errno only when mail is to wait for the address (smtp_bind_address_enforce). */
static int
come_from(const struct settings *st, int fd, int family)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int error;

	if (!bind_address(st, family, &sa, &len) || bind(fd, (struct sockaddr *)&sa, len) == 0)
		return 0;
	error = errno;
	log_warning("cannot connect from %.*s: %s",
	    STR_ARG(family == AF_INET ? st->bind4 : st->bind6), strerror(error));
	errno = error;
	return st->bind_enforce ? -1 : 0;
}

/*
 * After connect() said "in progress". The stream waits, which will wait for replies on the same descriptor: each
 * one who waits is five system calls. 0, or -1 with errno.
 */
static int
wait_connected(struct stream *s, int fd, fiber_deadline deadline)
{
	enum stream_status status;
	socklen_t len = sizeof(int);
	int error = 0;

	stream_deadline(s, deadline);
	status = stream_wait(s, FIBER_WRITE);
	stream_deadline(s, FIBER_FOREVER);
	if (status == STREAM_TIMEOUT)
		error = ETIMEDOUT;
	else if (status == STREAM_CANCELED)
		error = ECANCELED;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	errno = error;
	return error == 0 ? 0 : -1;
}

static int
connect_stream(const struct settings *st, const struct server *server, fiber_deadline deadline,
    struct stream *s)
{
	int fd = stream_get_fd(s), on = 1;

	if (come_from(st, fd, server->sa.ss_family) != 0)
		return -1;
	/* Commands leave in whole packets anyway; what waits for a reply must not wait. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		log_debug("TCP_NODELAY: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&server->sa, server->sa_len) == 0)
		return 0;
	return errno == EINPROGRESS ? wait_connected(s, fd, deadline) : -1;
}

struct stream *
connect_to(const struct settings *st, const struct server *server)
{
	fiber_deadline deadline = st->connect_ms > 0 ? fiber_after(st->connect_ms) : FIBER_FOREVER;
	struct stream *s;
	int fd, error;

	if (server->sa.ss_family == AF_UNIX)
		return stream_connect_unix(
		    ((const struct sockaddr_un *)&server->sa)->sun_path, deadline);
	fd = socket(server->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	s = stream_fd(fd);
	if (connect_stream(st, server, deadline, s) == 0)
		return s;
	error = errno;
	stream_close(&s);
	errno = error;
	return NULL;
}
