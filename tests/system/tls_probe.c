/*
 * tls_probe - the client side of lib/tls, driven by test_tls.py
 *
 *	tls_probe CONFIGDIR ADDRESS PORT HOST NEXTHOP [name=value]…
 *
 * Connects as often as times= says, one connection after the other, with the policy of main.cf or of
 * policy=, and prints what tls_client_start() says, a line each: "outcome ok". Names: policy, tlsa ("3 1 1
 * HEX", repeatable), dane (records, absent, failed), base, insecure_mx, times, say (a line to send; the
 * first line that comes back is printed), clear (a line to wait for before TLS), next (the policy of the
 * connections after the first), sandbox (confines itself
 * before it connects), keep (all connections stay open, and their memory is told), lmtp.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/service.h"
#include "lib/tls/tls.h"

#define RECORDS 70
#define DATA 4096
#define LINE 1000

static struct {
	struct tls_client *client;
	struct sockaddr_storage address;
	socklen_t address_len;
	struct tls_target target;
	char peer[LINE];
	const char *policy, *next, *say, *clear;
	struct tls_dane dane;
	struct tls_tlsa records[RECORDS];
	char data[RECORDS][DATA];
	bool ask_dane, sandbox, keep, lmtp;
	int times;
	struct stream **open;
} probe = {.times = 1};

static const char *const outcomes[] = {
    "ok", "handshake-failed", "lost", "not-trusted", "misconfigured", "canceled"};

static void
fail(const char *what)
{
	fprintf(stderr, "tls_probe: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void
add_record(const char *text)
{
	struct tls_tlsa *r = &probe.records[probe.dane.n];
	char *data = probe.data[probe.dane.n];
	unsigned usage, selector, matching, byte;
	int at = 0;
	size_t n = 0;

	if (probe.dane.n == RECORDS ||
	    sscanf(text, "%u %u %u %n", &usage, &selector, &matching, &at) != 3)
		fail(text);
	for (; n < DATA && sscanf(text + at + 2 * n, "%2x", &byte) == 1; n++)
		data[n] = (char)byte;
	*r =
	    (struct tls_tlsa){(uint8_t)usage, (uint8_t)selector, (uint8_t)matching, str_n(data, n)};
	probe.dane.n++;
	probe.ask_dane = true;
}

static void
set_dane(const char *answer)
{
	probe.ask_dane = true;
	probe.dane.answer = strcmp(answer, "absent") == 0 ? TLS_DANE_ABSENT
	    : strcmp(answer, "failed") == 0               ? TLS_DANE_FAILED
							  : TLS_DANE_RECORDS;
	probe.dane.why = STR("the name server is asleep");
}

static void
option(const char *arg)
{
	const char *value = strchr(arg, '=');
	struct str name = str_n(arg, value ? (size_t)(value - arg) : strlen(arg));

	value = value ? value + 1 : "";
	if (str_eq(name, STR("policy")))
		probe.policy = value;
	else if (str_eq(name, STR("next")))
		probe.next = value;
	else if (str_eq(name, STR("say")))
		probe.say = value;
	else if (str_eq(name, STR("clear")))
		probe.clear = value;
	else if (str_eq(name, STR("tlsa")))
		add_record(value);
	else if (str_eq(name, STR("dane")))
		set_dane(value);
	else if (str_eq(name, STR("base")))
		probe.dane.base = str_c(value);
	else if (str_eq(name, STR("insecure_mx")))
		probe.dane.insecure_mx = true;
	else if (str_eq(name, STR("times")))
		probe.times = atoi(value);
	else if (str_eq(name, STR("sandbox")))
		probe.sandbox = true;
	else if (str_eq(name, STR("keep")))
		probe.keep = true;
	else if (str_eq(name, STR("lmtp")))
		probe.lmtp = true;
	else
		fail(arg);
}

static void
set_address(const char *address, const char *port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&probe.address;

	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, address, &v4->sin_addr) != 1)
		fail(address);
	probe.address_len = sizeof(*v4);
}

/* The wait for the connection itself is short: the server is on this machine. */
static struct stream *
open_stream(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&probe.address, probe.address_len) != 0)
		fail("connect");
	return stream_fd(fd);
}

static bool
make_policy(struct arena *a, const char *text, struct tls_policy *p)
{
	struct buf why = {0};
	bool ok = true;

	tls_policy_default(probe.client, p);
	if (text)
		ok = tls_policy_parse(probe.client, str_c(text), a, p, &why);
	if (ok && probe.ask_dane) {
		probe.dane.records = probe.records;
		ok = tls_policy_dane(probe.client, p, &probe.dane, &why);
	}
	if (!ok)
		printf("policy %.*s\n", STR_ARG(buf_view(&why)));
	else
		printf("level %s\n", tls_level_name(p->level));
	buf_free(&why);
	return ok;
}

static void
print_result(const struct tls_result *r)
{
	printf("outcome %s\n", outcomes[r->outcome]);
	printf("trusted %d\nverified %d\nreused %d\noffered %d\n", r->trusted, r->verified,
	    r->reused, r->offered);
	if (r->why.len > 0)
		printf("why %.*s\n", STR_ARG(r->why));
	if (r->report)
		printf("report %s\n", r->report);
	if (r->summary.len > 0)
		printf("summary %.*s\n", STR_ARG(r->summary));
	if (r->protocol.len > 0)
		printf("protocol %.*s\n", STR_ARG(r->protocol));
}

