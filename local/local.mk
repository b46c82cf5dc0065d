# local: delivery to the mailboxes of the system's users.
daemon_PROGRAMS += local/local
local_local_SOURCES = \
	local/children.c local/children.h \
	local/delivery.c local/delivery.h \
	local/introduction.c local/introduction.h \
	local/late.c local/late.h \
	local/local.c \
	local/mailbox.c local/mailbox.h \
	local/maildir_delivery.c \
	local/mbox_delivery.c \
	local/parent.c local/parent.h \
	local/receive.c \
	local/results.c local/results.h \
	local/user.c local/user.h \
	local/worker.c local/worker.h
local_local_LDADD = libpostkeep.la
local_local_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_local.py
TESTS += tests/system/test_local.py
