/*
 * identity - the client's own certificates and keys
 *
 * From smtp_tls_chain_files (each key followed by its certificate and those of the way up to the root),
 * or, when that is empty, from pairs of parameters. Keys are read as root and stay in memory.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf/params.h"
#include "lib/tls/internal.h"

#define SOON_DAYS 14
#define DAY ((time_t)24 * 60 * 60)

#define CHAIN_MAX 32

/* What is taken off PEM files, in order. */
struct blocks {
	EVP_PKEY *key;
	X509 *certs[CHAIN_MAX];
	size_t n;
};

/* One block of a file: a key, a certificate, or neither. The caller frees. */
struct block {
	EVP_PKEY *key;
	X509 *cert;
	bool encrypted;
};

static void
free_blocks(struct blocks *b)
{
	EVP_PKEY_free(b->key);
	for (size_t i = 0; i < b->n; i++)
		X509_free(b->certs[i]);
	*b = (struct blocks){0};
}

/* An own certificate of which the time has come: other servers may refuse it. */
static void
check_time(struct tls_client *c, enum param p, const char *path, X509 *cert)
{
	const ASN1_TIME *end = X509_get0_notAfter(cert);
	time_t soon = time(NULL) + SOON_DAYS * DAY;
	struct buf when = {0};

	tls_time_text(end, &when);
	if (X509_cmp_current_time(end) < 0)
		tls_doubt(
		    c, p, "the certificate in %s expired on %s: renew it", path, buf_cstr(&when));
	else if (X509_cmp_time(end, &soon) < 0)
		tls_doubt(
		    c, p, "the certificate in %s expires on %s: renew it", path, buf_cstr(&when));
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		tls_doubt(
		    c, p, "the certificate in %s is not valid yet; is the clock right?", path);
	buf_free(&when);
}

/* Makes the gathered key and certificates one of the identities. */
static void
use(struct tls_client *c, enum param p, const char *path, struct blocks *b)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	for (size_t i = 1; chain && i < b->n; i++)
		sk_X509_push(chain, b->certs[i]);
	if (b->n == 0)
		tls_fault(c, p, "there is no certificate after the key in %s", path);
	else if (X509_check_private_key(b->certs[0], b->key) != 1)
		tls_fault(c, p,
		    "the key does not match the first certificate in %s: the server's own "
		    "certificate must come first",
		    path);
	else if (SSL_CTX_use_cert_and_key(c->ctx, b->certs[0], b->key, chain, 1) != 1)
		tls_fault(c, p, "OpenSSL does not take the certificate in %s: %s", path,
		    tls_openssl_why());
	else
		check_time(c, p, path, b->certs[0]);
	ERR_clear_error();
	sk_X509_free(chain);
}

static void
free_block(struct block *b)
{
	EVP_PKEY_free(b->key);
	X509_free(b->cert);
	*b = (struct block){0};
}

/* The next key or certificate; false at the end. */
static bool
next_block(BIO *bio, struct block *b)
{
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len;

	*b = (struct block){0};
	while (!b->key && !b->cert && !b->encrypted &&
	    PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
		const unsigned char *at = data;

		if (strcmp(name, PEM_STRING_PKCS8) == 0 || strstr(header, "ENCRYPTED"))
			b->encrypted = true;
		else if (str_ends_nocase(str_c(name), STR("PRIVATE KEY")))
			b->key = d2i_AutoPrivateKey(NULL, &at, len);
		else if (strcmp(name, PEM_STRING_X509) == 0 ||
		    strcmp(name, PEM_STRING_X509_OLD) == 0)
			b->cert = d2i_X509(NULL, &at, len);
		else if (strcmp(name, PEM_STRING_X509_TRUSTED) == 0)
			b->cert = d2i_X509_AUX(NULL, &at, len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)len);
	}
	return b->key || b->cert || b->encrypted;
}

static void
add_cert(struct blocks *b, struct block *from)
{
	if (b->n == CHAIN_MAX)
		return;
	b->certs[b->n++] = from->cert;
	from->cert = NULL;
}

