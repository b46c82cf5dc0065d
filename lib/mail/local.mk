# lib/mail: addresses, headers, dates, status codes. Needs lib/base, and enums of lib/ipc.
libpostkeep_la_SOURCES += \
	lib/mail/date.c lib/mail/date.h \
	lib/mail/downgrade.c lib/mail/downgrade.h \
	lib/mail/eight_bits.c lib/mail/eight_bits.h \
	lib/mail/json.c lib/mail/json.h \
	lib/mail/lines.c lib/mail/lines.h \
	lib/mail/mime.c lib/mail/mime.h \
	lib/mail/mime_walk.c lib/mail/mime_walk.h \
	lib/mail/notice_file.c lib/mail/notice_file.h \
	lib/mail/notice_text.c lib/mail/notice_text.h \
	lib/mail/received.c lib/mail/received.h \
	lib/mail/replies.c lib/mail/replies.h \
	lib/mail/replies_table.c lib/mail/replies_table.h \
	lib/mail/transfer.c lib/mail/transfer.h

# What sendmail reads a message with.
libcore_la_SOURCES += \
	lib/mail/address.c lib/mail/address.h \
	lib/mail/dsn.c lib/mail/dsn.h \
	lib/mail/header.c lib/mail/header.h \
	lib/mail/header_address.c \
	lib/mail/utf8.c lib/mail/utf8.h \
	lib/mail/verp.c lib/mail/verp.h

EXTRA_DIST += tests/data/email-addresses.tsv tests/data/email-addresses.LICENSE
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_downgrade
tests_unit_test_downgrade_SOURCES = tests/unit/test_downgrade.c
tests_unit_test_downgrade_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_downgrade_LDADD = libpostkeep.la $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_mail_address tests/unit/test_mail_header tests/unit/test_mail_text \
	tests/unit/test_notice_file tests/unit/test_replies tests/unit/test_verp
tests_unit_test_verp_SOURCES = tests/unit/test_verp.c
tests_unit_test_verp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_verp_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_notice_file_SOURCES = tests/unit/test_notice_file.c
tests_unit_test_notice_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_notice_file_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_mail_address_SOURCES = tests/unit/test_mail_address.c
tests_unit_test_mail_address_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_DATA='"$(srcdir)/tests/data"'
tests_unit_test_mail_address_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mail_address_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_mail_text_SOURCES = tests/unit/test_mail_text.c
tests_unit_test_mail_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mail_text_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_replies_SOURCES = tests/unit/test_replies.c
tests_unit_test_replies_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_replies_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_mail_header_SOURCES = tests/unit/test_mail_header.c
tests_unit_test_mail_header_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mail_header_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_address
tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz_address.c
tests_fuzz_fuzz_address_LDADD = libpostkeep.la
tests_fuzz_fuzz_address_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_downgrade
tests_fuzz_fuzz_downgrade_SOURCES = tests/fuzz/fuzz_downgrade.c
tests_fuzz_fuzz_downgrade_LDADD = libpostkeep.la
tests_fuzz_fuzz_downgrade_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_header
tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c
tests_fuzz_fuzz_header_LDADD = libpostkeep.la
tests_fuzz_fuzz_header_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
