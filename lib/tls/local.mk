# lib/tls: OpenSSL on streams.
libpostkeep_net_la_SOURCES += \
	lib/tls/client.c \
	lib/tls/connection.c \
	lib/tls/dane.c \
	lib/tls/describe.c \
	lib/tls/identity.c \
	lib/tls/internal.h \
	lib/tls/names.c \
	lib/tls/policy.c \
	lib/tls/protocols.c \
	lib/tls/sessions.c \
	lib/tls/settings.c \
	lib/tls/tls.h \
	lib/tls/trust.c \
	lib/tls/verify.c
libpostkeep_net_la_CFLAGS += $(OPENSSL_CFLAGS)
libpostkeep_net_la_LIBADD += $(OPENSSL_LIBS)

# The client that test_tls.py drives.
noinst_PROGRAMS += tests/system/tls_probe
tests_system_tls_probe_SOURCES = tests/system/tls_probe.c
tests_system_tls_probe_LDADD = libpostkeep-net.la libpostkeep.la
tests_system_tls_probe_LDFLAGS = $(AM_LDFLAGS) -no-install

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_tls tests/unit/test_tls_names
TLS_FIXTURE = tests/unit/tls_fixture.c tests/unit/tls_fixture.h tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c $(TLS_FIXTURE)
tests_unit_test_tls_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_tls_LDADD = libpostkeep-net.la libpostkeep.la $(OPENSSL_LIBS) $(CMOCKA_LIBS)
tests_unit_test_tls_names_SOURCES = tests/unit/test_tls_names.c $(TLS_FIXTURE)
tests_unit_test_tls_names_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_tls_names_LDADD = libpostkeep-net.la libpostkeep.la $(OPENSSL_LIBS) $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_tls
tests_fuzz_fuzz_tls_SOURCES = tests/fuzz/fuzz_tls.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_tls_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_fuzz_fuzz_tls_LDADD = libpostkeep-net.la libpostkeep.la $(OPENSSL_LIBS)
tests_fuzz_fuzz_tls_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
