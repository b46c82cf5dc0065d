/*
 * test_conf - main.cf: the syntax, the expansion language, what is reported, and defaults
 */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/conf/params.h"
#include "tests/unit/conf_fixture.h"

static void
check_value(const struct conf *c, const char *name, const char *expected, const char *text)
{
	struct str value = STR_EMPTY;

	if (!conf_lookup(c, str_c(name), &value) || !str_eq(value, str_c(expected)))
		fail_msg(
		    "%s is \"%.*s\", not \"%s\", with:\n%s", name, STR_ARG(value), expected, text);
}

struct value_case {
	const char *text, *name, *value;
};

static const struct value_case syntax[] = {
    {"mail_name = X", "mail_name", "X"},
    {"mail_name=X", "mail_name", "X"},
    {"mail_name   =   X  \t ", "mail_name", "X"},
    {"mail_name = X\r\n", "mail_name", "X"},
    {"mail_name =", "mail_name", ""},
    {"mail_name = a = b", "mail_name", "a = b"},
    {"mail_name = a\n b\n\tc\n", "mail_name", "a b c"},
    {"mail_name = a\n# not part of it\n b", "mail_name", "a b"},
    {"mail_name = a\n\n   \n b", "mail_name", "a b"},
    {"mail_name = a\n  # a comment may be indented\n b", "mail_name", "a b"},
    {"mail_name =\n a", "mail_name", "a"},
    {"# mail_name = X\nmail_name = Y\n", "mail_name", "Y"},
    {"mail_name = X\nmail_name = Y\n", "mail_name", "Y"},
    {"mail_name = last line without end", "mail_name", "last line without end"},
};

static const struct value_case language[] = {
    {"a = 1\nmail_name = $a", "mail_name", "1"},
    {"a = 1\nmail_name = <$a>", "mail_name", "<1>"},
    {"a = 1\nmail_name = ${a}b", "mail_name", "1b"},
    {"a = 1\nmail_name = $(a)b", "mail_name", "1b"},
    {"a = 1\nmail_name = $a.$a", "mail_name", "1.1"},
    {"a_b = 1\nmail_name = $a_b-c", "mail_name", "1-c"},
    {"mail_name = [$nothing]", "mail_name", "[]"},
    {"mail_name = $$5", "mail_name", "$5"},
    {"mail_name = $$a $${b}", "mail_name", "$a ${b}"},
    {"a = 1\nmail_name = ${a?yes}", "mail_name", "yes"},
    {"mail_name = [${nothing?yes}]", "mail_name", "[]"},
    {"a = 1\nmail_name = [${a:no}]", "mail_name", "[]"},
    {"mail_name = ${nothing:no}", "mail_name", "no"},
    {"a = 1\nmail_name = ${a?x:y}", "mail_name", "x:y"},
    {"a = 1\nmail_name = ${a??foo:{b}ar}", "mail_name", "?foo:{b}ar"},
    {"a = 1\nmail_name = ${a?{x}}", "mail_name", "x"},
    {"a = 1\nmail_name = ${a?{x}:{y}}", "mail_name", "x"},
    {"mail_name = ${nothing?{x}:{y}}", "mail_name", "y"},
    {"mail_name = ${nothing:{y}}", "mail_name", "y"},
    {"a = 1\nmail_name = ${ a ? {x} : {y} }", "mail_name", "x"},
    {"mail_name = ${nothing?{x}:y}", "mail_name", "y"},
    {"a = 1\nb = 2\nmail_name = ${a?{$b}:{}}", "mail_name", "2"},
    {"a = 1\nmail_name = ${a?{${a?{deep}}}}", "mail_name", "deep"},
    {"mail_name = ${{a} == {a} ? {same} : {other}}", "mail_name", "same"},
    {"mail_name = ${{a} == {b} ? {same} : {other}}", "mail_name", "other"},
    {"mail_name = ${{a} != {b}?{other}}", "mail_name", "other"},
    {"mail_name = [${{a} == {b}?{same}}]", "mail_name", "[]"},
    {"mail_name = ${{a} == {b}:{other}}", "mail_name", "other"},
    {"mail_name = ${{a}=={a}}", "mail_name", "bool:true"},
    {"mail_name = [${{a}=={b}}]", "mail_name", "[]"},
    {"mail_name = ${{9} < {10} ? {number} : {text}}", "mail_name", "number"},
    {"mail_name = ${{9x} < {10x} ? {number} : {text}}", "mail_name", "text"},
    {"mail_name = ${{10} <= {10} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{11} <= {10} ? {y} : {n}}", "mail_name", "n"},
    {"mail_name = ${{10} > {9} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{9} >= {10} ? {y} : {n}}", "mail_name", "n"},
    {"mail_name = ${{007} == {7} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{99999999999999999999999} > {1} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{3.6} <level {3.10} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{3.10} <=level {3.10} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{3.10.1} >level {3.10} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{2} >=level {2.0} ? {y} : {n}}", "mail_name", "y"},
    {"mail_name = ${{3.9} ==level {3.10} ? {y} : {n}}", "mail_name", "n"},
    {"mail_name = ${{3.9} !=level {3.10} ? {y} : {n}}", "mail_name", "y"},
    {"a = x\nmail_name = ${{$a} == {x} ? {<$a>} : {}}", "mail_name", "<x>"},
    {"mydomain = b.example\nmail_name = ${domain_to_ascii{$mydomain}}", "mail_name", "b.example"},
    /* a reference in the branch not taken is no loop */
    {"mail_name = ${nothing?$mail_name}ok", "mail_name", "ok"},
    /* raw: expanded by who reads it */
    {"forward_path = $home/.forward", "forward_path", "$home/.forward"},
    {"mailbox_command = x \"$USER\" ${1}", "mailbox_command", "x \"$USER\" ${1}"},
};

