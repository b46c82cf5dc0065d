"""TLS as a client: tls_probe (lib/tls) against openssl s_server, with certificates made for each situation."""
import base64
import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_port  # noqa: E402

BUILD = os.environ.get("POSTKEEP_BUILD", os.getcwd())
PROBE = os.path.join(BUILD, "tests/system/tls_probe")
HOST, NEXTHOP = "mx.example.org", "example.org"
# How s_server is told of a certificate and the one above it.
CHAIN = ("good.pem", "good.key", "-cert_chain", "inter.pem")
EXTENSIONS = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = ${ENV::SAN}
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
subjectAltName = DNS:mx.example.org
"""


def openssl(*args, cwd, **env):
    done = subprocess.run(["openssl", *args], cwd=cwd, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "SAN": "DNS:unused", **env})
    if done.returncode != 0:
        raise RuntimeError(f"openssl {args}: {done.stderr}")
    return done.stdout


class Certificates:
    """A directory with authorities and servers: NAME.pem, NAME.key."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="postkeep-tls-")
        with open(self.path("ssl.cnf"), "w") as f:
            f.write(EXTENSIONS)
        self.authority("root", "Root of the test")
        self.issue("inter", "Intermediate of the test", "root", "ca")
        self.authority("other", "Another root")
        self.issue("good", HOST, "inter", SAN=f"DNS:{HOST}")
        self.issue("wild", "x", "root", SAN="DNS:*.example.org")
        self.issue("elsewhere", "x", "root", SAN="DNS:mx.elsewhere.example,DNS:elsewhere.example")
        self.issue("expired", HOST, "root", days="-1", SAN=f"DNS:{HOST}")
        self.issue("stranger", HOST, "other", SAN=f"DNS:{HOST}")
        self.issue("wrongeku", HOST, "root", "client")
        self.issue("sha1", HOST, "root", digest="-sha1", SAN=f"DNS:{HOST}")
        self.issue("client", "client.example", "root", "client")
        self.authority("self", HOST, "server", SAN=f"DNS:{HOST}")
        self.join("chain.pem", "good.pem", "inter.pem")

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def join(self, name, *parts):
        with open(self.path(name), "w") as f:
            f.write("".join(self.read(part) for part in parts))

    def key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key",
                cwd=self.dir)

    def authority(self, name, subject, section="ca", **env):
        self.key(name)
        openssl("req", "-x509", "-new", "-key", f"{name}.key", "-out", f"{name}.pem", "-days", "30", "-subj",
                f"/CN={subject}", "-config", "ssl.cnf", "-extensions", section, cwd=self.dir, **env)

    def issue(self, name, subject, by, section="server", days="30", digest="-sha256", **env):
        self.key(name)
        openssl("req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}",
                "-config", "ssl.cnf", cwd=self.dir)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key",
                "-CAcreateserial", "-days", days, digest, "-out", f"{name}.pem", "-extfile", "ssl.cnf",
                "-extensions", section, cwd=self.dir, **env)

    def der(self, name, what="cert"):
        if what == "cert":
            args = ["x509", "-in", f"{name}.pem", "-outform", "DER", "-out", "out.der"]
        else:
            openssl("x509", "-in", f"{name}.pem", "-pubkey", "-noout", "-out", "out.pub", cwd=self.dir)
            args = ["pkey", "-pubin", "-in", "out.pub", "-outform", "DER", "-out", "out.der"]
        openssl(*args, cwd=self.dir)
        with open(self.path("out.der"), "rb") as f:
            return f.read()

    def tlsa(self, name, usage, selector, matching):
        data = self.der(name, "cert" if selector == 0 else "key")
        if matching:
            data = hashlib.new({1: "sha256", 2: "sha512"}[matching], data).digest()
        return f"tlsa={usage} {selector} {matching} {data.hex()}"


