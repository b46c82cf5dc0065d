/*
 * siphash - SipHash-2-4, 64 and 128 bits (Aumasson and Bernstein, 2012)
 *
 * Keyed hash of short and long text: hash tables (random key) and the checks in queue slots (a fixed,
 * public key: there it finds damage, it does not authenticate).
 */
#ifndef POSTKEEP_BASE_SIPHASH_H
#define POSTKEEP_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
	uint64_t v[4];
	uint64_t tail;   /* bytes not yet mixed in, low byte first */
	uint64_t length; /* bytes seen */
};

void siphash_init(struct siphash *h, const uint64_t key[2]);
void siphash_update(struct siphash *h, const void *data, size_t n);
/* The hash of all bytes given. H may not be updated afterwards. */
uint64_t siphash_final(struct siphash *h);

/* All in one. */
uint64_t siphash(const uint64_t key[2], const void *data, size_t n);
/*
 * 128 bits, as two numbers whose bytes, low ones first, are those of the hash: with a secret key, a code that
 * nobody else can make or guess.
 */
void siphash_128(const uint64_t key[2], const void *data, size_t n, uint64_t out[2]);

#endif
