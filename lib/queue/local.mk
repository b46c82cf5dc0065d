# lib/queue

# The stream of local submissions, and the lists of users: postdrop links these.
libcore_la_SOURCES += \
	lib/queue/drop.c lib/queue/drop.h \
	lib/queue/users.c lib/queue/users.h
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_drop
tests_unit_test_drop_SOURCES = tests/unit/test_drop.c
tests_unit_test_drop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_drop_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/fuzz_drop/version1 tests/fuzz/corpus/fuzz_drop/version2
EXTRA_DIST += tests/fuzz/corpus/fuzz_drop/version3
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_drop
tests_fuzz_fuzz_drop_SOURCES = tests/fuzz/fuzz_drop.c
tests_fuzz_fuzz_drop_LDADD = libpostkeep.la
tests_fuzz_fuzz_drop_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif

# lib/queue: queue IDs, the slot format, the spool, and the submission client.
libpostkeep_la_SOURCES += \
	lib/queue/id.c lib/queue/id.h \
	lib/queue/order.c lib/queue/order.h \
	lib/queue/show.c lib/queue/show.h \
	lib/queue/slot.c lib/queue/slot.h lib/queue/slot_envelope.c \
	lib/queue/spool.c lib/queue/spool.h lib/queue/spool_read.c \
	lib/queue/submit.c lib/queue/submit.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_queue_slot
tests_unit_test_queue_slot_SOURCES = tests/unit/test_queue_slot.c
tests_unit_test_queue_slot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_queue_slot_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_slot
tests_fuzz_fuzz_slot_SOURCES = tests/fuzz/fuzz_slot.c
tests_fuzz_fuzz_slot_LDADD = libpostkeep.la
tests_fuzz_fuzz_slot_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
