# lib/intake: content on its way into the queue.
libpostkeep_la_SOURCES += \
	lib/intake/intake.c lib/intake/intake.h \
	lib/intake/intake_private.h \
	lib/intake/outgoing.c lib/intake/outgoing.h \
	lib/intake/outgoing_checks.c \
	lib/intake/outgoing_content.c \
	lib/intake/outgoing_generic.c \
	lib/intake/outgoing_private.h \
	lib/intake/rules.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_outgoing
tests_unit_test_outgoing_SOURCES = tests/unit/test_outgoing.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_outgoing_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_outgoing_LDADD = libpostkeep.la $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_intake
tests_unit_test_intake_SOURCES = tests/unit/test_intake.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_intake_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_intake_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_intake
tests_fuzz_fuzz_intake_SOURCES = tests/fuzz/fuzz_intake.c
tests_fuzz_fuzz_intake_LDADD = libpostkeep.la
tests_fuzz_fuzz_intake_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
