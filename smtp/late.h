/*
 * late - telling qmgr what was delivered while its channel was gone
 *
 * A server has the message, and qmgr may not know: it was killed, or ended, before it could hear or note it. What is
 * kept here is told to it, or to the next one, on private/qmgr-report. It believes each report by the ticket that
 * came with the recipient.
 */
#ifndef POSTKEEP_SMTP_CLIENT_LATE_H
#define POSTKEEP_SMTP_CLIENT_LATE_H

#include "lib/fiber/fiber.h"
#include "lib/ipc/messages.h"

struct late;

/* Reports go to the socket PATH, a literal, in the name of PROGRAM, another. */
struct late *late_new(const char *path, const char *program);
/* To be told; copied. On a fiber; does not wait. What there is no room for is logged: it may be delivered again. */
void late_add(struct late *late, const struct msg_report *report);
/*
 * Waits until all has been told, or given up about a minute after it was added. As soon as HURRY says that the
 * process ends at all events, for some seconds more at the most; what is left then is logged.
 */
void late_drain(struct late *late, bool (*hurry)(void));

#endif
