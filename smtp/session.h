/*
 * session - one channel of the queue manager: a delivery at a time, until it is closed
 */
#ifndef POSTKEEP_SMTP_CLIENT_SESSION_H
#define POSTKEEP_SMTP_CLIENT_SESSION_H

#include "smtp/delivery.h"

/* Asked before and after waiting for the next delivery; false: the process is to end. May be NULL. */
typedef bool session_idle(void *arg, bool idle);

/*
 * Takes over STREAM. *STEP (NULL: not wanted) says how far the delivery is, of which there may be none. Returns
 * when the channel has ended. Waits.
 */
void session_serve(struct client *client, struct stream *stream, session_idle *idle, void *idle_arg,
    enum delivery_step *step);

#endif
