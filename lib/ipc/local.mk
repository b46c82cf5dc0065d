# lib/ipc: what programs say to each other. All but the channel on fibers is part of libcore, so that
# postdrop and other small programs can link it.
libcore_la_SOURCES += \
	lib/ipc/blocking.c lib/ipc/blocking.h \
	lib/ipc/frame.c lib/ipc/frame.h \
	lib/ipc/messages.c lib/ipc/messages.h \
	lib/ipc/schema.c lib/ipc/schema.h
libpostkeep_la_SOURCES += \
	lib/ipc/channel.c lib/ipc/channel.h
