# local: delivery to the mailboxes of the system's users. All but local.c is a convenience library, so that
# the fuzzer runs a worker.
noinst_LTLIBRARIES += liblocal.la
liblocal_la_SOURCES = \
	local/children.c local/children.h \
	local/delivery.c local/delivery.h \
	local/introduction.c local/introduction.h \
	local/late.c local/late.h \
	local/mailbox.c local/mailbox.h \
	local/maildir_delivery.c \
	local/mbox_delivery.c \
	local/parent.c local/parent.h \
	local/receive.c \
	local/results.c local/results.h \
	local/user.c local/user.h \
	local/worker.c local/worker.h
liblocal_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += local/local
local_local_SOURCES = local/local.c
local_local_LDADD = liblocal.la libpostkeep.la
local_local_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_local.py
TESTS += tests/system/test_local.py

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_local
tests_fuzz_fuzz_local_SOURCES = tests/fuzz/fuzz_local.c tests/fuzz/fuzz_world.c \
	tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_fuzz_fuzz_local_LDADD = liblocal.la libpostkeep.la
tests_fuzz_fuzz_local_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS) -Wl,--export-dynamic-symbol=clock_gettime
endif
