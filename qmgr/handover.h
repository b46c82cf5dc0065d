/* handover - a delivery goes to its agent: envelope and content, as frames; and comes back as results */
#ifndef POSTKEEP_QMGR_HANDOVER_H
#define POSTKEEP_QMGR_HANDOVER_H

#include <stdbool.h>

#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "qmgr/destination.h"

/*
 * Sends D, none of whose recipients has a result yet; TELL_CONNECTED: the agent is to say when it has a
 * connection. Waits; results that come meanwhile may free D. False:
 * the channel is no good any more.
 */
bool handover(struct ipc_channel *channel, const struct delivery *d, bool tell_connected);
/* The content alone, once more. Waits; keeps MSG meanwhile. False: as above. */
bool handover_content(struct ipc_channel *channel, struct message *msg);
/* What an agent of TRANSPORT says of a recipient, made sure of. O has views of R and TRANSPORT. */
void handover_outcome(const struct msg_result *r, const char *transport, struct outcome *o);

#endif
