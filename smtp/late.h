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
 * Waits until all has been told, for ten seconds at the most, and not until END says that the process ends, which
 * is looked at now and then. What is left then is logged.
 */
void late_drain(struct late *late, fiber_deadline (*end)(void));

#endif
