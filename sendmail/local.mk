# sendmail: the caller's; postdrop: set-group-id. Both link libcore and libc alone: postdrop because of its
# right, sendmail because finding more libraries is a third of what its start takes.
sbin_PROGRAMS += sendmail/sendmail sendmail/postdrop
sendmail_sendmail_SOURCES = \
	sendmail/enqueue.c sendmail/enqueue.h \
	sendmail/fail.c sendmail/fail.h \
	sendmail/input.c sendmail/input.h \
	sendmail/options.c sendmail/options.h \
	sendmail/recipients.c sendmail/recipients.h \
	sendmail/run.c sendmail/run.h \
	sendmail/sendmail.c \
	sendmail/status.c sendmail/status.h
sendmail_sendmail_LDADD = libcore.la
sendmail_postdrop_SOURCES = \
	sendmail/postdrop.c sendmail/postdrop.h \
	sendmail/postdrop_entry.c \
	sendmail/postdrop_file.c \
	sendmail/postdrop_pickup.c \
	sendmail/status.c sendmail/status.h
sendmail_postdrop_LDADD = libcore.la

# Under the names that programs call.
install-exec-hook: install-sendmail-links
install-sendmail-links: install-sbinPROGRAMS
	cd $(DESTDIR)$(sbindir) && rm -f mailq newaliases && \
		$(LN_S) sendmail mailq && $(LN_S) sendmail newaliases
uninstall-hook: uninstall-sendmail-links
uninstall-sendmail-links:
	rm -f $(DESTDIR)$(sbindir)/mailq $(DESTDIR)$(sbindir)/newaliases
.PHONY: install-sendmail-links uninstall-sendmail-links

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_sendmail
tests_unit_test_sendmail_SOURCES = tests/unit/test_sendmail.c \
	sendmail/input.c sendmail/options.c sendmail/recipients.c
tests_unit_test_sendmail_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sendmail_LDADD = libpostkeep.la $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/system/sendmail_options.py
TESTS += tests/system/sendmail_options.py