static const struct value_case defaults[] = {
    {"", "queue_run_delay", "300s"},
    {"", "smtpd_timeout", "300s"},
    {"stress = yes", "smtpd_timeout", "10s"},
    {"", "compatibility_level", "0"},
    {"", "append_dot_mydomain", "yes"},
    {"compatibility_level = 1", "append_dot_mydomain", "no"},
    {"compatibility_level = 3.6", "respectful_logging", "yes"},
    {"", "smtputf8_enable", "yes"},
    {"", "mynetworks_style", "host"},
    {"myhostname = a.b.example", "mydomain", "b.example"},
    {"myhostname = a", "mydomain", "localdomain"},
    {"myhostname = a.b.example\nmydomain = c.example", "mydomain", "c.example"},
    {"myhostname = a.b.example", "mydestination", "a.b.example, localhost.b.example, localhost"},
    {"myhostname = a.b.example", "myorigin", "a.b.example"},
    {"myhostname = h.example", "smtpd_banner", "h.example ESMTP Postkeep"},
    {"", "mail_owner", "postkeep"},
    {"", "alias_maps", "hash:/etc/aliases"},
    {"", "syslog_name", "postkeep"},
    {"multi_instance_name = second", "syslog_name", "second"},
    {"mynetworks = 127.0.0.0/8", "smtpd_forbid_bare_newline_exclusions", "127.0.0.0/8"},
    {"mynetworks = 127.0.0.0/8", "smtpd_client_event_limit_exceptions", "127.0.0.0/8"},
    {"", "queue_directory", DEFAULT_QUEUE_DIR},
    {"", "daemon_directory", DEFAULT_DAEMON_DIR},
    {"", "command_directory", DEFAULT_COMMAND_DIR},
    {"", "data_directory", DEFAULT_DATA_DIR},
    {"", "mail_version", PACKAGE_VERSION},
    /* per transport: of the table, of a family, and through the default they share */
    {"", "local_destination_recipient_limit", "1"},
    {"", "smtp_destination_concurrency_limit", "20"},
    {"default_destination_concurrency_limit = 7", "smtp_destination_concurrency_limit", "7"},
    {"default_destination_concurrency_limit = 7", "mine_destination_concurrency_limit", "7"},
    {"mine_destination_concurrency_limit = 8", "mine_destination_concurrency_limit", "8"},
    {"", "mine_time_limit", "1000s"},
    {"", "anvil_session_limit", "1000"},
    {"", "smtpd_session_limit", "2000"},
};

static void
expect_cases(const struct value_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf told = {0};
		struct conf *c = fixture_load(cases[i].text, strlen(cases[i].text), NULL, 0, &told);

		if (told.len >= 5 && strstr(buf_cstr(&told), "error"))
			fail_msg("problems with:\n%s\n%s", cases[i].text, buf_cstr(&told));
		check_value(c, cases[i].name, cases[i].value, cases[i].text);
		conf_free(&c);
		buf_free(&told);
	}
}

