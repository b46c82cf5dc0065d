# lib/intake: content on its way into the queue.
libpostkeep_la_SOURCES += \
	lib/intake/intake.c lib/intake/intake.h \
	lib/intake/intake_private.h \
	lib/intake/rules.c
