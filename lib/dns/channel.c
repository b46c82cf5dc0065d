/*
 * channel - c-ares on fibers: bytes to one server, bytes back
 *
 * c-ares does what is the same for all questions: sockets, matching of answers to questions, time limit, TCP
 * after a truncated answer. It is told of one server and one try; which server is asked when is resolver.c's.
 * Each of its sockets has a fiber that waits for input and, while there is something to send, one that waits
 * for room; the time limit is kept by the fibers that ask. Its callbacks only note what happened.
 *
 * A remote server gets a few channels, each question the least used of them: c-ares closes its socket when
 * nothing is under way, so most questions go out from a port of their own, which is hard to guess.
 */
#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/dns/internal.h"

#define EDNS_SIZE 1232
#define CHANNELS_REMOTE 4
/*
 * A socket's buffer holds some hundred datagrams. So many questions may be out that were sent less than
 * FRESH_MS ago; the next one waits for an answer to one of them, or until one is older.
 */
#define PACE 50
#define FRESH_MS 100

/* c-ares with its sockets. */
struct lane {
	ares_channel ares;
	struct list sockets;
	unsigned load;
	unsigned fresh; /* questions just sent; see PACE */
	struct fiber_waitq turn;
	uint32_t zone; /* the interface of a link-local address; 0: none */
	bool no_edns;  /* the server has said that it does not understand EDNS */
};

struct dns_channel {
	struct lane lanes[CHANNELS_REMOTE];
	size_t n;
};

struct lane_socket {
	struct list_link link;
	struct lane *lane;
	int fd;
	struct fiber_fd *ffd;
	struct fiber *reader, *writer;
	bool write_wanted;
	bool closed; /* c-ares has done with it; the last fiber closes it */
};

/* --- Sockets ---------------------------------------------------------------------------------------- */

/* When c-ares has closed it and no fiber waits for it any more. */
static void
socket_dispose(struct lane_socket *s)
{
	if (!s->closed || s->reader || s->writer)
		return;
	fiber_fd_free(&s->ffd);
	close(s->fd);
	free(s);
}

static void
read_fiber(void *arg)
{
	struct lane_socket *s = arg;

	while (!s->closed && fiber_fd_wait(s->ffd, FIBER_READ, FIBER_FOREVER) == FIBER_OK &&
	    !s->closed)
		ares_process_fd(s->lane->ares, s->fd, ARES_SOCKET_BAD);
	s->reader = NULL;
	socket_dispose(s);
}

static void
write_fiber(void *arg)
{
	struct lane_socket *s = arg;

	while (!s->closed && s->write_wanted &&
	    fiber_fd_wait(s->ffd, FIBER_WRITE, FIBER_FOREVER) == FIBER_OK && !s->closed)
		ares_process_fd(s->lane->ares, ARES_SOCKET_BAD, s->fd);
	s->writer = NULL;
	socket_dispose(s);
}

static struct lane_socket *
socket_find(struct lane *lane, int fd)
{
	for (struct list_link *l = list_first(&lane->sockets); l; l = list_next(&lane->sockets, l))
		if (LIST_ITEM(l, struct lane_socket, link)->fd == fd)
			return LIST_ITEM(l, struct lane_socket, link);
	return NULL;
}

static ares_socket_t
on_socket(int family, int type, int protocol, void *arg)
{
	struct lane *lane = arg;
	struct lane_socket *s;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return ARES_SOCKET_BAD;
	s = MEM_NEW(struct lane_socket);
	s->lane = lane;
	s->fd = fd;
	s->ffd = fiber_fd_new(fd);
	list_append(&lane->sockets, &s->link);
	return fd;
}

static int
on_close(ares_socket_t fd, void *arg)
{
	struct lane_socket *s = socket_find(arg, fd);

	if (!s)
		return close(fd);
	list_remove(&((struct lane *)arg)->sockets, &s->link);
	s->closed = true;
	if (s->reader && s->reader != fiber_self())
		fiber_cancel(s->reader);
	if (s->writer && s->writer != fiber_self())
		fiber_cancel(s->writer);
	socket_dispose(s);
	return 0;
}