static void
test_syntax(void **state)
{
	(void)state;
	expect_cases(syntax, sizeof(syntax) / sizeof(syntax[0]));
}

static void
test_language(void **state)
{
	(void)state;
	expect_cases(language, sizeof(language) / sizeof(language[0]));
}

static void
test_defaults(void **state)
{
	(void)state;
	expect_cases(defaults, sizeof(defaults) / sizeof(defaults[0]));
}

struct problem_case {
	const char *text, *problems;
};

/* The full text of what is reported; "" for nothing. */
static const struct problem_case reported[] = {
    {"", ""},
    {"myhostname = a.example\n", ""},
    {"mail_name\n",
	"error main.cf:1: \"=\" is missing; a line that continues the one before it must "
	"begin with white space: \"mail_name\"\n"},
    {"\n# x\n= y\n", "error main.cf:3: a parameter name is missing before \"=\": \"= y\"\n"},
    {"mail name = y\n", "error main.cf:1: white space in the parameter name: \"mail name = y\"\n"},
    {" mail_name = y\n",
	"error main.cf:1: the first line of the file must not begin with white space: \" mail_name "
	"= y\"\n"},
    {"mail_name = a\nmail_name = b\n",
	"warning main.cf:2: mail_name is set again, line 1 has no effect\n"},
    {"x = 1\nx = 2\nmail_name = $x\n", "warning main.cf:2: x is set again, line 1 has no effect\n"},
    {"smtpd_baner = x\n",
	"warning main.cf:1: unused parameter: smtpd_baner=x (did you mean \"smtpd_banner\"?)\n"},
    {"myhostnmae = x\n",
	"warning main.cf:1: unused parameter: myhostnmae=x (did you mean \"myhostname\"?)\n"},
    {"smtpd_recipient_restriction = x\n",
	"warning main.cf:1: unused parameter: smtpd_recipient_restriction=x (did you mean "
	"\"smtpd_recipient_restrictions\"?)\n"},
    {"zebra = x\n", "warning main.cf:1: unused parameter: zebra=x\n"},
    {"zebra = x\nmail_name = ${zebra}\n", ""},
    {"zebra = x\nmail_name = ${nothing?$zebra}\n", ""},
    {"mail_name = x # y\n",
	"warning main.cf:1: mail_name: \"#\" behind other text begins no comment: it is part of "
	"the value; "
	"put the comment on a line of its own\n"},
    {"mail_name = # y\n",
	"warning main.cf:1: mail_name: the value begins with \"#\"; put the comment on a "
	"line of its own\n"},
    {"mail_name = x#y\n", ""},
    {"mydestination = $myhostname, $mydoman\n",
	"warning main.cf:1: mydestination: undefined parameter: $mydoman, which is empty; did you "
	"mean "
	"$mydomain\n"},
    {"mail_name = ${zebra}$(quagga)$$horse ${donkey?x} ${myhostname}\n",
	"warning main.cf:1: mail_name: undefined parameter: $zebra, which is empty\n"
	"warning main.cf:1: mail_name: undefined parameter: $quagga, which is empty\n"},
    {"biff = no\n", "note main.cf:1: biff: this parameter has no effect yet\n"},
    {"content_filter = scan:[127.0.0.1]:10025\n",
	"warning main.cf:1: content_filter: this parameter has no effect yet: mail is treated as "
	"if it "
	"were not set\n"},
    {"content_filter =\n", "note main.cf:1: content_filter: this parameter has no effect yet\n"},
    {"smtpd_sasl_auth_enable = no\nsmtpd_tls_security_level = none\n",
	"note main.cf:1: smtpd_sasl_auth_enable: this parameter has no effect yet\n"
	"note main.cf:2: smtpd_tls_security_level: this parameter has no effect yet\n"},
    {"smtpd_tls_security_level = encrypt\n",
	"warning main.cf:1: smtpd_tls_security_level: this parameter has no effect yet: mail is "
	"treated as if it were not set\n"},
    /* what smtpd does anyway, and what it does not */
    {"smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated, "
     "defer_unauth_destination\n",
	"note main.cf:1: smtpd_relay_restrictions: this parameter has no effect yet\n"},
    {"smtpd_relay_restrictions = reject_unauth_destination\n",
	"warning main.cf:1: smtpd_relay_restrictions: this parameter has no effect yet: mail is "
	"treated as if it were not set\n"},
    {"smtpd_client_restrictions = permit_mynetworks, reject\n",
	"warning main.cf:1: smtpd_client_restrictions: this parameter has no effect yet: mail is "
	"treated as if it were not set\n"},
    {"alias_maps = hash:/etc/aliases\n",
	"warning main.cf:1: alias_maps: aliases are not expanded yet: mail for a name that stands "
	"only there is refused (550); without aliases: alias_maps =\n"},
    {"alias_maps =\n", ""},
    {"mynetworks = 127.0.0.0/8, 192.168.1.5/24\n",
	"error main.cf:1: mynetworks = 127.0.0.0/8, 192.168.1.5/24: \"192.168.1.5/24\": the "
	"address has "
	"bits set behind the network length\n"},
    {"mynetworks = 127.0.0.0/8; 10.0.0.0/8\n",
	"error main.cf:1: mynetworks = 127.0.0.0/8; 10.0.0.0/8: \"127.0.0.0/8;\": not a valid "
	"network "
	"length\n"},
    {"smtpd_authorized_verp_clients = !192.168.1\n",
	"error main.cf:1: smtpd_authorized_verp_clients = !192.168.1: \"192.168.1\": not a valid "
	"address\n"},
    {"mynetworks = !10.0.0.1 10.0.0.0/8 [::1]/128 2001:db8::/32 host.example .lan cidr:/x /file\n",
	""},
    {"enable_long_queue_ids = no\n",
	"note main.cf:1: enable_long_queue_ids has no purpose here: The long queue ID is the only "
	"kind.\n"},
    {"process_id = 5\n", "note main.cf:1: process_id cannot be set; the line has no effect\n"},
    {"mail_name = $mail_name\n",
	"error main.cf:1: mail_name = $mail_name: it leads back to itself: mail_name -> "
	"mail_name\n"},
    {"mail_name = $b\nb = ${c}\nc = $(b)\n",
	"error main.cf:3: c = $(b): it leads back to itself: b -> c -> b\n"},
    {"mail_name = ${a\n", "error main.cf:1: mail_name = ${a: \"${\" without \"}\": \"{a\"\n"},
    {"mail_name = $(a\n", "error main.cf:1: mail_name = $(a: \"$(\" without \")\": \"(a\"\n"},
    {"mail_name = 5 $ each\n",
	"error main.cf:1: mail_name = 5 $ each: a name is expected behind \"$\" (for a "
	"dollar sign write $$): \" each\"\n"},
    {"mail_name = ${}\n", "error main.cf:1: mail_name = ${}: a name is expected: \"\"\n"},
    {"mail_name = ${a!b}\n",
	"error main.cf:1: mail_name = ${a!b}: \"?\" or \":\" is expected: \"!b\"\n"},
    {"mail_name = ${a?{b}c}\n",
	"error main.cf:1: mail_name = ${a?{b}c}: \":\" is expected: \"c\"\n"},
    {"mail_name = ${a?{b}:{c}d}\n",
	"error main.cf:1: mail_name = ${a?{b}:{c}d}: unexpected text behind \"{…}\": \"d\"\n"},
    {"mail_name = ${{a} ~ {b}}\n",
	"error main.cf:1: mail_name = ${{a} ~ {b}}: ==, !=, <, <=, >, >= or one of "
	"these with \"level\" is expected: \"~ {b}\"\n"},
    {"mail_name = ${{a} == b}\n",
	"error main.cf:1: mail_name = ${{a} == b}: \"{…}\" is expected behind the "
	"comparison: \"{a} == b\"\n"},
    {"mail_name = ${{a} <level {1}?{x}}\n",
	"error main.cf:1: mail_name = ${{a} <level {1}?{x}}: not a "
	"compatibility level (N or N.N): \"a\"\n"},
    {"mail_name = ${nofunction{x}}\n",
	"error main.cf:1: mail_name = ${nofunction{x}}: unknown function: \"nofunction\"\n"},
    {"myhostname = a b\n",
	"error main.cf:1: myhostname = a b: must be a host name: letters, digits, \"-\" and "
	"\".\"\n"},
    {"compatibility_level = new\n",
	"error main.cf:1: compatibility_level = new: must be a release such as 2 or 3.6\n"},
    {"inet_interfaces =\n",
	"error main.cf:1: inet_interfaces: empty; for none but this machine: loopback-only\n"},
    {"mailbox_size_limit = 1000000\n",
	"error main.cf:1: mailbox_size_limit: smaller than message_size_limit: "
	"the largest message could never be delivered\n"},
    {"mailbox_size_limit = 20479999\nmessage_size_limit = 20480000\nqueue_minfree = 30720000\n",
	"error main.cf:1: mailbox_size_limit: smaller than message_size_limit: "
	"the largest message could never be delivered\n"},
    {"mailbox_size_limit = 20480000\nmessage_size_limit = 20480000\nqueue_minfree = 30720000\n",
	""},
    {"mailbox_size_limit = 51200000\nmessage_size_limit = 0\n",
	"error main.cf:1: mailbox_size_limit: smaller than message_size_limit: "
	"the largest message could never be delivered\n"},
    {"mailbox_size_limit = 0\nmessage_size_limit = 0\n", ""},
    {"smtp_bind_address = eth0\n",
	"error main.cf:1: smtp_bind_address = eth0: must be an IPv4 address, or empty\n"},
    {"lmtp_bind_address6 = 192.0.2.1\n",
	"error main.cf:1: lmtp_bind_address6 = 192.0.2.1: must be an IPv6 address, or empty\n"},
    {"smtp_bind_address = [192.0.2.1]\nsmtp_bind_address6 = 2001:db8::1\nlmtp_bind_address =\n",
	""},
    {"message_size_limit = 100M\nqueue_minfree = 200M\n",
	"error main.cf:1: message_size_limit: larger than mailbox_size_limit, which has its "
	"default: the "
	"largest message could never be delivered; set mailbox_size_limit too (0: no limit)\n"},
    {"virtual_alias_maps = hash:/etc/postfix/virtual\n",
	"warning main.cf:1: virtual_alias_maps: virtual aliases are not expanded yet: mail for "
	"virtual_alias_domains waits, and other mail goes to its recipients as they are\n"},
    {"queue_minfree = 1000\n",
	"warning main.cf:1: queue_minfree: less than one and a half times "
	"message_size_limit: a large message may fill the disk\n"},
    {"minimal_backoff_time = 5000s\n",
	"warning main.cf:1: minimal_backoff_time: longer than maximal_backoff_time\n"},
    {"default_destination_concurrency_negative_feedback = 2/concurrency\n",
	"warning main.cf:1: default_destination_concurrency_negative_feedback: not a number from 0 "
	"to "
	"1, with \"/concurrency\" or \"/sqrt_concurrency\" behind it or not: 1 is used\n"},
    {"default_destination_concurrency_positive_feedback = 0.5 / sqrt_concurrency\n", ""},
    {"smtp_destination_concurrency_positive_feedback = x\n",
	"warning main.cf:1: smtp_destination_concurrency_positive_feedback: not a number from 0 to "
	"1, "
	"with \"/concurrency\" or \"/sqrt_concurrency\" behind it or not: 1 is used\n"},
    {"queue_directory = /var/spool/postfix\n",
	"warning main.cf:1: queue_directory: this directory belongs to "
	"Postfix; without this line the right one is taken\n"},
    {"myorigin = /nonexistent/mailname\n",
	"error main.cf:1: myorigin = /nonexistent/mailname: cannot read "
	"/nonexistent/mailname: No such file or directory\n"},
    /* all at once, in the order of lines */
    {"smtpd_helo_required = maybe\nmail_owner = x\nmax_idle = soon\n",
	"error main.cf:1: smtpd_helo_required = maybe: must be yes or no\n"
	"error main.cf:3: max_idle = soon: must be a time: a number with s, m, h, d or w "
	"behind it\n"},
    /* a wrong value of a parameter without effect stops nothing */
    {"biff = perhaps\n",
	"warning main.cf:1: biff = perhaps: must be yes or no\n"
	"note main.cf:1: biff: this parameter has no effect yet\n"},
    {"mine_destination_recipient_limit = many\nmail_name = $mine_destination_recipient_limit\n",
	"error main.cf:1: mine_destination_recipient_limit = many: must be a number\n"},
};

