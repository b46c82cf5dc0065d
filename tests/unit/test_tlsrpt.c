/*
 * test_tlsrpt - counting for TLSRPT: bounds, files, records, and what a report says
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fiber/fiber.h"
#include "smtp/collector.h"
#include "tlsrpt/files.h"
#include "tlsrpt/record.h"
#include "tlsrpt/report.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAY 20779 /* 2026-11-22 */

static struct msg_tlsrpt_note
note(const char *domain, const char *result, const char *host)
{
	return (struct msg_tlsrpt_note){.domain = str_c(domain),
	    .policy = TLSRPT_STS,
	    .strings = STR("version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 86400"),
	    .result = str_c(result),
	    .reason = STR_EMPTY,
	    .host = str_c(host),
	    .address = STR("192.0.2.1"),
	    .from = STR("2001:db8::1")};
}

static const struct tally_domain *
first_domain(const struct tally *t)
{
	return LIST_ITEM(list_first(tally_domains(t)), struct tally_domain, link);
}

static const struct tally_policy *
first_policy(const struct tally *t)
{
	return LIST_ITEM(list_first(&first_domain(t)->policies), struct tally_policy, link);
}

static void
test_counting(void **state)
{
	struct tally *t = tally_new(NULL);
	struct msg_tlsrpt_note n = note("example.org", "", "mx.example.org");
	const struct tally_policy *p;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(tally_add(t, &n));
	n.result = STR("certificate-expired");
	n.reason = STR("it\texpired\r\n");
	assert_true(tally_add(t, &n));
	assert_true(tally_add(t, &n));
	n.host = STR("mx2.example.org");
	assert_true(tally_add(t, &n));
	p = first_policy(t);
	assert_int_equal(tally_domains(t)->count, 1);
	assert_int_equal(p->successes, 3);
	assert_int_equal(p->failures, 3);
	assert_int_equal(p->details.count, 2);
	assert_true(str_eq(
	    tally_text(LIST_ITEM(list_first(&p->details), struct tally_detail, link), TALLY_REASON),
	    STR("it expired  ")));
	/* What makes no sense is not counted, and not dropped either. */
	n.result = STR("everything-fine");
	assert_false(tally_add(t, &n));
	n = note("", "", "x");
	assert_false(tally_add(t, &n));
	n = note("example.org", "", "x");
	n.policy = TLSRPT_POLICIES;
	assert_false(tally_add(t, &n));
	assert_int_equal(tally_dropped(t), 0);
	tally_free(&t);
	tally_free(&t);
}

static void
test_bounds(void **state)
{
	static const struct tally_limits limits = {
	    .domains = 2, .policies = 2, .details = 3, .bytes = 100000};
	static const struct tally_limits tiny = {
	    .domains = 1000, .policies = 2, .details = 3, .bytes = 2000};
	struct tally *t = tally_new(&limits);
	const struct tally_policy *p;
	struct msg_tlsrpt_note n;
	uint64_t sum = 0;
	char host[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(host, sizeof(host), "mx%d.example.org", i);
		n = note("a.example", "validation-failure", host);
		assert_true(tally_add(t, &n));
	}
	/* Three of their own, and one for all the others: the sum is right. */
	p = first_policy(t);
	assert_int_equal(p->details.count, 4);
	assert_int_equal(p->failures, 100);
	for (struct list_link *l = list_first(&p->details); l; l = list_next(&p->details, l))
		sum += LIST_ITEM(l, struct tally_detail, link)->count;
	assert_int_equal(sum, 100);
	n = note("a.example", "", "x");
	n.strings = STR("another");
	assert_true(tally_add(t, &n));
	n.strings = STR("a third one");
	assert_false(tally_add(t, &n));
	n = note("b.example", "", "x");
	assert_true(tally_add(t, &n));
	n = note("c.example", "", "x");
	assert_false(tally_add(t, &n));
	assert_int_equal(tally_dropped(t), 2);
	tally_free(&t);

	t = tally_new(&tiny);
	for (int i = 0; i < 100; i++) {
		snprintf(host, sizeof(host), "d%d.example", i);
		n = note(host, "", "x");
		(void)tally_add(t, &n);
	}
	assert_in_range(tally_domains(t)->count, 1, 20);
	assert_in_range(tally_dropped(t), 80, 99);
	/* Who is in, goes on to be counted. */
	n = note("d0.example", "", "x");
	assert_true(tally_add(t, &n));
	tally_free(&t);
}

