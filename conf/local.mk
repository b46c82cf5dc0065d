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
