/* test_listing - what postqueue prints: layout, marks, reasons, JSON, and text that strangers chose */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "admin/listing.h"

#define HEAD "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
#define MARGIN "                                               "

struct rcpt {
	const char *address, *reason;
};

/* One frame; .address NULL ends the recipients. */
struct frame {
	const char *id, *state, *sender;
	uint64_t size;
	bool expire, more;
	struct rcpt rcpts[4];
};

struct listing_case {
	struct frame frames[4]; /* .id NULL at the end */
	const char *text, *json;
};

static const struct listing_case cases[] = {
    {{{NULL}}, "Mail queue is empty\n", ""},
    {
	{{"4jXKwm1JKxz1N", "deferred", "a@b.example", 2047, .rcpts = {{"c@d.example", "down"}}}},
	HEAD
	"4jXKwm1JKxz1N         2047 Thu Jan  1 00:00:00 a@b.example\n"
	"                                                                        (down)\n" MARGIN
	"c@d.example\n"
	"\n-- 1 Kbytes in 1 Request.\n",
	"{\"queue_name\": \"deferred\", \"queue_id\": \"4jXKwm1JKxz1N\", \"arrival_time\": 0, "
	"\"message_size\": 2047, \"forced_expire\": false, \"sender\": \"a@b.example\", "
	"\"recipients\": [{\"address\": \"c@d.example\", \"delay_reason\": \"down\"}]}\n",
    },
    {
	{{"1", "active", "", 0, .rcpts = {{"x", ""}}}, {"2", "hold", "s", 1, .expire = true},
	    {"3", "incoming", "s", 1024, .expire = true}},
	HEAD "1*                       0 Thu Jan  1 00:00:00 \n" MARGIN "x\n"
	     "\n2!#                      1 Thu Jan  1 00:00:00 s\n"
	     "\n3#                    1024 Thu Jan  1 00:00:00 s\n"
	     "\n-- 1 Kbytes in 3 Requests.\n",
	"{\"queue_name\": \"active\", \"queue_id\": \"1\", \"arrival_time\": 0, \"message_size\": "
	"0, "
	"\"forced_expire\": false, \"sender\": \"\", \"recipients\": [{\"address\": \"x\"}]}\n"
	"{\"queue_name\": \"hold\", \"queue_id\": \"2\", \"arrival_time\": 0, \"message_size\": 1, "
	"\"forced_expire\": true, \"sender\": \"s\", \"recipients\": []}\n"
	"{\"queue_name\": \"incoming\", \"queue_id\": \"3\", \"arrival_time\": 0, "
	"\"message_size\": "
	"1024, \"forced_expire\": true, \"sender\": \"s\", \"recipients\": []}\n",
    },
    /* Frames of one message are one message; a reason is shown once for those that share it. */
    {
	{{"1", "deferred", "s", 1, .more = true, .rcpts = {{"a", "r"}, {"b", "r"}}},
	    {"1", "deferred", "s", 1, .more = true},
	    {"1", "deferred", "s", 1, .rcpts = {{"c", "r"}, {"d", ""}, {"e", "q"}}}},
	HEAD
	"1                        1 Thu Jan  1 00:00:00 s\n"
	"                                                                           (r)\n" MARGIN
	"a\n" MARGIN "b\n" MARGIN "c\n"
	"                                                          (reason unavailable)\n" MARGIN
	"d\n"
	"                                                                           (q)\n" MARGIN
	"e\n"
	"\n-- 0 Kbytes in 1 Request.\n",
	"{\"queue_name\": \"deferred\", \"queue_id\": \"1\", \"arrival_time\": 0, "
	"\"message_size\": 1, "
	"\"forced_expire\": false, \"sender\": \"s\", \"recipients\": [{\"address\": \"a\", "
	"\"delay_reason\": \"r\"}, {\"address\": \"b\", \"delay_reason\": \"r\"}, {\"address\": "
	"\"c\", "
	"\"delay_reason\": \"r\"}, {\"address\": \"d\"}, {\"address\": \"e\", \"delay_reason\": "
	"\"q\"}]}\n",
    },
    /* No byte of a stranger's reaches a terminal as a control, or a JSON reader as syntax. */
    {
	{{"1", "incoming", "\"a\\b\x1b[2J\xc3\xa4\xff", 1, .rcpts = {{"x\n\"y", "\t\x7f"}}}},
	HEAD "1                        1 Thu Jan  1 00:00:00 \"a\\b?[2J\xc3\xa4?\n"
	     "                                                                          (?"
	     "?)\n" MARGIN "x?\"y\n"
	     "\n-- 0 Kbytes in 1 Request.\n",
	"{\"queue_name\": \"incoming\", \"queue_id\": \"1\", \"arrival_time\": 0, "
	"\"message_size\": 1, "
	"\"forced_expire\": false, \"sender\": \"\\\"a\\\\b\\u001b[2J\xc3\xa4\\ufffd\", "
	"\"recipients\": [{\"address\": \"x\\u000a\\\"y\", \"delay_reason\": "
	"\"\\u0009\\u007f\"}]}\n",
    },
};

