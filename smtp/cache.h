/*
 * cache - connections between two messages
 *
 * Kept under two labels: the destination that a connection was last used for, which finds it again without
 * asking DNS, and the endpoint, which is the server and what was demanded of it (endpoint.h), so that
 * destinations with the same server share connections. For as long as smtp_connection_cache_time_limit says;
 * then they are told QUIT. Bounded.
 */
#ifndef POSTKEEP_SMTP_CLIENT_CACHE_H
#define POSTKEEP_SMTP_CLIENT_CACHE_H

#include "smtp/connection.h"

struct cache;

#define CACHE_MAX 200 /* connections */

struct cache *cache_new(void);
/* Closes all, without a word. */
void cache_free(struct cache **cache);
/* Keeps *C, which is NULL after, or ends it when it may not be used again. May wait. */
void cache_put(struct cache *cache, struct connection **c);
enum cache_label { CACHE_DESTINATION, CACHE_ENDPOINT };
/* One with this LABEL; NULL when there is none, and for the empty label. */
struct connection *cache_take(struct cache *cache, enum cache_label by, struct str label);
bool cache_empty(const struct cache *cache);
/* Tells all of them QUIT. */
void cache_clear(struct cache *cache);

#endif
