/*
 * report - a day's report to a domain, in JSON (RFC 8460 section 4.4)
 */
#ifndef POSTKEEP_TLSRPT_REPORT_H
#define POSTKEEP_TLSRPT_REPORT_H

#include "lib/base/buf.h"
#include "tlsrpt/tally.h"

/* Who reports. */
struct report_sender {
	struct str organization, contact; /* contact: a mail address */
	struct str host;                  /* this machine, for what must be unique */
};

/* The whole report, one object, on one line without its end. DAY: since 1970, UTC. */
void report_write(const struct report_sender *sender, const struct tally_domain *domain,
    int64_t day, struct buf *out);
/* The name that its file should have (section 5.1), without quotes. */
void report_file_name(const struct report_sender *sender, const struct tally_domain *domain,
    int64_t day, struct buf *out);

#endif
