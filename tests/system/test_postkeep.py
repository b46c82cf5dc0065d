#!/usr/bin/python3
"""postkeep: what bad configurations get, check, set-permissions, logrotate."""
import os
import re
import shutil
import socket
import subprocess
import time
import unittest

from master_suite import BUILD, ROOT, MasterTest, free_port, main, wait_for

STOCK = """\
smtp      inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       y       -       -       smtpd
dnsblog   unix  -       -       y       -       0       dnsblog
tlsproxy  unix  -       -       y       -       0       tlsproxy
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o { smtpd_relay_restrictions = permit_sasl_authenticated,reject }
628       inet  n       -       y       -       -       qmqpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
uucp      unix  -       n       n       -       -       pipe
  flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop!rmail ($recipient)
ifmail    unix  -       n       n       -       -       pipe
  flags=F user=ftn argv=/usr/lib/ifmail/ifmail -r $nexthop ($recipient)
bsmtp     unix  -       n       n       -       -       pipe
  flags=Fq. user=bsmtp argv=/usr/lib/bsmtp/bsmtp -t$nexthop -f$sender $recipient
mailman   unix  -       n       n       -       -       pipe
  flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py ${nexthop} ${user}
policyd-spf  unix  -       n       n       -       0       spawn
    user=policyd-spf argv=/usr/bin/policyd-spf
"""


