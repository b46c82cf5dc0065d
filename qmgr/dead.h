/*
 * dead - destinations that could not be reached, and the messages that wait for them
 *
 * Everything for a dead destination is deferred at once, with the reason of the last try. Now and then one
 * delivery is tried, the probe. A deferred message all of whose recipients wait for dead destinations
 * is parked there: until one of them lives, its slot is not even read. When it lives again, parked
 * messages become due, as fast as they are delivered. doc/scheduling.md has states and bounds.
 *
 * Nothing here waits.
 */
#ifndef POSTKEEP_QMGR_DEAD_H
#define POSTKEEP_QMGR_DEAD_H

#include "qmgr/destination.h"
#include "qmgr/slots.h"

/* A delivery to DEST has ended; UNREACHABLE says that DSN and TEXT tell why it could not be reached. */
void dead_feedback(struct destination *dest, bool unreachable, struct str dsn, struct str text);
/* The only delivery to a dead DEST has ended without a verdict. */
void dead_probe_lost(struct destination *dest);

/*
 * Is what MSG has for DEST to be deferred at once? O is then the outcome; its text lives as long as
 * nothing else is done with DEST. False for a live one, and for the one message that is its probe.
 */
bool dead_refuses(struct destination *dest, const struct message *msg, struct outcome *o);
/* MSG, which may have been read back as a probe, has been routed: did it come to where it was to go? */
void dead_routed(const struct message *msg);
/* Are there any? */
bool dead_any(void);

/* SLOT waits for the N at DESTS, which are dead, but is to be looked at when ATTEND (wall seconds) has come. */
void dead_park(struct slot *slot, struct destination *const *dests, unsigned n, int64_t attend);
/* SLOT does not wait for destinations any more, if it did. */
void dead_unpark(struct slot *slot);
/* SLOT is due, but its destinations are dead, and it is no probe: it waits on. */
bool dead_keeps(struct slot *slot);
/* When SLOT, which waits, is tried next: wall seconds. */
int64_t dead_next_try(const struct slot *slot);

/* Probes are due now: those of all, or those that SLOT waits for. */
void dead_probe_all(void);
void dead_probe_for(struct slot *slot);
/* What is parked is due: routes may have changed. */
void dead_release_all(void);
/* Parked messages of a destination that is not used any more. */
void dead_release(struct destination *dest, size_t count);
/* Forgets those that nobody has asked for. Called now and then. */
void dead_sweep(void);

#endif
