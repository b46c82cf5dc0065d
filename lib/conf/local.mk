# lib/conf: main.cf and master.cf. Part of libcore, which set-group-id programs link.
libcore_la_SOURCES += \
	lib/conf/check.c \
	lib/conf/computed.c \
	lib/conf/conf.c lib/conf/conf.h \
	lib/conf/evaluate.c \
	lib/conf/expand.c lib/conf/expand.h \
	lib/conf/feedback_step.c lib/conf/feedback_step.h \
	lib/conf/internal.h \
	lib/conf/lines.c lib/conf/lines.h \
	lib/conf/master_args.c lib/conf/master_args.h \
	lib/conf/master_cf.c lib/conf/master_cf.h \
	lib/conf/networks.c \
	lib/conf/params.c lib/conf/params.h \
	lib/conf/problems.c \
	lib/conf/values.c
nodist_libcore_la_SOURCES = lib/conf/params.gen.c lib/conf/params.gen.h

BUILT_SOURCES += lib/conf/params.gen.h
CLEANFILES += lib/conf/params.gen.h lib/conf/params.gen.c

# So that "make SOME_TARGET" works in a fresh build folder too, where BUILT_SOURCES are not made first.
$(libcore_la_OBJECTS) $(libpostkeep_la_OBJECTS): lib/conf/params.gen.h

MAKE_PARAMS = $(MKDIR_P) lib/conf && LC_ALL=C $(AWK) -f $(srcdir)/conf/params.awk

lib/conf/params.gen.h: conf/params.tsv conf/params.awk
	$(AM_V_GEN)$(MAKE_PARAMS) -v out=h $(srcdir)/conf/params.tsv >$@.tmp && mv $@.tmp $@

lib/conf/params.gen.c: conf/params.tsv conf/params.awk
	$(AM_V_GEN)$(MAKE_PARAMS) -v out=c $(srcdir)/conf/params.tsv >$@.tmp && mv $@.tmp $@

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_conf tests/unit/test_conf_values tests/unit/test_master_cf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_conf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_conf_values_SOURCES = \
	tests/unit/test_conf_values.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_conf_values_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_values_LDADD = libcore.la $(CMOCKA_LIBS)
tests_unit_test_master_cf_SOURCES = \
	tests/unit/test_master_cf.c tests/unit/conf_fixture.c tests/unit/conf_fixture.h
tests_unit_test_master_cf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_master_cf_LDADD = libcore.la $(CMOCKA_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_main_cf tests/fuzz/fuzz_master_cf
tests_fuzz_fuzz_main_cf_SOURCES = tests/fuzz/fuzz_main_cf.c
tests_fuzz_fuzz_main_cf_LDADD = libpostkeep.la
tests_fuzz_fuzz_main_cf_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
tests_fuzz_fuzz_master_cf_SOURCES = tests/fuzz/fuzz_master_cf.c
tests_fuzz_fuzz_master_cf_LDADD = libpostkeep.la
tests_fuzz_fuzz_master_cf_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_LDFLAGS)
endif
