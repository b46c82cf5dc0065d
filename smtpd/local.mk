# smtpd: the SMTP server. All but main.c is a convenience library, so that tests and fuzzers run sessions.
noinst_LTLIBRARIES += libsmtpd.la
libsmtpd_la_SOURCES = \
	smtpd/access.c smtpd/access.h \
	smtpd/bdat.c \
	smtpd/command.c smtpd/command.h \
	smtpd/content.c smtpd/content.h \
	smtpd/data.c smtpd/data.h smtpd/etrn.c \
	smtpd/helo.c \
	smtpd/limits.c smtpd/limits.h \
	smtpd/mail.c \
	smtpd/names.c \
	smtpd/params.c smtpd/params.h \
	smtpd/path.h \
	smtpd/rcpt.c \
	smtpd/recipients.c smtpd/recipients.h \
	smtpd/reply.c smtpd/reply.h \
	smtpd/server.c smtpd/server.h \
	smtpd/session.c smtpd/session.h \
	smtpd/sink.h \
	smtpd/transaction.c smtpd/transaction.h \
	smtpd/trouble.c smtpd/trouble.h
libsmtpd_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += smtpd/smtpd
smtpd_smtpd_SOURCES = smtpd/main.c smtpd/sink_postdrop.c smtpd/sink_queue.c
smtpd_smtpd_LDADD = libsmtpd.la libpostkeep.la
smtpd_smtpd_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/daemons.py tests/system/smtp_rig.py
EXTRA_DIST += tests/system/smtp_content.py tests/system/smtp_dialogues.py tests/system/smtp_limits.py
TESTS += tests/system/smtp_content.py tests/system/smtp_dialogues.py tests/system/smtp_limits.py

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_smtpd
tests_unit_test_smtpd_SOURCES = tests/unit/test_smtpd.c \
	tests/unit/smtpd_fixture.c tests/unit/smtpd_fixture.h \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_smtpd_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_smtpd_LDADD = libsmtpd.la libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_smtpd
tests_fuzz_fuzz_smtpd_SOURCES = tests/fuzz/fuzz_smtpd.c \
	tests/unit/smtpd_fixture.c tests/unit/smtpd_fixture.h \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_fuzz_fuzz_smtpd_LDADD = libsmtpd.la libpostkeep.la
tests_fuzz_fuzz_smtpd_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
