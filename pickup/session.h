/* session - postdrop at public/pickup, and the files it left in maildrop/ */
#ifndef POSTKEEP_PICKUP_SESSION_H
#define POSTKEEP_PICKUP_SESSION_H

#include "lib/service/service.h"

/* session.c: one client of public/pickup. */
void session_run(struct service_client *client);

/* maildrop.c: looks through the directory, on a fiber of its own, unless that is being done. */
void maildrop_scan(void);
/* Begins no other file; returns when the one in progress is done. Waits. */
void maildrop_stop(void);

#endif
