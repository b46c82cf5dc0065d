"""Mail relayed to servers that this project did not write: what arrives is what was sent; logins, TLS, LMTP."""
import hashlib
import os
import random
import re
import shutil
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from box import Missing, without_trace  # noqa: E402
from certificates import HOST, Authority  # noqa: E402
import hostile  # noqa: E402
from relay import Relay, message  # noqa: E402
from servers import MECHANISMS, PASSWORD, Dovecot, Exim, OpenSMTPD, Postfix  # noqa: E402
from sink import Sink  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
BINARY = bytes(b for b in range(1, 256) if b not in b"\r\n")
BODIES = {
    "plain": b"one\r\ntwo\r\n",
    "empty": b"",
    "lines": b"\r\n\r\n\r\none\r\n\r\n\r\n",
    "dots": b".\r\n..\r\n.a\r\n...\r\n\r\n.\r\n. \r\n.end\r\n",
    "8bit": "ä ö ü € 𝄞\r\n".encode() + b"latin \xe4\xf6\xfc \xff\r\n",
    "long": b"".join(b"%d " % n + b"x" * (n - 4) + b"\r\n" for n in (500, 997, 998)),
    "binary": b"".join(BINARY[i:i + 50] + b"\r\n" for i in range(0, len(BINARY), 50)),
    "trace": b"Received: not a field\r\n\r\nFrom here on\r\n>From there\r\n",
}
ONE = "one@hop.example"


def route(port, transport="smtp"):
    return f"{transport}:[127.0.0.1]:{port}"


class Hops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="postkeep-ca.", dir="/tmp")
        os.chmod(cls.dir, 0o755)
        cls.authority = Authority(cls.dir)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def hop(self, kind, **options):
        try:
            return kind(**options)
        except Missing as why:
            self.skipTest(str(why))


