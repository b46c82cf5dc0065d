/*
 * cache - connections between two messages
 *
 * Kept by what they lead to (next hop or server, with TLS policy and login), for as long as
 * smtp_connection_cache_time_limit says; then they are told QUIT. Bounded.
 */
#ifndef POSTKEEP_SMTP_CLIENT_CACHE_H
#define POSTKEEP_SMTP_CLIENT_CACHE_H

#include "smtp/connection.h"

struct cache;

#define CACHE_MAX 200

struct cache *cache_new(void);
/* Closes all, without a word. */
void cache_free(struct cache **cache);
/* Keeps *C, which is NULL after, or ends it when it may not be used again. May wait. */
void cache_put(struct cache *cache, struct connection **c);
/* One with this KEY; NULL when there is none. */
struct connection *cache_take(struct cache *cache, struct str key);
/* Tells all of them QUIT. */
void cache_clear(struct cache *cache);

#endif