static char *
run_case(const struct listing_case *c, bool json)
{
	char *text = NULL;
	size_t size;
	struct listing l = {.out = open_memstream(&text, &size), .json = json};

	assert_non_null(l.out);
	for (const struct frame *f = c->frames; f->id; f++) {
		struct msg_showq_rcpt rcpts[4];
		struct msg_showq_entry e = {
		    .id = str_c(f->id),
		    .state = str_c(f->state),
		    .sender = str_c(f->sender),
		    .size = f->size,
		    .forced_expire = f->expire,
		    .more = f->more,
		    .rcpts.items = rcpts,
		};

		for (const struct rcpt *r = f->rcpts; r->address; r++)
			rcpts[e.rcpts.count++] =
			    (struct msg_showq_rcpt){str_c(r->address), str_c(r->reason)};
		listing_entry(&l, &e);
	}
	listing_end(&l);
	fclose(l.out);
	return text;
}

static void
test_listing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = run_case(&cases[i], false);
		char *json = run_case(&cases[i], true);

		assert_string_equal(text, cases[i].text);
		assert_string_equal(json, cases[i].json);
		free(text);
		free(json);
	}
}

/* The next attempt: for programs always, for people on request, where readers of mailq look for reasons. */
static void
test_next_attempt(void **state)
{
	struct msg_showq_rcpt r = {.address = STR("x"),
	    .reason = STR("r"),
	    .dsn = STR("4.4.1"),
	    .transport = STR("smtp"),
	    .nexthop = STR("[h]:25")};
	struct msg_showq_entry e = {.id = STR("1"),
	    .state = STR("deferred"),
	    .sender = STR("s"),
	    .next = 7500,
	    .expires = 432000,
	    .tries = 3,
	    .rcpts = {&r, 1}};
	char *text[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		size_t size;
		struct listing l = {.out = open_memstream(&text[i], &size),
		    .json = i == 2,
		    .next = i > 0,
		    .now = 300};

		listing_entry(&l, &e);
		listing_end(&l);
		fclose(l.out);
	}
	assert_null(strstr(text[0], "next"));
	assert_non_null(strstr(text[1],
	    "Thu Jan  1 00:00:00 s\n                   (next attempt Thu Jan  1 02:05:00, in 2 h 0 "
	    "min)\n"));
	assert_non_null(strstr(text[2],
	    "\"forced_expire\": false, \"sender\": \"s\", \"next_attempt\": 7500, \"expires\": "
	    "432000, "
	    "\"attempts\": 3, \"recipients\": [{\"address\": \"x\", \"delay_reason\": \"r\", "
	    "\"status\": \"4.4.1\", \"transport\": \"smtp\", \"nexthop\": \"[h]:25\"}]}\n"));
	for (int i = 0; i < 3; i++)
		free(text[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_listing),
	    cmocka_unit_test(test_next_attempt),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
