# anvil: counts and rates per client
noinst_LTLIBRARIES += libanvil.la
libanvil_la_SOURCES = anvil/clients.c anvil/clients.h
libanvil_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += anvil/anvil
anvil_anvil_SOURCES = anvil/main.c
anvil_anvil_LDADD = libanvil.la libpostkeep.la
anvil_anvil_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_anvil
tests_unit_test_anvil_SOURCES = tests/unit/test_anvil.c
tests_unit_test_anvil_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_anvil_LDADD = libanvil.la libpostkeep.la $(CMOCKA_LIBS)
endif
