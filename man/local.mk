# man: the pages. postconf.5 is made from conf/params.tsv.
EXTRA_DIST += man/postconf.5.in
nodist_man_MANS = man/postconf.5
CLEANFILES += man/postconf.5

man/postconf.5: conf/params.tsv conf/params.awk man/postconf.5.in
	$(AM_V_GEN)$(MKDIR_P) man && LC_ALL=C $(AWK) -f $(srcdir)/conf/params.awk -v out=man \
		-v page_head=$(srcdir)/man/postconf.5.in $(srcdir)/conf/params.tsv >$@.tmp && mv $@.tmp $@

dist_man_MANS += man/postconf.1
