/*
 * recipients - is there such a user?
 *
 * Asks the tables that list a class of recipients (local_recipient_maps, virtual_mailbox_maps, …),
 * through proxymap for all that a confined program cannot read. Those found are remembered for some
 * seconds; those not found and failures never are.
 */
#ifndef POSTKEEP_SMTPD_RECIPIENTS_H
#define POSTKEEP_SMTPD_RECIPIENTS_H

#include "lib/base/buf.h"
#include "lib/conf/conf.h"
#include "lib/mail/address.h"
#include "lib/route/route.h"
#include "lib/table/table.h"

struct recipients;

/* Opens the tables, before confinement. One that cannot be used is logged, and gives errors (451), not refusals. */
struct recipients *recipients_new(const struct conf *conf);
void recipients_free(struct recipients **r);

/*
 * Is RECIPIENT listed for its CLASS? TABLE_FOUND also when nothing lists the class. WHY names table
 * and cause of an error. Waits.
 */
enum table_status recipients_listed(struct recipients *r, enum route_class class,
    const struct mail_address *recipient, struct buf *why);
/* "local recipient table": what TABLE_NOT_FOUND is called to the client. */
const char *recipients_table_name(enum route_class class);

#endif
