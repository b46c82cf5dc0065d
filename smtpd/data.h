/* data - what DATA and BDAT do alike */
#ifndef POSTKEEP_SMTPD_DATA_H
#define POSTKEEP_SMTPD_DATA_H

#include "lib/base/str.h"
#include "lib/queue/submit.h"
#include "smtpd/session.h"

/* Replies with and logs why the message (ID may be empty) is not taken. */
void data_refuse(struct session *s, struct str id, const struct submit_refusal *no);

#endif