class BadConfiguration(MasterTest):
    def test_all_errors_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.suite.main("smtpd_recipient_limit = many\nsmtpd_recipient_limt = 5\n"
                            "inet_protocols = ipv5\n")
            self.suite.master("smtp inet n - y - smtpd\n"
                              "127.0.0.1:%d inet n - y - - smtpd\n"
                              "127.0.0.1:99999 inet n - y - - smtpd\n"
                              "127.0.0.2:%d inet n - y - - nosuch\n"
                              "127.0.0.3:%d inet n - y - - ../bin/sh\n"
                              "qmgr unix n - n 300 1 qmgr\n"
                              "qmgr2 unix n - n 300 1 qmgr\n"
                              "a/b unix n - n - - bounce\n"
                              "b unix n - maybe - - bounce\n"
                              % (port, port, port))
            text = self.fails(
                r"error: \S+/main.cf, line 11: .*smtpd_recipient_limit",
                r"warning: \S+/main.cf, line 12: .*smtpd_recipient_limt.*smtpd_recipient_limit",
                r"error: \S+/main.cf, line 13: .*inet_protocols",
                r"error: \S+/master.cf, line 1: ",
                r"error: \S+/master.cf, line 3: .*99999.*the port",
                r"error: \S+/master.cf, line 4: .*unknown program \"nosuch\"",
                r"error: \S+/master.cf, line 5: .*\.\./bin/sh",
                r"error: \S+/master.cf, line 7: .*never more than one qmgr, and line 6",
                r"error: \S+/master.cf, line 8: .*a/b",
                r"error: \S+/master.cf, line 9: ",
                r"not started: \d+ errors")
            self.assertNotRegex(text, "error: .*line 6:")
        self.assertEqual(self.suite.pid(), 0)
        self.assertFalse(os.path.exists(os.path.join(self.suite.queue, "private/master")))

    def test_errors_of_master_itself(self):
        self.suite.main("smtpd_recipient_limit = many\n")
        self.suite.master(self.suite.lines() + "x unix - - - - - nosuch\n")
        r = subprocess.run([os.path.join(self.suite.programs, "master"), "-c", self.suite.etc],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        self.assertEqual(r.returncode, 1)
        self.assertRegex(r.stderr, r"error: \S+/main.cf, line 11: ")
        self.assertRegex(r.stderr, r"error: \S+/master.cf, line 9: .*nosuch")

    def test_address_in_use(self):
        with socket.create_server(("127.0.0.1", self.suite.port)):
            self.fails(r"master.cf, line 1: service %d: cannot listen on inet:127.0.0.1:%d: the address "
                       r"is in use" % (self.suite.port, self.suite.port))
        self.start()

    def test_same_address_twice(self):
        self.suite.master(self.suite.lines() + "127.0.0.1:%d inet n - y - - smtpd\n" % self.suite.port)
        self.fails(r"line 9: .*listens on inet:127.0.0.1:%d, and so does service %d in line 1" %
                   (self.suite.port, self.suite.port))

    def test_missing_files(self):
        os.unlink(os.path.join(self.suite.etc, "master.cf"))
        self.fails("master.cf")
        os.unlink(os.path.join(self.suite.etc, "main.cf"))
        self.fails("main.cf", command="check")

    def test_missing_program_of_the_suite(self):
        os.unlink(os.path.join(self.suite.programs, "qmgr"))
        self.fails(r"master.cf, line 3: .*cannot execute .*/qmgr: No such file")

    def test_file_in_the_way_of_a_socket(self):
        os.makedirs(os.path.join(self.suite.queue, "public"), exist_ok=True)
        with open(os.path.join(self.suite.queue, "public/pickup"), "w") as f:
            f.write("precious")
        self.fails("a file that is no socket is in the way")
        with open(os.path.join(self.suite.queue, "public/pickup")) as f:
            self.assertEqual(f.read(), "precious")

    def test_links_in_the_spool_are_not_followed(self):
        shutil.rmtree(os.path.join(self.suite.queue, "pid"))
        os.symlink("/etc", os.path.join(self.suite.queue, "pid"))
        self.fails("pid: is not a directory")
        self.assertFalse(os.path.exists("/etc/master.lock"))

    @unittest.skipUnless(ROOT, "needs root")
    def test_unsafe_directories(self):
        os.chown(os.path.join(self.suite.queue, "pid"), 2, 2)
        os.chmod(os.path.join(self.suite.queue, "private"), 0o777)
        self.fails("pid has owner 2:2", r"private has .*mode 0777.*set-permissions")
        status, text = self.suite.postkeep("set-permissions")
        self.assertEqual(status, 0)
        self.assertRegex(text, r"private: now 0:0 0711")
        self.assertEqual(self.suite.postkeep("set-permissions"), (0, ""), "nothing left to do")
        self.start()

    @unittest.skipUnless(ROOT, "needs root")
    def test_missing_users(self):
        self.suite.main("mail_owner = nobodyhere\nsetgid_group = nogrouphere\n"
                        "mail_network_user = root\n")
        self.fails(r'main.cf, line 11: the user "nobodyhere" is missing',
                   r'main.cf, line 12: the group "nogrouphere" is missing',
                   r'main.cf, line 13: the user "root" must not be root')

    def test_stock_postfix_file(self):
        taken = []
        for name in ("smtp", "submission", "628"):
            taken.append((name, free_port()))
        text = STOCK
        for name, port in taken:
            text = re.sub(r"(?m)^%s( +inet)" % name, r"%d\1" % port, text)
        self.suite.master(text)
        status, out = self.suite.postkeep("check")
        self.assertEqual(status, 0, out)
        for service in ("cleanup", "rewrite", "tlsmgr", "showq", "flush", "defer", "trace",
                        "proxywrite", "scache", "tlsproxy", "error", "retry", "discard"):
            self.assertRegex(out, r"note: .*service %s: no process of its own" % service)
        for service in ("virtual", "verify", "dnsblog", "maildrop", "uucp", "mailman", "policyd-spf"):
            self.assertRegex(out, r"note: .*service %s: .*not there yet" % service)
        self.start()
        s, _, _, overrides = self.suite.connect(taken[1][1])
        self.assertEqual(overrides, "syslog_name=postfix/submission,smtpd_tls_security_level=encrypt,"
                         "smtpd_relay_restrictions=permit_sasl_authenticated,reject")
        s.close()

    def test_old_file_without_postlog(self):
        self.suite.master(self.suite.lines().replace("postlog unix-dgram n - n - 1 postlogd\n", "")
                          .replace("pickup unix", "pickup fifo"))
        self.start()
        self.wait_log("daemon started")
        self.assertTrue(os.path.exists(os.path.join(self.suite.queue, "public/postlog")))
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(self.suite.queue, "public/pickup"))
        s.close()


