/*
 * endpoint - under which labels connections are kept, and for which mail they are as good as a new one
 *
 * doc/smtp.md has the table of what counts, and why it is enough.
 */
#ifndef POSTKEEP_SMTP_CLIENT_ENDPOINT_H
#define POSTKEEP_SMTP_CLIENT_ENDPOINT_H

#include "lib/tls/tls.h"
#include "smtp/delivery.h"

struct sasl_account;

/* Are connections to this next hop kept: all, or those of smtp_connection_cache_destinations? Waits. */
bool endpoint_kept(const struct client *client, const struct servers *servers);
/*
 * The label of the next hop HOP, which finds a connection without asking anything: HOP as it is written. Empty
 * where more than main.cf decides what is demanded of its servers (policy maps, DNSSEC, MTA-STS, logins): that
 * may be another thing for the next message.
 */
struct str endpoint_destination(const struct client *client, struct str hop);
/*
 * The label of a connection to SERVER under POLICY (after secure_dane() and sts_apply()), as ACCOUNT (NULL:
 * nobody). In the delivery's arena.
 */
struct str endpoint_label(const struct delivery *d, const struct servers *servers,
    const struct server *server, const struct tls_policy *policy,
    const struct sasl_account *account);

#endif