class Bytes(Hops):
    def check_bodies(self, hop, bodies):
        with Relay(PREFIX, {"hop.example": route(hop.port)}) as relay:
            for name in bodies:
                token = b"token-" + name.encode()
                relay.submit(ONE, message(token, BODIES[name]))
            for name in bodies:
                with self.subTest(name):
                    token = b"token-" + name.encode()
                    arrived = without_trace(hop.wait(token)[0])
                    self.assertEqual(arrived, message(token, BODIES[name]).replace(b"\r\n", b"\n"))
            relay.wait_empty()

    def test_postfix(self):
        with self.hop(Postfix) as hop:
            self.check_bodies(hop, BODIES)

    def test_exim(self):
        with self.hop(Exim) as hop:
            self.check_bodies(hop, BODIES)

    def test_opensmtpd(self):
        with self.hop(OpenSMTPD) as hop:
            self.check_bodies(hop, BODIES)

    def test_dovecot(self):
        with self.hop(Dovecot) as hop:
            with Relay(PREFIX, {"hop.example": f"lmtp:inet:[127.0.0.1]:{hop.port}"}) as relay:
                for i, name in enumerate(BODIES, 1):
                    token = b"token-" + name.encode()
                    relay.submit(f"box{i}@hop.example", message(token, BODIES[name]))
                    with self.subTest(name):
                        arrived = without_trace(hop.wait(token)[0])
                        self.assertEqual(arrived, message(token, BODIES[name]).replace(b"\r\n", b"\n"))

    def test_no_final_newline(self):
        with self.hop(Postfix) as hop, Relay(PREFIX, {"hop.example": route(hop.port)}) as relay:
            text = message(b"no-newline").replace(b"\r\n", b"\n") + b"the end"
            relay.run("sendmail", "-i", "-f", "alice@example.org", ONE, input=text)
            self.assertEqual(without_trace(hop.wait(b"no-newline")[0]), text + b"\n")

    def test_large(self):
        line = bytes(random.Random(7).choices(b"abcdefghijklmnopqrstuvwxyz.0123456789", k=76))
        body = b"".join(b"%09d" % i + line[i % 40:] + b"\r\n" for i in range(480000))
        self.assertGreater(len(body), 30 << 20)
        text = message(b"large", body)
        for kind in (Postfix, Exim):
            with self.subTest(kind.hop), self.hop(kind) as hop, Relay(PREFIX, {"hop.example": route(hop.port)},
                                                                     patience="60s") as relay:
                relay.submit(ONE, text)
                arrived = without_trace(hop.wait(b"Message-Id: <large@", timeout=120)[0])
                self.assertEqual(hashlib.sha256(arrived).digest(),
                                 hashlib.sha256(text.replace(b"\r\n", b"\n")).digest())
                self.assertLess(relay.memory(), 64 << 20)

    def test_recipients(self):
        """100 of them, some refused: a copy for each, and each has its own verdict."""
        with self.hop(Postfix) as hop, Relay(PREFIX, {"hop.example": route(hop.port)}) as relay:
            rcpts = [f"r{i}@hop.example" for i in range(100)] + ["bad1@hop.example", "later1@hop.example"]
            relay.submit(rcpts, message(b"many"))
            hop.wait(b"many", count=100)
            got = [re.search(rb"X-Original-To: (\S+)", m)[1].decode() for m in hop.arrived()]
            self.assertEqual(sorted(got), sorted(rcpts[:100]))
            self.assertEqual(relay.wait_status("bad1@hop.example").word, "bounced")
            self.assertEqual(relay.wait_status("later1@hop.example").word, "deferred")
            relay.wait_left("hop.example", ["later1@hop.example"])

    def test_utf8(self):
        for kind in (Postfix, Exim):
            with self.subTest(kind.hop), self.hop(kind) as hop, Relay(PREFIX, {"hop.example": route(hop.port)}) as relay:
                relay.submit("дом@hop.example", message(b"utf8", extra="X-Who: Jürgen\r\n".encode()))
                arrived = hop.wait(b"utf8")[0]
                self.assertIn("дом@hop.example".encode(), arrived)
                self.assertIn("X-Who: Jürgen\n".encode(), without_trace(arrived))
        with self.hop(OpenSMTPD) as hop, Relay(PREFIX, {"hop.example": route(hop.port)}) as relay:
            relay.submit("дом@hop.example", message(b"utf8"))
            status = relay.wait_status("дом@hop.example")
            self.assertEqual((status.word, status.dsn), ("bounced", "5.6.7"), status)

    def test_one_connection(self):
        """Many messages for one hop do not take a connection each."""
        with self.hop(Postfix) as hop, Relay(PREFIX, {"hop.example": route(hop.port)}, start=False) as relay:
            relay.add_conf("defer_transports = smtp")
            relay.start()
            for i in range(60):
                relay.submit(f"r{i}@hop.example", message(b"several"))
            relay.set_conf("defer_transports =")
            relay.run("postkeep", "reload")
            relay.flush()
            hop.wait(b"several", count=60)
            self.assertLessEqual(len(re.findall(r": connect from", hop.log())), 22)

    def test_sink(self):
        """smtp-sink, as it is and as its options make it."""
        cases = {"plain": ((), "sent"), "no-esmtp": (("-e",), "sent"), "no-8bit": (("-8",), "sent"),
                 "no-pipelining": (("-p",), "sent"), "mail-later": (("-r", "mail"), "deferred"),
                 "rcpt-later": (("-r", "rcpt"), "deferred"), "rcpt-never": (("-f", "rcpt"), "bounced"),
                 "data-never": (("-f", "data"), "bounced"), "dot-later": (("-r", "."), "deferred"),
                 "dot-never": (("-f", "."), "bounced"), "connect-gone": (("-q", "connect"), "deferred"),
                 "dot-gone": (("-q", "."), "deferred"), "rcpt-gone": (("-q", "rcpt"), "deferred")}
        sinks = {}
        try:
            for name, (options, _) in cases.items():
                sinks[name] = Sink(*options)
        except Missing as why:
            self.skipTest(str(why))
        try:
            with Relay(PREFIX, {f"{n}.example": route(s.port) for n, s in sinks.items()}) as relay:
                for name in cases:
                    relay.submit(f"one@{name}.example", message(name.encode(), BODIES["plain"]))
                for name, (_, word) in cases.items():
                    with self.subTest(name):
                        status = relay.wait_status(f"one@{name}.example")
                        self.assertEqual(status.word, word, status)
                        if word == "sent":
                            self.assertEqual(len(sinks[name].arrived()), 1)
        finally:
            for sink in sinks.values():
                sink.remove()


