/*
 * open - from a server's address to a connection that can carry a message
 */
#ifndef POSTKEEP_SMTP_CLIENT_OPEN_H
#define POSTKEEP_SMTP_CLIENT_OPEN_H

#include "smtp/delivery.h"
#include "smtp/secure.h"

struct sasl_account;

/*
 * Connects, greets, starts TLS as POLICY demands (once more in clear when that fails and may be), logs in as
 * ACCOUNT (NULL: nobody). RPT hears how TLS went. NULL: F says why not. Waits.
 */
struct connection *open_connection(struct delivery *d, const struct servers *servers,
    const struct server *server, const struct tls_policy *policy,
    const struct sasl_account *account, struct tlsrpt *rpt, struct failure *f);

#endif
