# admin: the tools of the administrator
sbin_PROGRAMS += admin/postconf
admin_postconf_SOURCES = \
	admin/postconf.c admin/postconf.h \
	admin/postconf_edit.c \
	admin/postconf_main.c \
	admin/postconf_master.c \
	admin/postconf_master_edit.c \
	admin/postconf_service.c admin/postconf_service.h \
	admin/postconf_texts.c
admin_postconf_LDADD = libpostkeep.la
admin_postconf_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/postconf.sh
TESTS += tests/system/postconf.sh

# The tools for the queue and the log.
QUEUE_TOOL = admin/tool.c admin/tool.h
QUEUE_TOOL_OFFLINE = admin/maildrop.c admin/maildrop.h admin/offline.c admin/offline.h
sbin_PROGRAMS += admin/postcat admin/postlog admin/postqueue admin/postsuper
admin_postcat_SOURCES = admin/postcat.c admin/catalog.c admin/catalog.h $(QUEUE_TOOL) \
	admin/offline.c admin/offline.h
admin_postcat_LDADD = libpostkeep.la
admin_postcat_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
admin_postlog_SOURCES = admin/postlog.c
admin_postlog_LDADD = libpostkeep.la
admin_postlog_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
admin_postqueue_SOURCES = admin/postqueue.c $(QUEUE_TOOL) $(QUEUE_TOOL_OFFLINE) \
	admin/groups.c admin/groups.h \
	admin/listing.c admin/listing.h \
	admin/span.c admin/span.h \
	admin/story.c admin/story.h \
	admin/why.c admin/why.h
admin_postqueue_LDADD = libpostkeep.la
admin_postqueue_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)
admin_postsuper_SOURCES = admin/postsuper.c $(QUEUE_TOOL) $(QUEUE_TOOL_OFFLINE)
admin_postsuper_LDADD = libpostkeep.la
admin_postsuper_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

# Look-up tables.
sbin_PROGRAMS += admin/postmap
admin_postmap_SOURCES = admin/postmap.c admin/postmap_make.c admin/postmap_make.h $(QUEUE_TOOL)
admin_postmap_LDADD = libpostkeep-tables.la libpostkeep.la
admin_postmap_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

# Starts, stops, checks and maintains the suite.
sbin_PROGRAMS += admin/postkeep
admin_postkeep_SOURCES = \
	admin/postkeep.c admin/postkeep.h \
	admin/postkeep_check.c \
	admin/postkeep_rotate.c \
	admin/postkeep_routes.c \
	admin/postkeep_run.c \
	admin/postkeep_setup.c \
	admin/postkeep_start.c \
	admin/postkeep_tables.c \
	admin/postkeep_tls.c
admin_postkeep_LDADD = libpostkeep-net.la libpostkeep-tables.la libpostkeep.la
admin_postkeep_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

# postkeep probe
daemon_PROGRAMS += admin/probe
admin_probe_SOURCES = admin/probe.c admin/probe.h admin/probe_server.c
admin_probe_LDADD = libpostkeep-net.la libpostkeep.la
admin_probe_LDFLAGS = $(AM_LDFLAGS) -rpath $(privlibdir)

EXTRA_DIST += tests/system/test_probe.py
EXTRA_DIST += tests/system/master_suite.py tests/system/probe.py tests/system/test_master.py \
	tests/system/test_postkeep.py tests/system/test_postqueue.py
TESTS += tests/system/test_master.py tests/system/test_postkeep.py

# Users, the spool and the set-group-id bit: when root installs for good. What is installed must be
# complete by then, so the programs are a prerequisite of the data.
install-data-local: install-exec-am
install-data-hook: install-permissions
install-permissions:
if SET_PERMISSIONS
	@if test -n "$(DESTDIR)" || test "$(SKIP_PERMISSIONS)" = 1; then \
		echo 'To finish, run as root: $(sbindir)/postkeep set-permissions'; \
	elif test "`id -u`" = 0; then \
		"$(sbindir)/postkeep" -c "$(configdir)" set-permissions; \
	fi
endif
.PHONY: install-permissions

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_listing tests/unit/test_story
tests_unit_test_story_SOURCES = tests/unit/test_story.c admin/groups.c admin/listing.c admin/span.c admin/story.c
tests_unit_test_story_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_story_LDADD = libpostkeep.la $(CMOCKA_LIBS)
tests_unit_test_listing_SOURCES = tests/unit/test_listing.c admin/listing.c admin/span.c
tests_unit_test_listing_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_listing_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
