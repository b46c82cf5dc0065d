"""The next hops of tests/system/hops work, as clients that are not ours find them: what test_relay.py and
test_hostile_hop.py show depends on it."""
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from box import Missing, without_trace  # noqa: E402
from certificates import Authority  # noqa: E402
import hostile  # noqa: E402
from servers import PASSWORD, Dovecot, Exim, OpenSMTPD, Postfix  # noqa: E402
from sink import Sink  # noqa: E402


def swaks(port, rcpt, *options):
    done = subprocess.run(["swaks", "-s", "127.0.0.1", "-p", str(port), "--to", rcpt, "--from", "a@client.example",
                           "--body", "hello", *options], capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode()


class Hops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="postkeep-ca.", dir="/tmp")
        cls.authority = Authority(cls.dir)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def hop(self, kind):
        try:
            return kind(authority=self.authority)
        except Missing as why:
            self.skipTest(str(why))

    def test_postfix(self):
        with self.hop(Postfix) as hop:
            self.assertEqual(swaks(hop.port, "one@hop.example")[0], 0)
            self.assertIn(b"\nhello\n", without_trace(hop.wait(b"hello")[0]))
            self.assertIn("<** 550 5.1.1", swaks(hop.port, "bad@hop.example")[1])
            self.assertIn("<** 450 4.2.1", swaks(hop.port, "later@hop.example")[1])
            login = ["-a", "PLAIN", "-au", "relay@hop.example", "-ap"]
            self.assertEqual(swaks(hop.submission, "two@hop.example", "-tls", *login, PASSWORD)[0], 0)
            self.assertIn("<~* 535 5.7.8", swaks(hop.submission, "two@hop.example", "-tls", *login, "wrong")[1])
            self.assertEqual(swaks(hop.wrapped, "three@hop.example", "--tlsc", *login, PASSWORD)[0], 0)
            for kind, port in hop.tls.items():
                status, text = swaks(port, "four@hop.example", "-tls", "--tls-verify", "--tls-ca-path", self.authority.ca)
                self.assertEqual((kind, status == 0), (kind, kind in ("good", "other", "wild")), text)

    def test_exim(self):
        with self.hop(Exim) as hop:
            self.assertEqual(swaks(hop.port, "one@hop.example", "-tls")[0], 0)
            hop.wait(b"hello")
            self.assertIn("<** 550", swaks(hop.port, "bad@hop.example")[1])

    def test_opensmtpd(self):
        with self.hop(OpenSMTPD) as hop:
            self.assertEqual(swaks(hop.port, "one@hop.example")[0], 0)
            hop.wait(b"hello")
            self.assertIn("<** 550", swaks(hop.port, "bad@hop.example")[1])

    def test_dovecot(self):
        with self.hop(Dovecot) as hop:
            self.assertEqual(swaks(hop.port, "box1@hop.example", "--protocol", "LMTP")[0], 0)
            hop.wait(b"hello")
            self.assertIn("<** 550 5.1.1", swaks(hop.port, "bad@hop.example", "--protocol", "LMTP")[1])
            self.assertIn("<** 451 4.2.0", swaks(hop.port, "broken1@hop.example", "--protocol", "LMTP")[1])

    def test_sink(self):
        try:
            with Sink() as sink:
                self.assertEqual(swaks(sink.port, "one@hop.example")[0], 0)
                self.assertIn(b"hello", sink.arrived()[0])
            with Sink("-r", "RCPT") as sink:
                self.assertIn("<** 450", swaks(sink.port, "one@hop.example")[1])
        except Missing as why:
            self.skipTest(str(why))

    def test_hostile(self):
        """It is honest but for what it is told, and keeps what it accepts."""
        hop = hostile.Hop(hostile.at("rcpt", hostile.say("450 4.2.0 later\r\n")))
        self.assertIn("<** 450 4.2.0 later", swaks(hop.port, "one@hop.example")[1])
        hop.heal()
        self.assertEqual(swaks(hop.port, "one@hop.example", "--body", ".dot\nhello")[0], 0)
        self.assertEqual(hop.copies(b"\r\n.dot\r\nhello\r\n"), {"one@hop.example": 1})
        hop.stop()
        hop = hostile.Hop(hostile.at("dot", hostile.keep_and_close))
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            with smtplib.SMTP("127.0.0.1", hop.port) as smtp:
                smtp.sendmail("a@client.example", ["one@hop.example"], b"kept\r\n")
        self.assertEqual(hop.copies(b"kept"), {"one@hop.example": 1})
        hop.stop()
        hop = hostile.Hop(hostile.at("connect", hostile.hang))
        with socket.create_connection(("127.0.0.1", hop.port)) as s:
            s.settimeout(0.3)
            self.assertRaises(TimeoutError, s.recv, 1)
            hop.heal()
            s.settimeout(20)
            self.assertEqual(s.recv(1), b"")
        hop.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
