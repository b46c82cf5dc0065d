# lib/conf: main.cf and master.cf. Part of libcore, which set-group-id programs link.
libcore_la_SOURCES += \
	lib/conf/check.c \
	lib/conf/computed.c \
	lib/conf/conf.c lib/conf/conf.h \
	lib/conf/evaluate.c \
	lib/conf/expand.c lib/conf/expand.h \
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
