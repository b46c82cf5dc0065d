/*
 * report - results that come when their channel is gone
 *
 * An agent that delivered, and whose channel was lost before it could say so, says it here. Agents talk to
 * strangers or act for users, so nobody is believed: each report brings the ticket (ticket.h) of its recipient.
 */
#ifndef POSTKEEP_QMGR_REPORT_H
#define POSTKEEP_QMGR_REPORT_H

#include "lib/service/service.h"

/* A message that was not in memory is read in: what is known of it here may not be true for long. */
void report_forget(void);
/* A session of private/qmgr-report. */
void report_session(struct service_client *client);

#endif
