/*
 * report - results that come when their channel is gone
 *
 * An agent that delivered, and whose channel was lost before it could say so, says it here.
 */
#ifndef POSTKEEP_QMGR_REPORT_H
#define POSTKEEP_QMGR_REPORT_H

#include "lib/service/service.h"

/* A session of private/qmgr-report. */
void report_session(struct service_client *client);

#endif
