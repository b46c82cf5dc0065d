# tests/torture: proof that nothing acknowledged is lost. tools/check runs a short one.
EXTRA_DIST += tests/torture/run tests/torture/load.py tests/torture/killer.py tests/torture/verdict.py
EXTRA_DIST += tests/torture/broken tests/torture/crash tests/torture/crash-drop tests/torture/crash-mail
EXTRA_DIST += tests/torture/disk.py tests/torture/recovery.py

# Preloaded by the crash tests; -rpath makes libtool build it as a shared object, it is never installed.
check_LTLIBRARIES = tests/torture/record.la
tests_torture_record_la_SOURCES = tests/torture/record.c
tests_torture_record_la_CFLAGS = $(AM_CFLAGS)
tests_torture_record_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_torture_record_la_LIBADD = -ldl
