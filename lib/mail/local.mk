# lib/mail: addresses, headers, dates, status codes. Needs lib/base, and two enums of lib/ipc.
libpostkeep_la_SOURCES += \
	lib/mail/address.c lib/mail/address.h \
	lib/mail/date.c lib/mail/date.h \
	lib/mail/dsn.c lib/mail/dsn.h \
	lib/mail/header.c lib/mail/header.h \
	lib/mail/header_address.c \
	lib/mail/lines.c lib/mail/lines.h \
	lib/mail/mime.c lib/mail/mime.h \
	lib/mail/received.c lib/mail/received.h \
	lib/mail/utf8.c lib/mail/utf8.h
