/*
 * children - the workers that the parent has forked
 */
#ifndef POSTKEEP_LOCAL_CHILDREN_H
#define POSTKEEP_LOCAL_CHILDREN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/str.h"

struct child {
	pid_t pid;
	int control; /* see parent.h; -1 when the worker has closed its end */
	char *recipient;
};

struct children {
	struct child *list;
	size_t n, max;
};

void children_init(struct children *c, size_t max);
/*
 * Forks a worker for the channel FD, which is closed here. False, and nothing else done, when that
 * failed: errno says why. The child does not return.
 */
bool children_add(struct children *c, int fd, struct str recipient);
/* Takes note of those that have ended, and logs it if it was no good end. */
void children_reap(struct children *c);
/* Serves what worker number I asks for. LEAVING: the suite is being stopped. */
void children_serve(struct children *c, size_t i, bool leaving);
void children_signal(const struct children *c, int signo);

#endif
