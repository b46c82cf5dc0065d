/*
 * fetch - see fetch.h
 *
 * Names are looked up on the fiber (lib/dns), since libcurl's own way would open files; the transfer itself
 * runs in a worker thread, on one of a few handles that were made before confinement. The server is a
 * stranger: what it sends is bounded in size and time, and of its answer only status, type and text count.
 */
#include "mtasts/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/dns/dns.h"
#include "lib/fiber/fiber.h"

#define HANDLES 8
#define TEXT_MAX ((size_t)64 * 1024)
#define TIME_MAX_S 60L
/* Servers that take their time have all handles: then a policy that is not known cannot be had (RFC 8461 5). */
#define TURN_MS 20000
#define STORE_MAX ((size_t)16 * 1024 * 1024)
#define ADDRESSES_MAX 8

static struct {
	CURL *idle[HANDLES];
	size_t n_idle;
	struct fiber_waitq turn;
	struct buf store; /* authorities, as PEM */
	long port;
} curl;

/* One transfer; the worker thread has it alone. */
struct transfer {
	CURL *handle;
	const char *url;
	struct curl_slist *resolve;
	struct buf *text;
	CURLcode result;
	long status;
	char type[100];
	char error[CURL_ERROR_SIZE];
};

static size_t
take_text(char *data, size_t size, size_t n, void *arg)
{
	struct buf *text = arg;
	size_t len = size * n;

	if (len > TEXT_MAX - text->len)
		return 0;
	buf_append(text, data, len);
	return len;
}

/* The handle's own machinery is made by its first use, here one that must fail before it gets anywhere. */
static bool
add_handle(void)
{
	CURL *h = curl_easy_init();

	if (!h)
		return false;
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_URL, "dict://localhost/");
	if (curl_easy_perform(h) != CURLE_UNSUPPORTED_PROTOCOL) {
		curl_easy_cleanup(h);
		return false;
	}
	curl.idle[curl.n_idle++] = h;
	return true;
}

const char *
fetch_file(const struct conf *conf)
{
	const char *file = conf_cstr(conf, P_mta_sts_CAfile);

	return *file ? file : X509_get_default_cert_file();
}

bool
fetch_prepare(const struct conf *conf, struct buf *why)
{
	const char *file = fetch_file(conf);

	curl.port = (long)conf_int(conf, P_mta_sts_https_port);
	fiber_waitq_init(&curl.turn);
	if (io_read_file(file, STORE_MAX, &curl.store) != 0) {
		buf_printf(why, "mta_sts_CAfile: cannot read %s: %s", file, strerror(errno));
		return false;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		buf_puts(why, "libcurl does not start");
		return false;
	}
	for (int i = 0; i < HANDLES; i++)
		if (!add_handle()) {
			buf_puts(why, "libcurl makes no handle");
			return false;
		}
	return true;
}

/* In a worker thread. */
static void
run_transfer(void *arg)
{
	struct transfer *t = arg;
	char *type = NULL;

	t->result = curl_easy_perform(t->handle);
	curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &t->status);
	curl_easy_getinfo(t->handle, CURLINFO_CONTENT_TYPE, &type);
	if (type)
		snprintf(t->type, sizeof(t->type), "%s", type);
}

/* TIME_MAX_S holds for a server, too, that sends records without data as fast as they are read. */
static CURLcode
set_up_tls(CURL *handle, void *ctx, void *arg)
{
	(void)handle;
	(void)arg;
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	return CURLE_OK;
}

static void
set_options(struct transfer *t)
{
	struct curl_blob store = {curl.store.data, curl.store.len, CURL_BLOB_NOCOPY};
	CURL *h = t->handle;

	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_URL, t->url);
	curl_easy_setopt(h, CURLOPT_RESOLVE, t->resolve);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h, CURLOPT_CAINFO_BLOB, &store);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, set_up_tls);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, TIME_MAX_S);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_text);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t->text);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->error);
}

static bool
is_plain_text(const char *type)
{
	struct str s = str_c(type), first;

	return str_token(&s, "; \t", &first) && str_eq_nocase(first, STR("text/plain"));
}

