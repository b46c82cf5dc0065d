"""DANE from end to end: nsd with signed zones, unbound that validates them, a confined suite that asks it, and a server
with TLS that shows the certificate of the name it is called by. RFC 7672 says what must become of each domain's mail."""
import hashlib
import os
import re
import ssl
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import name_servers  # noqa: E402
from certificates import Authority, openssl  # noqa: E402
from hostile import Hop  # noqa: E402
from ports import free_port  # noqa: E402
from relay import Relay, message  # noqa: E402
from tlshop import TlsHop  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
HEAD = """$ORIGIN {zone}.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""
EXTRA = """
transport_maps =
disable_dns_lookups = no
dns_servers = 127.0.0.1:{dns}
inet_protocols = ipv4
smtp_tcp_port = {port}
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_loglevel = 1
dnssec_probe =
"""
VERIFIED, ANY, CLEAR, WAITS = "Verified", "Untrusted", None, "waits"


class Certificates(Authority):
    def __init__(self, directory):
        super().__init__(directory)
        for name, names in (("ta", "ta"), ("tb", "tb"), ("third", "hop-end")):
            self._leaf(name, "ca", f"DNS:{names}.dane.example", None)
        self._leaf("old", "ca", "DNS:nobody.example", ("20200101000000Z", "20200201000000Z"))

    def tlsa(self, usage, selector, matching, kind):
        """A record for KIND.pem's certificate, or (usage 2) for its authority's."""
        pem = {2: "ca.pem"}.get(usage, kind + ".crt")
        with open(self.file(pem)) as f:
            der = ssl.PEM_cert_to_DER_cert(f.read())
        if selector == 1:
            key = openssl("x509", "-in", pem, "-noout", "-pubkey", cwd=self.dir)
            der = ssl.PEM_cert_to_DER_cert(key.replace("PUBLIC KEY", "CERTIFICATE"))
        data = der if matching == 0 else hashlib.new({1: "sha256", 2: "sha512"}[matching], der).digest()
        return f"TLSA {usage} {selector} {matching} {data.hex()}"


class NamedHop(TlsHop):
    """Shows CERTS.NAME.pem to who asks for NAME.dane.example, good.pem to all others."""

    def __init__(self, certs, **more):
        self.named = {}
        super().__init__(certs.chain("good"), **more)
        self.names = []
        for kind in ("ta", "tb", "third", "old"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certs.chain(kind))
            self.named[kind + ".dane.example"] = context
        self.context.sni_callback = self.choose

    def choose(self, conn, name, _):
        self.names.append(name)
        if name in self.named:
            conn.context = self.named[name]


class Dane(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        where = tempfile.TemporaryDirectory(prefix="postkeep-dane.", dir="/tmp")
        cls.addClassCleanup(where.cleanup)
        cls.certs = Certificates(where.name)
        cls.port = free_port()
        cls.hop = NamedHop(cls.certs, port=cls.port)
        cls.addClassCleanup(cls.hop.stop)
        # The same port without TLS.
        cls.plain = Hop(address="127.0.0.2", port=cls.port)
        cls.addClassCleanup(cls.plain.stop)
        dane = name_servers.signed("dane.example", cls.zone())
        hashed = name_servers.signed("hashed.example", cls.hashed(), "-n")
        old = name_servers.signed("old.example", cls.old(), "-i", "20200101", "-e", "20200201")
        nsd = name_servers.Nsd({"dane.example": cls.forge(dane[0]), "hashed.example": hashed[0], "old.example": old[0],
                                "plain.example": cls.unsigned()})
        nsd.__enter__()
        cls.addClassCleanup(nsd.__exit__)
        unbound = name_servers.Unbound({zone: nsd.port for zone in (
            "dane.example", "hashed.example", "old.example", "plain.example")}, [dane[1], hashed[1], old[1]])
        unbound.__enter__()
        cls.addClassCleanup(unbound.__exit__)
        cls.dns = unbound.port

    # --- Zones --------------------------------------------------------------------------------------------------

    @classmethod
    def zone(cls):
        tlsa, p = cls.certs.tlsa, f"_{cls.port}._tcp"
        wrong = "TLSA 3 1 1 " + "ab" * 32
        lines = ["@ MX 10 ee", "ee A 127.0.0.1"]

        def domain(name, *records, address="127.0.0.1"):
            lines.extend([f"{name} A {address}"] + [f"{p}.{name} {r}" for r in records])
        for usage, selector, matching in [(3, s, m) for s in (0, 1) for m in (0, 1, 2)]:
            domain(f"ee{selector}{matching}", tlsa(usage, selector, matching, "good"))
        domain("ee", tlsa(3, 1, 1, "good"))
        domain("old", tlsa(3, 1, 1, "old"))
        domain("ta", tlsa(2, 0, 1, "ta"))
        domain("tb", tlsa(2, 1, 0, "tb"), wrong)
        domain("ta-other", tlsa(2, 1, 1, "good"))
        domain("roll", wrong, tlsa(3, 1, 1, "good"))
        domain("wrong", wrong)
        domain("agile", wrong.replace("3 1 1", "3 1 2") + "ab" * 32, tlsa(3, 1, 1, "good"))
        domain("half", "TLSA 1 1 1 " + "ab" * 32, "TLSA 3 1 9 ab", "TLSA 9 1 1 " + "ab" * 32, tlsa(3, 0, 2, "good"))
        domain("useless", tlsa(1, 1, 1, "good"), tlsa(0, 1, 1, "good"), "TLSA 3 1 1 abcd", "TLSA 3 0 0 00", "TLSA 2 2 1 ab")
        domain("large", *[f"TLSA 3 1 2 {i:0128x}" for i in range(50)], tlsa(3, 1, 2, "good"))
        domain("bare", tlsa(3, 1, 1, "good"), address="127.0.0.2")
        domain("bare-useless", tlsa(1, 1, 1, "good"), address="127.0.0.2")
        domain("none")
        domain("none-bare", address="127.0.0.2")
        domain("forged", tlsa(3, 1, 1, "good"))
        domain("forged-a")
        lines += ["_tcp.ent TXT x", "ent A 127.0.0.1", f"*._tcp.starred {tlsa(3, 1, 1, 'good')}", "starred A 127.0.0.1",
                  f"shared {tlsa(3, 1, 1, 'good')}", "pointed A 127.0.0.1", f"{p}.pointed CNAME shared",
                  "pointed-out A 127.0.0.1", f"{p}.pointed-out CNAME shared.plain.example.",
                  "alias MX 10 alias-mx", "alias-mx CNAME ee", "alias-own MX 10 alias-own-mx", "alias-own-mx CNAME none",
                  f"{p}.alias-own-mx {tlsa(3, 1, 1, 'good')}", "alias-out CNAME ee.plain.example.",
                  f"{p}.alias-out {wrong}", "alias-kept CNAME ee.plain.example.",
                  f"{p}.alias-kept {tlsa(3, 1, 1, 'good')}", "hop CNAME hop-end", "hop-end MX 10 third",
                  "third A 127.0.0.1", f"{p}.third {tlsa(2, 1, 1, 'good')}", "out MX 10 ee.plain.example.", "forged-mx MX 10 ee",
                  "second MX 10 wrong", "second MX 20 ee", "second-forged MX 10 forged", "second-forged MX 20 ee",
                  "second-clear MX 10 wrong", "second-clear MX 20 none", "tree DNAME hashed.example."]
        return HEAD.format(zone="dane.example") + "\n".join(lines) + "\n"

    @classmethod
    def hashed(cls):
        return HEAD.format(zone="hashed.example") + f"ee MX 10 ee\nee A 127.0.0.1\n_{cls.port}._tcp.ee " \
            + cls.certs.tlsa(3, 1, 1, "good") + "\nnone MX 10 none\nnone A 127.0.0.1\n"

    @classmethod
    def old(cls):
        return HEAD.format(zone="old.example") + "@ MX 10 mx\nmx A 127.0.0.1\n"

    @classmethod
    def unsigned(cls):
        p = f"_{cls.port}._tcp"
        return HEAD.format(zone="plain.example") + f"ee A 127.0.0.1\n{p}.ee TLSA 3 1 1 {'ab' * 32}\n" \
            f"shared TLSA 3 1 1 {'ab' * 32}\nin MX 10 ee.dane.example.\nin-wrong MX 10 wrong.dane.example.\n" \
            "in-bare MX 10 bare.dane.example.\n"

    @classmethod
    def forge(cls, text):
        """Records whose signatures are of others."""
        for owner, kind, what, instead in ((f"_{cls.port}._tcp.forged", "TLSA", None, "3 1 1 " + "cd" * 32),
                                           ("forged-a", "A", None, "127.0.0.2"), ("forged-mx", "MX", None, "10 bare")):
            text, n = re.subn(rf"(?m)^({re.escape(owner)}\.dane\.example\.\s+\d+\s+IN\s+{kind}\s+).*$", rf"\g<1>{instead}",
                              text)
            assert n == 1, (owner, n)
        return text

    # --- What becomes of mail ---------------------------------------------------------------------------------------

    def check(self, cases, extra=""):
        """CASES: {domain: VERIFIED, ANY, CLEAR or WAITS, and a part of the words}."""
        settings = EXTRA.format(dns=self.dns, port=self.port) + f"smtp_tls_CAfile = {self.certs.file('stranger.pem')}\n"
        with Relay(PREFIX, {}, extra=settings + extra) as suite:
            for domain in cases:
                suite.submit(f"you@{domain}.example", message(b"dane-" + domain.encode()))
            for domain, (wanted, words) in cases.items():
                with self.subTest(domain=domain):
                    status = suite.wait_status(f"you@{domain}.example")
                    token = b"dane-" + domain.encode() + b"@"
                    came = self.hop.came(token) + [False for _, _, content in self.plain.accepted if token in content]
                    self.assertEqual((status.word, came), (("deferred", []) if wanted == WAITS
                                                           else ("sent", [wanted is not CLEAR])), status)
                    self.assertIn(words, status.why + " " + status.relay)
                    if wanted not in (WAITS, CLEAR):
                        peer = re.escape(status.relay.split(",")[0])
                        suite.wait_log(f"{wanted} TLS connection established to {peer}")
            self.log = suite.log()
        self.hop.by_tls.clear()
        self.plain.accepted.clear()

    def test_records(self):
        cases = {f"ee{s}{m}.dane": (VERIFIED, "") for s in (0, 1) for m in (0, 1, 2)}
        cases |= {
            "dane": (VERIFIED, "ee.dane.example["),
            "old.dane": (VERIFIED, ""), "ta.dane": (VERIFIED, ""), "tb.dane": (VERIFIED, ""),
            "ta-other.dane": (WAITS, "it is for"),
            "roll.dane": (VERIFIED, ""), "half.dane": (VERIFIED, ""), "large.dane": (VERIFIED, ""),
            "wrong.dane": (WAITS, "no TLSA record matches"),
            # RFC 7671 section 9: of one usage and selector, only the best digest counts.
            "agile.dane": (WAITS, "no TLSA record matches"),
            "useless.dane": (ANY, ""), "bare-useless.dane": (WAITS, "TLS is required"),
            "bare.dane": (WAITS, "TLS is required"),
            "none.dane": (ANY, ""), "none-bare.dane": (CLEAR, ""), "ent.dane": (ANY, ""),
            "starred.dane": (VERIFIED, ""), "pointed.dane": (VERIFIED, ""), "pointed-out.dane": (ANY, ""),
            "ee.hashed": (VERIFIED, ""), "none.hashed": (ANY, ""), "ee.tree.dane": (VERIFIED, ""),
        }
        self.check(cases)

    def test_forged(self):
        """What does not validate is not used, and nothing comes back for it."""
        self.check({
            "forged.dane": (WAITS, "TLSA lookup error"), "forged-a.dane": (WAITS, "DNSSEC validation failed"),
            "forged-mx.dane": (WAITS, "DNSSEC validation failed"), "old": (WAITS, "DNSSEC validation failed"),
            "nowhere.old": (WAITS, "DNSSEC validation failed"),
            "second-forged.dane": (VERIFIED, "ee.dane.example["), "second.dane": (VERIFIED, "ee.dane.example["),
            "second-clear.dane": (ANY, "none.dane.example["),
        })

    def test_ways_in_and_out(self):
        """From a signed zone to one that is not, and back; through aliases."""
        self.check({
            "alias.dane": (VERIFIED, "alias-mx.dane.example["), "alias-own.dane": (VERIFIED, "alias-own-mx.dane.example["),
            "alias-out.dane": (WAITS, "no TLSA record matches"), "alias-kept.dane": ("Trusted", ""),
            "hop.dane": (VERIFIED, "third.dane.example["), "out.dane": (ANY, "ee.plain.example["),
            "in.plain": ("Trusted", "ee.dane.example["), "in-wrong.plain": (WAITS, "no TLSA record matches"),
            "in-bare.plain": (WAITS, "TLS is required"),
        })

    def test_insecure_mx(self):
        self.check({"in.plain": (ANY, ""), "in-wrong.plain": (ANY, ""), "in-bare.plain": (CLEAR, ""), "dane": (VERIFIED, "")},
                   "smtp_tls_dane_insecure_mx_policy = may\n")
        self.check({"in-wrong.plain": (ANY, ""), "in-bare.plain": (WAITS, "TLS is required")},
                   "smtp_tls_dane_insecure_mx_policy = encrypt\n")

    def test_dane_only(self):
        self.check({"dane": (VERIFIED, ""), "none.dane": (WAITS, "no TLSA records found"), "in.plain": (WAITS, "not secured"),
                    "useless.dane": (WAITS, "TLSA records unusable"), "out.dane": (WAITS, "no TLSA records")},
                   "smtp_tls_security_level = dane-only\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
