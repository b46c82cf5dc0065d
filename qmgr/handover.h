/* handover - a delivery goes to its agent: envelope and content, as frames */
#ifndef POSTKEEP_QMGR_HANDOVER_H
#define POSTKEEP_QMGR_HANDOVER_H

#include <stdbool.h>

#include "lib/ipc/channel.h"
#include "qmgr/destination.h"

/*
 * Sends D, none of whose recipients has a result yet; TELL_CONNECTED: the agent is to say when it has a
 * connection. Waits; results that come meanwhile may free D. False:
 * the channel is no good any more.
 */
bool handover(struct ipc_channel *channel, const struct delivery *d, bool tell_connected);

#endif
