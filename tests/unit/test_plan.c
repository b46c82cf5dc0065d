/*
 * test_plan - what lines of master.cf mean: addresses, programs, limits; and who is compared with whom
 *
 * Each case is a main.cf and a master.cf with, expected, one line per service, and what is reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/service/plan.h"
#include "tests/unit/conf_fixture.h"

#define LOG_LINE "postlog unix-dgram n - n - 1 postlogd\n"
#define LOG_PLAN "postlog: postlogd 1 unix-dgram:public/postlog\n"

struct plan_case {
	const char *main_cf, *master_cf;
	const char *services; /* "NAME: PROGRAM MAXPROC SOCKET…\n" */
	const char
	    *problems; /* one of these words must stand in what is reported; "" = nothing is */
};

static const struct plan_case addresses[] = {
    {"inet_interfaces = all\n", "2525 inet n - y - - smtpd\n" LOG_LINE,
	"2525: smtpd 100 inet:0.0.0.0:2525 inet:[::]:2525\n" LOG_PLAN, ""},
    {"inet_interfaces = all\ninet_protocols = ipv4\n", "2525 inet n - y - - smtpd\n" LOG_LINE,
	"2525: smtpd 100 inet:0.0.0.0:2525\n" LOG_PLAN, ""},
    {"inet_interfaces = loopback-only\ninet_protocols = ipv6\n",
	"2525 inet n - y - - smtpd\n" LOG_LINE, "2525: smtpd 100 inet:[::1]:2525\n" LOG_PLAN, ""},
    {"inet_interfaces = 192.0.2.1, [2001:db8::1]\n", "smtp inet n - y - - smtpd\n" LOG_LINE,
	"smtp: smtpd 100 inet:192.0.2.1:25 inet:[2001:db8::1]:25\n" LOG_PLAN, ""},
    {"inet_interfaces = 192.0.2.1\n", "127.0.0.1:1 inet n - y - - smtpd\n" LOG_LINE,
	"127.0.0.1:1: smtpd 100 inet:127.0.0.1:1\n" LOG_PLAN, ""},
    {"", "[::1]:65535 inet n - y - - smtpd\n" LOG_LINE,
	"[::1]:65535: smtpd 100 inet:[::1]:65535\n" LOG_PLAN, ""},
    {"", "127.0.0.1:submission inet n - y - - smtpd\n" LOG_LINE,
	"127.0.0.1:submission: smtpd 100 inet:127.0.0.1:587\n" LOG_PLAN, ""},
    {"", "127.0.0.1:65536 inet n - y - - smtpd\n" LOG_LINE, LOG_PLAN, "error master.cf:1: "},
    {"", "127.0.0.1:0 inet n - y - - smtpd\n" LOG_LINE, LOG_PLAN, "error master.cf:1: "},
    {"", "127.0.0.1:nosuchport inet n - y - - smtpd\n" LOG_LINE,
	"127.0.0.1:nosuchport: smtpd 100\n" LOG_PLAN, "error master.cf:1: "},
    {"inet_protocols = ipv6\n", "127.0.0.1:25 inet n - y - - smtpd\n" LOG_LINE,
	"127.0.0.1:25: smtpd 100\n" LOG_PLAN, "has no address of the families"},
    {"inet_interfaces = 127.0.0.1\n",
	"smtp inet n - y - - smtpd\n25 inet n - y - - smtpd\n" LOG_LINE,
	"smtp: smtpd 100 inet:127.0.0.1:25\n25: smtpd 100 inet:127.0.0.1:25\n" LOG_PLAN,
	"error master.cf:2: service 25 listens on inet:127.0.0.1:25, and so does service smtp in "
	"line 1"},
    {"inet_interfaces = 127.0.0.1\n", "25 inet y - y - - smtpd\n" LOG_LINE, LOG_PLAN,
	"error master.cf:1: "},
};

