/*
 * tables - the tables that proxymap may look up, and their look-ups in worker threads
 */
#ifndef POSTKEEP_PROXYMAP_TABLES_H
#define POSTKEEP_PROXYMAP_TABLES_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/ipc/messages.h"
#include "lib/table/table.h"

struct tables;

struct tables *tables_new(const struct conf *conf);
void tables_free(struct tables **t);

/* By the socket it came by. */
enum tables_caller {
	TABLES_SUITE,   /* qmgr, pickup */
	TABLES_NETWORK, /* programs that talk to strangers: may have been taken over by one */
	TABLES_SMTP,    /* the SMTP client, likewise */
};

/*
 * May CALLER look up TABLE ("type:name") for PARAM? It must stand in the value of that parameter, or in
 * proxy_read_maps, with or without "proxy:" before it; and CALLER must have a use for the parameter. For
 * TABLES_SMTP, who is told values, it must stand in the value of the parameter.
 */
bool tables_allowed(
    const struct tables *t, enum tables_caller caller, struct str table, struct str param);
/* The middle of the sentence that says why not: "table x … smtp_generic_maps". */
const char *tables_refusal(enum tables_caller caller);
/* Is CALLER told the value too, or only that the key is there? */
bool tables_tell_value(enum tables_caller caller);

/*
 * Looks REQUEST up, which must be allowed. VALUE or WHY gets the answer's text. Waits: on a fiber.
 */
enum table_status tables_lookup(
    struct tables *t, const struct msg_lookup *request, struct buf *value, struct buf *why);

#endif
