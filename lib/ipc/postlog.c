/*
 * postlog - to postlogd, or to syslog; see postlog.h
 */
#include "lib/ipc/postlog.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"

#define SOCKET_PATH "public/postlog"

int
postlog_connect(const char *queue_directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_PATH, queue_directory);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	n = errno;
	(void)io_close(&fd);
	errno = n;
	return -1;
}

void
postlog_use(const char *queue_directory)
{
	int fd = postlog_connect(queue_directory);

	if (fd >= 0)
		log_to_socket(fd, false);
	else
		log_to_syslog();
}

bool
postlog_file_allowed(const struct conf *c, struct str path)
{
	struct str rest = conf_str(c, P_maillog_file_prefixes), prefix;

	while (conf_list_next(&rest, &prefix))
		if (str_starts(path, prefix) &&
		    (path.len == prefix.len || path.data[prefix.len] == '/'))
			return str_find(path, STR("/../")) == STR_NPOS;
	return false;
}
