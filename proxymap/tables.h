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

/*
 * May TABLE ("type:name") be looked up for PARAM? It must stand in the value of that parameter, or in
 * proxy_read_maps, with or without "proxy:" before it.
 */
bool tables_allowed(const struct tables *t, struct str table, struct str param);

/*
 * Looks REQUEST up, which must be allowed. VALUE or WHY gets the answer's text. Waits: on a fiber.
 */
enum table_status tables_lookup(
    struct tables *t, const struct msg_lookup *request, struct buf *value, struct buf *why);

#endif
