# proxymap: table look-ups for confined programs
noinst_LTLIBRARIES += libproxymap.la
libproxymap_la_SOURCES = proxymap/tables.c proxymap/tables.h
libproxymap_la_CFLAGS = $(AM_CFLAGS)

daemon_PROGRAMS += proxymap/proxymap
proxymap_proxymap_SOURCES = proxymap/main.c
proxymap_proxymap_LDADD = libproxymap.la libpostkeep.la
proxymap_proxymap_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
