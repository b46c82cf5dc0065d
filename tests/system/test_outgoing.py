#!/usr/bin/python3
"""What becomes of mail on its way out: 8-bit content for a server that takes 7-bit, smtp_generic_maps, checks of headers
and bodies, filters of replies and results; and relay hosts by sender."""
import email
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "hops")]
from hostile import Hop, at, once, say  # noqa: E402
from relay import Relay, STATUS, Status  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
SEVEN = ("SIZE 100000000", "PIPELINING", "ENHANCEDSTATUSCODES", "DSN")
EIGHT = SEVEN + ("8BITMIME",)
HEAD = b"From: alice@example.net\r\nTo: bob@hop.example\r\nSubject: test\r\nMIME-Version: 1.0\r\n"
LIMIT = "message_size_limit = 10240000\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"


class Outgoing(unittest.TestCase):
    """Each test has a suite and a hop of its own."""

    def setUp(self):
        self.hops = []

    def tearDown(self):
        for hop in self.hops:
            hop.stop()

    def hop(self, *args, **more):
        self.hops.append(Hop(*args, **more))
        return self.hops[-1]

    def relay(self, hop, extra="", **more):
        return Relay(PREFIX, {"hop.example": f"smtp:[127.0.0.1]:{hop.port}"}, extra=LIMIT + extra, **more)

    def send(self, suite, content, sender="alice@example.net", rcpt="bob@hop.example", options=()):
        with suite.smtp() as smtp:
            smtp.sendmail(sender, [rcpt], content, mail_options=options)

    def status(self, suite, rcpt="bob@hop.example"):
        suite.wait_log(r"to=<%s>, .* status=" % rcpt)
        return [Status(m) for m in STATUS.finditer(suite.log()) if m.group(2) == rcpt][0]

    def body(self, hop, n=0):
        return hop.accepted[n][2]

    def test_converted(self):
        """Small and large, by DATA and by BDAT; with 8BITMIME every byte stays."""
        for large in (False, True):
            lines = "".join(f"Zeile {i} mit Grüßen = . \n" for i in range(6000 if large else 5))
            content = HEAD + TEXT + lines.replace("\n", "\r\n").encode()
            for keywords in (SEVEN, SEVEN + ("CHUNKING",), EIGHT, EIGHT + ("CHUNKING",)):
                hop = self.hop(keywords=keywords)
                with self.subTest(large=large, keywords=keywords), self.relay(hop) as suite:
                    self.send(suite, content, options=["BODY=8BITMIME"])
                    self.assertEqual(self.status(suite).word, "sent")
                    got = self.body(hop)
                    self.assertEqual(got.isascii(), "8BITMIME" not in keywords)
                    message = email.message_from_bytes(got)
                    self.assertEqual(message["Content-Transfer-Encoding"],
                                     "8bit" if "8BITMIME" in keywords else "quoted-printable")
                    self.assertEqual(message.get_payload(decode=True).replace(b"\r\n", b"\n").decode(), lines)
                    commands = b"".join(hop.sessions[-1].commands)
                    self.assertEqual(b"BODY=8BITMIME" in commands, "8BITMIME" in keywords)
                    # What becomes longer on the way is not announced.
                    self.assertEqual(b" SIZE=" in commands, "8BITMIME" in keywords)

    def test_nobody_said_8bit(self):
        """The same for mail whose sender said nothing of 8 bits; large mail that is 7-bit stays as it is, to the byte."""
        plain = b"Content-Type: text/plain; charset=utf-8\r\n"
        for lines, label, last in ((5, b"", "Grüße\n"), (6000, b"Content-Transfer-Encoding: 8bit\r\n", "Grüße\n"),
                                   (6000, b"", "Grüße\n"), (6000, b"", "\n")):
            hop = self.hop(keywords=SEVEN)
            text = "one line of text\n" * lines + last
            content = HEAD + plain + label + b"\r\n" + text.replace("\n", "\r\n").encode()
            with self.subTest(lines=lines, label=label), self.relay(hop) as suite:
                self.send(suite, content)
                self.assertEqual(self.status(suite).word, "sent")
                body = self.body(hop)
                self.assertTrue(body.isascii())
                got = email.message_from_bytes(body)
                self.assertEqual(got.get_payload(decode=True).replace(b"\r\n", b"\n").decode(), text)
                self.assertEqual(got["Content-Transfer-Encoding"], "quoted-printable" if last.strip() else None)

    def test_declared_as_it_is(self):
        """BODY=8BITMIME for what is 8-bit, whoever said so, and not for what is not; the same when it is read back from the
        queue. SMTPUTF8 only for what needs it."""
        for lines, last, eight in ((5, "", False), (6000, "", False), (5, "Grüße", True), (6000, "Grüße", True)):
            hop = self.hop(once(at("rcpt", say(b"450 4.2.0 later\r\n"))), keywords=EIGHT + ("SMTPUTF8",))
            content = HEAD + TEXT + b"one line of text\r\n" * lines + last.encode() + b"\r\n"
            with self.subTest(lines=lines, last=last), self.relay(hop) as suite:
                self.send(suite, content, options=["SMTPUTF8"])
                self.assertEqual(self.status(suite).word, "deferred")
                while not hop.accepted:
                    suite.run("postqueue", "-c", suite.conf, "-f")
                    time.sleep(0.2)
                suite.wait_log("status=sent")
                said = [line for session in hop.sessions for c in session.commands for line in c.splitlines()
                        if line.startswith(b"MAIL")]
                self.assertEqual(len(said), 2)
                for line in said:
                    self.assertEqual((b"BODY=8BITMIME" in line, b"SMTPUTF8" in line), (eight, False), line)

    def test_not_converted(self):
        hop = self.hop(keywords=SEVEN)
        with self.relay(hop, "disable_mime_output_conversion = yes\n") as suite:
            self.send(suite, HEAD + TEXT + "Grüße\r\n".encode())
            self.assertEqual(self.status(suite).word, "sent")
            self.assertIn("Grüße".encode(), self.body(hop))

    def test_cannot_be_converted(self):
        """Returned with the reason, and the server gets no part of it as a message."""
        for size in (1, 5000):
            hop = self.hop(keywords=SEVEN)
            with self.subTest(size=size), self.relay(hop) as suite:
                self.send(suite, HEAD + b"Content-Type: message/partial; id=1\r\n\r\n" + b"abcdefghijklmn\r\n" * size + b"\xff\r\n",
                          options=["BODY=8BITMIME"])
                status = self.status(suite)
                self.assertEqual((status.word, status.dsn), ("bounced", "5.6.3"), status)
                self.assertIn("message/partial", status.why)
                self.assertEqual(hop.accepted, [])

    def test_generic(self):
        hop = self.hop(keywords=EIGHT)
        extra = ("smtp_generic_maps = texthash:{0}/generic, regexp:{0}/generic.re\n"
                 "propagate_unmatched_extensions = generic\nrecipient_delimiter = +\n")
        suite = self.relay(hop, start=False)
        with suite:
            suite.write_conf("generic", "alice@example.net  account@isp.example\nbob@hop.example  robert@hop.example\n")
            suite.write_conf("generic.re", "/^(.*)@inside\\.test$/ $1@outside.example\n")
            suite.add_conf(extra.format(suite.conf))
            suite.start()
            self.send(suite, b"From: Alice <alice@example.net>\r\nTo: x+y@inside.test\r\nSubject: alice@example.net\r\n\r\nhello\r\n",
                      sender="alice+list@example.net")
            self.assertEqual(self.status(suite).word, "sent")
            sender, rcpts, content = hop.accepted[0]
            self.assertEqual((sender, rcpts), ("account+list@isp.example", ["robert@hop.example"]))
            self.assertIn(b"From: Alice <account@isp.example>\r\nTo: x+y@outside.example\r\nSubject: alice@example.net\r\n", content)

    def test_tables_that_make_no_sense(self):
        """The start is refused; with an entry that makes no sense mail waits, and nothing goes out with the address from inside."""
        hop = self.hop(keywords=EIGHT)
        with self.relay(hop, "smtp_generic_maps = texthash:/no/such/file\n", start=False) as suite:
            self.assertIn("smtp_generic_maps: cannot read /no/such/file",
                          suite.run("postkeep", "-c", suite.conf, "check", check=False).stderr.decode())
            suite.set_conf("smtp_generic_maps = texthash:%s/generic" % suite.conf)
            suite.write_conf("generic", "alice@example.net  no address\n")
            suite.start()
            self.send(suite, HEAD + b"\r\nhello\r\n")
            status = self.status(suite)
            self.assertEqual((status.word, status.dsn), ("deferred", "4.3.0"), status)
            self.assertIn('smtp_generic_maps: "no address" for "alice@example.net" is not an address', status.why)
            self.assertEqual(hop.accepted, [])

    def test_checks(self):
        hop = self.hop(keywords=EIGHT)
        suite = self.relay(hop, start=False)
        with suite:
            suite.write_conf("header", "/^Received:.*client/ IGNORE\n/^Subject: (.*)/ REPLACE Subject: [out] $1\n"
                             "/^X-Secret/ STRIP secret\n/^X-Bad/ REJECT no\n")
            suite.write_conf("body", "/^internal: / REPLACE (removed)\n")
            suite.add_conf("smtp_header_checks = regexp:{0}/header\nsmtp_body_checks = regexp:{0}/body\n".format(suite.conf))
            suite.start()
            self.send(suite, HEAD + b"X-Secret: yes\r\nX-Bad: yes\r\n\r\ntext\r\ninternal: 42\r\n")
            self.assertEqual(self.status(suite).word, "sent")
            content = self.body(hop)
            self.assertIn(b"Subject: [out] test\r\n", content)
            self.assertTrue(content.endswith(b"\r\n\r\ntext\r\n(removed)\r\n"), content)
            self.assertIn(b"X-Bad: yes\r\n", content)
            self.assertNotIn(b"X-Secret", content)
            self.assertNotIn(b"Received:", content)
            suite.wait_log(r"smtp\[\d+\]: \w+: strip: header X-Secret: yes: secret")
            suite.wait_log(r"smtp_header_checks: the action REJECT is not there")

    def test_filters(self):
        hop = self.hop(at("rcpt", say(b"450 4.2.1 never mind\r\n")), keywords=EIGHT)
        suite = self.relay(hop, start=False)
        with suite:
            suite.write_conf("reply", "/^450 4\\.2\\.1 (never.*)/ 550 5.2.1 $1\n")
            suite.write_conf("result", "/^5\\.2\\.1 (.*)/ 5.1.6 filtered: $1\n")
            suite.add_conf("smtp_reply_filter = regexp:{0}/reply\nsmtp_delivery_status_filter = regexp:{0}/result\n".format(suite.conf))
            suite.start()
            self.send(suite, HEAD + b"\r\nhello\r\n")
            status = self.status(suite)
            self.assertEqual((status.word, status.dsn), ("bounced", "5.1.6"), status)
            self.assertIn("filtered: host 127.0.0.1", status.why)

    def test_relay_hosts_by_sender(self):
        """Each account its own; the null sender and everybody else the relayhost."""
        ours, alices, domains = (self.hop(keywords=EIGHT) for _ in range(3))
        suite = Relay(PREFIX, {}, extra=LIMIT, start=False)
        with suite:
            suite.write_conf("senders", f"alice@example.net  [127.0.0.1]:{alices.port}\n@example.com  [127.0.0.1]:{domains.port}\n"
                             "carol@example.com  DUNNO\n")
            suite.add_conf(f"sender_dependent_relayhost_maps = texthash:{suite.conf}/senders\n"
                           f"relayhost = [127.0.0.1]:1, [127.0.0.1]:{ours.port}\n")
            suite.start()
            for n, sender in enumerate(("alice@example.net", "dave@example.com", "carol@example.com", "erin@example.net", "")):
                self.send(suite, HEAD + b"\r\nhello\r\n", sender=sender, rcpt=f"r{n}@somewhere.example")
                self.assertEqual(self.status(suite, f"r{n}@somewhere.example").word, "sent")
            self.assertEqual([t[1] for t in alices.accepted], [["r0@somewhere.example"]])
            self.assertEqual([t[1] for t in domains.accepted], [["r1@somewhere.example"]])
            self.assertEqual(sorted(t[1][0] for t in ours.accepted), [f"r{n}@somewhere.example" for n in (2, 3, 4)])


if __name__ == "__main__":
    unittest.main()