static int
on_connect(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t len, void *arg)
{
	const struct lane *lane = arg;
	struct sockaddr_in6 in6;

	if (lane->zone == 0 || address->sa_family != AF_INET6 || len != sizeof(in6))
		return connect(fd, address, len);
	/* c-ares knows no zones. */
	memcpy(&in6, address, sizeof(in6));
	in6.sin6_scope_id = lane->zone;
	return connect(fd, (const struct sockaddr *)&in6, sizeof(in6));
}

static ares_ssize_t
on_receive(ares_socket_t fd, void *data, size_t len, int flags, struct sockaddr *from,
    ares_socklen_t *from_len, void *arg)
{
	(void)arg;
	return recvfrom(fd, data, len, flags, from, from_len);
}

static ares_ssize_t
on_send(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	struct msghdr message = {
	    .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n};

	(void)arg;
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void
on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct lane_socket *s = socket_find(arg, fd);

	if (!s)
		return;
	s->write_wanted = writable;
	if (readable && !s->reader)
		s->reader = fiber_spawn("dns read", read_fiber, s);
	if (writable && !s->writer)
		s->writer = fiber_spawn("dns write", write_fiber, s);
}

/* --- Channels --------------------------------------------------------------------------------------- */

static int
set_server(ares_channel ares, const union dns_address *address)
{
	struct ares_addr_port_node node = {.family = address->sa.sa_family};
	int port;

	if (node.family == AF_INET6) {
		memcpy(&node.addr.addr6, &address->in6.sin6_addr, sizeof(node.addr.addr6));
		port = ntohs(address->in6.sin6_port);
	} else {
		node.addr.addr4 = address->in.sin_addr;
		port = ntohs(address->in.sin_port);
	}
	node.udp_port = node.tcp_port = port;
	return ares_set_servers_ports(ares, &node);
}

static bool
lane_init(struct lane *lane, const struct dns_server_name *server, int timeout, struct buf *why)
{
	static const struct ares_socket_functions functions = {
	    .asocket = on_socket,
	    .aclose = on_close,
	    .aconnect = on_connect,
	    .arecvfrom = on_receive,
	    .asendv = on_send,
	};
	struct in_addr placeholder = {htonl(INADDR_LOOPBACK)};
	char lookups[] = "b";
	struct ares_options options = {
	    .flags =
		ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
	    .timeout = timeout,
	    .tries = 1,
	    .ndots = 1,
	    .servers = &placeholder,
	    .nservers = 1,
	    .lookups = lookups,
	    .ednspsz = EDNS_SIZE,
	    .sock_state_cb = on_state,
	    .sock_state_cb_data = lane,
	};
	int err = ares_init_options(&lane->ares, &options,
	    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
		ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ |
		ARES_OPT_SOCK_STATE_CB);

	list_init(&lane->sockets);
	fiber_waitq_init(&lane->turn);
	if (err == ARES_SUCCESS) {
		if (server->address.sa.sa_family == AF_INET6)
			lane->zone = server->address.in6.sin6_scope_id;
		ares_set_socket_functions(lane->ares, &functions, lane);
		err = set_server(lane->ares, &server->address);
	}
	if (err != ARES_SUCCESS)
		buf_printf(why, "name server %.*s: %s", STR_ARG(server->text), ares_strerror(err));
	return err == ARES_SUCCESS;
}

struct dns_channel *
dns_channel_new(const struct dns_server_name *server, int timeout, struct buf *why)
{
	struct dns_channel *channel = MEM_NEW(struct dns_channel);
	size_t lanes = dns_is_loopback(&server->address) ? 1 : CHANNELS_REMOTE;

	while (channel->n < lanes)
		if (!lane_init(&channel->lanes[channel->n++], server, timeout, why)) {
			dns_channel_free(&channel);
			return NULL;
		}
	return channel;
}

void
dns_channel_free(struct dns_channel **channel)
{
	if (!*channel)
		return;
	for (size_t i = 0; i < (*channel)->n; i++)
		if ((*channel)->lanes[i].ares)
			ares_destroy((*channel)->lanes[i].ares);
	free(*channel);
	*channel = NULL;
}

