# mtasts: policies of other domains, by HTTPS
noinst_LTLIBRARIES += libmtasts.la
libmtasts_la_SOURCES = \
	mtasts/policies.c mtasts/policies.h \
	mtasts/policy.c mtasts/policy.h \
	mtasts/store.c mtasts/store.h
libmtasts_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += mtasts/mtasts
mtasts_mtasts_SOURCES = mtasts/fetch.c mtasts/fetch.h mtasts/main.c
mtasts_mtasts_CFLAGS = $(AM_CFLAGS) $(LIBCURL_CFLAGS) $(OPENSSL_CFLAGS)
mtasts_mtasts_LDADD = libmtasts.la libpostkeep-net.la libpostkeep.la $(LIBCURL_LIBS) $(OPENSSL_LIBS)
mtasts_mtasts_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_mtasts.py

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_mtasts
tests_unit_test_mtasts_SOURCES = tests/unit/test_mtasts.c
tests_unit_test_mtasts_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mtasts_LDADD = libmtasts.la libsmtpclient.la libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_mtasts
tests_fuzz_fuzz_mtasts_SOURCES = tests/fuzz/fuzz_mtasts.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_mtasts_LDADD = libmtasts.la libsmtpclient.la libpostkeep-net.la libpostkeep-tables.la libpostkeep.la
tests_fuzz_fuzz_mtasts_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
