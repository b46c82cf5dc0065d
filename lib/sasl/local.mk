# lib/sasl: logging in at servers.
libpostkeep_net_la_SOURCES += \
	lib/sasl/digest.c \
	lib/sasl/login.c lib/sasl/sasl.h lib/sasl/sasl_private.h \
	lib/sasl/md5.c \
	lib/sasl/password.c lib/sasl/password.h \
	lib/sasl/plain.c \
	lib/sasl/saslprep.c \
	lib/sasl/scram.c \
	lib/sasl/settings.c lib/sasl/settings_private.h
libpostkeep_net_la_CFLAGS += $(LIBIDN_CFLAGS)
libpostkeep_net_la_LIBADD += $(LIBIDN_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_sasl tests/unit/test_sasl_password tests/unit/test_saslprep
tests_unit_test_saslprep_SOURCES = tests/unit/test_saslprep.c
tests_unit_test_saslprep_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_saslprep_LDADD = libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_sasl_password_SOURCES = tests/unit/test_sasl_password.c \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_sasl_password_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sasl_password_LDADD = libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_sasl_SOURCES = tests/unit/test_sasl.c
tests_unit_test_sasl_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sasl_LDADD = libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
if HAVE_CYRUS_SASL
check_PROGRAMS += tests/unit/test_sasl_server
tests_unit_test_sasl_server_SOURCES = tests/unit/test_sasl_server.c \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_sasl_server_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CYRUS_SASL_CFLAGS)
tests_unit_test_sasl_server_LDADD = libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS) $(CYRUS_SASL_LIBS)
endif
endif
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_sasl
tests_fuzz_fuzz_sasl_SOURCES = tests/fuzz/fuzz_sasl.c
tests_fuzz_fuzz_sasl_LDADD = libpostkeep-net.la libpostkeep.la
tests_fuzz_fuzz_sasl_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