static void
test_reported(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++) {
		struct buf told = {0};
		struct conf *c =
		    fixture_load(reported[i].text, strlen(reported[i].text), NULL, 0, &told);

		if (strcmp(buf_cstr(&told), reported[i].problems) != 0)
			fail_msg("with:\n%s\nexpected:\n%s\ntold:\n%s", reported[i].text,
			    reported[i].problems, buf_cstr(&told));
		conf_free(&c);
		buf_free(&told);
	}
}

static void
test_overrides(void **state)
{
	static const char text[] =
	    "mail_name = file\nx = 1\nmail_owner = $x\nmyhostname = a.example\n";
	const struct conf_override o[] = {
	    {STR("mail_name"), STR("override")},
	    {STR("x"), STR("2")},
	    {STR("smtpd_timeout"), STR("wrong")},
	    {STR("smtpd_banner"), STR(" $myhostname ready ")},
	};
	struct buf told = {0};
	struct conf *c = fixture_load(text, strlen(text), o, 4, &told);
	const char *file = "";
	size_t line = 99;

	(void)state;
	check_value(c, "mail_name", "override", text);
	check_value(c, "mail_owner", "2", text);
	check_value(c, "smtpd_banner", "a.example ready", text);
	assert_string_equal(buf_cstr(&told),
	    "error -:0: smtpd_timeout = wrong: must be a time: a number with s, "
	    "m, h, d or w behind it\n");
	assert_int_equal(conf_time(c, P_smtpd_timeout), 300);
	assert_true(conf_is_set(c, P_mail_name, &file, &line));
	assert_null(file);
	assert_int_equal(line, 0);
	assert_true(conf_is_set(c, P_mail_owner, &file, &line));
	assert_int_equal(line, 3);
	assert_false(conf_is_set(c, P_queue_run_delay, &file, &line));
	conf_free(&c);
	buf_free(&told);
}

