/*
 * postlogd - the only writer of the log
 *
 * Daemons send their lines over one socket that master gives to all of them; tools and scripts (postlog)
 * send theirs to public/postlog. A batch is read, then written at once. The kernel tells who sent a line:
 * a process cannot speak for another one, and what comes from an ordinary user is marked as such.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "lib/service/service.h"
#include "postlogd/output.h"

#define BATCH 32
#define ROUNDS 8 /* batches before it is another sender's turn */
#define DATAGRAM_MAX 16384
/*
 * Lines gather for so long before they are read again: one wake and one write for what many processes
 * say, not one for each. The first line after a silence is written at once. The socket holds what comes
 * meanwhile.
 */
#define GATHER_MS 5

/* One datagram as it was received. */
struct packet {
	char data[DATAGRAM_MAX];
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec part;
};

struct batch {
	struct packet packets[BATCH];
	struct mmsghdr headers[BATCH];
};

static void
prepare(struct batch *b)
{
	for (size_t i = 0; i < BATCH; i++) {
		struct packet *p = &b->packets[i];

		p->part = (struct iovec){p->data, sizeof(p->data)};
		b->headers[i] = (struct mmsghdr){.msg_hdr = {
						     .msg_iov = &p->part,
						     .msg_iovlen = 1,
						     .msg_control = p->control,
						     .msg_controllen = sizeof(p->control),
						 }};
	}
}

/* Who sent it; pid 0 when the kernel did not say. */
static struct ucred
sender(struct msghdr *header)
{
	struct ucred credentials = {0, (uid_t)-1, (gid_t)-1};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
	return credentials;
}

/* Does "name[pid]: text" carry the pid of its sender? */
static bool
speaks_for_itself(struct str line, pid_t pid)
{
	char tag[32];
	struct str name = str_sub(line, 0, str_find(line, STR(": ")));

	snprintf(tag, sizeof(tag), "[%d]", (int)pid);
	return str_ends_nocase(name, str_c(tag));
}

/* One record: a digit, the level, and the line. */
static void
take_record(struct str record, const struct ucred *from, bool internal)
{
	int level = LOG_LEVEL_INFO;
	struct buf text = {0}, marked = {0};

	if (record.len > 0 && record.data[0] >= '0' && record.data[0] <= '9') {
		level = record.data[0] - '0';
		record = str_from(record, 1);
	}
	buf_str(&text, str_sub(record, 0, LOG_LINE_MAX));
	log_printable(text.data, text.len);
	record = buf_view(&text);
	if (!internal && from->uid != 0 && from->uid != geteuid())
		buf_printf(&marked, "postlog[%d]: uid=%u: ", (int)from->pid, (unsigned)from->uid);
	else if (internal && !speaks_for_itself(record, from->pid))
		buf_printf(&marked, "postlogd: from process %d: ", (int)from->pid);
	buf_str(&marked, record);
	output_line(level, buf_view(&marked));
	buf_free(&marked);
	buf_free(&text);
}

static void
take_packet(struct mmsghdr *m, bool internal)
{
	struct str rest = str_n(m->msg_hdr.msg_iov->iov_base, m->msg_len), record;
	struct ucred from = sender(&m->msg_hdr);

	while (str_token(&rest, "\n", &record))
		take_record(record, &from, internal);
}

/*
 * The senders have closed their end. A packet without a byte in it looks the same to recvmmsg(), and
 * anybody may send one.
 */
static bool
at_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/*
 * What is there now, but no more than some batches: who sends without end must not keep others from
 * being heard. *TAKEN: how many datagrams. False: the socket has come to its end.
 */
static bool
take_batches(int fd, struct batch *b, bool internal, unsigned *taken)
{
	int n = BATCH;

	*taken = 0;
	for (int round = 0; round < ROUNDS && n == BATCH; round++) {
		bool empty = false;

		prepare(b);
		n = recvmmsg(fd, b->headers, BATCH, MSG_DONTWAIT, NULL);
		if (n == -1)
			return errno == EAGAIN || errno == EINTR;
		for (int i = 0; i < n; i++) {
			empty = empty || b->headers[i].msg_len == 0;
			take_packet(&b->headers[i], internal);
		}
		*taken += (unsigned)n;
		if (empty && internal && at_end(fd))
			return false;
	}
	return true;
}

/* The socket the daemons write to is not in the file system: it has no address. */
static bool
is_internal(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int type = 0;
	socklen_t type_len = sizeof(type);

	return getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_SEQPACKET;
}

static void
postlogd_datagrams(int fd, size_t endpoint)
{
	struct batch *b = MEM_NEW(struct batch);
	struct fiber_fd *ffd = fiber_fd_new(fd);
	bool internal = is_internal(fd), alive = true;
	unsigned taken;
	int on = 1;

	(void)endpoint;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1)
		log_warning("cannot ask who sends log lines: %s", strerror(errno));
	while (alive && fiber_fd_wait(ffd, FIBER_READ, FIBER_FOREVER) == FIBER_OK) {
		do {
			alive = take_batches(fd, b, internal, &taken);
			output_reopen(false);
			output_flush();
		} while (alive && taken > 0 &&
		    fiber_sleep(taken < BATCH * ROUNDS ? GATHER_MS : 0) == FIBER_TIMEOUT);
	}
	/* Nothing that the daemons have sent before the end is lost. */
	do
		(void)take_batches(fd, b, internal, &taken);
	while (taken == BATCH * ROUNDS && internal);
	output_flush();
	fiber_fd_free(&ffd);
	free(b);
}

/* Another file may lie where only root makes one: another process opens it, before it is confined. */
static void
postlogd_reload(void)
{
	if (output_moved())
		service_retire("maillog_file has changed");
	else
		output_reopen(true);
}

static const struct service postlogd_service = {
    .name = "postlogd",
    .sandbox = SANDBOX_FILES,
    .session_limit = P_default_session_limit,
    .before_confinement = output_open,
    .datagrams = postlogd_datagrams,
    .reload = postlogd_reload,
};

int
main(int argc, char **argv)
{
	return service_run(&postlogd_service, argc, argv);
}
