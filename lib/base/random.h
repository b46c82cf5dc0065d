/* random - unpredictable bytes from the kernel, and spread for timers. */
#ifndef POSTKEEP_BASE_RANDOM_H
#define POSTKEEP_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills P with N bytes of getrandom(2); ends the process if the kernel has none to give. */
void random_bytes(void *p, size_t n);
/* A number from 0 to BELOW-1; BELOW must not be 0. */
uint64_t random_below(uint64_t below);

#endif
