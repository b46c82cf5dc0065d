# postlogd: the only writer of the log.
daemon_PROGRAMS += postlogd/postlogd
postlogd_postlogd_SOURCES = postlogd/main.c postlogd/output.c postlogd/output.h
postlogd_postlogd_LDADD = libpostkeep.la
postlogd_postlogd_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
