/* test_qmgr_slots - qmgr's slots while more than one looks at them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "qmgr/slots.h"
#include "tests/unit/conf_fixture.h"

/* A message that came to rest, on hold. */
static struct slot *
a_message(void)
{
	bool full;
	struct slot *slot = slots_take(false, fiber_after(20000), &full);
	char id[QUEUE_ID_SIZE];

	assert_non_null(slot);
	slots_new_id(slot, id);
	slots_arrived(slot);
	slots_put_new(slot, 10, true);
	return slot;
}

/* One deletes the message, and is done while another still reads it: then it goes when that one leaves. */
static void
deleted_while_read(void *arg)
{
	struct buf why = {0};
	struct slot *slot;

	(void)arg;
	assert_true(slots_open(&why));
	slots_start();
	slot = a_message();
	assert_int_equal(slots_messages(), 1);
	assert_true(slots_use(slot)); /* the one */
	slot->state = SLOT_FREE;      /* as its mark says now */
	assert_true(slots_use(slot)); /* the other */
	slots_begin_reading(slot);
	slots_unuse(slot);
	assert_int_equal(slots_messages(), 1);
	slots_end_reading(slot);
	slots_unuse(slot);
	assert_int_equal(slots_messages(), 0);
	assert_int_equal(slot->use, SLOT_USE_FREE);
	assert_int_equal(slot->users, 0);
}

static void
test_deleted_while_read(void **state)
{
	char *dir = fixture_dir();
	struct buf main_cf = {0}, clean = {0};

	(void)state;
	buf_printf(&main_cf,
	    "compatibility_level = 3.11\nmyhostname = mx.test\nqueue_directory = %s\n", dir);
	conf_set(fixture_load_good(buf_cstr(&main_cf), ""));
	fiber_main(deleted_while_read, NULL);
	buf_printf(&clean, "rm -r %s", dir);
	assert_int_equal(system(buf_cstr(&clean)), 0);
	free(dir);
	buf_free(&main_cf);
	buf_free(&clean);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_deleted_while_read)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
