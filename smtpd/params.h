/*
 * params - the parameters of MAIL and RCPT (RFC 1870, 6152, 6531, 3461), by table
 */
#ifndef POSTKEEP_SMTPD_PARAMS_H
#define POSTKEEP_SMTPD_PARAMS_H

#include <stdbool.h>

#include "lib/ipc/messages.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

/*
 * Reads REST, what follows the path, into T (and R for RCPT). False: the reply has been given: 555
 * for a parameter that is not known or whose extension is not offered, 501 for a value that is wrong.
 */
bool mail_params(struct session *s, struct transaction *t, struct str rest);
bool rcpt_params(struct session *s, struct transaction *t, struct msg_rcpt *r, struct str rest);

#endif