static void
talk(struct stream *s)
{
	enum stream_status status;
	struct str line;

	stream_timeout(s, 10000);
	stream_printf(s, "%s\n", probe.say);
	status = stream_flush(s);
	if (status == STREAM_OK)
		status = stream_read_line(s, LINE, &line);
	if (status == STREAM_OK)
		printf("read %.*s\n", STR_ARG(str_trim_end(line)));
	else
		printf("read failed: %s\n", stream_status_text(status));
}

static void
connect_once(int i)
{
	struct stream *s = probe.open[i] ? probe.open[i] : open_stream();
	struct arena *a = arena_new(0);
	struct tls_policy policy;
	struct tls_result result;
	struct str line;

	probe.open[i] = s;
	if (make_policy(a, i > 0 && probe.next ? probe.next : probe.policy, &policy)) {
		if (probe.clear)
			stream_read_line(s, LINE, &line);
		if (tls_client_start(s, probe.client, &policy, &probe.target, a, &result) ==
			TLS_OK &&
		    probe.say) {
			print_result(&result);
			talk(s);
			/* OpenSSL gives a buffer back that the server's tickets took when it writes. */
			if (probe.keep)
				talk(s);
		} else {
			print_result(&result);
		}
	}
	fflush(stdout);
	arena_free(&a);
	if (probe.keep)
		stream_readable(s); /* as a session that waits for the next line */
	else
		stream_close(&probe.open[i]);
}

/* As daemons are confined that have clients in the network; connections are made before. */
static void
confine(void)
{
	struct buf why = {0};

	for (int i = 0; i < probe.times; i++)
		probe.open[i] = open_stream();
	if (!service_become(getuid(), getgid(), NULL, 0, SANDBOX_NETWORK, &why)) {
		fprintf(stderr, "tls_probe: %s\n", buf_cstr(&why));
		exit(2);
	}
	if (open("/etc/passwd", O_RDONLY) >= 0)
		fail("not confined");
}

static void
run(void *arg)
{
	size_t before;

	(void)arg;
	probe.open = mem_array((size_t)probe.times, sizeof(*probe.open));
	if (probe.sandbox)
		confine();
	connect_once(0);
	before = mallinfo2().uordblks;
	for (int i = 1; i < probe.times; i++)
		connect_once(i);
	if (probe.keep && probe.times > 1)
		printf("bytes %zu\n", (mallinfo2().uordblks - before) / (size_t)(probe.times - 1));
	for (int i = 0; i < probe.times; i++)
		stream_close(&probe.open[i]);
}

static struct conf *
load_conf(const char *dir)
{
	struct conf_problems problems = {0};
	struct conf *conf = conf_load(dir, NULL, 0, &problems);

	for (size_t i = 0; i < problems.count; i++)
		if (problems.list[i].severity == CONF_ERROR)
			printf("problem %s\n", problems.list[i].text);
	conf_problems_free(&problems);
	return conf;
}

static void
check(const struct conf *conf)
{
	struct conf_problems problems = {0};

	for (enum tls_client_kind kind = TLS_CLIENT_SMTP; kind <= TLS_CLIENT_LMTP; kind++) {
		probe.client = tls_client_check(conf, kind, &problems);
		tls_client_free(&probe.client);
	}
	for (size_t i = 0; i < problems.count; i++)
		printf("%s %s\n", problems.list[i].severity == CONF_WARNING ? "warning" : "error",
		    problems.list[i].text);
	conf_problems_free(&problems);
}

int
main(int argc, char **argv)
{
	struct conf *conf;

	if (argc == 2) {
		conf = load_conf(argv[1]);
		check(conf);
		conf_free(&conf);
		return 0;
	}
	if (argc < 6) {
		fputs("usage: tls_probe CONFIGDIR [ADDRESS PORT HOST NEXTHOP [name=value]…]\n",
		    stderr);
		return 2;
	}
	set_address(argv[2], argv[3]);
	probe.target.host = str_c(argv[4]);
	probe.target.nexthop = str_c(argv[5]);
	snprintf(probe.peer, sizeof(probe.peer), "%s[%s]:%s", argv[4], argv[2], argv[3]);
	probe.target.peer = str_c(probe.peer);
	probe.dane.base = probe.target.host;
	for (int i = 6; i < argc; i++)
		option(argv[i]);
	conf = load_conf(argv[1]);
	conf_set(conf);
	probe.client = tls_client_prepare(conf, probe.lmtp ? TLS_CLIENT_LMTP : TLS_CLIENT_SMTP);
	if (tls_client_fault(probe.client))
		printf("fault %s\n", tls_client_fault(probe.client));
	if (probe.policy)
		tls_client_preload(probe.client, str_c(probe.policy));
	fiber_main(run, NULL);
	fflush(stdout);
	/* A sanitizer looks for leaks in ways that are not open to the confined. */
	if (probe.sandbox)
		_exit(0);
	tls_client_free(&probe.client);
	conf_free(&conf);
	return 0;
}
