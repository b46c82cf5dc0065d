# smtp: the SMTP and LMTP client. All but main.c is a convenience library, so that tests and fuzzers run
# sessions.
noinst_LTLIBRARIES += libsmtpclient.la
libsmtpclient_la_SOURCES = \
	smtp/attempt.c \
	smtp/body.c smtp/body.h \
	smtp/client.c smtp/client.h \
	smtp/cache.c smtp/cache.h \
	smtp/collector.c smtp/collector.h \
	smtp/chunking.c smtp/chunking.h \
	smtp/connect.c smtp/connect.h \
	smtp/connection.c smtp/connection.h \
	smtp/content.c smtp/content.h \
	smtp/delivery.c smtp/delivery.h \
	smtp/endpoint.c smtp/endpoint.h \
	smtp/envelope.c smtp/envelope.h \
	smtp/failure.c smtp/failure.h \
	smtp/features.c smtp/features.h \
	smtp/handshake.c \
	smtp/late.c smtp/late.h \
	smtp/login.c smtp/login.h \
	smtp/open.c smtp/open.h \
	smtp/port25.c smtp/port25.h \
	smtp/secure.c smtp/secure.h \
	smtp/server.c smtp/server.h \
	smtp/session.c smtp/session.h \
	smtp/settings.c smtp/settings.h \
	smtp/sts.c smtp/sts.h \
	smtp/tlsrpt.c smtp/tlsrpt.h \
	smtp/transaction.c
libsmtpclient_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += smtp/smtp smtp/lmtp
smtp_smtp_SOURCES = smtp/main.c smtp/service.c smtp/service.h
smtp_smtp_LDADD = libsmtpclient.la libpostkeep-net.la libpostkeep-tables.la libpostkeep.la
smtp_smtp_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
smtp_lmtp_SOURCES = smtp/lmtp.c smtp/service.c smtp/service.h
smtp_lmtp_LDADD = libsmtpclient.la libpostkeep-net.la libpostkeep-tables.la libpostkeep.la
smtp_lmtp_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_smtp_client.py
TESTS += tests/system/test_smtp_client.py

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_smtp_client
tests_unit_test_smtp_client_SOURCES = tests/unit/test_smtp_client.c \
	tests/unit/smtp_client_fixture.c tests/unit/smtp_client_fixture.h \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_smtp_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_smtp_client_LDADD = libsmtpclient.la libpostkeep-net.la libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_smtp_client
tests_fuzz_fuzz_smtp_client_SOURCES = tests/fuzz/fuzz_smtp_client.c \
	tests/unit/smtp_client_fixture.c tests/unit/smtp_client_fixture.h \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_fuzz_fuzz_smtp_client_LDADD = libsmtpclient.la libpostkeep-net.la libpostkeep.la
tests_fuzz_fuzz_smtp_client_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
