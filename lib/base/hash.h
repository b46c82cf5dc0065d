/*
 * hash - a table from text to pointer, seeded per process
 *
 * SipHash with a random key, so that nobody outside can choose keys that collide. The table copies
 * its keys.
 */
#ifndef POSTKEEP_BASE_HASH_H
#define POSTKEEP_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct hash;

struct hash *hash_new(void);
/* DROP, unless NULL, is called on every value. Sets *H to NULL; NULL is accepted. */
void hash_free(struct hash **h, void (*drop)(void *value));
size_t hash_count(const struct hash *h);

/* The value, or NULL. Values must not be NULL. */
void *hash_get(const struct hash *h, struct str key);
/* Stores VALUE under KEY; returns the value that stood there before, or NULL. */
void *hash_put(struct hash *h, struct str key, void *value);
/* Removes KEY; returns its value, or NULL. */
void *hash_del(struct hash *h, struct str key);

/*
 * Walks the table: start with *CURSOR = 0, call until false. Order is arbitrary. The table must not
 * grow meanwhile; deleting the entry just returned is allowed.
 */
bool hash_next(const struct hash *h, size_t *cursor, struct str *key, void **value);

#endif