static const struct plan_case lines[] = {
    {"", "pickup unix n - y 60 1 pickup\n" LOG_LINE,
	"pickup: pickup 1 unix:public/pickup\n" LOG_PLAN, ""},
    {"", "pickup fifo n - y 60 1 pickup\n" LOG_LINE,
	"pickup: pickup 1 unix:public/pickup\n" LOG_PLAN, "note master.cf:1: "},
    {"", "bounce unix - - y - 0 bounce\n" LOG_LINE,
	"bounce: bounce 0 unix:private/bounce\n" LOG_PLAN, ""},
    {"default_process_limit = 7\n", "local unix - n n - - local\n" LOG_LINE,
	"local: local 7 unix:private/local\n" LOG_PLAN, ""},
    {"", "anvil unix - - y - 9 anvil\n" LOG_LINE, "anvil: anvil 1 unix:private/anvil\n" LOG_PLAN,
	"never more than one anvil; the process limit is 1"},
    {"", "anvil unix - - y - 1 anvil\nother unix - - y - 1 anvil\n" LOG_LINE,
	"anvil: anvil 1 unix:private/anvil\n" LOG_PLAN, "error master.cf:2: "},
    {"", "qmgr unix n - n 300 1 qmgr\n" LOG_LINE,
	"qmgr: qmgr 1 unix:public/qmgr unix:private/qmgr-net unix:private/qmgr-local "
	"unix:private/qmgr-bounce unix:private/qmgr-report unix:private/qmgr-admin "
	"unix:public/showq unix:public/flush\n" LOG_PLAN,
	""},
    {"", "x fifo n - n - 3 probe\ny unix-dgram - - n - 3 probe\nz pass n - n - 3 probe\n" LOG_LINE,
	"x: probe 3 fifo:public/x\ny: probe 3 unix-dgram:private/y\nz: probe 3 "
	"pass:public/z\n" LOG_PLAN,
	""},
    {"", "x unix - - y - 3 probe\n" LOG_LINE, "x: probe 3 unix:private/x\n" LOG_PLAN,
	"gets no chroot"},
    {"", "x unix - - y - 3 nosuch\n" LOG_LINE, LOG_PLAN, "unknown program \"nosuch\""},
    {"", "master unix - - n - 3 probe\n" LOG_LINE, "master: probe 3\n" LOG_PLAN, "master's own"},
    {"", "cleanup unix n - y - 0 cleanup\n" LOG_LINE, LOG_PLAN,
	"note master.cf:1: service cleanup: no process"},
    {"", "maildrop unix - n n - - pipe\n" LOG_LINE, LOG_PLAN,
	"note master.cf:1: service maildrop: "},
    {"", "defer unix - - y - 0 bounce\ntrace unix - - y - 0 bounce\n" LOG_LINE, LOG_PLAN,
	"note master.cf:2: service trace: no process"},
    {"", "", LOG_PLAN, ""},
    {"master_service_disable = inet\ninet_interfaces = 127.0.0.1\n",
	"25 inet n - y - - smtpd\n" LOG_LINE, LOG_PLAN, "switched off"},
    {"master_service_disable = 2*/inet\ninet_interfaces = 127.0.0.1\n",
	"25 inet n - y - - smtpd\n35 inet n - y - - smtpd\n" LOG_LINE,
	"35: smtpd 100 inet:127.0.0.1:35\n" LOG_PLAN, "service 25 is switched off"},
};

static const char *const programs[] = {
    "smtpd", "pickup", "qmgr", "bounce", "local", "anvil", "postlogd", "probe"};

static void
make_programs(const char *dir)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct buf path = {0};

		fixture_write(dir, programs[i], "", 0);
		buf_printf(&path, "%s/%s", dir, programs[i]);
		assert_int_equal(chmod(buf_cstr(&path), 0755), 0);
		buf_free(&path);
	}
}

static struct plan *
load(const struct plan_case *c, char *dir, struct buf *told)
{
	struct conf_problems problems = {0};
	struct buf main_cf = {0};
	struct conf *conf;
	struct plan *plan;

	make_programs(dir);
	buf_printf(
	    &main_cf, "daemon_directory = %s\nmyhostname = mx.example.com\n%s", dir, c->main_cf);
	fixture_write(dir, "main.cf", main_cf.data, main_cf.len);
	fixture_write(dir, "master.cf", c->master_cf, strlen(c->master_cf));
	buf_free(&main_cf);
	conf = conf_load(dir, NULL, 0, &problems);
	assert_int_equal(problems.count, 0);
	plan = plan_load(conf, dir, &problems);
	fixture_tell(&problems, told);
	conf_problems_free(&problems);
	conf_free(&conf);
	return plan;
}

static void
tell(const struct plan *plan, struct buf *out)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_service *s = &plan->services[i];

		buf_printf(out, "%s: %s %d", s->entry->name, s->entry->command, s->maxproc);
		for (size_t j = 0; j < s->n_sockets; j++)
			buf_printf(out, " %s", s->sockets[j].name);
		buf_putc(out, '\n');
	}
}

