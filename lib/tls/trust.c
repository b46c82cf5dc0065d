/*
 * trust - the authorities, and the trust anchors that stand alone
 *
 * All are read into memory whole: nothing can be opened later. Of a directory the files are read that
 * OpenSSL would find there, those that are named by a hash.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/params.h"
#include "lib/tls/internal.h"

/* The system's file; a file of a directory, and most of them. */
#define STORE_MAX ((size_t)16 * 1024 * 1024)
#define ENTRY_MAX ((size_t)1024 * 1024)
#define ENTRIES_MAX 10000
#define ANCHORS_MAX 100
#define NAME_DIGITS 8

/* Adds the certificates and revocation lists of PEM to the store; how many. */
static size_t
add_pem(struct tls_client *c, struct str pem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	STACK_OF(X509_INFO) *infos = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
	size_t n = 0;

	for (int i = 0; infos && i < sk_X509_INFO_num(infos); i++) {
		X509_INFO *info = sk_X509_INFO_value(infos, i);

		if (info->x509 && X509_STORE_add_cert(store, info->x509) == 1)
			n++;
		if (info->crl)
			X509_STORE_add_crl(store, info->crl);
	}
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(bio);
	return n;
}

static void
load_file(struct tls_client *c, enum param p, const char *path)
{
	struct buf pem = {0};

	if (tls_read_file(c, p, path, &pem) && add_pem(c, buf_view(&pem)) == 0)
		tls_fault(c, p, "there is no certificate in %s", path);
	ERR_clear_error();
	buf_free(&pem);
}

/* "5ad8a5d6.0", "5ad8a5d6.r0": how OpenSSL finds certificates and revocation lists. */
static bool
hashed_name(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	if (n != NAME_DIGITS || name[n] != '.')
		return false;
	name += n + 1;
	if (*name == 'r')
		name++;
	return *name != '\0' && strspn(name, "0123456789") == strlen(name);
}

/* How many certificates the directory gave; -1 if it cannot be read (errno). */
static long
load_directory(struct tls_client *c, const char *path)
{
	DIR *dir = opendir(path);
	struct buf name = {0}, pem = {0};
	struct dirent *e;
	long n = 0, files = 0;

	if (!dir)
		return -1;
	tls_note_file(c, path);
	while (files < ENTRIES_MAX && (e = readdir(dir))) {
		if (!hashed_name(e->d_name))
			continue;
		files++;
		buf_reset(&name);
		buf_reset(&pem);
		buf_printf(&name, "%s/%s", path, e->d_name);
		if (io_read_file(buf_cstr(&name), ENTRY_MAX, &pem) == 0)
			n += (long)add_pem(c, buf_view(&pem));
		else
			log_warning("cannot read %s: %s", buf_cstr(&name), strerror(errno));
	}
	closedir(dir);
	ERR_clear_error();
	buf_free(&name);
	buf_free(&pem);
	return n;
}

static void
load_path(struct tls_client *c, enum param p, const char *path)
{
	long n = load_directory(c, path);

	if (n < 0)
		tls_fault(c, p, "cannot read %s: %s", path, strerror(errno));
	else if (n == 0)
		tls_fault(c, p,
		    "there is no certificate in %s under a name that is made by \"openssl rehash\"",
		    path);
}

/*
 * Where OpenSSL as it is installed looks: one file, and a directory, which has the same certificates where
 * there are both. Neither need be there.
 */
static void
load_system(struct tls_client *c)
{
	const char *file = secure_getenv(X509_get_default_cert_file_env());
	const char *dir = secure_getenv(X509_get_default_cert_dir_env());
	struct buf pem = {0};
	size_t n = 0;

	if (!file)
		file = X509_get_default_cert_file();
	if (!dir)
		dir = X509_get_default_cert_dir();
	if (io_read_file(file, STORE_MAX, &pem) == 0) {
		tls_note_file(c, file);
		n = add_pem(c, buf_view(&pem));
	}
	buf_free(&pem);
	if (n == 0)
		load_directory(c, dir);
	ERR_clear_error();
}

