/*
 * pidfile - one master per spool: its lock, and who holds it
 *
 * The lock is the kernel's (fcntl on pid/master.lock), so that a master that was killed leaves none
 * behind. Only the suite's user can open that file: a stranger who could read it could lock it.
 * pid/master.pid is for people and tools: the process id in the first line, config_directory in the
 * second, the start's wall time in the third. A clean stop empties it.
 */
#ifndef POSTKEEP_SERVICE_PIDFILE_H
#define POSTKEEP_SERVICE_PIDFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"

struct pidfile_info {
	pid_t pid;     /* of the master that runs; 0: none does */
	bool stale;    /* none runs, but the last one did not end in good order */
	int64_t since; /* wall seconds; 0 = unknown */
	char config[1024];
};

/* Who runs in QUEUE_DIRECTORY? False with WHY when that cannot be told; missing files are "nobody". */
bool pidfile_query(const char *queue_directory, struct pidfile_info *info, struct buf *why);

/*
 * For master: takes the lock for the life of the process and writes the file; the working directory is
 * queue_directory. *STALE: the last holder ended in disorder. False with WHY.
 */
bool pidfile_take(const char *config, bool *stale, struct buf *why);
/* Empties the file; the lock goes with the process. */
void pidfile_release(void);

#endif
