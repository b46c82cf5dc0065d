# lib/route: address classes, transport and next hop.
libpostkeep_la_SOURCES += \
	lib/route/class.c \
	lib/route/compiled.c \
	lib/route/route.c lib/route/route.h \
	lib/route/route_private.h \
	lib/route/transport.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_route
tests_unit_test_route_SOURCES = tests/unit/test_route.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_route_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_route_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
