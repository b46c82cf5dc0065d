# bounce: composes delivery status notifications.
daemon_PROGRAMS += bounce/bounce
bounce_bounce_SOURCES = bounce/main.c bounce/compose.c bounce/compose.h
bounce_bounce_LDADD = libpostkeep.la
bounce_bounce_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_remote_notices.py

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_bounce_compose
tests_unit_test_bounce_compose_SOURCES = tests/unit/test_bounce_compose.c bounce/compose.c
tests_unit_test_bounce_compose_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bounce_compose_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_notice
tests_fuzz_fuzz_notice_SOURCES = tests/fuzz/fuzz_notice.c bounce/compose.c
tests_fuzz_fuzz_notice_LDADD = libpostkeep.la
tests_fuzz_fuzz_notice_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
