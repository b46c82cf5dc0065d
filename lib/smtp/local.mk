# lib/smtp: what both ends of SMTP share. Needs lib/base and lib/mail alone.
libpostkeep_la_SOURCES += \
	lib/smtp/bdat.h \
	lib/smtp/command.c lib/smtp/command.h \
	lib/smtp/dots.c lib/smtp/dots.h \
	lib/smtp/reply.c lib/smtp/reply.h
