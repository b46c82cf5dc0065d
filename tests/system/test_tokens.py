"""Logins with tokens (OAUTHBEARER, XOAUTH2) at a relay host that this project did not write: Dovecot's submission server,
which judges signed tokens by itself."""
import os
import shutil
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from box import Missing  # noqa: E402
from certificates import Authority  # noqa: E402
import hostile  # noqa: E402
from relay import Relay, message  # noqa: E402
from servers import Submission  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
USER = "relay@hop.example"
CONF = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:@etc/tokens\n"
        "smtp_sasl_tls_security_options = noanonymous\nsmtp_tls_security_level = encrypt\n")
MECHANISMS = ("oauthbearer", "xoauth2")


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="postkeep-ca.", dir="/tmp")
        os.chmod(cls.dir, 0o755)
        cls.last = hostile.Hop()
        try:
            cls.hop = Submission(authority=Authority(cls.dir), next=cls.last.port)
            cls.hop.__enter__()
        except Missing as why:
            cls.last.stop()
            shutil.rmtree(cls.dir)
            raise unittest.SkipTest(str(why))

    @classmethod
    def tearDownClass(cls):
        cls.hop.__exit__(None, None, None)
        cls.last.stop()
        shutil.rmtree(cls.dir)

    def entry(self, token):
        return f"[127.0.0.1]:{self.hop.port} {USER}:{token}\n"

    def relay(self, mechanism, token, **more):
        return Relay(PREFIX, {"hop.example": f"smtp:[127.0.0.1]:{self.hop.port}"},
                     extra=CONF + f"smtp_sasl_mechanism_filter = {mechanism}\n", files={"tokens": self.entry(token)}, **more)

    def refusals(self):
        return self.hop.log().count("oauth2 failed")

    def test_right(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism), self.relay(mechanism, Submission.token(USER)) as relay:
                relay.submit("one@hop.example", message(mechanism.encode()))
                status = relay.wait_status("one@hop.example")
                self.assertEqual(status.word, "sent", status)
                self.assertEqual(sum(self.last.copies(mechanism.encode()).values()), 1)
                self.assertRegex(self.hop.log(), rf"Login: user=<{USER}>, method={mechanism.upper()}")

    def test_wrong(self):
        """The mail waits, with the server's words; and twenty that wait make no twenty logins."""
        for mechanism in MECHANISMS:
            for name, token in (("old", Submission.token(USER, seconds=-60)), ("forged", Submission.token(USER, key=b"x" * 32)),
                                ("no token", "not-a-token")):
                with self.subTest(f"{mechanism}, {name}"), self.relay(mechanism, token) as relay:
                    before = self.refusals()
                    for i in range(20):
                        relay.submit(f"r{i}@hop.example", message(b"wrong"))
                    for i in range(20):
                        status = relay.wait_status(f"r{i}@hop.example")
                        self.assertEqual(status.word, "deferred", status)
                    first = relay.statuses()[0]
                    self.assertRegex(first.why, "SASL authentication failed; server .* said: 535 5.7.8")
                    self.assertRegex(first.why, r'\{"status":"\w+"')
                    self.assertNotIn(token, relay.log())
                    # Several sessions were begun, and waited for what became of the first one's login.
                    self.assertEqual(self.refusals() - before, 1)
        self.assertEqual(self.last.copies(b"wrong"), {})

    def test_renewed(self):
        """A token that has gone stale: a new one in the file is enough, nothing is told to the suite."""
        with self.relay("xoauth2", Submission.token(USER, seconds=-60)) as relay:
            relay.submit("one@hop.example", message(b"renewed"))
            self.assertEqual(relay.wait_status("one@hop.example").word, "deferred")
            relay.write_conf("tokens.new", self.entry(Submission.token(USER)))
            os.rename(os.path.join(relay.conf, "tokens.new"), os.path.join(relay.conf, "tokens"))
            relay.wait_log(r"etc/tokens has changed")
            relay.flush()
            relay.wait_status("one@hop.example", "sent")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
