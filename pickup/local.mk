# pickup: local mail, from postdrop to qmgr
daemon_PROGRAMS += pickup/pickup
pickup_pickup_SOURCES = \
	pickup/maildrop.c \
	pickup/message.c pickup/message.h \
	pickup/pickup.c \
	pickup/session.c pickup/session.h
pickup_pickup_LDADD = libpostkeep.la
pickup_pickup_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
EXTRA_DIST += tests/system/local_mail.py
TESTS += tests/system/local_mail.py