/* --- Questions -------------------------------------------------------------------------------------- */

struct exchange {
	struct fiber_waitq done_queue;
	struct buf *packet;
	bool done;
	int status;
};

static void
on_answer(void *arg, int status, int timeouts, unsigned char *data, int len)
{
	struct exchange *x = arg;

	(void)timeouts;
	x->status = status;
	if (status == ARES_SUCCESS && data && len > 0 && len <= DNS_PACKET_MAX)
		buf_append(x->packet, data, (size_t)len);
	x->done = true;
	fiber_wake_all(&x->done_queue);
}

/* Milliseconds until c-ares wants to look at its clock. */
static int64_t
until_timeout(ares_channel ares)
{
	struct timeval tv, *next = ares_timeout(ares, NULL, &tv);

	return next ? (int64_t)next->tv_sec * 1000 + next->tv_usec / 1000 + 1 : 1000;
}

static const char *
status_text(int status)
{
	switch (status) {
	case ARES_ETIMEOUT:
		return "timeout";
	case ARES_ECONNREFUSED:
		return "connection refused";
	default:
		return ares_strerror(status);
	}
}

/* In the order they come: who is woken has the place of the one who wakes. */
static void
wait_turn(struct lane *lane)
{
	if (lane->fresh < PACE)
		lane->fresh++;
	else
		fiber_wait(&lane->turn, FIBER_FOREVER);
}

static void
pass_turn(struct lane *lane)
{
	if (list_empty(&lane->turn.waiters))
		lane->fresh--;
	else
		fiber_wake_one(&lane->turn);
}

static bool
ask(struct lane *lane, const struct buf *question, struct buf *packet, const char **why)
{
	struct exchange x = {.packet = packet};

	bool fresh = true;

	fiber_waitq_init(&x.done_queue);
	buf_reset(packet);
	lane->load++;
	wait_turn(lane);
	ares_send(
	    lane->ares, (const unsigned char *)question->data, (int)question->len, on_answer, &x);
	while (!x.done) {
		int64_t ms = until_timeout(lane->ares);

		if (fresh && ms > FRESH_MS)
			ms = FRESH_MS;
		if (fiber_wait(&x.done_queue, fiber_after(ms)) != FIBER_OK && !x.done)
			ares_process_fd(lane->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		if (fresh)
			pass_turn(lane);
		fresh = false;
	}
	if (fresh)
		pass_turn(lane);
	lane->load--;
	*why = x.status == ARES_SUCCESS ? "empty answer" : status_text(x.status);
	return packet->len > 0;
}

static struct lane *
least_used(struct dns_channel *channel)
{
	struct lane *best = &channel->lanes[0];

	for (size_t i = 1; i < channel->n; i++)
		if (channel->lanes[i].load < best->load)
			best = &channel->lanes[i];
	return best;
}

/* Does the server not understand EDNS? c-ares finds that out by itself at the first answer of a lane. */
static bool
no_edns(const struct buf *packet)
{
	int rcode = packet->len >= 4 ? packet->data[3] & 0x0f : 0;

	return rcode == DNS_RCODE_FORMERR || rcode == DNS_RCODE_NOTIMP;
}

bool
dns_channel_ask(struct dns_channel *channel, struct str name, enum dns_type type, unsigned flags,
    struct buf *packet, const char **why)
{
	struct lane *lane = least_used(channel);
	struct buf question = {0};
	bool ok = false;

	for (int i = 0; i < 2; i++) {
		if (lane->no_edns)
			flags &= ~DNS_ASK_EDNS;
		buf_reset(&question);
		if (!dns_packet_ask(name, type, flags, &question)) {
			*why = "a name that cannot be asked for";
			break;
		}
		ok = ask(lane, &question, packet, why);
		if (!ok || !(flags & DNS_ASK_EDNS) || !no_edns(packet))
			break;
		lane->no_edns = true;
	}
	buf_free(&question);
	return ok;
}
