/* run - sendmail's helpers: other programs in its place, and postdrop at the end of a pipe */
#ifndef POSTKEEP_SENDMAIL_RUN_H
#define POSTKEEP_SENDMAIL_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/*
 * Becomes DIR/ARGV[0] with the arguments ARGV, in a clean environment. Returns only on failure, with
 * errno.
 */
void run_instead(const char *dir, char *const *argv);

struct postdrop {
	pid_t pid;
	int to;      /* its standard input */
	int answer;  /* its standard output */
	bool broken; /* it reads no more; its answer says why, unless */
	int error;   /* this is the errno with which writing to it failed */
};

/* Starts it; false with errno. */
bool postdrop_start(struct postdrop *p, const char *dir, char *const *argv);
/* Feeds it. Once it has stopped reading, nothing more is sent. */
void postdrop_feed(struct postdrop *p, struct str data);
/*
 * Closes its input and waits for its end: its exit status (75 when it died of a signal). ANSWER gets
 * the line it wrote.
 */
int postdrop_finish(struct postdrop *p, struct buf *answer);

#endif
