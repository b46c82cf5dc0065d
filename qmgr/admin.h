/* admin - what root's tools order, a flush, and who is shown what of the queue. */
#ifndef POSTKEEP_QMGR_ADMIN_H
#define POSTKEEP_QMGR_ADMIN_H

#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "lib/service/service.h"
#include "qmgr/slots.h"

/* "incoming", "active", "deferred", "hold": what postqueue and postsuper call a message's state. */
const char *admin_state_name(const struct slot *slot);

/* Has an administrator deleted what is in SLOT, though a delivery is still under way? Then it is not shown. */
bool admin_deleted(const struct slot *slot);

/* private/qmgr-admin: hold, release, delete, requeue, expire; show a slot whole. */
void admin_session(struct service_client *client);
/*
 * A session that any user may open: it has a short time to ask, and counts as idle all the time, so that
 * a listing that nobody reads does not hold up the end of the process. NULL when that has begun. Takes
 * the client's stream.
 */
struct ipc_channel *admin_open_public(struct service_client *client, const char *name);
/* Is CLIENT in the list of users? Root and the queue's owner always are. Waits. */
bool admin_user_allowed(const struct service_client *client, enum param list);
/* public/flush: everybody whom authorized_flush_users lets. */
void admin_flush_session(struct service_client *client);
/* public/showq: root and the queue's owner see all, others what they have sent themselves. */
void admin_showq_session(struct service_client *client);

#endif