class Check(MasterTest):
    def check(self, status, *patterns):
        got, text = self.suite.postkeep("check")
        self.assertEqual(got, status, text)
        for pattern in patterns:
            self.assertRegex(text, pattern)
        return text

    def test_clean(self):
        text = self.check(0, r"0 errors, 0 warnings")
        self.assertNotIn("error:", text)

    def test_domain_in_two_classes(self):
        self.suite.main("mydestination = Example.COM, localhost\n"
                        "virtual_mailbox_domains = example.com, example.net\n"
                        "relay_domains = example.net\n")
        self.check(0, r"main.cf, line 12: the domain example.com stands in mydestination and in "
                   r"virtual_mailbox_domains",
                   r"main.cf, line 13: the domain example.net stands in virtual_mailbox_domains and in "
                   r"relay_domains")

    def test_no_main_cf(self):
        """Which suite is meant stands there: no word of one that does not run, and no other one is stopped."""
        os.rename(self.suite.etc + "/main.cf", self.suite.etc + "/main.cf.away")
        for command in ("start", "stop", "abort", "reload", "flush", "status"):
            self.assertEqual(self.suite.postkeep(command), (
                1, f"postkeep: error: open {self.suite.etc}/main.cf: No such file or directory\n"), command)

    def test_unreadable_table(self):
        self.suite.main("alias_maps = hash:%s/aliases\n" % self.suite.etc)
        self.check(1, r"main.cf, line 11: alias_maps: cannot read %s/aliases" % self.suite.etc)
        open(os.path.join(self.suite.etc, "aliases"), "w").close()
        self.check(0)

    def test_next_hops(self):
        table = os.path.join(self.suite.etc, "senders")
        with open(table, "w") as f:
            f.write("# by sender\nalice@example.org  [mail.example\n@example.org  DUNNO\nbob@example.org  [localhost]:587\n")
        self.suite.main("relayhost = 192.0.2.1, [localhost]:nosuchport [192.0.2.2]:25 smarthost user@localhost [2001:db8::1]\n"
                        "sender_dependent_relayhost_maps = hash:%s\n"
                        "transport_maps = inline:{ {a.test=nosuch:} {b.test=local:} {c.test=error:no} }\n"
                        "default_transport = other:[x y]\n" % table)
        text = self.check(
            0, r'warning: .*main.cf, line 11: relayhost: "192.0.2.1": an address is written in brackets',
            r'line 11: relayhost: "\[localhost\]:nosuchport": there is no such port',
            r'line 11: relayhost: "smarthost": a domain is needed here.*\[host\]',
            r'line 11: relayhost: "user@localhost": this is not a host name',
            r'senders, line 2: sender_dependent_relayhost_maps: "\[mail.example": the "]" is missing',
            r'line 13: transport_maps: "nosuch:": no line of master.cf provides this transport',
            r'line 14: default_transport: "other:.*": no line of master.cf provides this transport')
        self.assertNotRegex(text, r"192\.0\.2\.2|2001:db8|DUNNO|bob|local:|error:|localhost.: there is")
        self.assertEqual(text.count("warning:"), 7, text)
        self.suite.master(self.suite.lines() + "other unix - - n - - smtp\nstore unix - - n - - lmtp\n")
        self.check(0, r'default_transport: "\[x": the "]" is missing')
        self.suite.main("transport_maps = inline:{ {a.test=store:inet:127.0.0.1:24} {b.test=store:inet:192.0.2.1:nosuchport} }\n")
        text = self.check(0, r'"192.0.2.1:nosuchport": there is no such port')
        self.assertNotRegex(text, r"brackets|127\.0\.0\.1")

    def test_relay_hosts_that_do_not_exist(self):
        self.suite.main("relayhost = [no-such-host.invalid]:587, no-such-domain.invalid, [localhost]\n")
        text = self.check(0, r'line 11: relayhost: "no-such-host.invalid": (there is no such host|could not be looked up)',
                          r'relayhost: "no-such-domain.invalid": (there is no such domain|could not be looked up)')
        self.assertNotIn('"localhost"', text)

    def test_passwords_others_can_read(self):
        table = os.path.join(self.suite.etc, "passwords")
        with open(table, "w") as f:
            f.write("[mail.example]:587  user:secret\n")
        self.suite.main("smtp_sasl_password_maps = texthash:%s\n" % table)
        os.chmod(table, 0o640)
        self.check(0, r"line 11: smtp_sasl_password_maps: .*passwords.*mode 0640.*chmod 600")
        os.chmod(table, 0o600)
        self.assertNotIn("chmod", self.check(0))
        # The database beside it has them too; so has what master.cf sets for one service.
        os.chmod(table, 0o600)
        open(table + ".db", "w").close()
        os.chmod(table + ".db", 0o644)
        self.check(0, r"smtp_sasl_password_maps: .*passwords\.db has passwords.*mode 0644")
        os.unlink(table + ".db")
        os.chmod(table, 0o604)
        self.suite.main("")
        self.suite.master(self.suite.lines() + f"relay unix - - n - - smtp -o smtp_sasl_password_maps=hash:{table}\n")
        self.check(0, r"master\.cf, line \d+: smtp_sasl_password_maps: .*mode 0604")

    def test_older_names(self):
        """What counts by its newer name is not said to have no effect."""
        self.suite.main("fallback_relay = [127.0.0.1]:1\nsmtp_per_record_deadline = yes\nvirtual_maps =\n")
        out = self.check(0)
        for name in ("fallback_relay", "smtp_per_record_deadline", "virtual_maps"):
            self.assertNotIn(name, out)
        out = subprocess.run([os.path.join(BUILD, "admin/postconf"), "-c", self.suite.etc, "-hx",
                              "smtp_fallback_relay", "smtp_per_request_deadline"],
                             capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertEqual(out, "[127.0.0.1]:1\nyes\n")

    def test_types_that_there_are_not(self):
        self.suite.main("transport_maps = hash:/dev/null, proxy:mysql:/etc/mail/t.cf\n"
                        "smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:postfix\n"
                        "smtp_header_checks = regexps:/etc/mail/checks\n"
                        "relay_domains = ldap:/etc/mail/domains.cf\n")
        self.check(1, r'error: .*line 11: transport_maps: .* type "mysql": mail that needs it would be put off',
                   r'error: .*line 12: smtp_tls_policy_maps: .* type "socketmap"',
                   r'error: .*line 13: smtp_header_checks: .* type "regexps"',
                   r'error: .*line 14: relay_domains: .* type "ldap"')
        self.suite.main("mynetworks = 127.0.0.0/8 [::1]/128 fe80::/10\n"
                        "proxy_read_maps = $local_recipient_maps mysql:/etc/mail/t.cf\n"
                        "smtp_generic_maps = static:x inline:{ { a = b } } proxy:unix:passwd.byname\n")
        self.assertNotIn("no tables of the type", self.check(0))

    def test_tables_that_make_no_sense(self):
        patterns = os.path.join(self.suite.etc, "patterns")
        with open(patterns, "w") as f:
            f.write("/a/ b\n# more\n/(/ c\n")
        self.suite.main(f"transport_maps = regexp:{patterns}\n")
        self.check(1, r'line 11: transport_maps: .*patterns, line 3: pattern "\(": .*mend the line')
        self.suite.main(f"transport_maps = pcre:{patterns}\n")
        self.check(1, r'line 11: transport_maps: .*patterns, line 3: pattern "\(": missing closing .*mend the line')
        with open(patterns, "w") as f:
            f.write("key value\nkey:\nother\n")
        self.suite.main(f"transport_maps = hash:{patterns}\n")
        self.check(1, r'line 11: transport_maps: .*patterns, line 2: "key" has no value')
        os.unlink(patterns)
        self.check(1, r"error: .*line 11: transport_maps: cannot read .*patterns \(No such file")
        # Mail that needs it waits; all the rest goes on.
        self.start()
        self.wait_log("daemon started")
        with open(patterns + ".db", "w") as f:
            f.write("is there")
        self.assertNotIn("cannot read", self.check(0))

    def test_tls(self):
        table = os.path.join(self.suite.etc, "tls_policy")
        with open(table, "w") as f:
            f.write("# next hop, policy\ngood.example  secure match=.good.example\nbad.example  secur\n"
                    "[old.example]:25  MUST\n.low.example  encrypt protocols=TLSv9\n")
        self.suite.main("smtp_tls_policy_maps = texthash:%s\nlmtp_tls_policy_maps = inline:{ x=may y=maybe }\n" % table)
        text = self.check(
            1, r'error: .*tls_policy, line 3: smtp_tls_policy_maps: the policy of bad.example: "secur" is no TLS level',
            r'tls_policy, line 4: .*"MUST" is no TLS level; write verify', r'tls_policy, line 5: .*"TLSv9"',
            r'main.cf, line 12: lmtp_tls_policy_maps: the policy of y: "maybe"')
        self.assertNotIn("good.example", text.replace(".good", ""))
        self.suite.main("smtp_tls_security_level = secur\n")
        self.check(1, r"error: .*line 11: .*smtp_tls_security_level.*secur")
        self.suite.main("smtp_tls_CAfile = /nowhere/ca.pem\nsmtp_tls_chain_files = /dev/null\n")
        self.check(1, r"error: .*line 11: smtp_tls_CAfile: cannot read /nowhere/ca.pem: No such file",
                   r"error: .*line 12: smtp_tls_chain_files: there is neither a key nor a certificate")

    def test_mta_sts(self):
        self.suite.main("smtp_tls_mta_sts = yes\nmta_sts_CAfile = /nowhere/ca.pem\n")
        self.check(1, r"error: .*line 11: smtp_tls_mta_sts: .*no line of master.cf is for mtasts: add",
                   r"error: .*line 12: mta_sts_CAfile: cannot read /nowhere/ca.pem: No such file")
        for name in ("mtasts", "smtp"):
            self.suite.program(name)
        self.suite.main("smtp_tls_mta_sts = yes\n")
        self.suite.master(self.suite.lines() + "mtasts unix - - y - 1 mtasts\n")
        self.assertNotIn("smtp_tls_mta_sts", self.check(0))
        # Who has no use for it needs no line.
        self.suite.main()
        self.suite.master(self.suite.lines() + "smtp unix - - y - - smtp\n")
        self.assertNotIn("mtasts", self.check(0))

    def test_misspelt_override(self):
        self.suite.master(smtpd="-o smtpd_recipient_limt=3")
        self.check(0, r"warning: .*master.cf, line 1: .*smtpd_recipient_limt.*smtpd_recipient_limit")
        self.suite.master(smtpd="-o smtpd_recipient_limit=many")
        self.check(1, r"error: .*master.cf, line 1: .*smtpd_recipient_limit")

    def test_missed(self):
        """Filters, restrictions and the like that are not there yet are no mere notes: start says so, and the log."""
        missed = "%s: this parameter has no effect yet: mail is treated as if it were not set"
        self.suite.main("content_filter = scan:[127.0.0.1]:10024\nalias_maps = inline:{a=b}\nbiff = no\n")
        self.suite.master(smtpd="-o smtpd_tls_security_level=encrypt -o smtpd_client_restrictions=permit")
        told = (r"warning: \S*main.cf, line 11: " + missed % "content_filter",
                r"warning: \S*main.cf, line 12: alias_maps: aliases are not expanded yet",
                r"warning: \S*master.cf, line 1: service \d+: " + missed % "smtpd_tls_security_level")
        text = self.check(0, *told)
        self.assertRegex(text, r"note: \S*main.cf, line 13: biff: this parameter has no effect yet\n")
        self.assertRegex(text, r"note: \S*master.cf, line 1: .*smtpd_client_restrictions: this parameter has no effect yet\n")
        status, text = self.suite.postkeep("start")
        self.assertEqual(status, 0, text)
        for pattern in told:
            self.assertRegex(text, pattern)
        self.assertNotIn("biff", text)
        for pattern in told[:2]:
            wait_for(pattern, lambda p=pattern: re.search(p, self.suite.log()))

    @unittest.skipUnless(ROOT, "needs two users")
    def test_by_another_user(self):
        """Who could not repair anything is not told of repairs that root does not need."""
        r = subprocess.run([os.path.join(BUILD, "admin/postkeep"), "-c", self.suite.etc, "check"], capture_output=True,
                           text=True, preexec_fn=lambda: os.setuid(65534), check=False)
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertRegex(r.stderr, "^postkeep: error: \\S+ belongs to root: this command is for that user alone\n$")

    def test_mail_that_would_wait(self):
        """Lists and tables without a file, and a transport that nobody provides: named with the line."""
        lines = (("mydestination = localhost, /nowhere/list\n", r"mydestination: cannot read the list /nowhere/list "),
                 ("transport_maps = hash:\n", r'transport_maps: "hash:" is no table'),
                 ("transport_maps = inline:{a}\n", r'transport_maps: inline:\{a\}: "a" is not key=value'))
        for text, words in lines:
            self.suite.main(text)
            self.check(1, "error: .*main.cf, line 11: " + words)
        self.suite.main("mail_spool_directory = /nowhere\n")
        self.check(0, "warning: .*main.cf, line 11: mail_spool_directory: there is no directory /nowhere")
        self.suite.main("mail_spool_directory = /nowhere\nhome_mailbox = /var/mail/\n")
        text = self.check(0, "warning: .*main.cf, line 12: home_mailbox = /var/mail/ is below each user's home directory")
        self.assertNotIn("/nowhere:", text)
        self.suite.main("virtual_mailbox_domains = example.net\n")
        self.check(0, 'warning: .*main.cf, line 11: virtual_transport: "virtual": no line of master.cf provides this transport')
        self.suite.master(self.suite.lines() + "virtual unix - n n - - virtual\n")
        self.check(0, 'warning: .*main.cf, line 11: virtual_transport: "virtual": its line of master.cf has no effect yet')

    def test_missing_peer(self):
        self.suite.master(self.suite.lines().replace("anvil unix - - y - 1 anvil\n", ""))
        self.check(0, r"warning: .*line 1: .*smtpd asks private/anvil, which no line provides")

    def test_writable_by_others(self):
        os.chmod(os.path.join(self.suite.etc, "main.cf"), 0o666)
        self.check(0, r"main.cf can be changed by others \(mode 0666\): chmod go-w")

    def test_missing_spool(self):
        shutil.rmtree(self.suite.queue)
        status, text = self.suite.postkeep("check")
        if ROOT:
            self.assertEqual(status, 1, text)
            self.assertRegex(text, "queue_directory .*set-permissions")

    def test_while_running_addresses_are_our_own(self):
        self.start()
        self.check(0)


class Rotation(MasterTest):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.suite.queue, "test.log")
        self.suite.main("maillog_file = %s\nmaillog_file_compressor = gzip -1\n"
                        "maillog_file_rotate_suffix = %%Y%%m%%d\n"
                        "maillog_file_prefixes = /tmp\n" % self.file)

    def test_rotate(self):
        self.start()
        self.wait_log("daemon started")
        status, text = self.suite.postkeep("logrotate")
        self.assertEqual(status, 0, text)
        day = time.strftime("%Y%m%d")
        self.assertTrue(os.path.exists("%s.%s.gz" % (self.file, day)))
        self.assertTrue([o for o in self.suite.orders() if o[0] == "postlog" and o[2] == "R"])

    def test_nothing_to_rotate(self):
        self.suite.main()
        status, text = self.suite.postkeep("logrotate")
        self.assertEqual(status, 1)
        self.assertIn("maillog_file is not set", text)

    def test_bad_suffix(self):
        open(self.file, "w").close()
        for suffix in ("%Q", "a/b", "%"):
            self.suite.main("maillog_file = %s\nmaillog_file_rotate_suffix = %s\n"
                            "maillog_file_prefixes = /tmp\n" % (self.file, suffix))
            status, text = self.suite.postkeep("logrotate")
            self.assertEqual(status, 1, text)
            self.assertIn("maillog_file_rotate_suffix", text)


if __name__ == "__main__":
    main()