static void
load_anchor_setting(struct tls_client *c)
{
	struct str rest = tls_setting(c, SET_ANCHORS), path = str_trim(rest);
	struct buf why = {0};

	if (path.len > 0 && !tls_client_load_anchors(c, path, &why))
		tls_fault(c, tls_param(c, SET_ANCHORS), "%.*s", STR_ARG(buf_view(&why)));
	buf_free(&why);
}

void
tls_load_authorities(struct tls_client *c)
{
	const char *file = conf_cstr(c->conf, tls_param(c, SET_CAFILE));
	const char *path = conf_cstr(c->conf, tls_param(c, SET_CAPATH));

	if (*file)
		load_file(c, tls_param(c, SET_CAFILE), file);
	if (*path)
		load_path(c, tls_param(c, SET_CAPATH), path);
	if ((!*file && !*path) || conf_bool(c->conf, P_tls_append_default_CA))
		load_system(c);
	load_anchor_setting(c);
}

/* --- Trust anchors that stand alone: TLSA records of the whole certificate or key (RFC 6698) ----- */

static void
add_record(struct tls_anchors *anchors, uint8_t selector, unsigned char *der, int len)
{
	struct tls_tlsa *r;

	if (len <= 0 || anchors->n == ANCHORS_MAX) {
		OPENSSL_free(der);
		return;
	}
	anchors->records =
	    mem_resize(anchors->records, (anchors->n + 1) * sizeof(*anchors->records));
	r = &anchors->records[anchors->n++];
	*r = (struct tls_tlsa){.usage = TLSA_DANE_TA, .selector = selector};
	r->data = (struct str){mem_alloc((size_t)len), (size_t)len};
	memcpy((char *)(uintptr_t)r->data.data, der, (size_t)len);
	OPENSSL_free(der);
}

/* One block of a PEM file; other kinds than certificates and public keys are passed over. */
static void
add_block(struct tls_anchors *anchors, const char *name, const unsigned char *data, long len)
{
	const unsigned char *at = data;
	unsigned char *der = NULL;
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	int n;

	if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0)
		cert = d2i_X509(NULL, &at, len);
	else if (strcmp(name, PEM_STRING_PUBLIC) == 0)
		key = d2i_PUBKEY(NULL, &at, len);
	if (cert) {
		n = i2d_X509(cert, &der);
		add_record(anchors, TLSA_CERT, der, n);
	} else if (key) {
		n = i2d_PUBKEY(key, &der);
		add_record(anchors, TLSA_SPKI, der, n);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
}

static struct tls_anchors *
read_anchors(struct str pem, const char *path)
{
	struct tls_anchors *anchors = MEM_NEW(struct tls_anchors);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len;

	anchors->path = mem_strdup(path);
	while (bio && PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
		add_block(anchors, name, data, len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
	}
	ERR_clear_error();
	BIO_free(bio);
	return anchors;
}

void
tls_anchors_free(void *arg)
{
	struct tls_anchors *anchors = arg;

	for (size_t i = 0; i < anchors->n; i++)
		free((char *)(uintptr_t)anchors->records[i].data.data);
	free(anchors->records);
	free(anchors->path);
	free(anchors);
}

bool
tls_client_load_anchors(struct tls_client *c, struct str path, struct buf *why)
{
	char *file = str_dup(path);
	struct buf pem = {0};
	struct tls_anchors *anchors = NULL;

	if (hash_get(c->anchors, path)) {
		free(file);
		return true;
	}
	tls_note_file(c, file);
	if (io_read_file(file, ENTRY_MAX, &pem) != 0) {
		buf_printf(why, "cannot read %s: %s", file, strerror(errno));
	} else {
		anchors = read_anchors(buf_view(&pem), file);
		if (anchors->n == 0) {
			buf_printf(why, "there is no certificate and no public key in %s", file);
			tls_anchors_free(anchors);
			anchors = NULL;
		} else {
			hash_put(c->anchors, path, anchors);
		}
	}
	buf_free(&pem);
	free(file);
	return anchors != NULL;
}