static bool
judge(const struct transfer *t, struct buf *why)
{
	if (t->result == CURLE_WRITE_ERROR)
		buf_printf(why, "it is longer than %zu bytes", TEXT_MAX);
	else if (t->result != CURLE_OK)
		buf_puts(why, *t->error ? t->error : curl_easy_strerror(t->result));
	else if (t->status != 200)
		buf_printf(why, "the server answers with status %ld", t->status);
	else if (!is_plain_text(t->type))
		buf_printf(why, "it is of type \"%s\", not text/plain", t->type);
	else
		return true;
	return false;
}

/* "+host:443:address,address", so that libcurl has nothing to look up. */
static bool
look_up(struct str host, struct buf *resolve, struct buf *why)
{
	struct arena *a = arena_new(0);
	struct dns_answer answer;
	size_t n = 0;

	dns_host(host, DNS_IPV4 | DNS_IPV6, a, &answer);
	/* '+': libcurl forgets it after a while, as it does not without. */
	buf_printf(resolve, "+%.*s:%ld:", STR_ARG(host), curl.port);
	for (size_t i = 0; answer.status == DNS_OK && i < answer.n && n < ADDRESSES_MAX; i++) {
		struct str text = dns_address_text(&answer.records[i].address, a);
		bool v6 = answer.records[i].type == DNS_AAAA;

		buf_printf(resolve, "%s%s%.*s%s", n++ > 0 ? "," : "", v6 ? "[" : "", STR_ARG(text),
		    v6 ? "]" : "");
	}
	if (n == 0)
		buf_str(why, answer.why.len > 0 ? answer.why : STR("it has no address"));
	arena_free(&a);
	return n > 0;
}

/* RFC 8460 section 4.3.2.2. */
static const char *
failure_of(const struct transfer *t)
{
	return t->result == CURLE_PEER_FAILED_VERIFICATION || t->result == CURLE_SSL_ISSUER_ERROR
	    ? "sts-webpki-invalid"
	    : "sts-policy-fetch-error";
}

static bool
transfer(
    struct str host, struct buf *resolve, struct buf *text, struct buf *why, const char **failure)
{
	fiber_deadline turn = fiber_after(TURN_MS);
	struct transfer t = {.text = text};
	struct buf url = {0};
	bool ok;

	while (curl.n_idle == 0)
		if (fiber_wait(&curl.turn, turn) != FIBER_OK) {
			buf_puts(why, "too many others are being fetched");
			return false;
		}
	t.handle = curl.idle[--curl.n_idle];
	buf_printf(&url, "https://%.*s:%ld/.well-known/mta-sts.txt", STR_ARG(host), curl.port);
	t.url = buf_cstr(&url);
	t.resolve = curl_slist_append(NULL, buf_cstr(resolve));
	set_options(&t);
	fiber_offload(FIBER_POOL_READ, run_transfer, &t);
	ok = judge(&t, why);
	*failure = failure_of(&t);
	curl_slist_free_all(t.resolve);
	buf_free(&url);
	curl.idle[curl.n_idle++] = t.handle;
	fiber_wake_one(&curl.turn);
	return ok;
}

/* As it goes into a URL: another host in it would be looked up by libcurl itself, which may open no file. */
static bool
is_domain(struct str s)
{
	bool label = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '.' ? !label
			     : !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
				   c == '_'))
			return false;
		label = c != '.';
	}
	return label;
}

bool
fetch_policy(struct str domain, struct buf *text, struct buf *why, const char **failure)
{
	struct buf host = {0}, resolve = {0};
	bool ok;

	*failure = "sts-policy-fetch-error";
	if (!is_domain(domain)) {
		buf_puts(why, "it is no name of a domain");
		return false;
	}
	buf_printf(&host, "mta-sts.%.*s", STR_ARG(domain));
	ok = look_up(buf_view(&host), &resolve, why) &&
	    transfer(buf_view(&host), &resolve, text, why, failure);
	buf_free(&host);
	buf_free(&resolve);
	return ok;
}
