# lib/store: mailbox formats.
libpostkeep_la_SOURCES += \
	lib/store/maildir.c lib/store/maildir.h \
	lib/store/mbox.c lib/store/mbox.h \
	lib/store/mbox_escape.c lib/store/mbox_escape.h \
	lib/store/place.c lib/store/place.h \
	lib/store/store.c lib/store/store.h