static void
test_lookup(void **state)
{
	static const char text[] =
	    "mine_destination_rate_delay = 2m\nclass = permit, reject\nnumber = 17\n"
	    "smtpd_restriction_classes = class\nx_time_limit = 1h\n"
	    "mail_name = $mine_destination_rate_delay $number $x_time_limit\n";
	struct buf told = {0};
	struct conf *c = fixture_load(text, strlen(text), NULL, 0, &told);
	struct str value;

	(void)state;
	assert_null(strstr(buf_cstr(&told), "unused parameter"));
	assert_int_equal(conf_lookup_time(c, STR("mine_destination_rate_delay"), 7), 120);
	assert_int_equal(conf_lookup_time(c, STR("other_destination_rate_delay"), 7), 0);
	assert_int_equal(conf_lookup_time(c, STR("x_time_limit"), 7), 3600);
	assert_int_equal(conf_lookup_time(c, STR("y_time_limit"), 7), 1000);
	assert_int_equal(conf_lookup_time(c, STR("queue_run_delay"), 7), 300);
	assert_int_equal(conf_lookup_int(c, STR("number"), 7), 17);
	assert_int_equal(conf_lookup_int(c, STR("class"), 7), 7);
	assert_int_equal(conf_lookup_int(c, STR("nothing"), 7), 7);
	assert_int_equal(conf_lookup_int(c, STR("mine_destination_recipient_limit"), 7), 50);
	assert_true(conf_lookup(c, STR("class"), &value));
	assert_true(str_eq(value, STR("permit, reject")));
	assert_false(conf_lookup(c, STR("nothing"), &value));
	assert_string_equal(conf_cstr(c, P_mail_name), "2m 17 1h");
	conf_free(&c);
	buf_free(&told);
}