class Server:
    """openssl s_server; each line it is sent comes back reversed."""

    def __init__(self, certs, cert, key=None, *args):
        self.port = free_port()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", cert, "-key",
             key or cert.replace(".pem", ".key"), "-rev", *args],
            cwd=certs.dir, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("openssl s_server does not listen: " + self.said())

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certs = Certificates()
        openssl("rehash", ".", cwd=cls.hashed())

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.certs.dir)

    @classmethod
    def hashed(cls):
        path = cls.certs.path("hashed")
        os.mkdir(path)
        shutil.copy(cls.certs.path("root.pem"), path)
        return path

    def conf(self, *lines, ca="root.pem"):
        path = tempfile.mkdtemp(dir=self.certs.dir)
        with open(os.path.join(path, "main.cf"), "w") as f:
            f.write("compatibility_level = 3.11\nsmtp_tls_loglevel = 1\n")
            if ca:
                f.write(f"smtp_tls_CAfile = {self.certs.path(ca)}\n")
            f.writelines(line + "\n" for line in lines)
        return path

    def probe(self, conf, port, *options, host=HOST, nexthop=NEXTHOP):
        """What tls_probe says: a dict of each word's lines."""
        done = subprocess.run([PROBE, conf, "127.0.0.1", str(port), host, nexthop, *options],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = {"log": done.stderr}
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(" ")
            said.setdefault(word, []).append(rest)
        return said

    def check_config(self, conf):
        done = subprocess.run([PROBE, conf], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_levels(self):
        """Each level at each certificate: what comes out, and the words."""
        ok = ("ok", None)
        anchor = "Server certificate not trusted: "
        name = "Server certificate not verified: "
        unknown = ("not-trusted", anchor + "its issuer \"Another root\" is not among the trusted authorities")
        situations = {
            # certificate: level, what is expected
            " ".join(CHAIN): {"may": ok, "encrypt": ok, "verify": ok, "secure": ok,
                              "secure match=nexthop": ("not-trusted", name + "it does not match: it is for "
                                                       "mx.example.org, not for example.org"),
                              "secure match=.example.org": ok},
            "wild.pem": {"may": ok, "verify": ok, "secure": ok, "secure match=nexthop": (
                "not-trusted", name + "it does not match: it is for *.example.org, not for example.org")},
            "elsewhere.pem": {"may": ok, "verify": ("not-trusted", name + "it does not match: it is for "
                                                    "mx.elsewhere.example, elsewhere.example, not for mx.example.org"),
                              "secure match=elsewhere.example": ok},
            "expired.pem": {"may": ok, "encrypt": ok,
                            "verify": ("not-trusted", re.compile(
                                re.escape(anchor) + r"expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC"))},
            "stranger.pem": {"may": ok, "encrypt": ok, "verify": unknown, "secure": unknown},
            "self.pem": {"may": ok, "verify": ("not-trusted", anchor + "self-signed certificate")},
            "good.pem": {"may": ok, "verify": (
                "not-trusted", anchor + "its issuer \"Intermediate of the test\" is not among the trusted authorities")},
            "wrongeku.pem": {"may": ok, "verify": ("not-trusted", anchor + "it is not made for servers")},
            "sha1.pem sha1.key -cipher ALL:@SECLEVEL=0": {"may": ok, "verify": (
                "not-trusted", anchor + "a key or signature in its chain is too weak")},
        }
        conf = self.conf()
        for files, levels in situations.items():
            with Server(self.certs, *files.split()) as server:
                for policy, (outcome, why) in levels.items():
                    with self.subTest(files=files, policy=policy):
                        said = self.probe(conf, server.port, f"policy={policy}", "say=hello")
                        self.assertEqual(said["outcome"], [outcome], said)
                        if outcome == "ok":
                            self.assertEqual(said["read"], ["olleh"])
                        elif isinstance(why, str):
                            self.assertEqual(said["why"], [why])
                        else:
                            self.assertRegex(said["why"][0], why)

    def test_summary(self):
        """The line that log readers know, with the word that says how far the server is trusted."""
        tail = (r" TLS connection established to mx\.example\.org\[127\.0\.0\.1\]:\d+: TLSv1\.3 with cipher "
                r"TLS_AES_256_GCM_SHA384 \(256/256 bits\) key-exchange X25519 server-signature ECDSA "
                r"\(prime256v1\) server-digest SHA256$")
        conf = self.conf()
        with Server(self.certs, *CHAIN) as server:
            for policy, word in (("may", "Trusted"), ("verify", "Verified")):
                said = self.probe(conf, server.port, f"policy={policy}")
                self.assertRegex(said["summary"][0], "^" + word + tail)
                self.assertIn(said["summary"][0], said["log"])
        with Server(self.certs, "self.pem") as server:
            self.assertRegex(self.probe(conf, server.port)["summary"][0], "^Untrusted" + tail)
        with Server(self.certs, "self.pem", None, "-tls1_2", "-cipher", "ADH-AES256-GCM-SHA384:@SECLEVEL=0") as server:
            self.assertEqual(
                self.probe(conf, server.port)["summary"][0].split(" (")[0],
                f"Anonymous TLS connection established to mx.example.org[127.0.0.1]:{server.port}: "
                "TLSv1.2 with cipher ADH-AES256-GCM-SHA384")
            said = self.probe(conf, server.port, "policy=verify")
            self.assertEqual(said["outcome"], ["handshake-failed"])
            self.assertEqual(said["why"], ["Cannot start TLS: handshake failure: the server found no cipher in common"])

    def test_protocols(self):
        """A server of old, and what main.cf and policies say of it."""
        old = ("handshake-failed", "Cannot start TLS: handshake failure: no version of TLS in common")
        with Server(self.certs, *CHAIN, "-tls1", "-cipher", "ALL:@SECLEVEL=0") as server:
            for lines, policy, outcome in (
                    ([], "may", "TLSv1"), ([], "verify", "TLSv1"),
                    (["smtp_tls_protocols = >=TLSv1.2"], "may", old),
                    (["smtp_tls_protocols = >=TLSv1.2"], "encrypt", "TLSv1"),
                    (["smtp_tls_mandatory_protocols = >=TLSv1.1"], "encrypt", old),
                    (["smtp_tls_mandatory_protocols = >=TLSv1.1"], "may", "TLSv1"),
                    ([], "encrypt protocols=!TLSv1", old),
                    ([], "verify protocols=TLSv1.3:TLSv1.2", old)):
                said = self.probe(self.conf(*lines), server.port, f"policy={policy}")
                if outcome is old:
                    self.assertEqual((said["outcome"][0], said["why"][0]), old, policy)
                else:
                    self.assertEqual(said.get("protocol"), [outcome], said)

    def test_dane(self):
        """TLSA records of each usable kind, and what cannot be used."""
        certs, conf = self.certs, self.conf()
        mismatch = "Server certificate not trusted: no TLSA record matches it"
        with Server(certs, *CHAIN) as server:
            for usage, selector, matching in ((3, 1, 1), (3, 0, 1), (3, 1, 2), (3, 0, 2), (3, 0, 0), (3, 1, 0)):
                for policy in ("dane", "dane-only"):
                    said = self.probe(conf, server.port, f"policy={policy}",
                                      certs.tlsa("good", usage, selector, matching))
                    self.assertEqual((said["outcome"], said["verified"]), (["ok"], ["1"]), said)
                    self.assertEqual(said["level"], [policy])
            # A trust anchor of the domain's own, which the chain has (the root it has not).
            for selector, matching in ((1, 1), (0, 1), (0, 2), (1, 2), (0, 0), (1, 0)):
                said = self.probe(conf, server.port, "policy=dane", certs.tlsa("inter", 2, selector, matching))
                self.assertEqual((said["outcome"], said["verified"]), (["ok"], ["1"]), said)
            wrong = certs.tlsa("other", 3, 1, 1)
            said = self.probe(conf, server.port, "policy=dane", wrong)
            self.assertEqual((said["outcome"], said["why"]), (["not-trusted"], [mismatch]))
            # One of several is enough, unless a better digest says no (RFC 7671 9).
            said = self.probe(conf, server.port, "policy=dane", wrong, certs.tlsa("good", 3, 1, 1))
            self.assertEqual(said["outcome"], ["ok"])
            said = self.probe(conf, server.port, "policy=dane", certs.tlsa("other", 3, 1, 2),
                              certs.tlsa("good", 3, 1, 1))
            self.assertEqual(said["outcome"], ["not-trusted"])
            # Authorities do not help against records.
            said = self.probe(conf, server.port, "policy=dane", certs.tlsa("other", 2, 0, 1))
            self.assertEqual(said["outcome"], ["not-trusted"], said)
            # Records of usage 0 and 1 alone: encryption, without knowing with whom.
            said = self.probe(conf, server.port, "policy=dane", certs.tlsa("good", 1, 1, 1),
                              certs.tlsa("root", 0, 0, 1))
            self.assertEqual((said["level"], said["outcome"]), (["encrypt"], ["ok"]))
            said = self.probe(conf, server.port, "policy=dane-only", certs.tlsa("good", 1, 1, 1))
            self.assertIn("TLSA records unusable", said["policy"][0])
            # An insecure way to the host.
            said = self.probe(conf, server.port, "policy=dane", "insecure_mx", certs.tlsa("good", 3, 1, 1))
            self.assertEqual((said["trusted"], said["verified"]), (["1"], ["0"]), said)

    def test_dane_names(self):
        """Usage 2 compares names, usage 3 compares neither names nor dates."""
        certs, conf = self.certs, self.conf(ca=None)
        with Server(certs, "elsewhere.pem", "elsewhere.key", "-cert_chain", "root.pem") as server:
            root = certs.tlsa("root", 2, 0, 1)
            said = self.probe(conf, server.port, "policy=dane", root)
            self.assertEqual(said["why"], ["Server certificate not verified: it does not match: it is for "
                                           "mx.elsewhere.example, elsewhere.example, not for mx.example.org"])
            self.assertEqual(said["report"], ["certificate-host-mismatch"])
            # The base domain, the host and the next hop are good names.
            for extra in ({"base": "mx.elsewhere.example"}, {"host": "mx.elsewhere.example"},
                          {"nexthop": "elsewhere.example"}):
                said = self.probe(conf, server.port, "policy=dane", root, f"base={extra.pop('base', HOST)}", **extra)
                self.assertEqual(said["outcome"], ["ok"], (extra, said))
            # The next hop is none when the MX record may be forged.
            said = self.probe(conf, server.port, "policy=dane", "insecure_mx", root, nexthop="elsewhere.example")
            self.assertEqual(said["outcome"], ["not-trusted"])
            self.assertEqual(self.probe(conf, server.port, "policy=dane",
                                        certs.tlsa("elsewhere", 3, 1, 1))["outcome"], ["ok"])
        with Server(certs, "expired.pem") as server:
            self.assertEqual(self.probe(conf, server.port, "policy=dane",
                                        certs.tlsa("expired", 3, 0, 1))["outcome"], ["ok"])
            self.assertEqual(self.probe(conf, server.port, "policy=dane",
                                        certs.tlsa("root", 2, 0, 1))["outcome"], ["not-trusted"])

    def test_fingerprint(self):
        """Digests of the certificate and of its key; no authority is asked, and no date."""
        certs = self.certs
        digest = {what: hashlib.sha256(certs.der("self", what)).hexdigest() for what in ("cert", "key")}
        colons = ":".join(re.findall("..", digest["key"].upper()))
        with Server(certs, "self.pem") as server:
            for match, outcome in ((digest["cert"], "ok"), (digest["key"], "ok"), (colons, "ok"),
                                   ("00" * 32 + "|" + digest["key"], "ok"), ("00" * 32, "not-trusted")):
                said = self.probe(self.conf(), server.port, f"policy=fingerprint match={match}")
                self.assertEqual(said["outcome"], [outcome], match)
            shown = ":".join(re.findall("..", digest["cert"].upper()))
            self.assertEqual(said["why"], ["Server certificate not verified: it does not match: "
                                           f"its fingerprint is {shown}"])
            conf = self.conf("smtp_tls_security_level = fingerprint", f"smtp_tls_fingerprint_cert_match = {colons}")
            self.assertEqual(self.probe(conf, server.port)["verified"], ["1"])
            conf = self.conf("smtp_tls_fingerprint_digest = sha1")
            sha1 = hashlib.sha1(certs.der("self")).hexdigest()
            self.assertEqual(self.probe(conf, server.port, f"policy=fingerprint match={sha1}")["outcome"], ["ok"])
            said = self.probe(self.conf(), server.port, "policy=fingerprint")
            self.assertEqual(said["outcome"], ["not-trusted"])

    def test_trust(self):
        """Where authorities come from: file, directory, system, and anchors that stand alone."""
        certs = self.certs
        with Server(certs, *CHAIN) as server:
            def outcome(conf, policy="verify"):
                return self.probe(conf, server.port, f"policy={policy}")["outcome"][0]
            self.assertEqual(outcome(self.conf(ca="root.pem")), "ok")
            self.assertEqual(outcome(self.conf(ca="other.pem")), "not-trusted")
            hashed = f"smtp_tls_CApath = {certs.path('hashed')}"
            self.assertEqual(outcome(self.conf(hashed, ca=None)), "ok")
            # The system's store, when nothing is named, or when it is to be added.
            os.environ["SSL_CERT_FILE"] = certs.path("root.pem")
            try:
                self.assertEqual(outcome(self.conf(ca=None)), "ok")
                self.assertEqual(outcome(self.conf(ca="other.pem")), "not-trusted")
                self.assertEqual(outcome(self.conf("tls_append_default_CA = yes", ca="other.pem")), "ok")
                os.environ["SSL_CERT_FILE"] = "/nowhere"
                self.assertEqual(outcome(self.conf(ca=None)), "not-trusted")
            finally:
                del os.environ["SSL_CERT_FILE"]
            # Anchors: the intermediate one is enough, and nothing else counts.
            anchor = f"smtp_tls_trust_anchor_file = {certs.path('inter.pem')}"
            self.assertEqual(outcome(self.conf(anchor, ca=None)), "ok")
            anchor = f"smtp_tls_trust_anchor_file = {certs.path('other.pem')}"
            self.assertEqual(outcome(self.conf(anchor, ca="root.pem")), "not-trusted")
            self.assertEqual(outcome(self.conf(), f"verify tafile={certs.path('other.pem')}"), "not-trusted")
            self.assertEqual(outcome(self.conf(ca="other.pem"), f"verify tafile={certs.path('inter.pem')}"), "ok")
            self.assertEqual(outcome(self.conf(), f"secure match=nexthop tafile={certs.path('inter.pem')}"), "not-trusted")
            openssl("pkey", "-in", "inter.key", "-pubout", "-out", "inter.pub", cwd=certs.dir)
            self.assertEqual(outcome(self.conf(ca=None), f"verify tafile={certs.path('inter.pub')}"), "ok")
            self.assertEqual(outcome(self.conf("smtp_tls_scert_verifydepth = 0")), "not-trusted")

    def test_sessions(self):
        """Sessions are resumed; never one that was made for less."""
        for version in ("-tls1_2", "-tls1_3"):
            with Server(self.certs, *CHAIN, version) as server:
                said = self.probe(self.conf(), server.port, "policy=verify", "times=3", "say=hello")
                self.assertEqual(said["reused"], ["0", "1", "1"], version)
                self.assertEqual(said["verified"], ["1", "1", "1"])
                said = self.probe(self.conf("smtp_tls_session_cache_timeout = 0"), server.port, "times=2", "say=x")
                self.assertEqual(said["reused"], ["0", "0"])
                said = self.probe(self.conf(), server.port, "times=2", "say=x",
                                  "next=verify")
                self.assertEqual(said["reused"], ["0", "0"])
                said = self.probe(self.conf(), server.port, "policy=dane", "times=2", "say=x",
                                  self.certs.tlsa("good", 3, 1, 1))
                self.assertEqual((said["reused"], said["verified"]), (["0", "1"], ["1", "1"]))
        # What was refused is not kept.
        with Server(self.certs, "self.pem") as server:
            said = self.probe(self.conf(), server.port, "policy=verify", "times=2")
            self.assertEqual((said["reused"], said["outcome"]), (["0", "0"], ["not-trusted", "not-trusted"]))

    def test_servername(self):
        """The name that is sent for the server to choose its certificate by."""
        with Server(self.certs, *CHAIN, "-servername", "no.example", "-cert2", "self.pem", "-key2",
                    "self.key", "-tlsextdebug") as server:
            for policy, conf, extra, name in (
                    ("may", "", {}, None), ("verify", "", {}, HOST), ("may servername=hostname", "", {}, HOST),
                    ("may servername=nexthop", "", {}, NEXTHOP), ("may servername=sni.example", "", {}, "sni.example"),
                    ("may", "smtp_tls_servername = hostname", {}, HOST),
                    ("verify", "", {"host": "127.0.0.1"}, None),
                    ("dane servername=sni.example", "", {}, HOST)):
                options = [self.certs.tlsa("good", 3, 1, 1)] if policy.startswith("dane") else []
                before = len(server.said())
                self.probe(self.conf(conf), server.port, f"policy={policy}", *options, **extra)
                said = server.said()[before:]
                seen = re.search(r'server name" \(id=0\), len=\d+\n(?:.*\n)*?', said) is not None
                self.assertEqual(seen, name is not None, (policy, said))
                if name:
                    dump = "".join(re.findall(r"^[0-9a-f]{4} - .{0,50}  (.*)$", said, re.M))
                    self.assertIn(name, dump, (policy, said))

    def test_client_certificate(self):
        """A server that asks for a certificate gets ours; a server that insists tells when there is none."""
        certs = self.certs
        certs.join("client-both.pem", "client.key", "client.pem")
        with Server(certs, *CHAIN, "-Verify", "3", "-CAfile", "root.pem",
                    "-verify_return_error") as server:
            for lines in ([f"smtp_tls_chain_files = {certs.path('client-both.pem')}"],
                          [f"smtp_tls_chain_files = {certs.path('client.key')}, {certs.path('client.pem')}"],
                          [f"smtp_tls_cert_file = {certs.path('client.pem')}",
                           f"smtp_tls_key_file = {certs.path('client.key')}"],
                          [f"smtp_tls_cert_file = {certs.path('client-both.pem')}"],
                          [f"smtp_tls_eccert_file = {certs.path('client-both.pem')}"]):
                said = self.probe(self.conf(*lines), server.port, "say=hello")
                self.assertEqual(said.get("read"), ["olleh"], said)
                self.assertIn("client-signature ECDSA (prime256v1)", said["summary"][0])
            said = self.probe(self.conf(), server.port, "say=hello")
            self.assertEqual(said["read"], ["failed: input/output error"])
            self.assertIn("certificate required", said["log"])

    def test_hostile(self):
        """Servers that hang, close, speak in clear or rubbish, or speak too early."""
        def silent(s):
            s.recv(5000)
            time.sleep(20)

        def answer(data):
            def run(s):
                s.recv(5000)
                s.sendall(data)
                time.sleep(0.2)
            return run

        def drip(s):
            # A handshake record that never gets whole: each byte in time, all of them too late.
            s.sendall(b"\x16\x03\x03\x3f\x00")
            try:
                for _ in range(100):
                    s.sendall(b"\x02")
                    time.sleep(0.2)
            except OSError:
                pass

        slow = "smtp_starttls_timeout = 2s"
        for serve, outcome, why in (
                (silent, "lost", "Cannot start TLS: timeout during the handshake"),
                (drip, "lost", "Cannot start TLS: timeout during the handshake"),
                (lambda s: s.recv(5000), "lost", "Cannot start TLS: lost connection during the handshake"),
                (answer(b"220 hello\r\n"), "handshake-failed",
                 "Cannot start TLS: handshake failure: the server does not speak TLS here"),
                (answer(bytes(range(256)) * 20), "handshake-failed",
                 "Cannot start TLS: handshake failure: the server does not speak TLS here"),
                (answer(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + b"\xff" * 0x3ffc), "handshake-failed",
                 "Cannot start TLS: handshake failure: "),
                (answer(b"\x15\x03\x03\x00\x02\x02\x28"), "handshake-failed",
                 "Cannot start TLS: handshake failure: the server found no cipher in common")):
            with self.subTest(why=why):
                port = free_port()
                listener = socket.create_server(("127.0.0.1", port))

                def run():
                    s, _ = listener.accept()
                    with s:
                        serve(s)
                thread = threading.Thread(target=run, daemon=True)
                thread.start()
                said = self.probe(self.conf(slow), port)
                listener.close()
                self.assertEqual(said["outcome"], [outcome], said)
                self.assertTrue(said["why"][0].startswith(why), said)

    def dh_group(self, bits):
        """A file with a group of a server's own: an odd number and a generator, which nobody checks to be good."""
        def integer(n):
            data = n.to_bytes(n.bit_length() // 8 + 1, "big")
            return b"\x02" + length(data)

        def length(data):
            size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
            return (bytes([len(data)]) if len(data) < 128 else bytes([0x80 | len(size)]) + size) + data
        der = b"\x30" + length(integer(random.getrandbits(bits) | 1 | 1 << (bits - 1)) + integer(2))
        path = self.certs.path(f"dh{bits}.pem")
        with open(path, "w") as f:
            f.write("-----BEGIN DH PARAMETERS-----\n" + base64.encodebytes(der).decode() + "-----END DH PARAMETERS-----\n")
        return path

    def test_costly_group(self):
        """The group of a key exchange is the server's choice; one that would cost seconds is refused."""
        named = self.certs.path("ffdhe8192.pem")
        subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe8192", "-out", named],
                       check=True, capture_output=True)
        for group, good in ((self.dh_group(4096), True), (named, True), (self.dh_group(4104), False),
                            (self.dh_group(10000), False)):
            with self.subTest(group=group), Server(
                    self.certs, "self.pem", None, "-tls1_2", "-cipher", "ADH-AES256-GCM-SHA384:@SECLEVEL=0",
                    "-dhparam", group) as server:
                said = self.probe(self.conf(), server.port)
                self.assertEqual(said["outcome"], ["ok" if good else "handshake-failed"], said)
                if not good:
                    self.assertEqual(said["why"], ["Cannot start TLS: handshake failure: the server's key exchange costs "
                                                   "too much"])

    def test_early(self):
        """Bytes that come in clear behind the answer to STARTTLS, in the same packet, go no further."""
        port = free_port()
        listener = socket.create_server(("127.0.0.1", port))

        def run():
            s, _ = listener.accept()
            with s:
                s.sendall(b"220 go ahead\r\n250 injected\r\n")
                s.recv(5000)
        threading.Thread(target=run, daemon=True).start()
        said = self.probe(self.conf(), port, "clear")
        listener.close()
        self.assertEqual(said["outcome"], ["handshake-failed"])
        self.assertEqual(said["why"], ["Cannot start TLS: 14 bytes came in clear after STARTTLS"])

    def test_confined(self):
        """After confinement no file is opened: handshake, chain, own certificate and digests go on."""
        certs = self.certs
        certs.join("client-both.pem", "client.key", "client.pem")
        conf = self.conf(f"smtp_tls_chain_files = {certs.path('client-both.pem')}",
                         f"smtp_tls_CApath = {certs.path('hashed')}", "smtp_tls_loglevel = 2")
        for version in ("-tls1_2", "-tls1_3"):
            with Server(certs, *CHAIN, version, "-verify", "3", "-CAfile", "root.pem") as server:
                for policy in ("verify", "dane", f"verify tafile={certs.path('inter.pem')}",
                               f"fingerprint match={hashlib.sha256(certs.der('good')).hexdigest()}"):
                    options = [certs.tlsa("good", 3, 1, 2)] if policy == "dane" else []
                    said = self.probe(conf, server.port, f"policy={policy}", "sandbox", "times=2", "say=hello", *options)
                    self.assertEqual(said.get("outcome"), ["ok", "ok"], said)
                    self.assertEqual(said["verified"], ["1", "1"])
                    self.assertEqual(said["read"], ["olleh", "olleh"])

    def test_memory(self):
        """What an idle connection costs."""
        certs = self.certs
        port = free_port()
        server = subprocess.Popen(
            [sys.executable, "-c", ECHO, str(port), certs.path("chain.pem"), certs.path("good.key")])
        try:
            for _ in range(200):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            said = self.probe(self.conf(), port, "policy=verify", "times=40", "keep", "say=hello")
            self.assertEqual(said["read"], ["hello"] * 80)
            print(f"\nbytes per idle TLS connection: {said['bytes'][0]}", file=sys.stderr)
            self.assertLess(int(said["bytes"][0]), 32 * 1024)
        finally:
            server.kill()
            server.wait()

    def test_configuration(self):
        """What postkeep check says of files and settings."""
        certs = self.certs
        certs.issue("old", "client.example", "root", "client", days="-1")
        certs.issue("soon", "client.example", "root", "client", days="3")
        for name in ("old", "soon"):
            certs.join(f"{name}-both.pem", f"{name}.key", f"{name}.pem")
        certs.join("mismatch.pem", "other.key", "client.pem")
        certs.join("backwards.pem", "client.pem", "client.key")
        openssl("pkey", "-in", "client.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key", cwd=certs.dir)
        certs.join("locked.pem", "locked.key", "client.pem")
        for line, severity, text in (
                (f"smtp_tls_chain_files = {certs.path('client-both.pem')}", None, None),
                (f"smtp_tls_chain_files = {certs.path('old-both.pem')}", "warning", "expired on"),
                (f"smtp_tls_chain_files = {certs.path('soon-both.pem')}", "warning", "expires on"),
                (f"smtp_tls_chain_files = {certs.path('mismatch.pem')}", "error", "does not match"),
                (f"smtp_tls_chain_files = {certs.path('backwards.pem')}", "error", "the key comes first"),
                (f"smtp_tls_chain_files = {certs.path('locked.pem')}", "error", "password"),
                (f"smtp_tls_cert_file = {certs.path('client.pem')}", "error", "smtp_tls_key_file: there is no private key"),
                (f"smtp_tls_cert_file = {certs.path('client.key')}", "error", "no certificate"),
                (f"smtp_tls_CApath = {certs.path('')}", "error", "openssl rehash"),
                ("smtp_tls_protocols = TLSv1.9", "error", "TLSv1.9"),
                ("smtp_tls_security_level = secur", "problem", "secur")):
            certs.join("client-both.pem", "client.key", "client.pem")
            said = self.check_config(self.conf(line))
            if severity is None:
                self.assertEqual(said, "")
                continue
            param = line.split()[0]
            self.assertRegex(said, f"^{severity} .*{re.escape(text if text.startswith('smtp') else param)}", said)
            self.assertIn(text, said)
        # While such a fault lasts, no connection is made, and the reason names it.
        with Server(certs, *CHAIN) as server:
            said = self.probe(self.conf("smtp_tls_CApath = /nowhere"), server.port)
            self.assertEqual(said["outcome"], ["misconfigured"])
            self.assertIn("smtp_tls_CApath: cannot read /nowhere", said["why"][0])


ECHO = """
import socket, ssl, sys, threading
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[2], sys.argv[3])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=50)
def serve(s):
    try:
        s = c.wrap_socket(s, server_side=True)
        while data := s.recv(1000):
            s.sendall(data)
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
