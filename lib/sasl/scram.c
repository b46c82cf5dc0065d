/*
 * scram - SCRAM-SHA-1, SCRAM-SHA-256 (RFC 5802, 7677), SCRAM-SHA-512, without channel binding
 *
 * The password never goes over the wire, and the server proves that it knows it (or what was derived from
 * it). How often the client must turn PBKDF2 is the server's wish, so it has a limit. Name and password have
 * gone through SASLprep (RFC 5802 sections 2.2 and 5.1) when the mechanism was chosen.
 */
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/sasl/sasl_private.h"

/*
 * Half a second of one processor. Servers ask for 4,096 (RFC 7677) up to some hundred thousand.
 */
#define ITERATIONS_MAX 1000000
#define NONCE_BYTES 18 /* 24 characters of base64 */

void
sasl_fix_nonce(struct sasl_login *l, struct str nonce)
{
	buf_reset(&l->scram.nonce);
	buf_str(&l->scram.nonce, nonce);
}

/* No channel binding; the authorization identity, when one is wanted. */
static void
gs2_header(const struct sasl_login *l, struct buf *out)
{
	buf_puts(out, "n,");
	if (l->authzid) {
		buf_puts(out, "a=");
		sasl_escaped_name(buf_view(&l->scram.user), out);
	}
	buf_putc(out, ',');
}

bool
sasl_scram_first(struct sasl_login *l, struct buf *out, struct buf *why)
{
	struct sasl_scram *s = &l->scram;
	unsigned char nonce[NONCE_BYTES];

	(void)why;
	if (s->nonce.len == 0) {
		random_bytes(nonce, sizeof(nonce));
		base64_encode(str_n(nonce, sizeof(nonce)), &s->nonce);
	}
	buf_reset(&s->bare);
	buf_puts(&s->bare, "n=");
	sasl_escaped_name(buf_view(&l->scram.user), &s->bare);
	buf_puts(&s->bare, ",r=");
	buf_str(&s->bare, buf_view(&s->nonce));
	gs2_header(l, out);
	buf_str(out, buf_view(&s->bare));
	return true;
}

/* Takes "NAME=value" off *REST, up to the next comma. */
static bool
take_attribute(struct str *rest, char name, struct str *value)
{
	size_t comma = str_chr(*rest, ',');
	struct str item = str_sub(*rest, 0, comma);

	if (item.len < 2 || item.data[0] != name || item.data[1] != '=')
		return false;
	*value = str_from(item, 2);
	*rest = comma == STR_NPOS ? STR_EMPTY : str_from(*rest, comma + 1);
	return true;
}

struct server_first {
	struct str nonce;
	struct buf salt;
	unsigned iterations;
};

static bool
nonce_is_good(struct str nonce, struct str own)
{
	if (nonce.len <= own.len || !str_starts(nonce, own))
		return false;
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.data[i] < '!' || nonce.data[i] > '~')
			return false;
	return true;
}

/* "r=…,s=…,i=…" and extensions that may be left alone. One that must be understood ("m=") is none of them. */
static bool
parse_server_first(
    const struct sasl_scram *s, struct str message, struct server_first *f, struct buf *why)
{
	struct str salt, count;
	uint64_t iterations;

	if (!take_attribute(&message, 'r', &f->nonce) || !take_attribute(&message, 's', &salt) ||
	    !take_attribute(&message, 'i', &count) || salt.len == 0 ||
	    !base64_decode(salt, &f->salt)) {
		buf_puts(why, "the server's challenge is not one of SCRAM");
		return false;
	}
	if (!nonce_is_good(f->nonce, buf_view(&s->nonce))) {
		buf_puts(why, "the server's nonce is not made of the client's");
		return false;
	}
	if (!str_to_u64(count, ITERATIONS_MAX, &iterations) || iterations == 0) {
		buf_printf(why, "the server asks for %.*s iterations; from 1 to %d are done",
		    STR_ARG(str_sub(count, 0, 20)), ITERATIONS_MAX);
		return false;
	}
	f->iterations = (unsigned)iterations;
	return true;
}

/* AuthMessage up to and without its last part; WITHOUT_PROOF gets that. */
static void
auth_message(const struct sasl_login *l, struct str server_first, struct str nonce, struct buf *out,
    struct buf *without_proof)
{
	struct buf header = {0};

	gs2_header(l, &header);
	buf_puts(without_proof, "c=");
	base64_encode(buf_view(&header), without_proof);
	buf_puts(without_proof, ",r=");
	buf_str(without_proof, nonce);
	buf_str(out, buf_view(&l->scram.bare));
	buf_putc(out, ',');
	buf_str(out, server_first);
	buf_putc(out, ',');
	buf_str(out, buf_view(without_proof));
	buf_free(&header);
}

/* PROOF gets the client's proof, SIGNATURE what the server is to prove itself with. */
static bool
prove(const struct sasl_login *l, const struct server_first *f, struct str message,
    unsigned char *proof, unsigned char *signature)
{
	enum sasl_digest d = l->mechanism->digest;
	size_t size = sasl_digest_size(d);
	unsigned char salted[SASL_DIGEST_MAX], key[SASL_DIGEST_MAX], stored[SASL_DIGEST_MAX];
	bool ok;

	ok = sasl_pbkdf2(
		 d, buf_view(&l->scram.password), buf_view(&f->salt), f->iterations, salted) &&
	    sasl_hmac(d, str_n(salted, size), STR("Client Key"), key) &&
	    sasl_digest(d, str_n(key, size), stored) &&
	    sasl_hmac(d, str_n(stored, size), message, proof);
	for (size_t i = 0; ok && i < size; i++)
		proof[i] ^= key[i];
	ok = ok && sasl_hmac(d, str_n(salted, size), STR("Server Key"), key) &&
	    sasl_hmac(d, str_n(key, size), message, signature);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(key, sizeof(key));
	mem_wipe(stored, sizeof(stored));
	return ok;
}

static bool
answer_server_first(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	struct server_first f = {0};
	struct buf message = {0}, without_proof = {0};
	unsigned char proof[SASL_DIGEST_MAX];
	bool ok = parse_server_first(&l->scram, challenge, &f, why);

	if (ok) {
		auth_message(l, challenge, f.nonce, &message, &without_proof);
		ok = prove(l, &f, buf_view(&message), proof, l->scram.signature);
		if (!ok)
			buf_puts(why, "OpenSSL did not compute the proof");
	}
	if (ok) {
		buf_str(out, buf_view(&without_proof));
		buf_puts(out, ",p=");
		base64_encode(str_n(proof, sasl_digest_size(l->mechanism->digest)), out);
	}
	buf_free(&f.salt);
	buf_free(&message);
	buf_free(&without_proof);
	return ok;
}

bool
sasl_scram_final(struct sasl_login *l, struct str message, struct buf *why)
{
	size_t size = sasl_digest_size(l->mechanism->digest);
	struct buf signature = {0};
	struct str value;

	if (take_attribute(&message, 'e', &value))
		buf_printf(why, "the server says: %.*s", STR_ARG(str_sub(value, 0, 100)));
	else if (take_attribute(&message, 'v', &value) && base64_decode(value, &signature) &&
	    signature.len == size && sasl_same(signature.data, l->scram.signature, size))
		l->proved = true;
	else
		buf_puts(why, "the server does not know the password: its signature is wrong");
	buf_free(&signature);
	return l->proved;
}

bool
sasl_scram_answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why)
{
	if (l->round == 1)
		return answer_server_first(l, challenge, out, why);
	return sasl_scram_final(l, challenge, why);
}
