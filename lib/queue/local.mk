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
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_drop
tests_fuzz_fuzz_drop_SOURCES = tests/fuzz/fuzz_drop.c
tests_fuzz_fuzz_drop_LDADD = libpostkeep.la
tests_fuzz_fuzz_drop_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
