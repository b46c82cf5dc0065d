/*
 * connection - the layer that encrypts what a stream reads and writes
 *
 * Nothing here waits: what OpenSSL wants to wait for is handed to the stream. OpenSSL's queue of errors
 * is emptied before each call and read right after it, since another fiber's connection may be next.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/tls/internal.h"

/* Of the tickets of one connection only the first few are looked at. */
#define TICKETS_MAX 4

struct tls_connection *
tls_connection_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

struct tls_connection *
tls_connection_new(struct tls_client *c, int fd, struct str peer)
{
	struct tls_connection *t = MEM_NEW(struct tls_connection);

	t->client = c;
	t->peer = str_dup(peer);
	t->verify_error = X509_V_OK;
	t->ssl = SSL_new(c->ctx);
	if (!t->ssl || SSL_set_fd(t->ssl, fd) != 1)
		log_fatal("OpenSSL makes no connection: %s", tls_openssl_why());
	SSL_set_app_data(t->ssl, t);
	return t;
}

void
tls_connection_free(struct tls_connection *t)
{
	X509_free(t->verify_cert);
	SSL_free(t->ssl);
	free(t->peer);
	free(t);
}

/*
 * Called by OpenSSL within SSL_connect() and SSL_read(): keeps the session in serial form, which is small
 * and of known size. Before the server was looked at it is not known whether it may be kept; a session of
 * TLS 1.2 comes that early, so client.c keeps that one itself.
 */
int
tls_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_connection *t = tls_connection_of(ssl);
	unsigned char *bytes = NULL;
	int len;

	if (!t || !t->keep || t->tickets++ >= TICKETS_MAX || !SSL_SESSION_is_resumable(session))
		return 0;
	len = i2d_SSL_SESSION(session, &bytes);
	if (len > 0)
		tls_sessions_put(t->client->sessions, str_n(t->key, sizeof(t->key)),
		    str_n(bytes, (size_t)len), clock_mono_ms());
	if (len > 0)
		OPENSSL_clear_free(bytes, (size_t)len);
	return 0;
}

/* What a call that returned RC means: -1 with errno, 0 for the end; FAILED after a fatal error. */
static ssize_t
result(struct tls_connection *t, int rc, int *wait_for)
{
	int error = errno;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*wait_for = FIBER_READ;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_WANT_WRITE:
		*wait_for = FIBER_WRITE;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		t->failed = true;
		ERR_clear_error();
		errno = error != 0 && error != EAGAIN ? error : ECONNRESET;
		return -1;
	default:
		t->failed = true;
		/* Such as "certificate required": the stream can only say that it is broken. */
		log_warning("%s: TLS connection broken: %s", t->peer, tls_openssl_why());
		ERR_clear_error();
		errno = EPROTO;
		return -1;
	}
}

static ssize_t
layer_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct tls_connection *t = ctx;
	size_t got = 0;

	ERR_clear_error();
	errno = 0;
	if (SSL_read_ex(t->ssl, data, n, &got) == 1)
		return (ssize_t)got;
	return result(t, 0, wait_for);
}

static ssize_t
layer_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct tls_connection *t = ctx;
	size_t put = 0;
	ssize_t r;

	ERR_clear_error();
	errno = 0;
	if (SSL_write_ex(t->ssl, data, n, &put) == 1)
		return (ssize_t)put;
	r = result(t, 0, wait_for);
	if (r == 0) {
		errno = EPIPE;
		r = -1;
	}
	return r;
}

/* The goodbye goes out if the socket takes it at once; the answer is not waited for. */
static void
layer_close(void *ctx)
{
	struct tls_connection *t = ctx;

	ERR_clear_error();
	if (!t->failed && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	ERR_clear_error();
	tls_connection_free(t);
}

const struct stream_io tls_stream_io = {layer_read, layer_write, layer_close};
