/*
 * connect - a socket to a server
 */
#ifndef POSTKEEP_SMTP_CLIENT_CONNECT_H
#define POSTKEEP_SMTP_CLIENT_CONNECT_H

#include "lib/fiber/stream.h"
#include "smtp/server.h"
#include "smtp/settings.h"

/* NULL: errno says why (ETIMEDOUT, ECONNREFUSED, ECANCELED …). Waits, at most st->connect_ms. */
struct stream *connect_to(const struct settings *st, const struct server *server);

#endif
