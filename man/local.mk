# man: the pages. postconf.5 is made from conf/params.tsv.
EXTRA_DIST += man/postconf.5.in
nodist_man_MANS = man/postconf.5
CLEANFILES += man/postconf.5

man/postconf.5: conf/params.tsv conf/params.awk man/postconf.5.in
	$(AM_V_GEN)$(MKDIR_P) man && LC_ALL=C $(AWK) -f $(srcdir)/conf/params.awk -v out=man \
		-v page_head=$(srcdir)/man/postconf.5.in $(srcdir)/conf/params.tsv >$@.tmp && mv $@.tmp $@

dist_man_MANS += \
	man/anvil.8 man/bounce.5 man/bounce.8 man/lmtp.8 man/local.8 man/mailq.1 man/master.8 man/master.cf.5 man/mtasts.8 \
	man/newaliases.1 man/pickup.8 man/postcat.1 man/postconf.1 man/postdrop.1 man/postkeep.1 man/postkeep_table.5 \
	man/postlog.1 man/postlogd.8 man/postmap.1 man/postqueue.1 man/postsuper.1 man/probe.8 man/proxymap.8 man/qmgr.8 \
	man/sendmail.1 man/smtp.8 man/smtpd.8 man/tlsreport.8 man/tlsrpt.8