static void
test_text(void **state)
{
	static const char *const lines[] = {
	    "policy\ta.example\tsts\t7\tversion: STSv1\tmode: none\n"
	    "failed\t3\tcertificate-expired\t\tmx\t\tbecause\n",
	    "nonsense\n", "policy\ta.example\tsts\tx\n", "policy\t\tsts\t1\n",
	    "policy\ta\twhat\t1\n", "failed\t3\tcertificate-expired\t\tmx\t\tbecause\n", "\n\t\n",
	    "failed\n",
	    "policy\tb.example\tno-policy-found\t1\nfailed\t0\tvalidation-failure\t\t\t\t\n"
	    "failed\t1\tnew-failure\t\t\t\t\nfailed\t1\tvalidation-failure\t\t\t\t\tx\n"
	    "failed\t18446744073709551616\tvalidation-failure\t\t\t\t\n",
	    "dropped\t5\n", "policy\tc.example\tsts\t1\tcut"};
	struct tally *t = tally_new(NULL), *u = tally_new(NULL);
	struct buf text = {0}, again = {0};

	(void)state;
	buf_puts(&text, "tlsrpt\t1\n");
	for (size_t i = 0; i < COUNT(lines); i++)
		buf_puts(&text, lines[i]);
	tally_read(t, buf_view(&text));
	assert_int_equal(tally_domains(t)->count, 3);
	assert_int_equal(first_policy(t)->successes, 7);
	assert_int_equal(first_policy(t)->failures, 3);
	assert_true(str_eq(first_policy(t)->strings, STR("version: STSv1\tmode: none")));
	assert_int_equal(tally_dropped(t), 5);
	/* What is written is read as it was. */
	buf_reset(&text);
	tally_write(t, &text);
	tally_read(u, buf_view(&text));
	tally_write(u, &again);
	assert_true(str_eq(buf_view(&text), buf_view(&again)));
	tally_free(&u);
	/* Another version is not understood, and every start of a file is. */
	u = tally_new(NULL);
	tally_read(u, STR("tlsrpt\t2\npolicy\ta.example\tsts\t7\n"));
	assert_int_equal(tally_domains(u)->count, 0);
	for (size_t i = 0; i <= text.len; i++) {
		tally_free(&u);
		u = tally_new(NULL);
		tally_read(u, str_sub(buf_view(&text), 0, i));
		assert_true(tally_domains(u)->count <= 3);
	}
	tally_free(&u);
	tally_free(&t);
	buf_free(&text);
	buf_free(&again);
}

static void
test_days(void **state)
{
	static const char *const bad[] = {"", "2026-11", "2026-11-31", "2026-13-01", "26-11-22",
	    "2026-11-22x", "2026-1-22", "-2026-11-22", "2026-11-22-", "1969-12-31"};
	char name[FILES_NAME_SIZE];
	int64_t day;

	(void)state;
	files_name(DAY, name);
	assert_string_equal(name, "2026-11-22");
	assert_true(files_parse(STR("2026-11-22"), &day));
	assert_int_equal(day, DAY);
	assert_int_equal(files_day((int64_t)DAY * 86400 + 86399), DAY);
	assert_int_equal(files_day((int64_t)DAY * 86400 - 1), DAY - 1);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(files_parse(str_c(bad[i]), &day));
}

static void
touch(const char *directory, const char *name)
{
	struct buf path = {0};
	int fd;

	buf_printf(&path, "%s/%s", directory, name);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	buf_free(&path);
}

static size_t
empty_directory(const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			n++;
			assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
		}
	closedir(dir);
	return n;
}

