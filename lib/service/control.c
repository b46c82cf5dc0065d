/* control - the asking side. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/service/control.h"

#define ANSWER_SECONDS 60

/* A path that is too long for a socket's address is named through /proc. */
static int
connect_below(const char *queue_directory)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	int dir = open(queue_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), saved;

	if ((size_t)snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", queue_directory,
		CONTROL_PATH) >= sizeof(un.sun_path))
		snprintf(
		    un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/%s", dir, CONTROL_PATH);
	if (dir >= 0 && fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
	    connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0) {
		io_close(&dir);
		return fd;
	}
	saved = errno;
	io_close(&dir);
	io_close(&fd);
	errno = saved;
	return -1;
}

enum control_result
control_ask(const char *queue_directory, const char *request, void (*say)(const char *line),
    struct buf *why)
{
	char packet[CONTROL_PACKET_MAX + 1];
	ssize_t n;
	int fd = connect_below(queue_directory);
	enum control_result result = CONTROL_NO_ANSWER;

	if (fd < 0) {
		buf_printf(why, "cannot connect to %s/%s: %s", queue_directory, CONTROL_PATH,
		    strerror(errno));
		return CONTROL_NO_ANSWER;
	}
	errno = 0;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) >= 0) {
		while (result == CONTROL_NO_ANSWER &&
		    (n = recv(fd, packet, CONTROL_PACKET_MAX, 0)) > 0) {
			packet[n] = '\0';
			if (packet[0] == '=')
				result = packet[1] == '0' ? CONTROL_DONE : CONTROL_REFUSED;
			else
				say(packet);
		}
	}
	if (result == CONTROL_NO_ANSWER)
		buf_printf(why, "master has not answered: %s",
		    errno ? strerror(errno) : "the connection was closed");
	io_close(&fd);
	return result;
}
