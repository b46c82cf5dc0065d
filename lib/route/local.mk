# lib/route: address classes, transport and next hop.
libpostkeep_la_SOURCES += \
	lib/route/class.c \
	lib/route/compiled.c \
	lib/route/route.c lib/route/route.h \
	lib/route/route_private.h \
	lib/route/transport.c
