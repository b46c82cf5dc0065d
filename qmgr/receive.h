/* receive - submissions: from a receiver's frames to a message on stable storage. */
#ifndef POSTKEEP_QMGR_RECEIVE_H
#define POSTKEEP_QMGR_RECEIVE_H

#include "lib/service/service.h"

enum receive_from {
	RECEIVE_NETWORK,
	RECEIVE_LOCAL,  /* pickup: may set attributes of local submission */
	RECEIVE_BOUNCE, /* notices: null sender only; reserved slots */
};

/* Before the first session. */
void receive_start(void);
/* One receiver's connection, for as long as it lasts. On a fiber. */
void receive_session(struct service_client *client, enum receive_from from);

#endif
