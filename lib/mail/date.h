/*
 * date - dates as mail headers write them (RFC 5322 section 3.3), and Message-Ids
 *
 * The local zone is what tzset() found; a confined program loads it before confinement.
 */
#ifndef POSTKEEP_MAIL_DATE_H
#define POSTKEEP_MAIL_DATE_H

#include <stdbool.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define MAIL_DATE_SIZE 64

/* "Sun, 22 Nov 2026 06:07:42 +0000 (UTC)": local zone, its name only when it is plain text. */
void mail_date(time_t t, char out[MAIL_DATE_SIZE]);
/* The same from broken-down time (tm_gmtoff and tm_zone included): for tests and other zones. */
void mail_date_tm(const struct tm *tm, char out[MAIL_DATE_SIZE]);
/* "Sun Nov 22 06:07:42 2026", local zone: the date of an mbox From_ line (asctime without newline). */
void mail_date_ctime(time_t t, char out[MAIL_DATE_SIZE]);

/* Appends "<20261122060742.QUEUEID@host>" (UTC). QUEUE_ID is unique on HOST. */
void mail_message_id(time_t t, struct str queue_id, struct str host, struct buf *out);

#endif
