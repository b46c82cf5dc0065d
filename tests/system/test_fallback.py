"""What becomes of mail when TLS was a wish and could not be had: it goes in clear where that harms nobody but itself, and
never with a password, nor where TLS was demanded in another way than by the level."""
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from certificates import Authority  # noqa: E402
from hostile import KEYWORDS, Gone, Hop, at, close, hang, say  # noqa: E402
from relay import Relay, message  # noqa: E402
from tlshop import TlsHop  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
LOGIN = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
         "smtp_sasl_password_maps = static:user:secret\n")
AUTH = KEYWORDS + ("AUTH PLAIN LOGIN",)




def spoil(data):
    """Says yes to STARTTLS, waits for the client's first words and answers with DATA; an alert of (level, number)."""
    if isinstance(data, tuple):
        data = b"\x15\x03\x03\x00\x02" + bytes(data)

    def action(s, stage, reply):
        s.send(reply)
        s.conn.recv(4096)
        s.send(data)
        raise Gone
    return at("starttls", action)


def in_tls(text):
    """TEXT in reply to EHLO, after the handshake."""
    return lambda s, stage, reply: text if stage == "ehlo" and s.tls else reply


def strip(s, stage, reply):
    return reply.replace(b"STARTTLS", b"XXXXXXXA") if stage == "ehlo" else reply


# What goes wrong with STARTTLS, and whether mail of the level may goes in clear then (False), in TLS, or waits (None).
STAGES = {
    "not-offered": (strip, False),
    "refused-4": (at("starttls", say("454 4.7.0 no\r\n")), False),
    "refused-5": (at("starttls", say("554 5.7.1 no\r\n")), False),
    "nonsense": (at("starttls", say("hello\r\n")), False),
    "closed": (at("starttls", close), False),
    "injected": (at("starttls", say("220 go on\r\n250 hop.example\r\n")), False),
    "two-lines": (at("starttls", say("220-go\r\n220 on\r\n")), True),
    "silent": (at("starttls", hang), False),
    "closed-in-it": (spoil(b""), False),
    "no-tls": (spoil(b"HTTP/1.1 400 Bad Request\r\n\r\n"), False),
    "close-notify": (spoil((1, 0)), False),
    "alert-handshake": (spoil((2, 40)), False),
    "alert-version": (spoil((2, 70)), False),
    "alert-internal": (spoil((2, 80)), False),
    "alert-name": (spoil((2, 112)), False),
    "no-ehlo-in-it": (in_tls(b"550 5.7.1 no\r\n"), True),
    "busy-in-it": (in_tls(b"421 4.7.0 later\r\n"), None),
    "closed-after-it": (at("secured", close), False),
}


class Fallback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.where = tempfile.TemporaryDirectory(prefix="postkeep-fallback.", dir="/tmp")
        cls.addClassCleanup(cls.where.cleanup)
        cls.authority = Authority(cls.where.name)
        cls.chain = cls.authority.chain("good")

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

    def test_stages(self):
        """Whatever goes wrong with TLS: where it was a wish, mail goes, where it was demanded it waits and is seen by nobody."""
        levels = {"may": "", "encrypt": "", "secure": "  -o smtp_tls_secure_cert_match=mx.hop.example\n"}
        services = "".join(f"{level} unix - - - - - smtp\n  -o smtp_tls_security_level={level}\n{more}"
                           for level, more in levels.items())
        hops = {stage: self.hop(behave=behave) for stage, (behave, _) in STAGES.items()}
        routes = {f"{level}.{stage}.example": f"{level}:[127.0.0.1]:{hop.port}" for level in levels
                  for stage, hop in hops.items()}
        with Relay(PREFIX, routes, services=services, patience="8s",
                   extra=f"smtp_tls_CAfile = {self.authority.ca}\n") as relay:
            for domain in routes:
                relay.submit("you@" + domain, message(domain.encode()))
            for stage, hop in hops.items():
                wish = STAGES[stage][1]
                for level in levels:
                    with self.subTest(stage=stage, level=level):
                        status = relay.wait_status(f"you@{level}.{stage}.example")
                        wanted = [] if wish is None or (level != "may" and not wish) else [wish]
                        came = hop.came(f"{level}.{stage}.example".encode())
                        self.assertEqual((status.word, came), ("sent" if wanted else "deferred", wanted), status.why)

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
