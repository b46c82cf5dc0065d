# master: starts, counts, reloads and restarts the others
daemon_PROGRAMS += master/master
master_master_SOURCES = \
	master/children.c \
	master/control.c \
	master/environment.c \
	master/failure.c \
	master/jail.c \
	master/listen.c \
	master/loop.c \
	master/main.c \
	master/master.h \
	master/orders.c \
	master/overdue.c \
	master/policy.c \
	master/reload.c \
	master/report.c \
	master/services.c \
	master/stop.c
master_master_LDADD = libpostkeep.la
master_master_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_master
tests_unit_test_master_SOURCES = tests/unit/test_master.c \
	master/failure.c master/overdue.c master/policy.c
tests_unit_test_master_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_master_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
