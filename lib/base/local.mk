# lib/base: what everything stands on. Part of libcore, which set-group-id programs link.
libcore_la_SOURCES += \
	lib/base/arena.c lib/base/arena.h \
	lib/base/buf.c lib/base/buf.h \
	lib/base/checked.h \
	lib/base/clock.c lib/base/clock.h \
	lib/base/hash.c lib/base/hash.h \
	lib/base/io.c lib/base/io.h \
	lib/base/list.h \
	lib/base/log.c lib/base/log.h \
	lib/base/mem.c lib/base/mem.h \
	lib/base/random.c lib/base/random.h \
	lib/base/siphash.c lib/base/siphash.h \
	lib/base/str.c lib/base/str.h
