# tests/torture: proof that nothing acknowledged is lost. tools/check runs the short ways.
EXTRA_DIST += tests/torture/run tests/torture/relay tests/torture/load.py tests/torture/killer.py tests/torture/verdict.py
EXTRA_DIST += tests/torture/broken tests/torture/crash tests/torture/crash-drop tests/torture/crash-mail
EXTRA_DIST += tests/torture/disk.py tests/torture/recovery.py
EXTRA_DIST += tests/torture/failing tests/torture/inject.py tests/torture/workload.py

# Preloaded by tests; -rpath makes libtool build shared objects, which are never installed.
check_LTLIBRARIES = tests/torture/clock.la tests/torture/record.la tests/torture/fail.la
tests_torture_clock_la_SOURCES = tests/torture/clock.c
tests_torture_clock_la_CFLAGS = $(AM_CFLAGS)
tests_torture_clock_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_torture_clock_la_LIBADD = -ldl
tests_torture_record_la_SOURCES = tests/torture/record.c
tests_torture_record_la_CFLAGS = $(AM_CFLAGS)
tests_torture_record_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_torture_record_la_LIBADD = -ldl
tests_torture_fail_la_SOURCES = tests/torture/fail.h tests/torture/fail.c tests/torture/fail_data.c \
	tests/torture/fail_names.c
tests_torture_fail_la_CFLAGS = $(AM_CFLAGS) -U_FORTIFY_SOURCE
tests_torture_fail_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_torture_fail_la_LIBADD = -ldl
