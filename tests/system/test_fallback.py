"""What becomes of mail when TLS was a wish and could not be had: it goes in clear where that harms nobody but itself, and
never with a password, nor where TLS was demanded in another way than by the level."""
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from certificates import Authority  # noqa: E402
from hostile import KEYWORDS, Hop, at, close, say  # noqa: E402
from relay import Relay, message  # noqa: E402
from tlshop import TlsHop  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
LOGIN = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
         "smtp_sasl_password_maps = static:user:secret\n")
AUTH = KEYWORDS + ("AUTH PLAIN LOGIN",)


class Fallback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.where = tempfile.TemporaryDirectory(prefix="postkeep-fallback.", dir="/tmp")
        cls.addClassCleanup(cls.where.cleanup)
        cls.chain = Authority(cls.where.name).chain("good")

    def hop(self, kind=TlsHop, *arguments, **more):
        hop = kind(*([self.chain] if kind is TlsHop else []), *arguments, **more)
        self.addCleanup(hop.stop)
        return hop

    def send(self, hop, extra, token):
        """What becomes of one message."""
        with Relay(PREFIX, {"hop.example": f"smtp:[127.0.0.1]:{hop.port}"}, extra=extra) as relay:
            relay.submit("you@hop.example", message(token))
            status = relay.wait_status("you@hop.example")
            self.log = relay.log()
            return status

    def test_password(self):
        """A handshake that fails costs nobody his password: whoever breaks it would be told."""
        hop = self.hop(keywords=AUTH, behave=at("starttls", say("220 go on\r\nno TLS\r\n")))
        status = self.send(hop, LOGIN + "smtp_tls_security_level = may\n", b"password")
        self.assertEqual((hop.logins(), hop.accepted), ([], []))
        self.assertEqual((status.word, status.dsn), ("deferred", "4.7.5"), status.why)

    def test_wrapped(self):
        """What begins with a handshake does not go on without one, whatever DANE makes of the level."""
        hop = self.hop(Hop)
        status = self.send(hop, "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = dane\n", b"wrapped")
        self.assertEqual(hop.accepted, [])
        self.assertEqual(status.word, "deferred", status.why)

    def test_wrapped_at_all_levels(self):
        """Whatever the level is, the handshake is made, and as the level encrypt demands it."""
        hop = self.hop(wrapped=True)
        for i, extra in enumerate(("", "smtp_tls_security_level = none\n", "smtp_tls_security_level = may\n",
                                   "smtp_tls_security_level = dane\n",
                                   f"smtp_tls_policy_maps = inline:{{ {{ [127.0.0.1]:{hop.port} = none }} }}\n"
                                   "smtp_tls_security_level = may\n")):
            with self.subTest(extra=extra):
                token = b"wrapped-%d" % i
                status = self.send(hop, "smtp_tls_wrappermode = yes\nsmtp_tls_mandatory_protocols = TLSv1.2\n" + extra, token)
                self.assertEqual((status.word, hop.came(token)), ("sent", [True]), status.why)
                self.assertEqual(hop.by_tls[-1][2], "TLSv1.2")

    def test_after_the_handshake(self):
        """A server that goes after the handshake (it wants a certificate, say) is asked in clear, as one that fails in it."""
        hop = self.hop(behave=at("secured", close))
        status = self.send(hop, "smtp_tls_security_level = may\n", b"after")
        self.assertEqual((status.word, hop.came(b"after")), ("sent", [False]), status.why)


if __name__ == "__main__":
    unittest.main(verbosity=2)
