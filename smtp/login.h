/*
 * login - proving to a server who we are (RFC 4954)
 */
#ifndef POSTKEEP_SMTP_CLIENT_LOGIN_H
#define POSTKEEP_SMTP_CLIENT_LOGIN_H

#include "smtp/delivery.h"

/* Logs in on C if there is an account for it. False: F says why mail waits. Waits. */
bool login_run(struct delivery *d, struct connection *c, const struct servers *servers,
    const struct server *server, struct failure *f);

#endif
