# proxymap: table look-ups for confined programs
noinst_LTLIBRARIES += libproxymap.la
libproxymap_la_SOURCES = proxymap/tables.c proxymap/tables.h
libproxymap_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += proxymap/proxymap
proxymap_proxymap_SOURCES = proxymap/main.c
proxymap_proxymap_LDADD = libproxymap.la libpostkeep-tables.la libpostkeep.la
proxymap_proxymap_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_proxymap
tests_unit_test_proxymap_SOURCES = tests/unit/test_proxymap.c \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_proxymap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_proxymap_LDADD = libproxymap.la libpostkeep.la $(CMOCKA_LIBS)
endif