class Logins(Hops):
    def test_mechanisms(self):
        with self.hop(Postfix, authority=self.authority) as hop:
            routes, services = {}, ""
            common = (" unix - - - - - smtp\n  -o smtp_sasl_auth_enable=yes -o smtp_tls_security_level=encrypt\n"
                      "  -o smtp_sasl_password_maps=texthash:@etc/passwords -o smtp_sasl_tls_security_options=noanonymous\n")
            for mechanism in MECHANISMS:
                name = mechanism.lower()
                services += f"x{name}{common}  -o smtp_sasl_mechanism_filter={mechanism}\n"
                routes[f"{name}@hop.example"] = route(hop.submission, "x" + name)
            services += f"any{common}wrapped{common}  -o smtp_tls_wrappermode=yes\n"
            routes["any@hop.example"] = route(hop.submission, "any")
            routes["wrapped@hop.example"] = route(hop.wrapped, "wrapped")
            passwords = "".join(f"[127.0.0.1]:{port} relay@hop.example:{PASSWORD}\n"
                                for port in (hop.submission, hop.wrapped))
            with Relay(PREFIX, routes, services=services, files={"passwords": passwords}) as relay:
                for rcpt in routes:
                    relay.submit(rcpt, message(b"login"))
                for rcpt in routes:
                    with self.subTest(rcpt):
                        status = relay.wait_status(rcpt)
                        self.assertEqual(status.word, "sent", status)
                for mechanism in MECHANISMS:
                    self.assertRegex(hop.log(), f"sasl_method={mechanism}, sasl_username=relay@hop.example")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_password_tables(self):
        """What is root's alone is read before confinement, with or without its text; what is proxymap's, by its socket."""
        with self.hop(Postfix, authority=self.authority) as hop:
            extra = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_tls_security_options = noanonymous\n"
                     "smtp_tls_security_level = encrypt\n"
                     "smtp_sasl_password_maps = hash:@etc/secret proxy:texthash:@etc/readable\n")
            wrapped = "wrapped unix - - - - - smtp -o smtp_tls_wrappermode=yes\n"
            routes = {"submission@hop.example": route(hop.submission), "wrapped@hop.example": route(hop.wrapped, "wrapped")}
            files = {"secret": f"[127.0.0.1]:{hop.submission} relay@hop.example:{PASSWORD}\n",
                     "readable": f"[127.0.0.1]:{hop.wrapped} relay@hop.example:{PASSWORD}\n"}
            with Relay(PREFIX, routes, extra=extra, services=wrapped, files=files, start=False) as relay:
                secret = os.path.join(relay.conf, "secret")
                os.chmod(secret, 0o600)
                relay.run("postmap", f"hash:{secret}")
                os.unlink(secret)
                self.assertEqual(os.stat(secret + ".db").st_mode & 0o777, 0o600)
                os.chmod(os.path.join(relay.conf, "readable"), 0o644)
                relay.start()
                for rcpt in routes:
                    relay.submit(rcpt, message(b"login"))
                for rcpt in routes:
                    status = relay.wait_status(rcpt)
                    self.assertEqual(status.word, "sent", status)
                self.assertEqual(len(re.findall("sasl_username=relay@hop.example", hop.log())), 2)

    def test_wrong_password(self):
        """The mail waits, with the relay's words; and what waits with it is not tried one by one."""
        with self.hop(Postfix, authority=self.authority) as hop:
            extra = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:@etc/passwords\n"
                     "smtp_sasl_tls_security_options = noanonymous\nsmtp_tls_security_level = encrypt\n")
            with Relay(PREFIX, {"hop.example": route(hop.submission)}, extra=extra,
                       files={"passwords": f"[127.0.0.1]:{hop.submission} relay@hop.example:wrong\n"}) as relay:
                for i in range(40):
                    relay.submit(f"r{i}@hop.example", message(b"wrong"))
                for i in range(40):
                    status = relay.wait_status(f"r{i}@hop.example")
                    self.assertEqual(status.word, "deferred", status)
                    self.assertRegex(status.why, "authentication failed")
                self.assertEqual(len(re.findall("SASL [A-Z0-9-]+ authentication failed", hop.log())), 1)
                self.assertEqual(hop.arrived(), [])

    def test_exim(self):
        with self.hop(Exim, authority=self.authority) as hop:
            extra = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:@etc/passwords\n"
                     "smtp_sasl_tls_security_options = noanonymous\nsmtp_tls_security_level = encrypt\n")
            with Relay(PREFIX, {"hop.example": route(hop.port)}, extra=extra,
                       files={"passwords": f"[127.0.0.1]:{hop.port} relay:{PASSWORD}\n"}) as relay:
                relay.submit(ONE, message(b"exim"))
                self.assertEqual(relay.wait_status(ONE).word, "sent")
                self.assertRegex(hop.log(), r"P=esmtpsa .* A=plain|A=plain.*P=esmtpsa")


