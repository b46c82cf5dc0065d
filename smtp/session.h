/*
 * session - one channel of the queue manager: a delivery at a time, until it is closed
 */
#ifndef POSTKEEP_SMTP_CLIENT_SESSION_H
#define POSTKEEP_SMTP_CLIENT_SESSION_H

#include "smtp/delivery.h"

/* Asked before and after waiting for the next delivery; false: the process is to end. May be NULL. */
typedef bool session_idle(void *arg, bool idle);

/*
 * Takes over STREAM. *AT_END (NULL: not wanted) is set while the end of a message was sent and has not been
 * answered: who cancels the fiber then makes it come twice. Returns when the channel has ended. Waits.
 */
void session_serve(
    struct client *client, struct stream *stream, session_idle *idle, void *idle_arg, bool *at_end);

#endif
