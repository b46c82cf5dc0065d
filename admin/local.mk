# admin: the tools of the administrator
sbin_PROGRAMS += admin/postconf
admin_postconf_SOURCES = \
	admin/postconf.c admin/postconf.h \
	admin/postconf_edit.c \
	admin/postconf_main.c \
	admin/postconf_master.c \
	admin/postconf_master_edit.c \
	admin/postconf_service.c admin/postconf_service.h
admin_postconf_LDADD = libpostkeep.la
admin_postconf_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/postconf.sh
TESTS += tests/system/postconf.sh
