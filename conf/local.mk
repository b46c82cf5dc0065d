# conf: the parameter table, and what is installed as the first configuration
EXTRA_DIST += conf/params.tsv conf/params.awk conf/main.cf conf/master.cf

# What an administrator wrote is never replaced, and removed only if it is still as installed.
install-data-local: install-conf
uninstall-local: uninstall-conf

install-conf:
	$(MKDIR_P) "$(DESTDIR)$(configdir)"
	for f in main.cf master.cf; do \
		test -e "$(DESTDIR)$(configdir)/$$f" || \
		$(INSTALL_DATA) $(srcdir)/conf/$$f "$(DESTDIR)$(configdir)/$$f" || exit 1; \
	done

uninstall-conf:
	for f in main.cf master.cf; do \
		if cmp -s $(srcdir)/conf/$$f "$(DESTDIR)$(configdir)/$$f"; then \
			rm -f "$(DESTDIR)$(configdir)/$$f"; \
		fi; \
	done
.PHONY: install-conf uninstall-conf

# For systemd, with --with-systemdunitdir.
EXTRA_DIST += conf/postkeep.service.in
if SYSTEMD
systemdunit_DATA = conf/postkeep.service
CLEANFILES += conf/postkeep.service
conf/postkeep.service: conf/postkeep.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf && sed -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@configdir[@]|$(configdir)|g' -e 's|@queuedir[@]|$(queuedir)|g' \
		$(srcdir)/conf/postkeep.service.in >$@.tmp && mv $@.tmp $@
endif

# "make distcheck" as root makes no users on the machine.
AM_DISTCHECK_CONFIGURE_FLAGS = --disable-set-permissions \
	--with-systemdunitdir='$${prefix}/lib/systemd/system'
