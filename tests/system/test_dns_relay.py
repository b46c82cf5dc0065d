"""Mail finds its way by DNS: a whole suite, confined as it is, with nsd for the zones and smtp-sink for the hosts."""
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import hostile  # noqa: E402
import name_servers  # noqa: E402
from box import Missing, without_trace  # noqa: E402
from relay import Relay, message  # noqa: E402
from sink import Sink  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
LONG = "a-host-with-a-long-name-so-that-the-answer-comes-by-tcp"
ZONE = """$ORIGIN zone.example.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 2
@ NS ns
ns A 127.0.0.1
two MX 10 closed
two MX 20 open
open A 127.0.0.1
closed A 127.0.0.77
implicit A 127.0.0.1
null MX 0 .
lost MX 10 nowhere
aliased CNAME two
xn--bcher-kva MX 10 open
mine MX 10 mx.example.org.
mine-too MX 10 here
here A 127.0.0.1
share-1 MX 10 open
share-2 MX 10 open
strict MX 10 open
other MX 10 vanity
vanity A 127.0.0.1
""" + "".join(f"large MX {i} {LONG}-{i:02}\n{LONG}-{i:02} A 127.0.0.1\n" for i in range(60))
EXTRA = """
transport_maps =
disable_dns_lookups = no
dns_servers = 127.0.0.1:{dns}
smtp_tcp_port = {sink}
"""


