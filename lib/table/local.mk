# lib/table: look-up tables and match lists.
libpostkeep_la_SOURCES += \
	lib/table/each.c lib/table/each.h \
	lib/table/match_list.c \
	lib/table/maps.c lib/table/maps.h \
	lib/table/table.c lib/table/table.h \
	lib/table/table_file.c lib/table/table_private.h \
	lib/table/table_proxy.c \
	lib/table/table_regexp.c \
	lib/table/table_text.c \
	lib/table/table_unix.c
libpostkeep_tables_la_SOURCES += lib/table/table_db.c lib/table/table_db.h lib/table/table_pcre.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_match_list tests/unit/test_table
tests_unit_test_match_list_SOURCES = tests/unit/test_match_list.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_match_list_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_match_list_LDADD = libpostkeep.la $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_table_db
tests_unit_test_table_db_SOURCES = tests/unit/test_table_db.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_table_db_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_table_db_LDADD = libpostkeep-tables.la libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_table_SOURCES = tests/unit/test_table.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_table_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_table_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_table
tests_fuzz_fuzz_table_SOURCES = tests/fuzz/fuzz_table.c
tests_fuzz_fuzz_table_LDADD = libpostkeep.la
tests_fuzz_fuzz_table_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