# Name, kind of certificate (None: no STARTTLS), settings, result, words of the reason.
MATCH = f"smtp_tls_verify_cert_match={HOST}"
TLS = (
    ("may", "good", ("level=may",), "sent", ""),
    ("may-expired", "expired", ("level=may",), "sent", ""),
    ("may-plain", None, ("level=may",), "sent", ""),
    ("encrypt", "self", ("level=encrypt",), "sent", ""),
    ("encrypt-plain", None, ("level=encrypt",), "deferred", "TLS is required, but was not offered"),
    ("verify", "good", ("level=verify", MATCH), "sent", ""),
    ("verify-wild", "wild", ("level=verify", MATCH), "sent", ""),
    ("verify-other", "other", ("level=verify", MATCH), "deferred", "not verified|not trusted|does not match"),
    ("verify-expired", "expired", ("level=verify", MATCH), "deferred", "expired|not verified"),
    ("verify-untrusted", "untrusted", ("level=verify", MATCH), "deferred", "not trusted|not verified"),
    ("verify-self", "self", ("level=verify", MATCH), "deferred", "not trusted|not verified"),
    ("verify-plain", None, ("level=verify", MATCH), "deferred", "TLS is required, but was not offered"),
    ("secure", "good", ("level=secure", f"smtp_tls_secure_cert_match={HOST}"), "sent", ""),
    ("secure-other", "good", ("level=secure", "smtp_tls_secure_cert_match=mx.elsewhere.example"), "deferred",
     "not verified|not trusted|does not match"),
    ("secure-expired", "expired", ("level=secure", f"smtp_tls_secure_cert_match={HOST}"), "deferred",
     "expired|not verified"),
    ("print", "self", ("level=fingerprint", "smtp_tls_fingerprint_digest=sha256",
                       "smtp_tls_fingerprint_cert_match=@self"), "sent", ""),
    ("print-expired", "expired", ("level=fingerprint", "smtp_tls_fingerprint_digest=sha256",
                                  "smtp_tls_fingerprint_cert_match=@expired"), "sent", ""),
    ("print-other", "good", ("level=fingerprint", "smtp_tls_fingerprint_digest=sha256",
                             "smtp_tls_fingerprint_cert_match=@self"), "deferred", "not verified|not trusted|does not match"),
)


