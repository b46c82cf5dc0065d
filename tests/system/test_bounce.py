"""bounce between a queue manager and itself: the test plays both ends, the one that asks for a notice and the
one that takes it."""
import email
import email.policy
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from daemons import Daemons  # noqa: E402

BUILD = os.environ.get("POSTKEEP_BUILD") or os.environ.get("top_builddir") or os.getcwd()
ORIGINAL = b"Subject: test\r\nX-Token: 1\r\n\r\nhello\r\n"


class Bounce(unittest.TestCase):
    kind = 0
    trouble = ""
    rcpts = [{"address": "bob@example.com", "orig": "bob@example.com", "status": 2, "action": "failed",
              "dsn": "5.1.1", "text": "unknown user"}]

    def setUp(self):
        self.daemons = Daemons(BUILD)
        self.addCleanup(self.daemons.__exit__)
        self.listener = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(self.daemons.spool)
        self.listener.bind("private/qmgr-bounce")
        os.chmod("private/qmgr-bounce", 0o666)
        os.chdir(here)
        self.listener.listen(10)
        self.listener.settimeout(20)
        self.addCleanup(self.listener.close)
        self.daemons.start("bounce")

    def ask(self):
        channel = ipc.Channel(os.path.join(self.daemons.spool, "private/bounce"), name="qmgr")
        channel.send("notice", kind=self.kind, **{"class": self.trouble}, id="4jXLqz2YGKz18", sender="alice@example.org", size=len(ORIGINAL),
                     full_size=len(ORIGINAL), rcpts=self.rcpts)
        channel.content(ORIGINAL)
        return channel

    def accept(self):
        """The queue manager's end of a submission, up to its begin."""
        sock, _ = self.listener.accept()
        channel = ipc.Channel(sock=sock, name="qmgr")
        channel.expect("submit_begin")
        return channel

    def take(self, queue):
        """The rest of a submission: its envelope's sender and recipients, and the content."""
        queue.send("submit_id", id="4jXM1v0CXPz2f")
        sender = queue.expect("submit_envelope")["sender"]
        rcpts = [r["address"] for r in queue.expect("submit_rcpts")["rcpts"]]
        content = b""
        while True:
            name, values = queue.recv()
            if name != "content":
                break
            content += values
        self.assertEqual(name, "submit_commit")
        self.assertEqual(values["size"], len(content))
        queue.send("submit_ok", id="4jXM1v0CXPz2f")
        return sender, rcpts, content

    def test_notice(self):
        asker = self.ask()
        sender, rcpts, content = self.take(self.accept())
        self.assertEqual((sender, rcpts), ("", ["alice@example.org"]))
        self.assertIn(b"\r\nFinal-Recipient: rfc822; bob@example.com\r\n", content)
        self.assertIn(ORIGINAL, content)
        done = asker.expect("notice_done")
        self.assertEqual((done["accepted"], done["id"]), (True, "4jXM1v0CXPz2f"))

    def read(self, content):
        """A notice as Python's parser sees it: its three parts, and nothing to complain about."""
        message = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(message.defects, [])
        self.assertEqual(message.get_content_type(), "multipart/report")
        text, report, original = message.iter_parts()
        self.assertEqual([part.defects for part in message.walk()], [[]] * len(list(message.walk())))
        self.assertIn(report.get_content_type(), ("message/delivery-status", "message/global-delivery-status"))
        return message, text, report.get_payload(), original

    def test_fields(self):
        """The fields of RFC 3464, for what another server has refused."""
        self.rcpts = [{"address": "bob@example.com", "orig": "b@example.org", "status": 2, "action": "failed",
                       "dsn": "5.7.26", "orcpt": "rfc822;b@example.org", "remote_mta": "dns; mx.example.com",
                       "text": "host mx.example.com[192.0.2.1] said: 550 5.7.26 This mail has been blocked "
                               "because the sender is unauthenticated (in reply to end of DATA command)",
                       "diagnostic": "smtp; 550 5.7.26 This mail has been blocked because the sender is "
                                     "unauthenticated"}]
        asker = self.ask()  # noqa: F841 - who hangs up gets no notice
        _, text, (whole, rcpt), original = self.read(self.take(self.accept())[2])
        self.assertEqual(rcpt["Remote-MTA"], "dns; mx.example.com")
        self.assertEqual(rcpt["Diagnostic-Code"], self.rcpts[0]["diagnostic"])
        self.assertEqual((rcpt["Action"], rcpt["Status"]), ("failed", "5.7.26"))
        self.assertEqual(rcpt["Original-Recipient"], "rfc822; b@example.org")
        self.assertIn("Reporting-MTA", whole)
        self.assertIn("What it means: The receiver takes no mail from domains that prove neither",
                      text.get_content())
        self.assertEqual(original.get_content_type(), "message/rfc822")

    def test_relayed(self):
        self.kind, self.rcpts = 2, [{"address": "bob@example.com", "status": 0, "action": "relayed", "dsn": "2.0.0",
                                     "text": "250 ok", "remote_mta": "dns; mx.example.com"}]
        asker = self.ask()  # noqa: F841 - who hangs up gets no notice
        message, text, (_, rcpt), _ = self.read(self.take(self.accept())[2])
        self.assertEqual((rcpt["Action"], rcpt["Status"]), ("relayed", "2.0.0"))
        self.assertNotIn("What it means", text.get_content())
        self.assertEqual(message["Subject"], "Your mail was delivered")

    def test_templates(self):
        """A file's texts take the place of the built-in ones; a wrong file is named with its line, and does
        not keep senders from being told."""
        path = os.path.join(self.daemons.conf, "bounce.cf")
        self.daemons.configure(f"bounce_template_file = {path}\n")
        for text, subject, body in (
                ("failure_template = <<END\nCharset: utf-8\nFrom: Post <post>\nSubject: Zur\u00fcck\n\nx\nEND\n",
                 "Undelivered mail returned to sender", "This is the mail system at host"),
                ("failure_template = <<END\nCharset: utf-8\nFrom: Post <post>\nSubject: Back\n\nGr\u00fc\u00dfe von "
                 "$myhostname, $maximal_queue_lifetime_days\nEND\n", "Back", "Gr\u00fc\u00dfe von mx.example.com, 5\r\n")):
            with open(path, "w") as f:
                f.write(text)
            self.daemons.stop("bounce")
            self.daemons.start("bounce")
            asker = self.ask()  # noqa: F841
            message, part, _, _ = self.read(self.take(self.accept())[2])
            self.assertEqual(message["Subject"], subject)
            self.assertIn(body, part.get_content())
        self.assertRegex(message["From"], r"Post <post@\S+>")
        self.daemons.log_wait(f"{path}, line 4: only ASCII")

    def test_trouble(self):
        """What qmgr has found goes to error_notice_recipient, if its class is wanted, and to nobody else."""
        self.daemons.configure("notify_classes = protocol\nerror_notice_recipient = errors@example.net\n")
        self.daemons.stop("bounce")
        self.daemons.start("bounce")
        self.kind, self.trouble = 1, "protocol"
        asker = self.ask()
        sender, rcpts, content = self.take(self.accept())
        self.assertTrue(sender.startswith("double-bounce@"))
        self.assertEqual(rcpts, ["errors@example.net"])
        message, text, _, original = self.read(content)
        self.assertEqual(message["Subject"], "Postmaster notice: protocol trouble with mail")
        self.assertIn("from <alice@example.org>", text.get_content())
        self.assertEqual(original.get_content_type(), "text/rfc822-headers")
        self.assertTrue(asker.expect("notice_done")["accepted"])
        self.trouble = "software"
        asker = self.ask()
        self.assertTrue(asker.expect("notice_done")["accepted"])

    def test_copies_limited(self):
        """Postmasters get sixty copies in a minute at most; senders get all their notices."""
        self.daemons.configure("notify_classes = bounce\n")
        self.daemons.stop("bounce")
        self.daemons.start("bounce")
        to = []
        for n in range(62):
            asker = self.ask()
            queue = self.accept()
            to += self.take(queue)[1]
            if n < 60:
                queue.expect("submit_begin")
                to += self.take(queue)[1]
            self.assertTrue(asker.expect("notice_done")["accepted"])
            queue.close()
        self.assertEqual((to.count("alice@example.org"), len(to)), (62, 122))
        self.daemons.log_wait("more than 60 copies for the postmaster in a minute")

    def test_asker_gone(self):
        """A queue manager that was killed asks again when it is back: what it asked before is not sent."""
        asker = self.ask()
        queue = self.accept()
        asker.close()
        queue.send("submit_id", id="4jXM1v0CXPz2f")
        queue.expect("submit_cancel")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
