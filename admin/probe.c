/*
 * probe - tells DNS failure, a blocked port, a refused connection, TLS and greeting problems apart
 *
 *	probe [-c config_directory] [host[:port] | domain]
 *
 * Run by `postkeep probe`, for anybody: it asks DNS as smtp would, connects to at most three of the servers
 * that mail for the domain goes to, and talks with each up to the point where mail would begin. Nothing is
 * sent, nobody is logged in. What servers say is only shown.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/probe.h"
#include "lib/base/log.h"
#include "lib/mail/replies.h"

#define SERVERS_MAX 3
#define ALL_MS 60000 /* for everything: then it is given up */
#define PORT_MS 4000 /* to see whether another port answers */
#define SMTP_PORT 25
#define SUBMISSION_PORT 587

static struct {
	struct probe p;
	struct arena *arena;
	int status;
} run = {.status = PROBE_NO_ADDRESS};

void
probe_step(const char *name, int64_t started, bool ok, struct str text)
{
	const struct reply_advice *advice = ok ? NULL : reply_advice(text, STR_EMPTY);
	struct buf copy = {0};

	buf_str(&copy, text);
	log_printable(copy.data, copy.len);
	printf("  %-12s %6" PRId64 " ms  %s%s%s\n", name, fiber_now() - started,
	    ok ? "ok" : "FAILED", text.len ? ": " : "", buf_cstr(&copy));
	if (advice)
		printf("  %-12s %6s     %s\n  %-12s %6s     %s\n", "", "", advice->cause, "", "",
		    advice->remedy);
	fflush(stdout);
	buf_free(&copy);
}

/* ---- DNS ----------------------------------------------------------------------------------------------- */

static void
tell_targets(const struct dns_next_hop *hop, int64_t started)
{
	struct buf text = {0};

	for (size_t i = 0; i < hop->n && i < SERVERS_MAX; i++) {
		const struct dns_target *t = &hop->targets[i];

		buf_printf(&text, "%s%.*s[%.*s]:%u", i ? ", " : "", STR_ARG(t->host),
		    STR_ARG(t->text), (unsigned)t->port);
		if (hop->mx)
			buf_printf(&text, " (MX %u)", (unsigned)t->preference);
	}
	if (hop->n > SERVERS_MAX)
		buf_printf(&text, ", and %zu more", hop->n - SERVERS_MAX);
	probe_step("DNS", started, true, buf_view(&text));
	buf_free(&text);
}

static bool
find_servers(struct probe *p, struct dns_next_hop *hop)
{
	const struct dns_hop_options options = {.service = "smtp"};
	int64_t started = fiber_now();

	printf("%.*s\n", STR_ARG(p->hop));
	dns_next_hop(p->hop, &options, run.arena, hop);
	if (hop->status == DNS_HOP_OK && hop->n > 0) {
		tell_targets(hop, started);
		p->domain = hop->domain;
		return true;
	}
	probe_step("DNS", started, false, hop->why.len ? hop->why : STR("no addresses"));
	printf("Result: there is nobody to send to: %s.\n",
	    hop->status == DNS_HOP_BOUNCE ? "DNS says so for sure, mail is returned"
					  : "DNS gives no answer of use now, mail waits");
	return false;
}

/* ---- What follows from it ---------------------------------------------------------------------------- */

/* Nothing answers on port 25; does the same machine answer on another one? */
static void
tell_blocked(const struct dns_target *target)
{
	int64_t started = fiber_now();
	struct stream *s = probe_connect(target, SUBMISSION_PORT, PORT_MS);

	if (s || errno == ECONNREFUSED) {
		probe_step("port 587", started, true, STR("the same machine answers there"));
		printf("Result: port 25 is blocked on the way, by the provider most likely: ask "
		       "there to "
		       "open it, or send through a relay (relayhost = [host]:587).\n");
	} else {
		probe_step("port 587", started, false, str_c(strerror(errno)));
		printf("Result: nothing answers. Either port 25 is blocked (then it is for every "
		       "domain: "
		       "try another one), or these servers are down.\n");
	}
	stream_close(&s);
}

