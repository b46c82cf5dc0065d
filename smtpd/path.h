/* path - what MAIL, RCPT and VRFY do with addresses alike */
#ifndef POSTKEEP_SMTPD_PATH_H
#define POSTKEEP_SMTPD_PATH_H

#include <stdbool.h>

#include "lib/mail/address.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"

/* enum address_flags as the configuration has them. */
unsigned path_flags(const struct session *s);
/*
 * strict_smtputf8: ADDRESS is not ASCII, and MAIL did not say SMTPUTF8 (RFC 6531 section 3.5). True:
 * refused with DSN.
 */
bool path_refuse_utf8(struct session *s, const struct transaction *t,
    const struct mail_address *address, const char *dsn);
/* ADDRESS, quoted and completed, is more than qmgr takes: refused with 501. */
bool path_too_long(struct session *s, struct str address, const char *dsn, const char *text);

#endif