static void
no_typing(struct tls_client *c, enum param p, const char *path)
{
	tls_fault(c, p,
	    "the key in %s has a password, and nobody is there to type it: store the key without "
	    "one (openssl pkey -in FILE -out FILE2)",
	    path);
}

/* Opened, or NULL after taking note of the fault. PEM holds the file. */
static BIO *
open_pem(struct tls_client *c, enum param p, const char *path, struct buf *pem)
{
	return tls_read_file(c, p, path, pem) ? BIO_new_mem_buf(pem->data, (int)pem->len) : NULL;
}

static void
close_pem(BIO *bio, struct buf *pem)
{
	BIO_free(bio);
	if (pem->len > 0)
		OPENSSL_cleanse(pem->data, pem->len);
	buf_free(pem);
	ERR_clear_error();
}

/* The blocks of one of smtp_tls_chain_files; a key ends the identity before it. */
static void
load_chain_file(struct tls_client *c, enum param p, const char *path, struct blocks *b)
{
	struct buf pem = {0};
	BIO *bio = open_pem(c, p, path, &pem);
	struct block block;
	size_t n = 0;

	while (bio && next_block(bio, &block)) {
		n++;
		if (block.encrypted) {
			no_typing(c, p, path);
		} else if (block.key) {
			if (b->key)
				use(c, p, path, b);
			free_blocks(b);
			b->key = block.key;
			block.key = NULL;
		} else if (b->key) {
			add_cert(b, &block);
		} else if (c->fault.len == 0) {
			tls_fault(
			    c, p, "%s has a certificate before any key: the key comes first", path);
		}
		free_block(&block);
	}
	if (bio && n == 0)
		tls_fault(c, p, "there is neither a key nor a certificate in %s", path);
	close_pem(bio, &pem);
}

static void
load_chain_files(struct tls_client *c, struct str list)
{
	enum param p = tls_param(c, SET_CHAIN_FILES);
	struct blocks b = {0};
	struct str item;
	char *path = NULL;

	while (conf_list_next(&list, &item)) {
		free(path);
		path = str_dup(item);
		load_chain_file(c, p, path, &b);
	}
	if (b.key)
		use(c, p, path, &b);
	free_blocks(&b);
	free(path);
}

/* The keys, or the certificates, of PATH into B. */
static bool
load_part(struct tls_client *c, enum param p, const char *path, bool keys, struct blocks *b)
{
	struct buf pem = {0};
	BIO *bio = open_pem(c, p, path, &pem);
	struct block block;
	bool encrypted = false;

	while (bio && next_block(bio, &block)) {
		encrypted = encrypted || (keys && block.encrypted);
		if (keys && block.key && !b->key) {
			b->key = block.key;
			block.key = NULL;
		} else if (!keys && block.cert) {
			add_cert(b, &block);
		}
		free_block(&block);
	}
	if (encrypted)
		no_typing(c, p, path);
	else if (bio && keys && !b->key)
		tls_fault(c, p, "there is no private key in %s", path);
	else if (bio && !keys && b->n == 0)
		tls_fault(c, p, "there is no certificate in %s", path);
	close_pem(bio, &pem);
	return keys ? b->key != NULL : b->n > 0;
}

static void
load_pair(struct tls_client *c, enum tls_setting cert, enum tls_setting key)
{
	const char *cert_path = conf_cstr(c->conf, tls_param(c, cert));
	const char *key_path = conf_cstr(c->conf, tls_param(c, key));
	struct blocks b = {0};

	if (*cert_path && load_part(c, tls_param(c, cert), cert_path, false, &b) &&
	    load_part(c, tls_param(c, key), *key_path ? key_path : cert_path, true, &b))
		use(c, tls_param(c, cert), cert_path, &b);
	free_blocks(&b);
}

void
tls_load_identity(struct tls_client *c)
{
	struct str chain = tls_setting(c, SET_CHAIN_FILES);

	if (str_trim(chain).len > 0) {
		load_chain_files(c, chain);
		return;
	}
	load_pair(c, SET_CERT_FILE, SET_KEY_FILE);
	load_pair(c, SET_DCERT_FILE, SET_DKEY_FILE);
	load_pair(c, SET_ECCERT_FILE, SET_ECKEY_FILE);
}
