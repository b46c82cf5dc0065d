/*
 * digest - the digests that mechanisms are made of, from OpenSSL
 *
 * How often PBKDF2 turns is the server's wish: the caller bounds it, and the work is done in a worker thread.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/sasl/sasl_private.h"

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
	size_t size;
} digests[SASL_DIGESTS] = {
    [SASL_MD5] = {"MD5", EVP_md5, SASL_MD5_SIZE},
    [SASL_SHA1] = {"SHA-1", EVP_sha1, 20},
    [SASL_SHA256] = {"SHA-256", EVP_sha256, 32},
    [SASL_SHA512] = {"SHA-512", EVP_sha512, SASL_DIGEST_MAX},
};

/* Set once, before there is a second thread. */
static struct {
	bool asked;
	bool there[SASL_DIGESTS];
} prepared;

static bool
works(enum sasl_digest d)
{
	unsigned char out[SASL_DIGEST_MAX];

	return sasl_digest(d, STR("x"), out) && sasl_hmac(d, STR("x"), STR("y"), out) &&
	    sasl_pbkdf2(d, STR("x"), STR("y"), 1, out);
}

bool
sasl_prepare(struct buf *why)
{
	bool all = true;

	for (enum sasl_digest d = 0; d < SASL_DIGESTS; d++) {
		prepared.there[d] = works(d);
		if (!prepared.there[d])
			buf_printf(why, "%sOpenSSL has no %s", all ? "" : ", ", digests[d].name);
		all = all && prepared.there[d];
	}
	prepared.asked = true;
	return all;
}

bool
sasl_digest_there(enum sasl_digest d)
{
	return !prepared.asked || prepared.there[d];
}

size_t
sasl_digest_size(enum sasl_digest d)
{
	return digests[d].size;
}

bool
sasl_digest(enum sasl_digest d, struct str data, unsigned char *out)
{
	return EVP_Digest(data.data, data.len, out, NULL, digests[d].md(), NULL) == 1;
}

bool
sasl_hmac(enum sasl_digest d, struct str key, struct str data, unsigned char *out)
{
	return key.len <= INT_MAX &&
	    HMAC(digests[d].md(), key.data, (int)key.len, (const unsigned char *)data.data,
		data.len, out, NULL) != NULL;
}

struct pbkdf2_job {
	enum sasl_digest digest;
	struct str password, salt;
	unsigned iterations;
	unsigned char *out;
	bool ok;
};

/* In a worker thread. */
static void
run_pbkdf2(void *arg)
{
	struct pbkdf2_job *j = arg;

	j->ok = PKCS5_PBKDF2_HMAC(j->password.data, (int)j->password.len,
		    (const unsigned char *)j->salt.data, (int)j->salt.len, (int)j->iterations,
		    digests[j->digest].md(), (int)digests[j->digest].size, j->out) == 1;
}

bool
sasl_pbkdf2(enum sasl_digest d, struct str password, struct str salt, unsigned iterations,
    unsigned char *out)
{
	struct pbkdf2_job job = {d, password, salt, iterations, out, false};

	if (password.len > INT_MAX || salt.len > INT_MAX || iterations > INT_MAX)
		return false;
	if (fiber_running())
		fiber_offload(FIBER_POOL_READ, run_pbkdf2, &job);
	else
		run_pbkdf2(&job);
	return job.ok;
}

bool
sasl_same(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
sasl_hex(const unsigned char *p, size_t n, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		buf_putc(out, digits[p[i] >> 4]);
		buf_putc(out, digits[p[i] & 15]);
	}
}
