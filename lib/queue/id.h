/*
 * id - queue IDs: time and slot, in the grammar of Postfix's long IDs
 *
 * Six or more base-52 digits of seconds, four of microseconds, 'z', the slot number in base 51. IDs of
 * the same length sort by time.
 */
#ifndef POSTKEEP_QUEUE_ID_H
#define POSTKEEP_QUEUE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

#define QUEUE_ID_SIZE 25 /* bytes of the longest ID and its NUL */

/* Writes the ID of the message accepted at TIME_US (microseconds since 1970) in SLOT. */
void queue_id_make(int64_t time_us, uint32_t slot, char id[QUEUE_ID_SIZE]);
/* False when ID is not one that queue_id_make() could have made. */
bool queue_id_parse(struct str id, int64_t *time_us, uint32_t *slot);

#endif
