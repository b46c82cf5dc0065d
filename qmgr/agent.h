/*
 * agent - channels to delivery agents
 *
 * A channel is for one destination. An agent whose window is one delivery gets as many channels for a
 * destination as feedback allows; one that takes several at once has one. Destinations take turns when
 * there are more of them than channels.
 *
 * A channel is two fibers: one connects, introduces the destination and sends deliveries; one reads
 * results. When it is lost, what was on its way is deferred: the agent may have delivered it, and then
 * says so on private/qmgr-report.
 */
#ifndef POSTKEEP_QMGR_AGENT_H
#define POSTKEEP_QMGR_AGENT_H

#include "qmgr/destination.h"

/* Before the first delivery. On a fiber. */
void agent_init(void);
/* A delivery was added to DEST: makes sure that it is being worked on. */
void agent_start(struct destination *dest);
/* After a reload: channels are given back as soon as what is under way on them has ended. */
void agent_let_go(void);

/* Closes the channels that have nothing under way and waits for the others, until DEADLINE. */
void agent_drain(fiber_deadline deadline);

#endif
