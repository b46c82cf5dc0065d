/*
 * mem - allocation that does not fail
 *
 * What a stranger can make a program allocate is bounded elsewhere, by limits that answer. When the
 * machine itself has no memory left, the program logs and ends; master starts it again and the queue
 * has lost nothing, since nothing is acknowledged before it is on stable storage.
 */
#ifndef POSTKEEP_BASE_MEM_H
#define POSTKEEP_BASE_MEM_H

#include <stddef.h>

/* Zeroed memory of N bytes / COUNT objects of SIZE bytes; never NULL. free() it. */
void *mem_alloc(size_t n);
void *mem_array(size_t count, size_t size);
void *mem_resize(void *p, size_t n);
char *mem_strdup(const char *s);

/*
 * Gives pages that were freed back to the system, if they are more than KEEP bytes. Takes milliseconds
 * when it has much to give.
 */
void mem_give_back(size_t keep);

/* Overwrites N bytes that held a secret; the compiler does not leave it out. P may be NULL when N is 0. */
void mem_wipe(void *p, size_t n);

#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

#endif