static void
test_expand(void **state)
{
	struct buf told = {0}, out = {0}, why = {0};
	struct conf *c = fixture_load("a = 1\nmail_name = $a", 21, NULL, 0, &told);

	(void)state;
	assert_true(conf_expand(c, STR("<$a ${mail_name?{x}} $nothing>"), &out, &why));
	assert_string_equal(buf_cstr(&out), "<1 x >");
	assert_false(conf_expand(c, STR("${a"), &out, &why));
	assert_string_equal(buf_cstr(&why), "\"${\" without \"}\": \"{a\"");
	conf_free(&c);
	buf_free(&told);
	buf_free(&out);
	buf_free(&why);
}

static void
test_list(void **state)
{
	static const struct {
		const char *text, *items;
	} cases[] = {
	    {"", ""},
	    {" , \t ", ""},
	    {"a", "<a>"},
	    {"a, b\tc ,d", "<a><b><c><d>"},
	    {"{ a b } c", "<a b><c>"},
	    {"{a{b c}d}", "<a{b c}d>"},
	    {"regexp:{{/a b/ c}, {d}} e", "<regexp:{{/a b/ c}, {d}}><e>"},
	    {"{a}b c", "<{a}b><c>"},
	    {"{}", "<>"},
	    {"{a b", "<{a b>"},
	    {"a} b", "<a}><b>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str rest = str_c(cases[i].text), item;
		struct buf got = {0};

		while (conf_list_next(&rest, &item))
			buf_printf(&got, "<%.*s>", STR_ARG(item));
		assert_string_equal(buf_cstr(&got), cases[i].items);
		buf_free(&got);
	}
}

/* A few values with what they refer to; to ask for another one is a mistake of the program. */
static void
test_some(void **state)
{
	static const char main_cf[] =
	    "mail_name = $myhostname\nmyhostname = x.test\nqueue_run_delay = soon\nno line\n";
	static const enum param wanted[] = {P_mail_name, P_syslog_name};
	struct conf_problems problems = {0};
	struct buf told = {0};
	char *dir = fixture_dir();
	struct conf *c;
	int status = 0;
	pid_t child;

	(void)state;
	fixture_write(dir, "main.cf", main_cf, strlen(main_cf));
	c = conf_load_some(dir, wanted, 2, &problems);
	fixture_tell(&problems, &told);
	assert_string_equal(buf_cstr(&told),
	    "error main.cf:4: \"=\" is missing; a line that continues the one before it must begin "
	    "with white space: \"no line\"\n");
	assert_string_equal(conf_cstr(c, P_mail_name), "x.test");
	assert_string_equal(conf_cstr(c, P_myhostname), "x.test");
	assert_string_equal(conf_cstr(c, P_syslog_name), "postkeep");
	child = fork();
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		_exit(conf_time(c, P_queue_run_delay) > 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	conf_problems_free(&problems);
	conf_free(&c);
	buf_free(&told);
	fixture_remove(dir);
}

/* Names that master.cf uses, and parameters of its services, are known. */
static void
test_names_of_master_cf(void **state)
{
	static const char master[] = "587 inet n - y - - smtpd\n  -o smtpd_banner=$mua_banner\n"
				     "mine unix - n n - - pipe\n  flags=R user=x argv=/bin/true\n";
	static const char main_cf[] =
	    "mua_banner = x\nmine_time_limit = 5m\nmien_time_limit = 5m\n"
	    "accounts_server_host = db\nx = proxy:ldap:accounts\nmail_name = $x\n";
	struct conf_problems problems = {0};
	struct buf told = {0};
	char *dir = fixture_dir();
	struct conf *c;

	(void)state;
	fixture_write(dir, "main.cf", main_cf, strlen(main_cf));
	fixture_write(dir, "master.cf", master, strlen(master));
	c = conf_load(dir, NULL, 0, &problems);
	fixture_tell(&problems, &told);
	assert_string_equal(buf_cstr(&told),
	    "warning main.cf:3: mien_time_limit: there is no service \"mien\" in master.cf\n");
	conf_problems_free(&problems);
	conf_free(&c);
	buf_free(&told);
	fixture_remove(dir);
}

/* What Debian 12 sets up for Postfix, and usual additions: no error, nothing unknown, and warnings of what is not there yet. */
static const char stock[] =
    "smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\n"
    "biff = no\n"
    "append_dot_mydomain = no\n"
    "#delay_warning_time = 4h\n"
    "readme_directory = no\n"
    "compatibility_level = 3.6\n"
    "smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem\n"
    "smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key\n"
    "smtpd_tls_security_level=may\n"
    "smtp_tls_CApath=/etc/ssl/certs\n"
    "smtp_tls_security_level=may\n"
    "smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\n"
    "smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated "
    "defer_unauth_destination\n"
    "myhostname = mail.example.org\n"
    "alias_maps = hash:/etc/aliases\n"
    "alias_database = hash:/etc/aliases\n"
    "mydestination = $myhostname, example.org, localhost.example.org, , localhost\n"
    "relayhost = \n"
    "mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\n"
    "mailbox_size_limit = 0\n"
    "recipient_delimiter = +\n"
    "inet_interfaces = all\n"
    "inet_protocols = all\n"
    "smtpd_recipient_restrictions =\n"
    "    permit_mynetworks,\n"
    "    # the policy service comes last\n"
    "    reject_unauth_destination,\n"
    "    check_policy_service unix:private/policyd-spf\n"
    "policyd-spf_time_limit = 3600\n"
    "virtual_mailbox_domains = mysql:/etc/postfix/mysql-domains.cf\n"
    "virtual_transport = lmtp:unix:private/dovecot-lmtp\n"
    "smtpd_sasl_type = dovecot\n"
    "smtpd_sasl_path = private/auth\n"
    "smtpd_tls_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1\n"
    "smtpd_milters = inet:localhost:8891, unix:/run/x/y.sock\n"
    "milter_default_action = accept\n"
    "header_checks = regexp:/etc/postfix/header_checks\n"
    "debugger_command =\n"
    "\t PATH=/bin:/usr/bin:/usr/local/bin:/usr/X11R6/bin\n"
    "\t ddd $daemon_directory/$process_name $process_id & sleep 5\n";

static void
test_stock(void **state)
{
	struct buf told = {0};
	struct conf *c = fixture_load(stock, strlen(stock), NULL, 0, &told);

	(void)state;
	if (strstr(buf_cstr(&told), "error "))
		fail_msg("%s", buf_cstr(&told));
	for (const char *w = buf_cstr(&told); (w = strstr(w, "warning ")); w++) {
		const char *yet = strstr(w, " yet: ");

		if (!yet || yet > strchr(w, '\n'))
			fail_msg("%s", w);
	}
	check_value(c, "mydestination",
	    "mail.example.org, example.org, localhost.example.org, , localhost", "");
	check_value(
	    c, "smtp_tls_session_cache_database", "btree:" DEFAULT_DATA_DIR "/smtp_scache", "");
	check_value(c, "smtpd_recipient_restrictions",
	    "permit_mynetworks, reject_unauth_destination, check_policy_service "
	    "unix:private/policyd-spf",
	    "");
	check_value(c, "mailbox_size_limit", "0", "");
	assert_int_equal(conf_lookup_time(c, STR("policyd-spf_time_limit"), 0), 3600);
	conf_free(&c);
	buf_free(&told);
}

/* Every row of the table: its default fits its type, and it is found under its name. */
static void
test_table(void **state)
{
	struct conf *c = conf_defaults("/nonexistent");
	enum param found;

	(void)state;
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;

		assert_true(param_find(param_name(p), &found) && found == p);
		assert_true(param_explanation(p).len > 0);
		assert_true(param_readers(p).len > 0);
		assert_true(conf_str(c, p).data[conf_str(c, p).len] == '\0');
	}
	assert_false(param_find(STR("zebra"), &found));
	assert_false(param_find(STR(""), &found));
	conf_free(&c);
	/* with a plain file nothing at all is reported, so no default is at fault */
	for (int level = 0; level < 2; level++) {
		const char *text = level ? "compatibility_level = 3.11\n" : "";
		struct buf told = {0};

		c = fixture_load(text, strlen(text), NULL, 0, &told);
		assert_string_equal(buf_cstr(&told), "");
		conf_free(&c);
		buf_free(&told);
	}
}

static void
test_suggestions(void **state)
{
	static const struct {
		const char *name, *suggestion;
	} cases[] = {
	    {"relay_host", "relayhost"},
	    {"mynetwork", "mynetworks"},
	    {"my_destination", "mydestination"},
	    {"smtpd_tls_secuirty_level", "smtpd_tls_security_level"},
	    {"virtual_mailbox_domain", "virtual_mailbox_domains"},
	    {"smtpd_client_conection_count_limt", "smtpd_client_connection_count_limit"},
	    {"elephant", NULL},
	    {"xy", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum param p = P_myhostname;
		bool any = param_suggest(str_c(cases[i].name), &p);

		assert_int_equal(any, cases[i].suggestion != NULL);
		if (any && !str_eq(param_name(p), str_c(cases[i].suggestion)))
			fail_msg("%s: %.*s", cases[i].name, STR_ARG(param_name(p)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_syntax),
	    cmocka_unit_test(test_language),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_reported),
	    cmocka_unit_test(test_overrides),
	    cmocka_unit_test(test_lookup),
	    cmocka_unit_test(test_expand),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_some),
	    cmocka_unit_test(test_names_of_master_cf),
	    cmocka_unit_test(test_stock),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_suggestions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
