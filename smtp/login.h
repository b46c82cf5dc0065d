/*
 * login - proving to a server who we are (RFC 4954)
 */
#ifndef POSTKEEP_SMTP_CLIENT_LOGIN_H
#define POSTKEEP_SMTP_CLIENT_LOGIN_H

#include "smtp/delivery.h"

struct sasl_account;

/*
 * Who to be at SERVER. False: F says why mail waits. *WANTED: there is an account, ACCOUNT, which the caller
 * clears (sasl_account_clear(); in any case). Waits.
 */
bool login_find(struct delivery *d, const struct servers *servers, const struct server *server,
    struct sasl_account *account, bool *wanted, struct failure *f);
/* Nobody logs in on C: notes why, for refusals that may come of it. */
void login_none(const struct delivery *d, struct connection *c, const struct servers *servers,
    const struct server *server);
/* Logs in on C as ACCOUNT. False: F says why mail waits. Waits. */
bool login_run(struct delivery *d, struct connection *c, const struct server *server,
    const struct sasl_account *account, struct failure *f);
/* SERVER with its port, user and password as one number that only this process can make. */
uint64_t login_fingerprint(
    struct client *client, const struct server *server, const struct sasl_account *account);

#endif
