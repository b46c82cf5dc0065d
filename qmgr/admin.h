/* admin - what root's tools order, a flush, and who is shown what of the queue. */
#ifndef POSTKEEP_QMGR_ADMIN_H
#define POSTKEEP_QMGR_ADMIN_H

#include "lib/service/service.h"
#include "qmgr/slots.h"

/* "incoming", "active", "deferred", "hold": what postqueue and postsuper call a message's state. */
const char *admin_state_name(const struct slot *slot);

/*
 * Does the list in parameter WHOM (authorized_mailq_users) let this caller in? Root and the owner of the
 * queue always. A refusal is logged. Waits.
 */
bool admin_user_allowed(const struct service_client *client, enum param whom);

/* private/qmgr-admin: hold, release, delete, requeue, expire; show a slot whole. */
void admin_session(struct service_client *client);
/* public/flush: everybody whom authorized_flush_users lets. */
void admin_flush_session(struct service_client *client);
/* public/showq: root and the queue's owner see all, others what they have sent themselves. */
void admin_showq_session(struct service_client *client);

#endif