static void
tell_result(const struct probe *p, const struct dns_next_hop *hop, bool all_timed_out)
{
	if (run.status == PROBE_OK)
		printf("Result: mail can go to %.*s.\n", STR_ARG(p->hop));
	else if (run.status == PROBE_UNWILLING)
		printf("Result: there is a server, and mail does not go there as things stand: see "
		       "the "
		       "step that failed.\n");
	else if (all_timed_out && hop->targets[0].port == SMTP_PORT)
		tell_blocked(&hop->targets[0]);
	else
		printf("Result: no connection to any of the servers; mail waits.\n");
}

static void
probe_all(void *arg)
{
	struct dns_next_hop hop = {0};
	struct probe *p = &run.p;
	bool all_timed_out = true;

	(void)arg;
	if (find_servers(p, &hop)) {
		run.status = PROBE_NO_CONNECTION;
		for (size_t i = 0; i < hop.n && i < SERVERS_MAX && run.status != PROBE_OK; i++) {
			enum probe_result result = probe_server(p, &hop.targets[i]);

			all_timed_out = all_timed_out && p->timed_out;
			if ((int)result < run.status)
				run.status = result;
		}
		tell_result(p, &hop, all_timed_out);
	}
	fiber_stop();
}

static void
give_up(void *arg)
{
	(void)arg;
	if (fiber_sleep(ALL_MS) != FIBER_OK)
		return;
	printf("Result: it took too long, and was given up.\n");
	fiber_stop();
}

static void
start(void *arg)
{
	fiber_spawn("limit", give_up, NULL);
	probe_all(arg);
}

/* ---- Start ------------------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: postkeep probe [host[:port] | domain]\n");
	exit(EX_USAGE);
}

/* The first next hop of relayhost, when nothing was asked for. */
static struct str
default_hop(const struct conf *conf)
{
	struct str rest = conf_str(conf, P_relayhost), hop;

	if (conf_list_next(&rest, &hop))
		return hop;
	fprintf(stderr,
	    "postkeep: probe whom? There is no relayhost: name a domain that mail goes to\n");
	usage();
}

static void
prepare(const char *dir, const char *hop)
{
	struct conf_problems problems = {0};
	struct conf *conf = conf_load(dir, NULL, 0, &problems);
	struct buf why = {0};

	if (conf_unread(conf))
		fprintf(stderr, "postkeep: warning: open %s: %s: defaults are used\n",
		    conf_file(conf), strerror(conf_unread(conf)));
	conf_problems_free(&problems);
	conf_set(conf);
	run.arena = arena_new(4096);
	run.p.hop = hop ? str_c(hop) : default_hop(conf);
	run.p.helo = conf_str(conf, P_smtp_helo_name);
	run.p.implicit_tls = !hop && conf_bool(conf, P_smtp_tls_wrappermode);
	if (!dns_prepare(conf, "smtp", &why)) {
		fprintf(stderr, "postkeep: %s\n", buf_cstr(&why));
		exit(EX_CONFIG);
	}
	run.p.tls = tls_client_prepare(conf, TLS_CLIENT_SMTP);
	buf_free(&why);
}

int
main(int argc, char **argv)
{
	const char *dir = NULL;
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "c:")) != -1) {
		if (c != 'c')
			usage();
		dir = optarg;
	}
	if (argc - optind > 1 || (optind < argc && *argv[optind] == '\0'))
		usage();
	signal(SIGPIPE, SIG_IGN);
	log_name("postkeep", "probe");
	log_to_stderr();
	prepare(dir, argv[optind]);
	fiber_main(start, NULL);
	tls_client_free(&run.p.tls);
	arena_free(&run.arena);
	return fflush(stdout) == 0 ? run.status : EX_IOERR;
}
