# lib/mail: addresses, headers, dates, status codes. Needs lib/base alone.
libpostkeep_la_SOURCES += \
	lib/mail/address.h \
	lib/mail/date.h \
	lib/mail/dsn.h \
	lib/mail/header.h \
	lib/mail/lines.h \
	lib/mail/mime.h \
	lib/mail/received.h \
	lib/mail/utf8.h
