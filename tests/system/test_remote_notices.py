"""What senders are told of mail for other servers, by a whole suite and next hops that the test plays: failure with the
server's words and what they mean, relayed or taken over (RFC 3461), delay, soft_bounce, variable return paths."""
import email
import email.policy
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
BLOCKED = "550 5.7.1 Unfortunately, messages from [198.51.100.7] weren't sent (S3150)"


class NextHop:
    """A server that says of each recipient what ANSWERS has for the first letter of the address, else 250."""

    def __init__(self, answers=(), dsn=False):
        self.answers = dict(answers)
        self.dsn = dsn
        self.commands = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.hop = f"[127.0.0.1]:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        file = connection.makefile("rwb", buffering=0)
        file.write(b"220 next.example.net ESMTP\r\n")
        for line in file:
            text = line.decode().strip()
            verb = text.split()[0].upper()
            self.commands.append(text)
            if verb == "EHLO":
                file.write(b"250-next.example.net\r\n" + (b"250-DSN\r\n" if self.dsn else b"") +
                           b"250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n")
            elif verb == "RCPT":
                answer = self.answers.get(text.split("<")[1][0], "250 2.1.5 Ok")
                file.write(answer.encode() + b"\r\n")
            elif verb == "DATA":
                file.write(b"354 go on\r\n")
                for body in file:
                    if body == b".\r\n":
                        break
                file.write(b"250 2.0.0 taken as 1\r\n")
            elif verb == "QUIT":
                file.write(b"221 bye\r\n")
                break
            else:
                file.write(b"250 2.0.0 Ok\r\n")
        connection.close()


