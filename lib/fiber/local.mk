# lib/fiber: sessions as straight-line code. The only folder that sees libuv.
libpostkeep_la_SOURCES += \
	lib/fiber/annotate.h \
	lib/fiber/fiber.h \
	lib/fiber/group.c \
	lib/fiber/internal.h \
	lib/fiber/offload.c \
	lib/fiber/scheduler.c \
	lib/fiber/signals.c \
	lib/fiber/stack.c \
	lib/fiber/stream.c lib/fiber/stream.h \
	lib/fiber/stream_fd.c \
	lib/fiber/stream_in.c \
	lib/fiber/stream_internal.h \
	lib/fiber/stream_memory.c \
	lib/fiber/stream_out.c \
	lib/fiber/stream_pool.c \
	lib/fiber/sweep.c \
	lib/fiber/switch.h \
	lib/fiber/timeout.c \
	lib/fiber/wait.c \
	lib/fiber/watchdog.c

EXTRA_DIST += \
	lib/fiber/switch_aarch64.S \
	lib/fiber/switch_ucontext.c \
	lib/fiber/switch_x86_64.S

if FIBER_X86_64
libpostkeep_la_SOURCES += lib/fiber/switch_x86_64.S
endif
if FIBER_AARCH64
libpostkeep_la_SOURCES += lib/fiber/switch_aarch64.S
endif
if FIBER_UCONTEXT
libpostkeep_la_SOURCES += lib/fiber/switch_ucontext.c
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_fiber \
	tests/unit/test_fiber_loop \
	tests/unit/test_stream \
	tests/unit/test_stream_fds \
	tests/unit/test_stream_layers
tests_unit_test_fiber_SOURCES = tests/unit/test_fiber.c
tests_unit_test_fiber_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_fiber_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_fiber_loop_SOURCES = tests/unit/test_fiber_loop.c
tests_unit_test_fiber_loop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_fiber_loop_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_stream_SOURCES = \
	tests/unit/test_stream.c tests/unit/stream_fixture.c tests/unit/stream_fixture.h
tests_unit_test_stream_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_stream_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_stream_fds_SOURCES = tests/unit/test_stream_fds.c
tests_unit_test_stream_fds_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_stream_fds_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_stream_layers_SOURCES = \
	tests/unit/test_stream_layers.c tests/unit/stream_fixture.c tests/unit/stream_fixture.h
tests_unit_test_stream_layers_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_stream_layers_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif

noinst_PROGRAMS += tests/bench/fiber_bench
tests_bench_fiber_bench_SOURCES = tests/bench/fiber_bench.c
tests_bench_fiber_bench_LDADD = libpostkeep.la
