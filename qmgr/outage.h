/*
 * outage - transports whose delivery agent cannot be had
 *
 * Its socket is missing, nobody listens there, or it ends before it has done anything. Asking for it again
 * for each message would help nobody and fill the log: everything for the transport is deferred with that
 * reason, until transport_retry_time has passed, somebody flushes the queue, or the configuration is
 * read again.
 *
 * Nothing here waits.
 */
#ifndef POSTKEEP_QMGR_OUTAGE_H
#define POSTKEEP_QMGR_OUTAGE_H

#include "qmgr/destination.h"

/* Connecting to PATH, the agent's socket, failed with ERROR. What waits for DEST is deferred. */
void outage_no_socket(struct destination *dest, const char *path, int error);
/*
 * The agent was asked for a channel at BEGAN (fiber_now()), and has ended without a result; WHY says how.
 * One that is killed is started again: only when it happens to a channel that was asked for later than the
 * first loss (by this pause at least, by transport_retry_time at most), and no result has come meanwhile, is it
 * an outage, and what waits for DEST deferred. With local, which becomes the user, DEST alone is deferred.
 */
#define OUTAGE_PAUSE_MS 1000
void outage_ended(struct destination *dest, int64_t began, struct str why);
/* A result has come by T. */
void outage_over(struct transport *t);
/* Is there one now? Then what waits for DEST has been deferred. */
bool outage_refuses(struct destination *dest);
/* All agents may be tried now. */
void outage_retry_all(void);

/* What waits for DEST gets this as its result: bounced with a DSN of 5. */
void outage_fail(struct destination *dest, struct str dsn, struct str text);

#endif