class Protected(Hops):
    def test_levels(self):
        with self.hop(Postfix, authority=self.authority) as hop:
            routes, services = {}, ""
            for name, kind, settings, _, _ in TLS:
                options = "".join(f"  -o {s.replace('level=', 'smtp_tls_security_level=')}\n" for s in settings)
                for k in hop.kinds:
                    options = options.replace("@" + k, self.authority.fingerprint(k))
                services += f"x{name} unix - - - - - smtp\n{options}"
                routes[f"{name}@hop.example"] = route(hop.tls[kind] if kind else hop.port, "x" + name)
            extra = f"smtp_tls_CAfile = {self.authority.ca}\nsmtp_tls_loglevel = 1\n"
            with Relay(PREFIX, routes, extra=extra, services=services) as relay:
                for rcpt in routes:
                    relay.submit(rcpt, message(b"token-" + rcpt.encode()))
                for name, _, _, word, words in TLS:
                    with self.subTest(name):
                        status = relay.wait_status(f"{name}@hop.example")
                        self.assertEqual(status.word, word, status)
                        self.assertRegex(status.why, words or "^250 ")
                arrived = b"".join(hop.wait(b"token-", count=sum(word == "sent" for _, _, _, word, _ in TLS)))
                for name, _, _, word, _ in TLS:
                    # What waits did not go in clear.
                    self.assertEqual(b"token-%s@" % name.encode() in arrived, word == "sent", name)
                self.assertRegex(relay.log(), r"Verified TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:"
                                 rf"{hop.tls['good']}: TLSv1\.3 with cipher ")
                self.assertRegex(relay.log(), "Untrusted TLS connection established to ")

    def test_connection_reuse(self):
        """With TLS one message a connection, and its session again; or the connection, by who demands the same."""
        with self.hop(Postfix, authority=self.authority) as hop:
            port = hop.tls["good"]
            one, two, strict = f"smtp:[127.0.0.1]:{port}", f"smtp:127.0.0.1:{port}", f"smtp:[127.0.0.1]:0{port}"
            routes = {f"r{i}@hop.example": to for i, to in enumerate((one, two, strict, one, strict))}
            extra = (f"smtp_tls_CAfile = {self.authority.ca}\nsmtp_tls_loglevel = 1\nsmtp_tls_security_level = encrypt\n"
                     "smtp_connection_cache_time_limit = 60s\n"
                     f"smtp_tls_policy_maps = inline:{{ {{ [127.0.0.1]:0{port} = secure match={HOST} }} }}\n")
            for reuse, connections in (("no", 5), ("yes", 2)):
                with self.subTest(reuse=reuse), Relay(PREFIX, routes,
                                                      extra=extra + f"smtp_tls_connection_reuse = {reuse}\n") as relay:
                    before = len(re.findall(r": connect from", hop.log()))
                    for rcpt in routes:
                        relay.submit(rcpt, message(b"reuse"))
                        status = relay.wait_status(rcpt)
                        self.assertEqual(status.word, "sent", status)
                    now = len(re.findall(r": connect from", hop.log()))
                    self.assertEqual(now - before, connections)
                    summaries = re.findall(r"(\w+) TLS connection established to", relay.log())
                    self.assertEqual(sorted(summaries), ["Trusted"] * (connections - connections // 2)
                                     + ["Verified"] * (connections // 2))

    def test_policy_map(self):
        with self.hop(Postfix, authority=self.authority) as hop:
            policy = (f"[127.0.0.1]:{hop.tls['good']} secure match={HOST}\n"
                      f"[127.0.0.1]:{hop.tls['other']} secure match={HOST}\n"
                      f"[127.0.0.1]:{hop.port} encrypt\n")
            ports = {"good": hop.tls["good"], "other": hop.tls["other"], "plain": hop.port, "expired": hop.tls["expired"]}
            routes = {f"{k}@hop.example": route(port) for k, port in ports.items()}
            extra = f"smtp_tls_CAfile = {self.authority.ca}\nsmtp_tls_policy_maps = texthash:@etc/policy\n"
            with Relay(PREFIX, routes, extra=extra, files={"policy": policy}) as relay:
                for rcpt in routes:
                    relay.submit(rcpt, message(b"policy"))
                for name, word in (("good", "sent"), ("other", "deferred"), ("plain", "deferred"), ("expired", "sent")):
                    with self.subTest(name):
                        status = relay.wait_status(f"{name}@hop.example")
                        self.assertEqual(status.word, word, status)
                self.assertEqual(len(hop.wait(b"policy", count=2)), 2)

    def test_mistyped_level(self):
        """It names itself, in main.cf and in a policy."""
        files = {"policy": "[127.0.0.1]:25 secured\n"}
        for extra in ("smtp_tls_policy_maps = texthash:@etc/policy\n", "smtp_tls_security_level = secured\n"):
            with self.subTest(extra), Relay(PREFIX, {}, extra=extra, files=files, start=False) as relay:
                done = relay.run("postkeep", "-c", relay.conf, "check", check=False)
                self.assertRegex(done.stderr.decode() + done.stdout.decode(), "secured")

    def test_broken_server(self):
        """OpenSMTPD of that age offers a TLS that fails with OpenSSL 3: where TLS is a wish, the mail goes without; where
        it is demanded, it waits."""
        with self.hop(OpenSMTPD, authority=self.authority) as hop:
            services = "must unix - - - - - smtp -o smtp_tls_security_level=encrypt\n"
            routes = {"hop.example": route(hop.port), "demanded@hop.example": route(hop.port, "must")}
            with Relay(PREFIX, routes, extra="smtp_tls_security_level = may\n", services=services) as relay:
                relay.submit(ONE, message(b"wish"))
                relay.submit("demanded@hop.example", message(b"demand"))
                self.assertEqual(relay.wait_status("demanded@hop.example").word, "deferred")
                self.assertEqual(relay.wait_status(ONE, ("sent", "deferred")).word, "sent")
                self.assertNotIn(b"demand", b"".join(hop.arrived()))


class Turns(unittest.TestCase):
    def test_small_mail_beside_a_list(self):
        """A list has all channels, and more destinations than those wait: one small message does not wait for its end."""
        def slowly(s, stage, reply):
            s.pause(0.05)
            return reply

        lists = [hostile.Hop(hostile.at("dot", slowly)) for _ in range(8)]
        small = hostile.Hop()
        routes = {f"list{i}.example": route(hop.port) for i, hop in enumerate(lists)}
        routes["small.example"] = route(small.port)
        extra = "default_process_limit = 4\nsmtp_destination_recipient_limit = 2\n"
        with Relay(PREFIX, routes, extra=extra) as relay:
            rcpts = [f"r{n}@list{i}.example" for n in range(100) for i in range(8)]
            relay.submit(rcpts, message(b"list"))
            relay.wait_log(r"to=<r\d+@list\d.example>.*status=sent", count=20)
            relay.submit("one@small.example", message(b"small"))
            relay.wait_status("one@small.example", "sent")
            self.assertLess(sum("@list" in s.rcpt for s in relay.statuses()), 700)
            relay.wait_empty(120)
            self.assertEqual(sum(len(to) for hop in lists for _, to, _ in hop.accepted), len(rcpts))
        for hop in lists + [small]:
            hop.stop()


class Stop(Hops):
    def test_silent_host(self):
        """A stop does not wait for who may never answer; such mail waits for the next start."""
        silent = hostile.Hop(hostile.at("connect", hostile.hang))
        with Relay(PREFIX, {"silent.example": route(silent.port)}, patience="300s") as relay:
            relay.submit("you@silent.example", message(b"silent"))
            deadline = time.monotonic() + 30
            while not silent.sessions:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            relay.stop()
            self.assertNotIn("has not ended in time", relay.log())
            status = relay.wait_status("you@silent.example")
            self.assertEqual((status.word, status.dsn), ("deferred", "4.4.2"))
            self.assertIn("was broken off while receiving the initial server greeting", status.why)
            relay.start()
            relay.wait_left("silent.example", ["you@silent.example"])
        silent.stop()


class Lmtp(Hops):
    def check(self, relay, hop):
        """Recipients that it takes, refuses at RCPT, and cannot store for."""
        expected = {"box1": "sent", "nobody": "bounced", "broken1": "deferred", "box2": "sent", "broken2": "deferred"}
        relay.submit([f"{name}@hop.example" for name in expected], message(b"mixed"))
        for name, word in expected.items():
            status = relay.wait_status(f"{name}@hop.example")
            self.assertEqual(status.word, word, status)
        self.assertEqual(len(hop.wait(b"mixed", count=2)), 2)
        relay.wait_left("hop.example", ["broken1@hop.example", "broken2@hop.example"])

    def test_tcp(self):
        with self.hop(Dovecot) as hop, Relay(PREFIX, {"hop.example": f"lmtp:inet:127.0.0.1:{hop.port}"}) as relay:
            self.check(relay, hop)

    def test_unix(self):
        with self.hop(Dovecot) as hop, Relay(PREFIX, {"hop.example": f"lmtp:unix:{hop.socket}"}) as relay:
            self.check(relay, hop)

    def test_all_of_a_hundred(self):
        with self.hop(Dovecot) as hop, Relay(PREFIX, {"hop.example": f"lmtp:inet:127.0.0.1:{hop.port}"}) as relay:
            relay.submit([f"box{i}@hop.example" for i in range(1, 101)], message(b"hundred"))
            hop.wait(b"hundred", count=100)
            relay.wait_empty()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
