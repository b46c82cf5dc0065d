# lib/store: mailbox formats.
libpostkeep_la_SOURCES += \
	lib/store/maildir.c lib/store/maildir.h \
	lib/store/mbox.c lib/store/mbox.h \
	lib/store/mbox_escape.c lib/store/mbox_escape.h \
	lib/store/place.c lib/store/place.h \
	lib/store/store.c lib/store/store.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_store_maildir tests/unit/test_store_mbox
tests_unit_test_store_maildir_SOURCES = tests/unit/test_store_maildir.c
tests_unit_test_store_maildir_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_maildir_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_store_mbox_SOURCES = tests/unit/test_store_mbox.c
tests_unit_test_store_mbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_mbox_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
