# tlsrpt: how the TLS of outgoing connections went, counted for reports
noinst_LTLIBRARIES += libtlsrpt.la
libtlsrpt_la_SOURCES = \
	tlsrpt/files.c tlsrpt/files.h \
	tlsrpt/record.c tlsrpt/record.h \
	tlsrpt/report.c tlsrpt/report.h \
	tlsrpt/tally.c tlsrpt/tally.h
libtlsrpt_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += tlsrpt/tlsrpt tlsrpt/tlsreport
tlsrpt_tlsrpt_SOURCES = tlsrpt/main.c
tlsrpt_tlsrpt_LDADD = libtlsrpt.la libpostkeep.la
tlsrpt_tlsrpt_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
tlsrpt_tlsreport_SOURCES = tlsrpt/command.c
tlsrpt_tlsreport_LDADD = libtlsrpt.la libpostkeep-net.la libpostkeep.la
tlsrpt_tlsreport_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_tlsrpt.py

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_tlsrpt
tests_unit_test_tlsrpt_SOURCES = tests/unit/test_tlsrpt.c
tests_unit_test_tlsrpt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tlsrpt_LDADD = libtlsrpt.la libsmtpclient.la libpostkeep-net.la libpostkeep-tables.la libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_tlsrpt
tests_fuzz_fuzz_tlsrpt_SOURCES = tests/fuzz/fuzz_tlsrpt.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_tlsrpt_LDADD = libtlsrpt.la libpostkeep.la
tests_fuzz_fuzz_tlsrpt_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
