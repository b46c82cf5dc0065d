# lib/ipc: what programs say to each other. All but the channel on fibers is part of libcore, so that
# postdrop and other small programs can link it.
libcore_la_SOURCES += \
	lib/ipc/blocking.c lib/ipc/blocking.h \
	lib/ipc/frame.c lib/ipc/frame.h \
	lib/ipc/messages.c lib/ipc/messages.h \
	lib/ipc/postlog.c lib/ipc/postlog.h \
	lib/ipc/schema.c lib/ipc/schema.h
libpostkeep_la_SOURCES += \
	lib/ipc/channel.c lib/ipc/channel.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_ipc_channel tests/unit/test_ipc_schema
tests_unit_test_ipc_channel_SOURCES = tests/unit/test_ipc_channel.c
tests_unit_test_ipc_channel_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_ipc_channel_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_ipc_schema_SOURCES = tests/unit/test_ipc_schema.c
tests_unit_test_ipc_schema_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_ipc_schema_LDADD = libcore.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_ipc
tests_fuzz_fuzz_ipc_SOURCES = tests/fuzz/fuzz_ipc.c
tests_fuzz_fuzz_ipc_LDADD = libpostkeep.la
tests_fuzz_fuzz_ipc_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
