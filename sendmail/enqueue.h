/* enqueue - one message from standard input into the mail system */
#ifndef POSTKEEP_SENDMAIL_ENQUEUE_H
#define POSTKEEP_SENDMAIL_ENQUEUE_H

#include "sendmail/options.h"

/*
 * Returns when the message has been accepted: the exit status is 0 then, and only then. Everything else
 * ends the program with a message.
 */
void enqueue(const struct options *o);
/* Ends the program when main.cf does not let its user submit mail (postdrop enforces it). */
void check_submitter(void);

#endif
