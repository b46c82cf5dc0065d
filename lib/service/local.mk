# lib/service: the daemon skeleton, and the table of programs and sockets.
libpostkeep_la_SOURCES += \
	lib/service/about.c \
	lib/service/arguments.c \
	lib/service/become.c \
	lib/service/configure.c \
	lib/service/confine.c \
	lib/service/endpoint.c lib/service/endpoint.h \
	lib/service/internal.h \
	lib/service/landlock.c \
	lib/service/leave.c \
	lib/service/listen.c \
	lib/service/questions.c lib/service/questions.h \
	lib/service/run.c \
	lib/service/seccomp.c \
	lib/service/service.h \
	lib/service/session.c \
	lib/service/standalone.c \
	lib/service/status.c \
	lib/service/watch.c lib/service/watch.h

# What master and postkeep share.
libpostkeep_la_SOURCES += \
	lib/service/control.c lib/service/control.h \
	lib/service/pidfile.c lib/service/pidfile.h \
	lib/service/plan.c lib/service/plan.h \
	lib/service/plan_bind.c \
	lib/service/plan_inet.c lib/service/plan_inet.h \
	lib/service/stock.c \
	lib/service/tree.c lib/service/tree.h

if SANITIZERS
libpostkeep_la_SOURCES += lib/service/sandbox_sanitizers.c
else
libpostkeep_la_SOURCES += lib/service/sandbox_plain.c
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_plan
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_plan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_plan_LDADD = libpostkeep.la $(CMOCKA_LIBS)

# The daemon that the tests start under a master of their own.
noinst_PROGRAMS += tests/unit/service_probe
tests_unit_service_probe_SOURCES = tests/unit/service_probe.c
tests_unit_service_probe_LDADD = libpostkeep.la
tests_unit_service_probe_LDFLAGS = $(AM_LDFLAGS) -no-install

check_PROGRAMS += tests/unit/test_confine tests/unit/test_service
tests_unit_test_confine_SOURCES = tests/unit/test_confine.c \
	tests/unit/service_master.c tests/unit/service_master.h
tests_unit_test_confine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_confine_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_service_SOURCES = tests/unit/test_service.c \
	tests/unit/service_master.c tests/unit/service_master.h
tests_unit_test_service_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_service_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
