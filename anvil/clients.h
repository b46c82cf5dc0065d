/*
 * clients - connections and rates, per service and client
 *
 * Pure counting: time is an argument. Memory is bounded: of more clients than the limit the one not
 * heard of for longest, without a connection, is forgotten.
 */
#ifndef POSTKEEP_ANVIL_CLIENTS_H
#define POSTKEEP_ANVIL_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/str.h"
#include "lib/ipc/messages.h"

struct clients;
struct reporter;

/* At most MAX clients. */
struct clients *clients_new(size_t max);
void clients_free(struct clients **c);

/*
 * A channel that events come by: what it reported as connected, and not as gone, is gone when it is
 * closed. Sets *R to NULL.
 */
struct reporter *reporter_new(struct clients *c);
void reporter_free(struct reporter **r);

/*
 * Counts one event. NOW_MS only ever grows; UNIT_MS is anvil_rate_time_unit. A client's rates begin
 * anew with its first event after that time.
 */
void reporter_event(struct reporter *r, const struct msg_anvil *event, int64_t now_ms,
    int64_t unit_ms, struct msg_anvil_count *count);

/* Forgets whoever has no connection and whose time unit has passed. */
void clients_expire(struct clients *c, int64_t now_ms, int64_t unit_ms);
size_t clients_count(const struct clients *c);

/*
 * The highest values since the last call, "max connection rate 3/60s for (smtp:192.0.2.1) at Nov 22
 * 06:19:00" and the like, one line each in OUT. Then they begin anew.
 */
void clients_statistics(struct clients *c, int64_t unit_ms, struct buf *out);

#endif
