# lib/base: what everything stands on. Part of libcore, which set-group-id programs link.
libcore_la_SOURCES += \
	lib/base/arena.c lib/base/arena.h \
	lib/base/base64.c lib/base/base64.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/checked.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/hash.c lib/base/hash.h \
	lib/base/io.c lib/base/io.h \
	lib/base/list.h \
	lib/base/log.c lib/base/log.h \
	lib/base/mem.c lib/base/mem.h \
	lib/base/net.c lib/base/net.h \
	lib/base/random.c lib/base/random.h \
	lib/base/siphash.c lib/base/siphash.h \
	lib/base/str.c lib/base/str.h

if HAVE_CMOCKA
base_tests = \
	tests/unit/test_base_arena \
	tests/unit/test_base_buf \
	tests/unit/test_base_hash \
	tests/unit/test_base_io \
	tests/unit/test_base_log \
	tests/unit/test_base_misc \
	tests/unit/test_base_siphash \
	tests/unit/test_base_str
check_PROGRAMS += $(base_tests)
tests_unit_test_base_arena_SOURCES = tests/unit/test_base_arena.c
tests_unit_test_base_arena_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_arena_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_buf_SOURCES = tests/unit/test_base_buf.c
tests_unit_test_base_buf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_buf_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_hash_SOURCES = tests/unit/test_base_hash.c
tests_unit_test_base_hash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_hash_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_io_SOURCES = tests/unit/test_base_io.c
tests_unit_test_base_io_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_io_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_log_SOURCES = tests/unit/test_base_log.c
tests_unit_test_base_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_log_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_misc_SOURCES = tests/unit/test_base_misc.c
tests_unit_test_base_misc_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_misc_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_siphash_SOURCES = tests/unit/test_base_siphash.c
tests_unit_test_base_siphash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_siphash_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_base_str_SOURCES = tests/unit/test_base_str.c
tests_unit_test_base_str_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_str_LDADD = libcore.la $(CMOCKA_LIBS)
endif