static void
test_files(void **state)
{
	char directory[] = "/tmp/test_tlsrpt.XXXXXX";
	struct tally *t = tally_new(NULL), *u = tally_new(NULL);
	struct msg_tlsrpt_note n = note("example.org", "", "mx");
	struct buf text = {0}, link = {0};

	(void)state;
	assert_non_null(mkdtemp(directory));
	tally_add(t, &n);
	tally_write(t, &text);
	assert_int_equal(files_load(directory, DAY, u), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(files_store(directory, DAY, buf_view(&text)), 0);
	assert_int_equal(files_load(directory, DAY, u), 0);
	assert_int_equal(first_policy(u)->successes, 1);
	/* Who owns the directory cannot have root read another file. */
	buf_printf(&link, "%s/2026-11-21", directory);
	assert_int_equal(symlink("2026-11-22", buf_cstr(&link)), 0);
	assert_int_equal(files_load(directory, DAY - 1, u), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(unlink(buf_cstr(&link)), 0);
	assert_int_equal(mkfifo(buf_cstr(&link), 0600), 0);
	assert_int_equal(files_load(directory, DAY - 1, u), -1);
	/* A week stays, what is none of these files too. */
	touch(directory, "2026-11-15");
	touch(directory, "2026-11-14");
	touch(directory, "2026-11-14.tmp.17");
	touch(directory, "2025-01-01");
	touch(directory, "2025-01-01.old");
	touch(directory, "notes");
	files_clean(directory, DAY);
	assert_int_equal(empty_directory(directory), 5);
	assert_int_equal(rmdir(directory), 0);
	tally_free(&t);
	tally_free(&u);
	buf_free(&text);
	buf_free(&link);
}

static void
test_record(void **state)
{
	static const struct {
		const char *txt, *uris; /* NULL: refused */
	} cases[] = {
	    {"v=TLSRPTv1;rua=mailto:reports@example.com", "mailto:reports@example.com"},
	    {"v=TLSRPTv1; \t rua=https://reporting.example.com/v1/tlsrpt",
		"https://reporting.example.com/v1/tlsrpt"},
	    {"v=TLSRPTv1 ; new=1; rua=mailto:a@b.example , "
	     "HTTPS://c.example/?d=e%21;rua=mailto:x@y;",
		"mailto:a@b.example HTTPS://c.example/?d=e%21"},
	    {"v=TLSRPTv1;rua=ftp://x.example/,mailto:a@b.example", "mailto:a@b.example"},
	    {"v=TLSRPTv1;rua=mailto:a@b.example!10m,mailto:\"x\"@y,mailto:a b", NULL},
	    {"v=TLSRPTv1;rua=https:x", NULL},
	    {"v=TLSRPTv1;rua=", NULL},
	    {"v=TLSRPTv1;RUA=mailto:a@b.example", NULL},
	    {"v=TLSRPTv1", NULL},
	    {"v=TLSRPTv10;rua=mailto:a@b.example", NULL},
	    {"V=TLSRPTv1;rua=mailto:a@b.example", NULL},
	    {" v=TLSRPTv1;rua=mailto:a@b.example", NULL},
	    {";v=TLSRPTv1;rua=mailto:a@b.example", NULL},
	    {"v=spf1 -all", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str uris[RECORD_URIS_MAX];
		struct buf all = {0};
		size_t n;
		bool ok = record_parse(str_c(cases[i].txt), uris, &n);

		for (size_t j = 0; j < n; j++)
			buf_printf(&all, "%s%.*s", j > 0 ? " " : "", STR_ARG(uris[j]));
		if (ok != (cases[i].uris != NULL))
			fail_msg("%s: %d", cases[i].txt, ok);
		if (ok)
			assert_string_equal(buf_cstr(&all), cases[i].uris);
		buf_free(&all);
	}
}

/* The numbers of the example in appendix B of RFC 8460, to the byte as they come out here. */
static const char appendix_b[] =
    "{\"organization-name\": \"Company-X\", \"date-range\": {\"start-datetime\": "
    "\"2016-04-01T00:00:00Z\", \"end-datetime\": \"2016-04-01T23:59:59Z\"}, \"contact-info\": "
    "\"sts-reporting@company-x.example\", \"report-id\": "
    "\"2016-04-01.company-y.example@mail.company-x.example\", \"policies\": [{\"policy\": "
    "{\"policy-type\": \"sts\", \"policy-string\": [\"version: STSv1\", \"mode: testing\", \"mx: "
    "*.mail.company-y.example\", \"max_age: 86400\"], \"policy-domain\": \"company-y.example\", "
    "\"mx-host\": [\"*.mail.company-y.example\"]}, \"summary\": "
    "{\"total-successful-session-count\": 5326, \"total-failure-session-count\": 303}, "
    "\"failure-details\": [{\"result-type\": \"certificate-expired\", \"sending-mta-ip\": "
    "\"2001:db8:abcd:12::1\", \"receiving-mx-hostname\": \"mx1.mail.company-y.example\", "
    "\"failed-session-count\": 100}, {\"result-type\": \"starttls-not-supported\", "
    "\"sending-mta-ip\": \"2001:db8:abcd:13::1\", \"receiving-mx-hostname\": "
    "\"mx2.mail.company-y.example\", \"receiving-ip\": \"203.0.113.56\", "
    "\"failed-session-count\": 200}, {\"result-type\": \"validation-failure\", "
    "\"sending-mta-ip\": \"198.51.100.62\", \"receiving-mx-hostname\": "
    "\"mx-backup.mail.company-y.example\", \"receiving-ip\": \"203.0.113.58\", "
    "\"failure-reason-code\": \"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\", "
    "\"failed-session-count\": 3}]}]}";

static void
test_report(void **state)
{
	static const struct report_sender sender = {.organization = {"Company-X", 9},
	    .contact = {"sts-reporting@company-x.example", 31},
	    .host = {"mail.company-x.example", 22}};
	struct tally *t = tally_new(NULL);
	struct buf out = {0};
	int64_t day;

	(void)state;
	assert_true(files_parse(STR("2016-04-01"), &day));
	tally_read(t,
	    STR("tlsrpt\t1\n"
		"policy\tcompany-y.example\tsts\t5326\tversion: STSv1\tmode: testing\t"
		"mx: *.mail.company-y.example\tmax_age: 86400\n"
		"failed\t100\tcertificate-expired\t2001:db8:abcd:12::1\tmx1.mail.company-y."
		"example\t\t\n"
		"failed\t200\tstarttls-not-supported\t2001:db8:abcd:13::1\t"
		"mx2.mail.company-y.example\t203.0.113.56\t\n"
		"failed\t3\tvalidation-failure\t198.51.100.62\tmx-backup.mail.company-y.example\t"
		"203.0.113.58\tX509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\n"));
	report_write(&sender, first_domain(t), day, &out);
	assert_string_equal(buf_cstr(&out), appendix_b);
	buf_reset(&out);
	report_file_name(&sender, first_domain(t), day, &out);
	assert_string_equal(
	    buf_cstr(&out), "company-x.example!company-y.example!1459468800!1459555199.json");
	tally_free(&t);
	/* What a stranger said stays one string of JSON. */
	t = tally_new(NULL);
	struct msg_tlsrpt_note n = note("example.org", "validation-failure", "mx");
	n.policy = TLSRPT_NO_POLICY;
	n.strings = STR_EMPTY;
	n.reason = STR("\"}], \\ \x1b[2J \xff\xc0\x80 \xe2\x82\xac");
	assert_true(tally_add(t, &n));
	buf_reset(&out);
	report_write(&sender, first_domain(t), day, &out);
	assert_non_null(strstr(buf_cstr(&out),
	    "\"failure-reason-code\": \"\\\"}], \\\\  [2J \\ufffd\\ufffd\\ufffd \xe2\x82\xac\""));
	assert_non_null(strstr(buf_cstr(&out),
	    "{\"policy-type\": \"no-policy-found\", \"policy-domain\": \"example.org\"}"));
	tally_free(&t);
	buf_free(&out);
}

/* Nobody listens there: what is told is bounded, and nobody waits for it. */
static void
collector_main(void *arg)
{
	char *strings = calloc(1, MSG_TLSRPT_POLICY_MAX + 1);
	struct collector *c = collector_new("/nonexistent/tlsrpt");
	struct msg_tlsrpt_note n = note("example.org", "", "mx");

	(void)arg;
	for (int i = 0; i < COLLECTOR_NOTES_MAX; i++)
		collector_note(c, &n);
	assert_int_equal(collector_lost(c), 0);
	collector_note(c, &n);
	collector_note(c, &n);
	assert_int_equal(collector_lost(c), 2);
	collector_start(c);
	collector_drain(c, 20);
	assert_int_equal(collector_lost(c), 3);
	collector_free(&c);

	c = collector_new("/nonexistent/tlsrpt");
	n.strings = str_n(strings, MSG_TLSRPT_POLICY_MAX + 1);
	for (int i = 0; i < COLLECTOR_NOTES_MAX; i++)
		collector_note(c, &n);
	/* Cut to what a message holds, so many more than half of the bytes fit. */
	assert_in_range(collector_lost(c),
	    COLLECTOR_NOTES_MAX - COLLECTOR_BYTES_MAX / MSG_TLSRPT_POLICY_MAX,
	    COLLECTOR_NOTES_MAX - COLLECTOR_BYTES_MAX / MSG_TLSRPT_POLICY_MAX + 3);
	free(strings);
	n.strings = STR_EMPTY;
	collector_free(&c);
	collector_free(&c);
	collector_note(NULL, &n);
	collector_drain(NULL, 1000);
}

static void
test_collector(void **state)
{
	(void)state;
	fiber_main(collector_main, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counting),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_days),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_record),
	    cmocka_unit_test(test_report),
	    cmocka_unit_test(test_collector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
