/* plan_inet - the addresses an inet service of master.cf listens on. For plan.c alone. */
#ifndef POSTKEEP_SERVICE_PLAN_INET_H
#define POSTKEEP_SERVICE_PLAN_INET_H

#include "lib/service/plan.h"

/*
 * Appends to S the sockets of its line: "port", "host:port", "[address]:port", with inet_interfaces for
 * a missing host and inet_protocols for the families. Problems go to PROBLEMS with FILE and line.
 */
void plan_inet(
    const struct conf *c, const char *file, struct plan_service *s, struct conf_problems *problems);

/* One more socket at the end of S, zeroed. */
struct plan_socket *plan_add_socket(struct plan_service *s);

#endif
