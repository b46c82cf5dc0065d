/*
 * siphash - SipHash-2-4
 *
 * After "SipHash: a fast short-input PRF" (Aumasson and Bernstein, 2012), section 2; the longer hash as its
 * authors' own program makes it.
 */
#include "lib/base/siphash.h"

static inline uint64_t
rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
rounds(uint64_t v[4], int count)
{
	uint64_t v0 = v[0], v1 = v[1], v2 = v[2], v3 = v[3];

	while (count-- > 0) {
		v0 += v1;
		v2 += v3;
		v1 = rotate(v1, 13) ^ v0;
		v3 = rotate(v3, 16) ^ v2;
		v0 = rotate(v0, 32);
		v2 += v1;
		v0 += v3;
		v1 = rotate(v1, 17) ^ v2;
		v3 = rotate(v3, 21) ^ v0;
		v2 = rotate(v2, 32);
	}
	v[0] = v0;
	v[1] = v1;
	v[2] = v2;
	v[3] = v3;
}

static inline void
mix(struct siphash *h, uint64_t word)
{
	h->v[3] ^= word;
	rounds(h->v, 2);
	h->v[0] ^= word;
}

/* Little endian, whatever the machine; compilers make one load of it. */
static inline uint64_t
word_at(const unsigned char *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	    (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	    (uint64_t)p[7] << 56;
}

void
siphash_init(struct siphash *h, const uint64_t key[2])
{
	/* The constants are "somepseudorandomlygeneratedbytes" in ASCII. */
	h->v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
	h->v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
	h->v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
	h->v[3] = key[1] ^ UINT64_C(0x7465646279746573);
	h->tail = 0;
	h->length = 0;
}

void
siphash_update(struct siphash *h, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t held = h->length % 8;

	h->length += n;
	while (n > 0 && held != 0) {
		h->tail |= (uint64_t)*p++ << (8 * held);
		n--;
		held = (held + 1) % 8;
		if (held == 0) {
			mix(h, h->tail);
			h->tail = 0;
		}
	}
	for (; n >= 8; p += 8, n -= 8)
		mix(h, word_at(p));
	for (; n > 0; n--)
		h->tail |= (uint64_t)*p++ << (8 * held++);
}

uint64_t
siphash_final(struct siphash *h)
{
	mix(h, h->tail | h->length << 56);
	h->v[2] ^= 0xff;
	rounds(h->v, 4);
	return h->v[0] ^ h->v[1] ^ h->v[2] ^ h->v[3];
}

uint64_t
siphash(const uint64_t key[2], const void *data, size_t n)
{
	struct siphash h;

	siphash_init(&h, key);
	siphash_update(&h, data, n);
	return siphash_final(&h);
}

void
siphash_128(const uint64_t key[2], const void *data, size_t n, uint64_t out[2])
{
	struct siphash h;

	siphash_init(&h, key);
	h.v[1] ^= 0xee;
	siphash_update(&h, data, n);
	mix(&h, h.tail | h.length << 56);
	h.v[2] ^= 0xee;
	rounds(h.v, 4);
	out[0] = h.v[0] ^ h.v[1] ^ h.v[2] ^ h.v[3];
	h.v[1] ^= 0xdd;
	rounds(h.v, 4);
	out[1] = h.v[0] ^ h.v[1] ^ h.v[2] ^ h.v[3];
}