class ByDns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.sink = Sink()
        except Missing as why:
            raise unittest.SkipTest(str(why))
        cls.addClassCleanup(cls.sink.remove)
        cls.nsd = name_servers.Nsd({"zone.example": ZONE})
        cls.nsd.__enter__()
        cls.addClassCleanup(cls.nsd.__exit__)

    def suite(self, server, **more):
        return Relay(PREFIX, {}, extra=EXTRA.format(dns=server.port, sink=self.sink.port), **more)

    def test_ways(self):
        """Each domain's mail goes where its records say, or back with the words for it."""
        before = len(self.sink.arrived())
        sent = {"two": "open.zone.example", "implicit": "implicit.zone.example", "aliased": "open.zone.example",
                "large": LONG + "-00.zone.example"}
        back = {"null": ("5.1.10", "does not accept mail (nullMX)"), "nowhere": ("5.4.4", "type=MX: Host not found"),
                "lost": ("5.4.4", "name=nowhere.zone.example type=A: Host not found")}
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay) as suite:
            for domain in [*sent, *back]:
                suite.submit(f"you@{domain}.zone.example", message(b"ways-" + domain.encode(), b"hello\r\n"))
            suite.submit("you@bücher.zone.example", message(b"ways-buecher", b"hello\r\n"), "root@example.org")
            for domain, host in sent.items():
                status = suite.wait_status(f"you@{domain}.zone.example")
                self.assertEqual((status.word, status.relay), ("sent", f"{host}[127.0.0.1]:{self.sink.port}"), status.why)
            for domain, (dsn, words) in back.items():
                status = suite.wait_status(f"you@{domain}.zone.example")
                self.assertEqual((status.word, status.dsn), ("bounced", dsn), status.why)
                self.assertIn(words, status.why)
            # What the delivery's line says stands in the log once.
            for words in ("does not accept mail (nullMX)", "name=nowhere.zone.example type=MX: Host not found"):
                self.assertEqual(suite.log().count(words), 1, words)
            # smtp-sink takes addresses in UTF-8 only when it has said so, and it has not: but its host was found.
            status = suite.wait_status("you@bücher.zone.example")
            self.assertIn("open.zone.example[127.0.0.1]", status.relay)
            self.assertGreater(relay.by_tcp, 0)
            self.assertEqual(relay.asked("two.zone.example", "MX"), 1)
            self.assertNotRegex(suite.log(), r"smtp.*(killed|signal)|panic|SIGSYS")
        self.assertEqual(len(self.sink.arrived()) - before, len(sent))

    def test_best_mx_is_this_machine(self):
        """Such mail comes back, or goes by best_mx_transport, and never in a circle."""
        circle = ("bounced", "5.4.6", "mail for mine-too.zone.example loops back to myself")
        cases = {
            "": ("bounced", "5.4.6", "mail for mine.zone.example loops back to myself"),
            "local": ("sent", "2.0.0", "delivered to "),
            f"smtp:[127.0.0.1]:{self.sink.port}": ("sent", "2.0.0", "250 "),
            "smtp": ("bounced", "5.4.6", "mail for mine.zone.example loops back to myself"),
            "relay": ("bounced", "5.4.6", "mail for mine.zone.example loops back to myself"),
            "smtp:mine-too.zone.example": circle,
            "relay:mine-too.zone.example": circle,
            "error:5.7.1 not here": ("bounced", "5.7.1", "not here"),
            ":nowhere": ("bounced", "5.4.6", "loops back to myself"),
        }
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay, start=False) as suite:
            suite.add_conf("smtp_tcp_port = 25\nrecipient_delimiter = +\n")
            suite.start()
            for i, (transport, (word, dsn, words)) in enumerate(cases.items()):
                with self.subTest(transport=transport):
                    suite.set_conf(f"best_mx_transport = {transport}")
                    suite.run("postkeep", "reload")
                    rcpt = f"{suite.user}+{i}@mine.zone.example"
                    suite.submit([rcpt, "nobody-at-all@mine.zone.example"], message(b"mine", b"hello %d\r\n" % i))
                    status = suite.wait_status(rcpt)
                    self.assertEqual((status.word, status.dsn), (word, dsn), status.why)
                    self.assertIn(words, status.why)
                    if transport == "local":
                        suite.wait_mail(suite.user, b"hello %d" % i)
                        self.assertEqual(status.relay, "local")
                        status = suite.wait_status("nobody-at-all@mine.zone.example", count=2)
                        self.assertEqual((status.word, status.dsn), ("bounced", "5.1.1"), status.why)
            self.assertIn("the best MX host of mine.zone.example is this machine: goes by best_mx_transport (local)",
                          suite.log())

    def test_reply_filter(self):
        """smtp_dns_reply_filter, in a file that is root's alone; a changed file takes effect."""
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay, start=False, files={
                "filter": "/ MX 10 closed/ IGNORE\n"}) as suite:
            table = os.path.join(suite.conf, "filter")
            os.chmod(table, 0o600)
            suite.add_conf(f"smtp_dns_reply_filter = regexp:{table}\n")
            suite.start()
            suite.submit("one@two.zone.example", message(b"filter", b"hello\r\n"))
            status = suite.wait_status("one@two.zone.example")
            self.assertEqual((status.word, status.relay), ("sent", f"open.zone.example[127.0.0.1]:{self.sink.port}"))
            self.assertNotIn("connect to closed", suite.log())
            with open(table + ".new", "w") as f:
                f.write("/^implicit/ IGNORE\n")
            os.rename(table + ".new", table)
            suite.wait_log("filter has changed: another process takes over")
            for domain, wanted in (("implicit", ("deferred", "4.7.0")), ("two", ("sent", "2.0.0"))):
                suite.submit(f"two@{domain}.zone.example", message(b"filter", b"hello\r\n"))
                status = suite.wait_status(f"two@{domain}.zone.example")
                self.assertEqual((status.word, status.dsn), wanted, status.why)
            self.assertIn("DNS reply filter drops all results", suite.wait_status("two@implicit.zone.example").why)
            self.assertIn("connect to closed", suite.log())

    def test_shared_connection(self):
        """Domains with the same server share a connection, though it has another name; but one that demands TLS."""
        hop = hostile.Hop()
        self.addCleanup(hop.stop)
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay, start=False) as suite:
            suite.add_conf(f"smtp_tcp_port = {hop.port}\nsmtp_connection_cache_time_limit = 60s\n"
                           "smtp_tls_security_level = may\n"
                           "smtp_tls_policy_maps = inline:{ { strict.zone.example = encrypt } }\n")
            suite.start()
            hosts = {"share-1": "open", "strict": "open", "share-2": "open", "other": "vanity"}
            for domain, host in hosts.items():
                suite.submit(f"you@{domain}.zone.example", message(b"share", b"hello\r\n"))
                status = suite.wait_status(f"you@{domain}.zone.example")
                word = "deferred" if domain == "strict" else "sent"
                self.assertEqual((status.word, status.relay.split(",")[0]),
                                 (word, f"{host}.zone.example[127.0.0.1]:{hop.port}"), status.why)
            self.assertIn("TLS is required", suite.wait_status("you@strict.zone.example").why)
            mails = [sum(c.startswith(b"MAIL") for c in s.commands) for s in hop.sessions]
            self.assertEqual(mails, [3, 0])

    def test_large_message(self):
        """The second MX host gets what the first one has broken off, and for those whom that one did not take."""
        def behave(s, stage, reply):
            if s.conn.getsockname()[0] == "127.0.0.1":
                return reply
            if stage == "rcpt" and s.rcpt.startswith("later"):
                return b"450 4.2.0 later\r\n"
            if stage == "data" and s.transaction.sender.endswith("example.net"):
                s.send(reply)
                s.bytes(30000)
                raise hostile.Gone
            return reply
        hops = [hostile.Hop(behave)]
        hops.append(hostile.Hop(behave, address="127.0.0.77", port=hops[0].port))
        for hop in hops:
            self.addCleanup(hop.stop)
        text = message(b"large", b"0123456789 abcdef\r\n" * 10000)
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay, start=False) as suite:
            suite.add_conf(f"smtp_tcp_port = {hops[0].port}\nsmtp_tls_security_level = none\n")
            suite.start()
            for sender, first in (("a@example.org", "closed"), ("a@example.net", "open")):
                hosts = {"now": first, "later": "open"}
                suite.submit([f"{who}-{first}@two.zone.example" for who in hosts], text, sender)
                for who, host in hosts.items():
                    status = suite.wait_status(f"{who}-{first}@two.zone.example")
                    self.assertEqual((status.word, status.relay),
                                     ("sent", f"{host}.zone.example[{'127.0.0.77' if host == 'closed' else '127.0.0.1'}]"
                                      f":{hops[0].port}"), status.why)
            suite.wait_empty()
        self.assertEqual([len(hop.accepted) for hop in hops], [2, 1])
        for _, _, content in hops[0].accepted + hops[1].accepted:
            self.assertEqual(without_trace(content.replace(b"\r\n", b"\n")), text.replace(b"\r\n", b"\n"))

    def test_fallback(self):
        """What is not found goes to smtp_fallback_relay; what says that it takes no mail comes back."""
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay) as suite:
            for i, (fallback, cases) in enumerate((
                    (f"[127.0.0.1]:{self.sink.port}", {"nowhere": ("sent", "2.0.0"), "lost": ("sent", "2.0.0"),
                                                       "null": ("bounced", "5.1.10"), "two": ("sent", "2.0.0")}),
                    ("null.zone.example", {"nowhere": ("deferred", "4.3.5"), "lost": ("deferred", "4.3.5")}))):
                suite.set_conf(f"smtp_fallback_relay = {fallback}")
                suite.run("postkeep", "reload")
                for domain, wanted in cases.items():
                    rcpt = f"{i}@{domain}.zone.example"
                    suite.submit(rcpt, message(b"fallback", b"hello\r\n"))
                    status = suite.wait_status(rcpt)
                    self.assertEqual((status.word, status.dsn), wanted, status.why)
            self.assertIn("warning: smtp_fallback_relay: null.zone.example: ", suite.log())

    def test_relayhost(self):
        """A mistake in relayhost sends nobody's mail back."""
        for hop in ("null.zone.example", "[127.0.0.1]:25", "mine.zone.example:25"):
            with self.subTest(hop=hop), name_servers.Relay(self.nsd.port) as relay, \
                    self.suite(relay, start=False) as suite:
                suite.add_conf(f"relayhost = {hop}\n")
                suite.start()
                suite.submit("you@two.zone.example", message(b"relayhost", b"hello\r\n"))
                status = suite.wait_status("you@two.zone.example")
                self.assertEqual((status.word, status.dsn), ("deferred", "4.3.5"), status.why)
                self.assertIn(f"warning: relayhost: {hop}: ", suite.log())

    def test_international_policy(self):
        """A policy for a domain in A-labels is that of the same domain in U-labels."""
        hop = hostile.Hop()
        self.addCleanup(hop.stop)
        with name_servers.Relay(self.nsd.port) as relay, self.suite(relay, start=False) as suite:
            suite.add_conf(f"smtp_tcp_port = {hop.port}\n"
                           "smtp_tls_policy_maps = inline:{ { xn--bcher-kva.zone.example = encrypt } }\n")
            suite.start()
            suite.submit("you@bücher.zone.example", message(b"policy", b"hello\r\n"), "root@example.org")
            status = suite.wait_status("you@bücher.zone.example")
            self.assertEqual((status.word, status.dsn), ("deferred", "4.7.4"), status.why)
            self.assertEqual(hop.accepted, [])

    def test_failing(self):
        """While the server fails mail waits and says why; it goes when the server answers, whatever was kept of it."""
        broken = [True]

        def reply(packet, _):
            return packet[:2] + b"\x81\x82" + packet[4:] if broken else None
        with name_servers.Relay(self.nsd.port, reply=reply) as relay, self.suite(relay) as suite:
            suite.submit("you@two.zone.example", message(b"failing", b"hello\r\n"))
            status = suite.wait_status("you@two.zone.example")
            self.assertEqual((status.word, status.dsn), ("deferred", "4.4.3"))
            self.assertIn(f"Host not found, try again (127.0.0.1:{relay.port}: server failure)", status.why)
            broken.clear()
            deadline = time.monotonic() + 60
            while not [s for s in suite.statuses() if s.word == "sent"] and time.monotonic() < deadline:
                suite.flush()
                time.sleep(1)
            self.assertEqual(suite.wait_status("you@two.zone.example", "sent").word, "sent")

    def test_silent(self):
        """A server that says nothing holds up nothing but the mail that needs it."""
        with name_servers.Relay() as silent, self.suite(silent) as suite:
            suite.submit("you@two.zone.example", message(b"silent", b"hello\r\n"))
            suite.submit(f"{suite.user}@example.org", message(b"here", b"hello\r\n"))
            suite.wait_mail(suite.user, b"hello")
            status = suite.wait_status("you@two.zone.example")
            self.assertEqual((status.word, status.dsn), ("deferred", "4.4.3"))
            self.assertIn("timeout", status.why)


if __name__ == "__main__":
    unittest.main(verbosity=2)
