# lib/smtp: what both ends of SMTP share. Needs lib/base and lib/mail alone.
libpostkeep_la_SOURCES += \
	lib/smtp/bdat.h \
	lib/smtp/command.c lib/smtp/command.h \
	lib/smtp/dots.c lib/smtp/dots.h \
	lib/smtp/reply.c lib/smtp/reply.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_smtp_lines tests/unit/test_smtp_dots
tests_unit_test_smtp_lines_SOURCES = tests/unit/test_smtp_lines.c
tests_unit_test_smtp_lines_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_smtp_lines_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_smtp_dots_SOURCES = tests/unit/test_smtp_dots.c
tests_unit_test_smtp_dots_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_smtp_dots_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_dots
tests_fuzz_fuzz_dots_SOURCES = tests/fuzz/fuzz_dots.c
tests_fuzz_fuzz_dots_LDADD = libpostkeep.la
tests_fuzz_fuzz_dots_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_lines
tests_fuzz_fuzz_lines_SOURCES = tests/fuzz/fuzz_lines.c
tests_fuzz_fuzz_lines_LDADD = libpostkeep.la
tests_fuzz_fuzz_lines_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
