/*
 * tlsreport - prints the reports of a day (TLSRPT, RFC 8460)
 *
 *	tlsreport [-c config_directory] [-a] [--date YYYY-MM-DD] [--domain domain]
 *
 * Run by `postkeep tlsrpt`. One line for each domain that wants a report: an object with the domain, where
 * its TXT record wants the report, the file name, and the report itself. Nothing is sent. What domains and
 * their servers said is data: it is escaped, and counts for nothing else.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/dns/dns.h"
#include "lib/fiber/fiber.h"
#include "lib/mail/json.h"
#include "tlsrpt/files.h"
#include "tlsrpt/record.h"
#include "tlsrpt/report.h"

#define ASKING 16 /* domains at the same time */

/* What is said of one domain. */
struct item {
	const struct tally_domain *domain;
	struct buf rua; /* a list in JSON */
	bool wanted, unknown;
};

static struct {
	bool all; /* those that want none, too; nobody is asked */
	struct str only;
	int64_t day;
	struct report_sender sender;
	struct item *items;
	size_t n, next, asking;
	struct fiber_waitq done;
	int status;
} run;

/* --- Who wants one? --------------------------------------------------------------------------------- */

static void
take_record(struct item *item, struct str txt)
{
	struct str uris[RECORD_URIS_MAX];
	size_t n;

	item->wanted = record_parse(txt, uris, &n);
	for (size_t i = 0; i < n; i++) {
		buf_puts(&item->rua, i > 0 ? ", " : "");
		json_string(&item->rua, uris[i]);
	}
}

static void
ask(struct item *item)
{
	struct arena *a = arena_new(0);
	struct str name = arena_printf(a, "_smtp._tls.%.*s", STR_ARG(item->domain->name));
	struct dns_answer answer;
	struct str found = STR_EMPTY;
	size_t n = 0;

	dns_query(name, DNS_TXT, a, &answer);
	for (size_t i = 0; answer.status == DNS_OK && i < answer.n; i++)
		if (answer.records[i].type == DNS_TXT && record_begins(answer.records[i].txt)) {
			found = answer.records[i].txt;
			n++;
		}
	/* More than one is as none (RFC 8460 section 3). */
	if (n == 1)
		take_record(item, found);
	if (answer.status != DNS_OK && !dns_is_final(answer.status)) {
		struct buf why = {0};

		buf_str(&why, answer.why);
		log_printable(why.data, why.len);
		fprintf(stderr, "postkeep: %.*s\n", STR_ARG(buf_view(&why)));
		buf_free(&why);
		item->unknown = true;
	}
	arena_free(&a);
}

static void
asker(void *arg)
{
	(void)arg;
	while (run.next < run.n)
		ask(&run.items[run.next++]);
	if (--run.asking == 0)
		fiber_wake_all(&run.done);
}

static void
ask_all(void *arg)
{
	(void)arg;
	fiber_waitq_init(&run.done);
	run.asking = ASKING;
	for (int i = 0; i < ASKING; i++)
		fiber_spawn("asker", asker, NULL);
	while (run.asking > 0 && fiber_wait(&run.done, FIBER_FOREVER) == FIBER_OK)
		;
	fiber_stop();
}

/* --- Output ----------------------------------------------------------------------------------------- */

static void
print(const struct item *item)
{
	struct buf line = {0}, name = {0};

	report_file_name(&run.sender, item->domain, run.day, &name);
	buf_puts(&line, "{\"domain\": ");
	json_string(&line, item->domain->name);
	buf_printf(&line, ", \"rua\": [%.*s], \"file-name\": ", STR_ARG(buf_view(&item->rua)));
	json_string(&line, buf_view(&name));
	buf_puts(&line, ", \"report\": ");
	report_write(&run.sender, item->domain, run.day, &line);
	buf_puts(&line, "}\n");
	if (fwrite(line.data, 1, line.len, stdout) != line.len)
		run.status = EX_IOERR;
	buf_free(&line);
	buf_free(&name);
}

static void
print_all(void)
{
	for (size_t i = 0; i < run.n; i++) {
		if (run.items[i].unknown)
			run.status = EX_TEMPFAIL;
		if (run.all || run.items[i].wanted)
			print(&run.items[i]);
		buf_free(&run.items[i].rua);
	}
}

/* --- Start ------------------------------------------------------------------------------------------ */

static void __attribute__((noreturn)) usage(void)
{
	fprintf(
	    stderr, "usage: postkeep tlsrpt [-a | --all] [--date YYYY-MM-DD] [--domain domain]\n");
	exit(EX_USAGE);
}

static const char *
options(int argc, char **argv)
{
	static const struct option longs[] = {{"all", no_argument, NULL, 'a'},
	    {"date", required_argument, NULL, 't'}, {"domain", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0}};
	const char *dir = NULL;
	int c;

	opterr = 0;
	run.day = files_day((int64_t)clock_wall()) - 1;
	while ((c = getopt_long(argc, argv, "ac:", longs, NULL)) != -1) {
		if (c == 'c')
			dir = optarg;
		else if (c == 'a')
			run.all = true;
		else if (c == 'd')
			run.only = str_c(optarg);
		else if (c != 't' || !files_parse(str_c(optarg), &run.day))
			usage();
	}
	if (optind < argc)
		usage();
	return dir;
}

static void
choose(const struct tally *t)
{
	const struct list *domains = tally_domains(t);

	run.items = calloc(domains->count + 1, sizeof(*run.items));
	if (!run.items)
		exit(EX_OSERR);
	for (struct list_link *l = list_first(domains); l; l = list_next(domains, l)) {
		const struct tally_domain *d = LIST_ITEM(l, struct tally_domain, link);

		if (run.only.len == 0 || str_eq_nocase(d->name, run.only))
			run.items[run.n++].domain = d;
	}
}

static void
load(const struct conf *conf, struct tally *t)
{
	char *directory = files_directory(conf_cstr(conf, P_data_directory));
	char name[FILES_NAME_SIZE];

	files_name(run.day, name);
	if (files_load(directory, run.day, t) != 0 && errno != ENOENT) {
		fprintf(stderr, "postkeep: %s/%s: %s\n", directory, name, strerror(errno));
		exit(EX_NOINPUT);
	}
	if (tally_dropped(t) > 0)
		fprintf(stderr,
		    "postkeep: %s: %llu connections found no room: the reports are not complete\n",
		    name, (unsigned long long)tally_dropped(t));
	free(directory);
}

int
main(int argc, char **argv)
{
	const char *dir = options(argc, argv);
	struct conf_problems problems = {0};
	struct conf *conf = conf_load(dir, NULL, 0, &problems);
	struct tally *t = tally_new(NULL);
	struct buf why = {0};

	signal(SIGPIPE, SIG_IGN);
	log_name("postkeep", "tlsrpt");
	log_to_stderr();
	conf_problems_free(&problems);
	conf_set(conf);
	run.sender = (struct report_sender){.organization = conf_str(conf, P_tlsrpt_organization),
	    .contact = conf_str(conf, P_tlsrpt_contact),
	    .host = conf_str(conf, P_myhostname)};
	load(conf, t);
	choose(t);
	if (!run.all && run.n > 0 && !dns_prepare(conf, "smtp", &why)) {
		fprintf(stderr, "postkeep: %s\n", buf_cstr(&why));
		exit(EX_CONFIG);
	}
	if (!run.all && run.n > 0)
		fiber_main(ask_all, NULL);
	print_all();
	free(run.items);
	tally_free(&t);
	return fflush(stdout) == 0 ? run.status : EX_IOERR;
}
