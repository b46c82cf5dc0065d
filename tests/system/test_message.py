"""One message through the whole suite: by SMTP and by sendmail, to mbox and Maildir; and what happens to
it when any one process is killed on the way."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
MESSAGE = b"From: Alice <alice@example.net>\r\nTo: you\r\nSubject: %s\r\n\r\nline one\r\n.dot\r\n\r\nend %s\r\n"


class OneMessage(unittest.TestCase):
    def send(self, suite, token, rcpt=None):
        with suite.smtp() as smtp:
            smtp.sendmail("alice@example.net", [rcpt or f"{suite.user}@example.org"], MESSAGE % (token, token))

    def test_smtp_to_mbox(self):
        with Suite(PREFIX) as suite:
            self.send(suite, b"one")
            text = suite.wait_mail(suite.user, b"end one")
            self.assertIn(b"Return-Path: <alice@example.net>", text)
            self.assertIn(b"Delivered-To: %s@example.org" % suite.user.encode(), text)
            self.assertIn(b"\n.dot\n\nend one\n", text)
            self.assertIn(b"Received: from client.example.net (localhost [127.0.0.1])", text)
            suite.wait_empty()
            queue_id = suite.wait_log(r"qmgr\[\d+\]: (\w+): removed").group(1)
            log = suite.log()
            for pattern in (f"smtpd.*: {queue_id}: client=localhost\\[127.0.0.1\\]",
                            f"qmgr.*: {queue_id}: from=<alice@example.net>, size=\\d+, nrcpt=1 \\(queue active\\)",
                            f"local.*: {queue_id}: to=<{suite.user}@example.org>, relay=local, delay=[0-9.]+, "
                            "delays=[0-9./]+, dsn=2.0.0, status=sent \\(delivered to mailbox\\)"):
                self.assertRegex(log, pattern)
            self.assertRegex(suite.run("mailq").stdout.decode(), "Mail queue is empty")

    def test_sendmail(self):
        with Suite(PREFIX) as suite:
            suite.run("sendmail", "-f", "alice@example.org", suite.user, input=b"Subject: hi\n\nhello\n")
            text = suite.wait_mail(suite.user, b"hello")
            self.assertIn(b"From: ", text)
            self.assertIn(b"Message-Id: <", text)
            self.assertIn(b"Date: ", text)
            suite.wait_empty()

    def test_sendmail_while_stopped(self):
        with Suite(PREFIX, start=False) as suite:
            suite.run("sendmail", suite.user, input=b"Subject: early\n\nbefore the start\n")
            suite.start()
            suite.wait_mail(suite.user, b"before the start")

    def test_unknown_user_and_relay(self):
        with Suite(PREFIX) as suite:
            with suite.smtp() as smtp:
                smtp.ehlo()
                smtp.mail("alice@example.net")
                self.assertEqual(smtp.rcpt("no-such-user-here@example.org")[0], 550)
                self.assertEqual(smtp.rcpt("postmaster")[0], 250)
            suite.wait_log("NOQUEUE: reject: RCPT from localhost\\[127.0.0.1\\]: 550 5.1.1")

    def test_bounce(self):
        with Suite(PREFIX) as suite:
            suite.run("sendmail", "-f", f"{suite.user}@example.org", "no-such-user-here@example.org",
                      input=b"Subject: lost\n\nnobody\n")
            text = suite.wait_mail(suite.user, b"Undelivered mail returned to sender")
            self.assertIn(b"Final-Recipient: rfc822; no-such-user-here@example.org", text)
            self.assertIn(b"Status: 5.1.1", text)
            suite.wait_empty()

    def test_address_literal_after_reload(self):
        """A confined qmgr that reads its configuration again still knows this machine's addresses."""
        with Suite(PREFIX, extra="inet_interfaces = all\nlocal_recipient_maps =\n") as suite:
            for n in range(2):
                suite.run("sendmail", f"{suite.user}@[127.0.0.1]", input=b"Subject: x\n\nliteral %d\n" % n)
                suite.wait_mail(suite.user, b"literal %d" % n)
                suite.run("postkeep", "-c", suite.conf, "reload")
                suite.wait_log(r"qmgr\[\d+\]: configuration read again", count=n + 1)
            self.assertNotIn("the addresses of this machine", suite.log())

    def test_stop_start_keeps_queue(self):
        with Suite(PREFIX, extra="defer_transports = smtp\n") as suite:
            suite.run("sendmail", f"{suite.user}@nowhere.example.com", input=b"Subject: waits\n\nwait\n")
            suite.wait_log("status=deferred")
            before = suite.queue()
            self.assertEqual(len(before), 1)
            self.assertEqual(before[0]["queue_name"], "deferred")
            suite.stop()
            suite.start()
            self.assertEqual(suite.queue()[0]["queue_id"], before[0]["queue_id"])
            suite.run("postsuper", "-d", before[0]["queue_id"])
            self.assertEqual(suite.queue(), [])

    def test_reload_opens_no_limit(self):
        """Who had as much as is allowed has had it after a reload as well; the processes that serve clients are new."""
        with Suite(PREFIX, extra="smtpd_client_message_rate_limit = 2\nsmtpd_client_connection_count_limit = 4\n"
                   "smtpd_client_event_limit_exceptions =\nanvil_rate_time_unit = 3600s\n") as suite:
            stays = suite.connect()
            self.assertEqual(stays.recv(3), b"220")
            self.send(suite, b"first")
            self.send(suite, b"second")
            for domain in ("one.example", "two.example"):
                before = set(suite.pids("smtpd"))
                suite.add_conf(f"relay_domains = {domain}")
                suite.run("postkeep", "reload")
                with suite.smtp() as smtp:
                    smtp.ehlo()
                    self.assertEqual(smtp.mail("alice@example.net")[0], 450)
                self.assertTrue(set(suite.pids("smtpd")) - before)
            # The session from before the reloads still counts: three more, and no fourth.
            more = []
            for _ in range(100):
                connection = suite.connect()
                if connection.recv(3) == b"220":
                    more.append(connection)
                elif len(more) == 3:
                    break
                else:
                    time.sleep(0.05)  # that an earlier one has gone is not known yet
            self.assertEqual(len(more), 3)
            for connection in [stays] + more:
                connection.close()

    def test_kill_each_program(self):
        """A client that got 250 finds its message, whichever program dies, whenever."""
        with Suite(PREFIX) as suite:
            tokens = []
            for program in ("smtpd", "qmgr", "local", "proxymap", "anvil", "postlogd", "bounce", "pickup"):
                for round_ in range(3):
                    token = f"{program}-{round_}".encode()
                    for attempt in range(40):
                        try:
                            self.send(suite, token)
                            break
                        except Exception:  # no 250: the client tries again
                            time.sleep(0.25)
                    else:
                        self.fail(f"no answer after {program} was killed")
                    tokens.append(token)
                    suite.kill(program)
            # What was being delivered when its agent died is deferred, for longer than a test should wait.
            for _ in range(60):
                suite.run("postqueue", "-f")
                mail = b"".join(suite.mbox(suite.user))
                if all(b"end " + token in mail for token in tokens):
                    break
                time.sleep(1)
            self.assertEqual([t for t in tokens if b"end " + t not in mail], [], f"lost; in the queue: {suite.queue()}")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