class RemoteNotices(unittest.TestCase):
    def start(self, hop, extra="", services=""):
        self.suite = Suite(PREFIX, extra=f"relayhost = {hop.hop}\n{extra}", edit_master=lambda text: text + services)
        self.addCleanup(self.suite.__exit__, None, None, None)
        self.sender = f"{self.suite.user}@example.org"

    def send(self, *rcpts, options=(), mail_options=(), sender=None):
        with self.suite.smtp() as smtp:
            smtp.sendmail(sender or self.sender, rcpts, b"Subject: hello there\r\n\r\nhi\r\n",
                          mail_options=list(mail_options), rcpt_options=list(options))

    def notice(self, needle, count=1):
        """The notice that came to the sender's mailbox: message, text, fields, what is returned."""
        raw = self.suite.wait_mail(self.suite.user, needle, count=count)
        message = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual([part.defects for part in message.walk() if part.defects], [])
        text, report, original = message.iter_parts()
        whole, *rcpts = report.get_payload()
        return message, text.get_content(), {r["Final-Recipient"].split("; ")[1]: r for r in rcpts}, original

    def test_failure(self):
        hop = NextHop({"b": BLOCKED})
        self.start(hop)
        self.send("bob@example.com", "good@example.com")
        message, text, rcpts, original = self.notice(b"Undelivered mail")
        self.assertEqual(list(rcpts), ["bob@example.com"])
        rcpt = rcpts["bob@example.com"]
        self.assertEqual((rcpt["Action"], rcpt["Status"]), ("failed", "5.7.1"))
        self.assertRegex(rcpt["Remote-MTA"], r"^dns; .*127\.0\.0\.1")
        self.assertEqual(rcpt["Diagnostic-Code"], "smtp; " + BLOCKED)
        self.assertIn("What it means: Microsoft blocks the address of this server", text)
        self.assertEqual(original.get_payload(0)["Subject"], "hello there")
        self.suite.wait_empty()
        story = self.suite.run("postqueue", "-c", self.suite.conf, "--why", self.suite.wait_log(
            r"(\w+): to=<bob@example\.com>").group(1)).stdout.decode()
        self.assertIn("<bob@example.com>: refused for good", story)
        self.assertIn("What helps: Look the address up in Microsoft's SNDS", story)
        self.assertIn("<good@example.com>: delivered, by ", story)

    def test_relayed(self):
        """A server without DSN gets no parameters of it: relayed."""
        hop = NextHop()
        self.start(hop)
        self.send("bob@example.com", options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;robert@example.com"],
                  mail_options=["ENVID=E7"])
        _, text, rcpts, _ = self.notice(b"Your mail was delivered")
        self.assertEqual(rcpts["bob@example.com"]["Action"], "relayed")
        self.assertEqual(rcpts["bob@example.com"]["Original-Recipient"], "rfc822; robert@example.com")
        self.assertNotIn("NOTIFY", " ".join(hop.commands))

    def test_final(self):
        """What LMTP has taken is relayed too, unless lmtp_assume_final says that the mailboxes are there; whatever the
        service is called that took it there."""
        for options, action in (("", "relayed"), ("  -o lmtp_assume_final=yes\n", "delivered")):
            with self.subTest(action):
                hop = NextHop()
                self.start(hop, f"default_transport = mailboxes:inet:{hop.hop}\nrelayhost =\n",
                           "mailboxes unix - - n - - lmtp\n" + options)
                self.send("bob@example.com", options=["NOTIFY=SUCCESS"])
                _, _, rcpts, _ = self.notice(b"Your mail was delivered")
                self.assertEqual(rcpts["bob@example.com"]["Action"], action)
                self.assertEqual("Remote-MTA" in rcpts["bob@example.com"], action == "relayed")

    def test_taken_over(self):
        """One that has DSN is told who wants to know what, and nothing is sent from here."""
        hop = NextHop({"x": BLOCKED}, dsn=True)
        self.start(hop)
        self.send("bob@example.com", options=["NOTIFY=SUCCESS", "ORCPT=rfc822;robert@example.com"],
                  mail_options=["ENVID=E8", "RET=HDRS"])
        self.suite.wait_log(r"to=<bob@example\.com>.*status=sent")
        self.suite.wait_empty()
        mail, rcpt = (next(c for c in hop.commands if c.startswith(verb)) for verb in ("MAIL", "RCPT"))
        self.assertIn("ENVID=E8", mail)
        self.assertIn("RET=HDRS", mail)
        self.assertIn("NOTIFY=SUCCESS", rcpt)
        self.assertIn("ORCPT=rfc822;robert@example.com", rcpt)
        # What it refuses is told from here all the same; and that notice is the only one.
        self.send("x@example.com", options=["NOTIFY=SUCCESS,FAILURE"])
        self.notice(b"Undelivered mail")
        self.assertEqual(len(self.suite.mbox(self.suite.user)), 1)

    def test_delay(self):
        hop = NextHop({"b": "450 4.2.0 Greylisted, come back"})
        self.start(hop, "delay_warning_time = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n")
        self.send("bob@example.com")
        _, text, rcpts, _ = self.notice(b"Your mail is delayed")
        rcpt = rcpts["bob@example.com"]
        self.assertEqual((rcpt["Action"], rcpt["Status"]), ("delayed", "4.2.0"))
        self.assertIn("Will-Retry-Until", rcpt)
        self.assertIn("What it means: Greylisting", text)

    def test_soft_bounce(self):
        self.start(NextHop({"b": BLOCKED}), "soft_bounce = yes\n")
        self.send("bob@example.com")
        self.suite.wait_log(r"to=<bob@example\.com>.*dsn=4\.7\.1, status=SOFTBOUNCE")
        self.assertEqual([m["recipients"][0]["address"] for m in self.suite.queue()], ["bob@example.com"])
        self.assertEqual(self.suite.mbox(self.suite.user), [])

    def test_verp(self):
        """Each recipient from a sender made for it; the bounce says by its address whom it is about."""
        hop = NextHop({"b": BLOCKED})
        self.start(hop, "smtpd_authorized_verp_clients = 127.0.0.1\nrecipient_delimiter = +\n")
        self.send("bob@example.com", "good@example.com", mail_options=["XVERP"])
        message, _, rcpts, _ = self.notice(b"Undelivered mail")
        self.assertEqual(message["To"], f"{self.suite.user}+bob=example.com@example.org")
        senders = {c.split("<")[1].split(">")[0] for c in hop.commands if c.startswith("MAIL")}
        self.assertEqual(senders, {f"{self.suite.user}+{name}=example.com@example.org" for name in ("bob", "good")})

    def test_postmaster(self):
        """notify_classes: the postmaster's copy has the header only, and the subject says what it is."""
        self.start(NextHop({"b": BLOCKED}), "notify_classes = bounce\nbounce_notice_recipient = postbox@example.com\n")
        self.send("bob@example.com")
        self.suite.wait_log(r"postmaster non-delivery notification")
        self.suite.wait_log(r"to=<postbox@example\.com>.*status=sent")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
