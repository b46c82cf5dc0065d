# qmgr: the queue manager.
daemon_PROGRAMS += qmgr/qmgr
qmgr_qmgr_SOURCES = \
	qmgr/main.c \
	qmgr/admin.c qmgr/admin.h qmgr/showq.c \
	qmgr/agent.c qmgr/agent.h \
	qmgr/due.c qmgr/due.h \
	qmgr/message.c qmgr/message.h qmgr/round.c \
	qmgr/notice.c qmgr/notice.h \
	qmgr/receive.c qmgr/receive.h \
	qmgr/schedule.c qmgr/schedule.h \
	qmgr/slots.c qmgr/slots.h qmgr/slots_upkeep.c qmgr/slots_upkeep.h
qmgr_qmgr_LDADD = libpostkeep.la
qmgr_qmgr_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