/* "asks … which no line provides" is not what these cases are about. */
static bool
quiet(const char *told)
{
	const char *line = told;

	while (*line) {
		size_t n = strcspn(line, "\n");
		struct str s = str_n(line, n);

		if (str_find(s, STR("which no line provides")) == STR_NPOS)
			return false;
		line += n + (line[n] == '\n');
	}
	return true;
}

static void
run(const struct plan_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *dir = fixture_dir();
		struct buf told = {0}, services = {0};
		struct plan *plan = load(&cases[i], dir, &told);

		tell(plan, &services);
		assert_string_equal(buf_cstr(&services), cases[i].services);
		if (cases[i].problems[0] == '\0')
			assert_true(quiet(buf_cstr(&told)));
		else if (!strstr(buf_cstr(&told), cases[i].problems))
			fail_msg("%s: reported is: %s", cases[i].problems, buf_cstr(&told));
		plan_free(&plan);
		buf_free(&told);
		buf_free(&services);
		fixture_remove(dir);
	}
}

static void
test_addresses(void **state)
{
	(void)state;
	run(addresses, sizeof(addresses) / sizeof(addresses[0]));
}

static void
test_lines(void **state)
{
	(void)state;
	run(lines, sizeof(lines) / sizeof(lines[0]));
}

/* What makes a process of the old configuration one that cannot go on under the new one. */
static void
test_same(void **state)
{
	static const struct {
		const char *line;
		bool same;
	} cases[] = {
	    {"pickup unix n - n 60 1 pickup x -o max_idle=5\n", true},
	    {"pickup unix n - n 90 1 pickup x -o max_idle=5\n", true},
	    {"pickup unix n - n 60 1 pickup x -o max_idle=6\n", false},
	    {"pickup unix n - n 60 1 pickup x -o max_use=5\n", false},
	    {"pickup unix n - n 60 1 pickup y -o max_idle=5\n", false},
	    {"pickup unix n - n 60 1 pickup -o max_idle=5\n", false},
	    {"pickup unix n - n 60 1 pickup x\n", false},
	};
	struct plan *first = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan_case c = {"", cases[i].line, "", ""};
		char *dir = fixture_dir();
		struct buf told = {0};
		struct plan *plan = load(&c, dir, &told);
		const struct plan_service *a, *b;

		if (!first)
			first = plan;
		a = plan_find(first, "pickup", MASTER_UNIX);
		b = plan_find(plan, "pickup", MASTER_UNIX);
		if (!a || !b)
			fail_msg("%s: reported is: %s", cases[i].line, buf_cstr(&told));
		/* Each case has a folder of its own, so the paths differ. */
		if (plan != first) {
			free(((struct plan_service *)b)->path);
			((struct plan_service *)b)->path = mem_strdup(a->path);
		}
		assert_int_equal(plan_service_same(a, b), cases[i].same);
		assert_null(plan_find(plan, "pickup", MASTER_INET));
		if (plan != first)
			plan_free(&plan);
		buf_free(&told);
		fixture_remove(dir);
	}
	plan_free(&first);
}

static void
test_stock(void **state)
{
	(void)state;
	assert_int_equal(stock_find("cleanup", "cleanup")->state, STOCK_BUILT_IN);
	assert_int_equal(stock_find("uucp", "pipe")->state, STOCK_NOT_YET);
	assert_int_equal(stock_find("defer", "bounce")->state, STOCK_BUILT_IN);
	assert_int_equal(stock_find("retry", "error")->state, STOCK_BUILT_IN);
	assert_int_equal(stock_find("discard", "discard")->state, STOCK_BUILT_IN);
	assert_int_equal(stock_find("suspended", "error")->state, STOCK_NOT_YET);
	assert_null(stock_find("bounce", "bounce"));
	assert_null(stock_find("smtp", "smtpd"));
	assert_null(stock_find("relay", "smtp"));
	assert_null(stock_find("lmtp", "lmtp"));
	assert_null(stock_find("cleanup", "probe"));
}

/* What a client is answered leaves at once: its connection has inherited that. */
static void
test_no_delay(void **state)
{
	struct plan_socket wanted = {.kind = PLAN_INET, .address_len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *address = (struct sockaddr_in *)&wanted.address;
	socklen_t len = sizeof(*address), size = sizeof(int);
	int listening, client, accepted, on = 0;

	(void)state;
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listening = plan_bind(&wanted);
	assert_true(listening >= 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)address, &len), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)address, len), 0);
	accepted = accept(listening, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
	assert_int_not_equal(on, 0);
	assert_int_equal(close(accepted) + close(client) + close(listening), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_same),
	    cmocka_unit_test(test_stock),
	    cmocka_unit_test(test_no_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
