/*
 * sasl_private - what the mechanisms share. Nobody outside lib/sasl includes it.
 */
#ifndef POSTKEEP_SASL_SASL_PRIVATE_H
#define POSTKEEP_SASL_SASL_PRIVATE_H

#include "lib/sasl/sasl.h"

/* --- Digests (digest.c) ---------------------------------------------------------------------- */

#define SASL_DIGEST_MAX 64 /* bytes of the longest: SHA-512 */
#define SASL_MD5_SIZE 16

enum sasl_digest {
	SASL_MD5,
	SASL_SHA1,
	SASL_SHA256,
	SASL_SHA512,
	SASL_DIGESTS,
};
/* Does this OpenSSL have it? Asked once by sasl_prepare(), and good ever after. */
bool sasl_digest_there(enum sasl_digest d);
size_t sasl_digest_size(enum sasl_digest d);
/* OUT has room for sasl_digest_size(). False: OpenSSL refused. */
bool sasl_digest(enum sasl_digest d, struct str data, unsigned char *out);
bool sasl_hmac(enum sasl_digest d, struct str key, struct str data, unsigned char *out);
/* PBKDF2 with one block (Hi() of RFC 5802); in a worker thread when the caller is on a fiber. */
bool sasl_pbkdf2(enum sasl_digest d, struct str password, struct str salt, unsigned iterations,
    unsigned char *out);
/* Are N bytes equal? Takes the same time whatever they are. */
bool sasl_same(const void *a, const void *b, size_t n);
/* Appends N bytes in lower-case hexadecimal. */
void sasl_hex(const unsigned char *p, size_t n, struct buf *out);

/* --- Mechanisms ------------------------------------------------------------------------------ */

/* What a mechanism is good for; what the parameters of options demand. */
enum sasl_property {
	SASL_NOPLAINTEXT = 1,
	SASL_NOACTIVE = 2,
	SASL_NODICTIONARY = 4,
	SASL_NOANONYMOUS = 8,
	SASL_MUTUAL_AUTH = 16,
	SASL_FORWARD_SECRECY = 32,
};

struct sasl_mechanism {
	const char *name;
	unsigned properties;
	enum sasl_digest digest;
	bool has_digest;
	bool has_first; /* the client begins */
	bool prepared;  /* name and password go through SASLprep */
	bool deaf;      /* what the challenges say does not matter */
	unsigned
	    rounds; /* challenges that are answered, the one for a late first response not counted */
	/* Appends the client's first message, not encoded. */
	bool (*first)(struct sasl_login *l, struct buf *out, struct buf *why);
	/* Answers challenge number L->round (from 1), both not encoded. False: cancel, for the reason WHY. */
	bool (*answer)(
	    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
	/* Looks at the server's proof, which may come with its 235. NULL: it has none to give. */
	bool (*final)(struct sasl_login *l, struct str message, struct buf *why);
};

/* From strong to weak, those with tokens last; NULL name at the end. */
extern const struct sasl_mechanism sasl_mechanisms[];
#define SASL_MECHANISMS_MAX 10

struct sasl_scram {
	struct buf user, password; /* as SASLprep makes them */
	struct buf nonce;          /* the client's */
	struct buf bare;           /* client-first-message-bare */
	unsigned char signature[SASL_DIGEST_MAX];
};

struct sasl_login {
	char *service; /* "smtp", "lmtp" */
	char *host;
	unsigned port;
	bool authzid; /* send the name as authorization identity too */
	struct sasl_account account;
	const struct sasl_mechanism *left[SASL_MECHANISMS_MAX];
	size_t n_left, next;
	const struct sasl_mechanism *mechanism;
	bool first_pending; /* the initial response did not go with the command */
	bool canceled;
	bool proved; /* the server knows the password */
	unsigned round;
	struct buf error; /* what the server told in a challenge about its refusal */
	struct sasl_scram scram;
	unsigned char rspauth[2 * SASL_MD5_SIZE]; /* DIGEST-MD5: in hexadecimal */
};

struct str sasl_user(const struct sasl_login *l);
struct str sasl_password(const struct sasl_login *l);

/* saslprep.c */
/*
 * OUT becomes NAME, prepared by SASLprep (RFC 4013) as a "query": unassigned code points are let through. False with
 * WHY, "the WHAT is …", and OUT empty, for what is prohibited, is not UTF-8, or is empty afterwards.
 */
bool saslprep(struct str name, const char *what, struct buf *out, struct buf *why);

/* plain.c */
/* Appends NAME with "=" and "," written as =3D and =2C: RFC 5801 section 4, RFC 5802 section 5.1. */
void sasl_escaped_name(struct str name, struct buf *out);
bool sasl_plain_first(struct sasl_login *l, struct buf *out, struct buf *why);
bool sasl_login_answer(
    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
bool sasl_xoauth2_first(struct sasl_login *l, struct buf *out, struct buf *why);
bool sasl_xoauth2_answer(
    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
bool sasl_oauthbearer_first(struct sasl_login *l, struct buf *out, struct buf *why);
bool sasl_oauthbearer_answer(
    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
/* md5.c */
bool sasl_cram_answer(struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
bool sasl_digest_answer(
    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
/* Checks the server's last message; L->proved is set when it is right. */
bool sasl_digest_final(struct sasl_login *l, struct str message, struct buf *why);
/* scram.c */
bool sasl_scram_first(struct sasl_login *l, struct buf *out, struct buf *why);
bool sasl_scram_answer(
    struct sasl_login *l, struct str challenge, struct buf *out, struct buf *why);
/* The same for server-final-message. */
bool sasl_scram_final(struct sasl_login *l, struct str message, struct buf *why);
/* For tests with known vectors: the nonce that is used instead of a random one. */
void sasl_fix_nonce(struct sasl_login *l, struct str nonce);

#endif
