"""lib/dns against name servers that are not ours: nsd, and a validating unbound in front of it. tests/system/dns_probe.c
is the library alone; what a hostile server may send is made here, by a relay before nsd."""
import json
import os
import socket
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns_zones import HEAD, OTHER, PLAIN, Probe, Zones  # noqa: E402
from name_servers import Nsd, Relay, question_of, signed  # noqa: E402
from ports import free_port  # noqa: E402

NOT_FOUND = "Host or domain name not found. Name service error for name={} type={}: "


class Answers(Zones):
    def test_kinds(self):
        """Each type, from an authoritative server and by a resolver, with TTL and the end of CNAME chains."""
        for port in self.nsd.port, self.unbound.port:
            with Probe([port]) as probe:
                mx = probe("query", "PLAIN.example.", "MX")
                self.assertEqual(mx["status"], "OK")
                self.assertEqual(sorted((r["preference"], r["name"]) for r in mx["records"]),
                                 [(10, "mx1.plain.example"), (10, "mx1b.plain.example"), (20, "mx2.plain.example")])
                self.assertIn(mx["ttl"], range(61, 301))
                self.assertEqual(probe("query", "mx2.plain.example", "AAAA")["records"][0]["address"], "2001:db8::2")
                self.assertEqual(probe("query", "texts.plain.example", "TXT")["records"][0]["txt"], "a bc")
                a = probe("query", "chain1.plain.example", "A")
                self.assertEqual((a["canonical"], a["records"][0]["address"]), ("mx2.plain.example", "192.0.2.2"))
                self.assertEqual(probe("query", "chain1.plain.example", "CNAME")["records"][0]["name"],
                                 "chain2.plain.example")
                # The end of this chain is in another zone: nsd does not follow, so that the library does.
                far = probe("query", "far.plain.example", "A")
                self.assertEqual((far["status"], far["canonical"]), ("OK", "elsewhere.other.example"))
                names = [r["name"] for r in probe("reverse", "192.0.2.1")["records"]]
                self.assertEqual(sorted(names), ["mx1.plain.example", "other.plain.example"])
                self.assertEqual(probe("reverse", "192.0.2.9")["status"], "NO_NAME")
                tlsa = probe("query", "_25._tcp.mx.signed.example", "TLSA")["records"]
                self.assertEqual(sorted((r["usage"], r["selector"], r["matching"], r["bytes"]) for r in tlsa),
                                 [(0, 0, 1, 32), (3, 1, 1, 32)])

    def test_no_and_perhaps(self):
        """No such name, no such record, a broken server and one that refuses are four things."""
        with Probe([self.unbound.port]) as probe:
            a = probe("query", "unasked.plain.example", "A")
            self.assertEqual((a["status"], 0 < a["ttl"] <= 60), ("NO_NAME", True))
            self.assertEqual(a["why"], NOT_FOUND.format("unasked.plain.example", "A") + "Host not found")
            a = probe("query", "none.plain.example", "A")
            self.assertEqual(a["status"], "NO_DATA")
            self.assertEqual(a["why"], NOT_FOUND.format("none.plain.example", "A")
                             + "Host found but no data record of requested type")
            for name in "a.dead.plain.example", "deadcname.plain.example", "loop1.plain.example":
                a = probe("query", name, "A")
                self.assertEqual(a["status"], "AGAIN", name)
                self.assertEqual(a["why"], NOT_FOUND.format(name, "A")
                                 + f"Host not found, try again (127.0.0.1:{self.unbound.port}: server failure)")
        with Probe([self.nsd.port]) as probe:
            a = probe("query", "strange.example", "MX")
            self.assertEqual(a["status"], "AGAIN")
            self.assertIn(f"try again (127.0.0.1:{self.nsd.port}: query refused)", a["why"])
            # nsd gives the referral of dead.plain.example: no answer, and no "no".
            self.assertEqual(probe("query", "a.dead.plain.example", "A")["status"], "AGAIN")
            self.assertEqual(probe("query", "loop1.plain.example", "A")["status"], "AGAIN")
            for name in "a..b", "x" * 64 + ".example", "1.2." * 63 + "example", "a\\b.example":
                self.assertEqual(probe("query", name, "A")["status"], "NO_NAME", name)

    def test_cache(self):
        """One question for each answer as long as it holds: a yes, a no and a failure."""
        with Relay(self.nsd.port) as relay, Probe([relay.port]) as probe:
            for _ in range(3):
                self.assertEqual(probe("query", "short.plain.example", "A")["status"], "OK")
                self.assertEqual(probe("query", "short.plain.example", "MX")["status"], "NO_DATA")
                self.assertEqual(probe("query", "strange.example", "A")["status"], "AGAIN")
            self.assertEqual(relay.counts, {("short.plain.example", 1): 1, ("short.plain.example", 15): 1,
                                            ("strange.example", 1): 1})
            probe("sleep", 5100)
            probe("query", "short.plain.example", "A")  # its TTL is 5
            probe("query", "short.plain.example", "MX")
            probe("query", "strange.example", "A")
            self.assertEqual(relay.counts, {("short.plain.example", 1): 2, ("short.plain.example", 15): 1,
                                            ("strange.example", 1): 2})

    def test_at_the_same_time(self):
        with Relay(self.nsd.port) as relay, Probe([relay.port], many=True) as probe:
            self.assertEqual(probe("many", 2000, "plain.example", "MX")["status"], "OK")
            self.assertEqual(relay.total, 1)

    def test_burst(self):
        """Thousands of questions at once overflow no socket: none is lost and none sent twice."""
        for port in self.nsd.port, self.unbound.port:
            with Probe([port], many=True) as probe:
                a = probe("many", 3000, "n#.wild.plain.example", "A")
                self.assertEqual((a["status"], a["why"]), ("OK", ""))
        with Relay(self.nsd.port) as relay, Probe([relay.port], many=True) as probe:
            self.assertEqual(probe("many", 500, "m#.wild.plain.example", "A")["status"], "OK")
            self.assertEqual(relay.total, 500)

    def test_slow(self):
        """Questions that nobody answers do not keep others waiting."""
        def reply(packet, _):
            return [] if question_of(packet)[0].startswith("slow") else None
        with Relay(self.nsd.port, reply=reply) as relay, \
                Probe([relay.port], resolv="options timeout:20\n", many=True) as probe:
            began = time.monotonic()
            probe("begin", 500, "slow#.wild.plain.example", "A")
            self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")
            while relay.total < 501:
                probe("sleep", 50)
                # Before the first of those has been given up.
                self.assertLess(time.monotonic() - began, 20)

    def test_truncated(self):
        """11 KB of text come by TCP after a truncated answer."""
        for port in self.nsd.port, self.unbound.port:
            with Relay(port) as relay, Probe([relay.port]) as probe:
                texts = probe("query", "many.plain.example", "TXT")["records"]
                self.assertEqual(sorted(t["txt"][:3] for t in texts), [f"{i:03}" for i in range(100)])
                self.assertEqual(relay.by_tcp, 1)

    def test_truncated_and_no_tcp(self):
        """When TCP does not come through the answer is not half of the records."""
        with Relay(self.nsd.port, reply=lambda packet, tcp: [] if tcp else None) as relay, Probe([relay.port]) as probe:
            a = probe("query", "many.plain.example", "TXT")
            self.assertEqual((a["status"], a["records"]), ("AGAIN", []))

    def test_resolv_conf(self):
        """dns_servers stands in place of resolv.conf's servers; the search list and the options stay."""
        with Relay(self.nsd.port) as relay:
            with Probe([], resolv=f"nameserver [127.0.0.1]:{relay.port}\n") as probe:
                self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")
            self.assertEqual(relay.total, 1)
            with Probe([self.nsd.port], resolv=f"nameserver [127.0.0.1]:{relay.port}\n") as probe:
                self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")
            self.assertEqual(relay.total, 1)


class Servers(Zones):
    def test_lost(self):
        """A datagram that is lost is sent again."""
        with Relay(self.nsd.port, lose=1) as relay, Probe([relay.port]) as probe:
            self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")
            self.assertEqual(relay.total, 2)

    def test_first_silent(self):
        """The second server answers; the next question goes to it at once."""
        with Relay() as silent, Probe([silent.port, self.nsd.port]) as probe:
            self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")
            self.assertEqual(silent.total, 1)
            self.assertEqual(probe("query", "mx2.plain.example", "A")["status"], "OK")
            self.assertEqual(silent.total, 1)

    def test_all_silent(self):
        with Relay() as one, Relay() as two, Probe([one.port, two.port]) as probe:
            a = probe("query", "mx1.plain.example", "A")
            self.assertEqual((a["status"], one.total, two.total), ("AGAIN", 2, 2))
            self.assertIn(f"(127.0.0.1:{one.port}: timeout, 127.0.0.1:{two.port}: timeout)", a["why"])

    def test_closed_port(self):
        with Probe([free_port(), self.nsd.port]) as probe:
            self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")

    def test_refusing_first(self):
        """A server that knows nothing of the zone is passed over, and a broken one."""
        with Probe([self.lame.port, self.nsd.port]) as probe:
            self.assertEqual(probe("query", "mx1.plain.example", "A")["status"], "OK")
            self.assertEqual(probe("query", "nowhere.plain.example", "A")["status"], "NO_NAME")
        with Probe([self.unbound.port, self.nsd.port]) as probe:
            self.assertEqual(probe("query", "loop1.plain.example", "A")["status"], "AGAIN")

    def test_old(self):
        """A server that does not know EDNS and says so; in one way or the other; one that says it and no more; one that is silent then."""
        def says(packet, _):
            return answer(packet, 0, b"", 0x8181) if packet[11] else None

        def cannot(packet, _):
            return answer(packet, 0, b"", 0x8184) if packet[11] else None

        def says_no_more(packet, _):
            return packet[:2] + b"\x81\x81" + b"\0" * 8 if packet[11] else None

        def is_silent(packet, _):
            return [] if packet[11] else None
        for reply in says, cannot, says_no_more, is_silent:
            with Relay(self.nsd.port, reply=reply) as relay, Probe([relay.port], resolv="options timeout:1\n") as probe:
                for i in range(3):
                    self.assertEqual(probe("query", f"h{i}.plain.example", "A")["status"], "OK", reply)
                if reply == says:
                    self.assertEqual(relay.total, 5)

    def test_rotate(self):
        with Relay(self.nsd.port) as one, Relay(self.nsd.port) as two:
            with Probe([one.port, two.port], resolv="options rotate\n") as probe:
                for i in range(10):
                    probe("query", f"h{i}.plain.example", "A")
            self.assertEqual((one.total, two.total), (5, 5))

    def test_ipv6_server(self):
        port = free_port()
        try:
            relay = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            relay.bind(("::1", port))
        except OSError:
            self.skipTest("no IPv6 here")
        with relay, Probe([f"[::1]:{port}"]) as probe:
            probe.process.stdin.write(b"query mx1.plain.example A\n")
            probe.process.stdin.flush()
            packet, client = relay.recvfrom(512)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(packet, ("127.0.0.1", self.nsd.port))
                relay.sendto(s.recv(4096), client)
            self.assertEqual(json.loads(probe.process.stdout.readline())["status"], "OK")


class Hosts(Zones):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # With a root of its own this one says of any other name that there is none.
        root = HEAD.format(zone="").replace("$ORIGIN ..", "$ORIGIN .")
        cls.rooted = cls.enter(Nsd({".": root, "plain.example": PLAIN, "other.example": OTHER}))

    def test_search(self):
        """Without options a name stands for itself; res_defnames is for names without a dot, res_dnsrch for all."""
        resolv = "search other.example plain.example\n"
        cases = {"": {"mx1": None, "mixed.hosts": None, "mx1.plain.example": "mx1.plain.example"},
                 "res_defnames": {"mx1": None, "elsewhere": "elsewhere.other.example", "mixed.hosts": None,
                                  "elsewhere.": None},
                 "res_dnsrch": {"mx1": "mx1.plain.example", "mixed.hosts": "mixed.hosts.plain.example", "mx1.": None}}
        for options, names in cases.items():
            for name, found in names.items():
                with Probe([self.rooted.port], f"smtp_dns_resolver_options = {options}\n", resolv) as probe:
                    a = probe("host", name)
                    self.assertIn(a["status"], ("OK", "NO_NAME"))
                    self.assertEqual(a["canonical"] if a["status"] == "OK" else None, found, (options, name))

    def test_ndots(self):
        """A name with fewer dots than ndots is looked for in the search list first."""
        for ndots, first in (1, "mixed.hosts"), (2, "mixed.hosts.plain.example"):
            with Relay(self.nsd.port) as relay:
                with Probe([relay.port], "smtp_dns_resolver_options = res_dnsrch\ninet_protocols = ipv4\n",
                           f"search plain.example\noptions ndots:{ndots}\n") as probe:
                    probe("host", "mixed.hosts")
                self.assertEqual(list(relay.counts)[0], (first, 1))

    def test_native(self):
        """The hosts file alone; after DNS; before DNS as nsswitch.conf has it."""
        hosts = "192.0.2.90 mx1.plain.example relay\n2001:db8::90 relay\n"

        def addresses(name, main, switch="hosts: files dns\n"):
            with Probe([self.nsd.port], main, hosts=hosts, switch=switch) as probe:
                a = probe("host", name)
                return a["status"], sorted(r["address"] for r in a["records"])
        native = "smtp_host_lookup = native\n"
        both = "smtp_host_lookup = dns, native\n"
        self.assertEqual(addresses("mx1.plain.example", ""), ("OK", ["192.0.2.1"]))
        self.assertEqual(addresses("mx1.plain.example", native), ("OK", ["192.0.2.90"]))
        self.assertEqual(addresses("mx1.plain.example", native, "hosts: dns files\n"), ("OK", ["192.0.2.1"]))
        self.assertEqual(addresses("mx2.plain.example", native), ("OK", ["192.0.2.2", "2001:db8::2"]))
        self.assertEqual(addresses("mx2.plain.example", native, "hosts: files\n"), ("NO_NAME", []))
        self.assertEqual(addresses("mx1.plain.example", both), ("OK", ["192.0.2.1"]))
        self.assertEqual(addresses("nowhere.plain.example", both), ("NO_NAME", []))
        # nsd refuses to say anything of "relay": that is no "no", and the hosts file is not asked.
        self.assertEqual(addresses("relay", both), ("AGAIN", []))
        self.assertEqual(addresses("relay", native), ("OK", ["192.0.2.90", "2001:db8::90"]))
        self.assertEqual(addresses("relay", native + "inet_protocols = ipv4\n"), ("OK", ["192.0.2.90"]))
        self.assertEqual(addresses("relay", "disable_dns_lookups = yes\n"), ("OK", ["192.0.2.90", "2001:db8::90"]))
        self.assertEqual(addresses("localhost", ""), ("OK", ["127.0.0.1", "::1"]))

    def test_lmtp(self):
        """The client of LMTP has parameters of its own."""
        main = "smtp_host_lookup = native\nlmtp_host_lookup = dns\n"
        for prefix, address in ("smtp", "192.0.2.90"), ("lmtp", "192.0.2.1"):
            with Probe([self.nsd.port], main, hosts="192.0.2.90 mx1.plain.example\n", prefix=prefix) as probe:
                self.assertEqual(probe("host", "mx1.plain.example")["records"][0]["address"], address)

    def test_names(self):
        with Probe([self.nsd.port]) as probe:
            a = probe("host", "Bücher.plain.example")
            self.assertEqual(a["records"][0]["address"], "192.0.2.30")
            a = probe("host", "b\u202eu.plain.example")
            self.assertEqual(a["status"], "NO_NAME")
            self.assertIn("no valid international name", a["why"])
            # Two families: one found is enough; one fails for good and the other for now: perhaps.
            a = probe("host", "mx1.plain.example")
            self.assertEqual([r["address"] for r in a["records"]], ["192.0.2.1"])


class Filter(Zones):
    """smtp_dns_reply_filter: what its tables ignore is not seen."""

    def probe(self, rules, main="", prefix="smtp"):
        table = tempfile.NamedTemporaryFile("w", prefix="postkeep-filter.", dir="/tmp")
        self.addCleanup(table.close)
        table.write(rules)
        table.flush()
        return Probe([self.unbound.port], f"{prefix}_dns_reply_filter = regexp:{table.name}\n" + main, prefix=prefix)

    def test_lines(self):
        """Each type as a line of text; case does not matter, TTL does."""
        lines = {
            ("plain.example", "MX"): r"plain\.example\. [0-9]+ IN MX 10 MX1B?\.plain\.example\.",
            ("mx2.plain.example", "A"): r"mx2\.plain\.example\. [0-9]+ IN A 192\.0\.2\.2",
            ("chain1.plain.example", "A"): r"mx2\.plain\.example\. [0-9]+ IN A 192\.0\.2\.2",
            ("mx2.plain.example", "AAAA"): r"mx2\.plain\.example\. (29[0-9]|300) in aaaa 2001:db8::2",
            ("_25._tcp.mx.signed.example", "TLSA"): r"_25\._tcp\.mx\.signed\.example\. [0-9]+ IN TLSA 3 1 1 [0-9A-F]{64}",
        }
        for (name, kind), line in lines.items():
            with self.subTest(line), self.probe(f"/^{line}$/ ignore\n") as probe, Probe([self.unbound.port]) as plain:
                whole, seen = plain("query", name, kind), probe("query", name, kind)
                self.assertLess(len(seen["records"]), len(whole["records"]))
                self.assertEqual(seen["status"], "OK" if seen["records"] else "FILTERED", seen)

    def test_hosts(self):
        with self.probe("/ AAAA / IGNORE\n/ 10 mx1[.b]/ IGNORE\n") as probe:
            self.assertEqual([r["type"] for r in probe("host", "mx2.plain.example")["records"]], ["A"])
            self.assertEqual(probe.hosts("plain.example"), ["mx2.plain.example[192.0.2.2]:20"])

    def test_nothing_left(self):
        """Then mail waits; the name has not ceased to exist."""
        with self.probe("/./ IGNORE\n") as probe:
            hop = probe("hop", "plain.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.7.0"), hop)
            self.assertIn("DNS reply filter drops all results (smtp_dns_reply_filter)", hop["why"])
            hop = probe("hop", "[mx2.plain.example]")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.7.0"), hop)
            # What is no address of a server is not filtered, and "no" stays "no".
            for name, kind in (("texts.plain.example", "TXT"), ("chain1.plain.example", "CNAME")):
                self.assertEqual(probe("query", name, kind)["status"], "OK")
            self.assertEqual(probe("query", "nowhere.plain.example", "MX")["status"], "NO_NAME")

    def test_tables_that_fail(self):
        for rules, words in (("/./ DROP\n", 'smtp_dns_reply_filter: unknown action "DROP"'), ("/(/ IGNORE\n", "regexp"),
                             (None, "No such file")):
            if rules:
                context = self.probe(rules)
            else:
                context = Probe([self.unbound.port], "smtp_dns_reply_filter = texthash:/nowhere/table\n")
            with self.subTest(words), context as probe:
                hop = probe("hop", "plain.example")
                self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.3"), hop)
                self.assertIn(words, hop["why"])

    def test_who_is_filtered(self):
        """The system's way is not; LMTP by its own parameter."""
        with self.probe("/./ IGNORE\n", "smtp_host_lookup = native\n") as probe:
            self.assertEqual(probe("host", "mx2.plain.example")["status"], "OK")
        with self.probe("/./ IGNORE\n", prefix="lmtp") as probe:
            self.assertEqual(probe("host", "mx2.plain.example")["status"], "FILTERED")
        with Probe([self.unbound.port], "lmtp_dns_reply_filter = regexp:/nowhere\n") as probe:
            self.assertEqual(probe("host", "mx2.plain.example")["status"], "OK")


class NextHops(Zones):
    def test_order(self):
        with Probe([self.nsd.port]) as probe:
            seen = {tuple(probe.hosts("plain.example")[:2]) for _ in range(40)}
            one, two = "mx1.plain.example[192.0.2.1]:10", "mx1b.plain.example[192.0.2.11]:10"
            self.assertEqual(seen, {(one, two), (two, one)})
            self.assertEqual(sorted(probe.hosts("plain.example")[2:]),
                             ["mx2.plain.example[192.0.2.2]:20", "mx2.plain.example[2001:db8::2]:20"])
        for preference, first in ("ipv4", "192.0.2.2"), ("ipv6", "2001:db8::2"):
            with Probe([self.nsd.port], f"smtp_address_preference = {preference}\n") as probe:
                for _ in range(10):
                    self.assertIn(first, probe.hosts("plain.example")[2])
        for protocols, only in ("ipv4", "192.0.2.2"), ("ipv6", "2001:db8::2"):
            with Probe([self.nsd.port], f"inet_protocols = {protocols}\n") as probe:
                self.assertEqual([t for t in probe.hosts("plain.example") if "mx2" in t],
                                 [f"mx2.plain.example[{only}]:20"])

    def test_limits(self):
        """Both families stay when there are more addresses than smtp_mx_address_limit."""
        for main, four, six in (("", 3, 2), ("smtp_mx_address_limit = 3\n", None, None),
                                ("smtp_mx_address_limit = 2\n", 1, 1), ("smtp_mx_address_limit = 0\n", 4, 2),
                                ("smtp_mx_address_limit = 2\nsmtp_balance_inet_protocols = no\n"
                                 "smtp_address_preference = ipv4\n", 2, 0)):
            with Probe([self.nsd.port], main) as probe:
                hosts = probe.hosts("mixed.plain.example")
                sixes = sum("2001:" in t for t in hosts)
                if four is None:
                    self.assertIn((len(hosts), sixes), [(3, 1), (3, 2)])
                else:
                    self.assertEqual((len(hosts) - sixes, sixes), (four, six), main)

    def test_hundred(self):
        """A hundred MX records: the best ones, and no look-up of what is not needed."""
        with Relay(self.nsd.port) as relay, Probe([relay.port]) as probe:
            hop = probe("hop", "hundred.plain.example")
            self.assertEqual((len(hop["targets"]), {t["preference"] for t in hop["targets"]} <= {0, 1, 2}), (5, True))
            self.assertLess(relay.total, 30)
            hop = probe("hop", "equal.plain.example")
            self.assertEqual((hop["status"], len(hop["targets"])), ("OK", 5))
            self.assertLess(relay.total, 80)
            # Any of them may be this machine: then none of them is left.
            hop = probe("hop", "equal.plain.example", "me=192.0.2.199")
            self.assertEqual((hop["status"], hop["dsn"]), ("MYSELF", "5.4.6"))

    def test_crowd(self):
        """Hosts with many addresses: what is kept as long as a delivery takes is what is tried, not all there is."""
        with Probe([self.nsd.port]) as probe:
            hop = probe("hop", "crowd.plain.example", "me=192.0.2.199")
            self.assertEqual((hop["status"], len(hop["targets"])), ("OK", 5))
            self.assertLess(hop["kept"], 500000)

    def test_implicit(self):
        with Probe([self.nsd.port]) as probe:
            self.assertEqual(sorted(probe.hosts("implicit.plain.example")),
                             ["implicit.plain.example[192.0.2.4]:0", "implicit.plain.example[2001:db8::4]:0"])
            self.assertEqual(probe("hop", "implicit.plain.example")["mx"], 0)
            self.assertEqual({t[:3] for t in probe.hosts("aliased.plain.example")}, {"mx1", "mx2"})
            hop = probe("hop", "none.plain.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("BOUNCE", "5.4.4"))
            self.assertEqual(hop["why"], NOT_FOUND.format("none.plain.example", "A")
                             + "Host found but no data record of requested type")

    def test_null(self):
        with Probe([self.nsd.port]) as probe:
            hop = probe("hop", "null.plain.example")
            self.assertEqual((hop["status"], hop["dsn"], hop["why"]),
                             ("BOUNCE", "5.1.10", "Domain null.plain.example does not accept mail (nullMX)"))
            self.assertEqual(probe.hosts("nulls.plain.example"), ["mx1.plain.example[192.0.2.1]:5"])

    def test_alias(self):
        """An MX record that names an alias, which RFC 5321 forbids and everybody takes."""
        with Probe([self.nsd.port]) as probe:
            target = probe("hop", "toalias.plain.example")["targets"][0]
            self.assertEqual((target["host"], target["canonical"]), ("mxalias.plain.example", "mx2.plain.example"))

    def test_without_address(self):
        for main, status, dsn in ("", "BOUNCE", "5.4.4"), ("smtp_defer_if_no_mx_address_found = yes\n", "DEFER", "4.4.4"):
            with Probe([self.unbound.port], main) as probe:
                hop = probe("hop", "lost.plain.example")
                self.assertEqual((hop["status"], hop["dsn"]), (status, dsn))
                self.assertIn("Host or domain name not found. Name service error for name=", hop["why"])
                self.assertEqual({t["host"] for t in probe("hop", "partly.plain.example")["targets"]},
                                 {"mx2.plain.example"})

    def test_names_of_no_host(self):
        with Probe([self.nsd.port]) as probe:
            self.assertEqual(probe.hosts("odd.plain.example"), ["mx_3.plain.example[192.0.2.61]:20"])
            hop = probe("hop", "odder.plain.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.3"), hop)
            self.assertIn("no MX record names a host", hop["why"])

    def test_address_as_name(self):
        """An MX record with an address in the name's place."""
        with Probe([self.nsd.port]) as probe:
            self.assertEqual(probe.hosts("byaddress.plain.example")[0], "192.0.2.9[192.0.2.9]:10")
            self.assertEqual(probe("hop", "byaddress.plain.example", "me=192.0.2.9")["status"], "MYSELF")
        with Probe([self.nsd.port], "inet_protocols = ipv6\n") as probe:
            self.assertEqual(probe.hosts("byaddress.plain.example"), ["mx2.plain.example[2001:db8::2]:20"])

    def test_partly_failing(self):
        """One host cannot be looked up now: the other one is used. None is left: mail waits."""
        with Probe([self.unbound.port]) as probe:
            self.assertEqual({t["host"] for t in probe("hop", "later.plain.example")["targets"]}, {"mx2.plain.example"})
            hop = probe("hop", "never.plain.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.3"))
            self.assertIn("try again", hop["why"])

    def test_failing(self):
        with Probe([self.unbound.port]) as probe:
            hop = probe("hop", "x.dead.plain.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.3"))
            hop = probe("hop", "nowhere.plain.example")
            self.assertEqual((hop["status"], hop["dsn"], hop["why"]),
                             ("BOUNCE", "5.4.4", NOT_FOUND.format("nowhere.plain.example", "MX") + "Host not found"))
            hop = probe("hop", "nowhere.plain.example", "configured")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.4"))
        with Probe([self.unbound.port], "ignore_mx_lookup_error = yes\n") as probe:
            self.assertEqual(probe("hop", "x.dead.plain.example")["status"], "DEFER")

    def test_myself(self):
        """What is at and above this machine's own preference is dropped; what is left is tried."""
        with Probe([self.unbound.port]) as probe:
            hop = probe("hop", "plain.example", "me=192.0.2.11")
            self.assertEqual((hop["status"], hop["dsn"], hop["why"]),
                             ("MYSELF", "5.4.6", "mail for plain.example loops back to myself"))
            self.assertEqual(probe("hop", "plain.example", "me=mx1.plain.example")["status"], "MYSELF")
            hosts = probe.hosts("plain.example", "me=2001:db8::2")
            self.assertEqual(sorted(hosts), ["mx1.plain.example[192.0.2.1]:10", "mx1b.plain.example[192.0.2.11]:10"])
            hop = probe("hop", "partly.plain.example", "me=mx2.plain.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.4"))
            self.assertIn("unable to find primary relay for partly.plain.example", hop["why"])
            self.assertEqual(probe("hop", "plain.example:26", "me=192.0.2.11")["status"], "OK")
            self.assertEqual(probe("hop", "[192.0.2.11]", "me=192.0.2.11")["status"], "MYSELF")
            self.assertEqual(probe("hop", "[mx1.plain.example]", "me=192.0.2.1")["status"], "MYSELF")
            self.assertEqual(probe("hop", "implicit.plain.example", "me=192.0.2.4")["status"], "MYSELF")

    def test_written(self):
        """Brackets, ports and addresses."""
        with Probe([self.nsd.port]) as probe:
            cases = {"[mx2.plain.example]:submission": ("mx2.plain.example", 587), "[192.0.2.7]:odd": ("192.0.2.7", 4711),
                     "[IPv6:2001:db8::7]:strange": ("2001:db8::7", 4711), "plain.example:2525": ("mx1.plain.example", 2525)}
            for written, (host, port) in cases.items():
                hop = probe("hop", written)
                self.assertEqual(hop["status"], "OK", written)
                self.assertTrue(all((t["port"], t["connects_to"]) == (port, port) for t in hop["targets"]))
                self.assertTrue(hop["targets"][0]["host"].startswith(host[:3]))
            self.assertEqual(probe("hop", "[plain.example]")["dsn"], "5.4.4")
            for written in "[plain.example]:nonsense", "[plain.example", "plain.example:0":
                hop = probe("hop", written)
                self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.3.5"))
                self.assertIn(written, hop["why"])
            hop = probe("hop", "Bücher.plain.example")
            self.assertEqual((hop["domain"], hop["targets"][0]["address"]), ("xn--bcher-kva.plain.example", "192.0.2.30"))
        with Probe([self.nsd.port], "inet_protocols = ipv4\n") as probe:
            self.assertEqual(probe("hop", "[IPv6:2001:db8::7]")["status"], "DEFER")

    def test_no_mx(self):
        """disable_dns_lookups: no MX, and hosts as the system finds them."""
        for main in "disable_dns_lookups = yes\n", "smtp_dns_support_level = disabled\n":
            with Relay(self.nsd.port) as relay, Probe([relay.port], main, hosts="192.0.2.91 plain.example\n") as probe:
                self.assertEqual(probe.hosts("plain.example"), ["plain.example[192.0.2.91]:0"])
                self.assertEqual(relay.total, 0)
                self.assertEqual(len(probe.hosts("mx2.plain.example")), 2)
                self.assertEqual(relay.asked("mx2.plain.example", "MX"), 0)


class Dnssec(Zones):
    MAIN = "smtp_dns_support_level = dnssec\n"

    def test_authentic(self):
        with Probe([self.unbound.port], self.MAIN) as probe:
            for name, kind, status, authentic in (
                    ("signed.example", "MX", "OK", 1), ("mx.signed.example", "A", "OK", 1),
                    ("alias.signed.example", "A", "OK", 1), ("signed.example", "TXT", "NO_DATA", 1),
                    ("nowhere.signed.example", "A", "NO_NAME", 1), ("plain.example", "MX", "OK", 0),
                    ("insecure.signed.example", "A", "OK", 0)):
                a = probe("query", name, kind)
                self.assertEqual((a["status"], a["authentic"]), (status, authentic), name)
            target = probe("hop", "signed.example")["targets"][0]
            self.assertEqual((target["mx_authentic"], target["address_authentic"]), (1, 1))
            target = probe("hop", "toplain.signed.example")["targets"][0]
            self.assertEqual((target["mx_authentic"], target["address_authentic"]), (1, 0))
            target = probe("hop", "plain.example")["targets"][0]
            self.assertEqual((target["mx_authentic"], target["address_authentic"]), (0, 0))

    def test_not_trusted(self):
        """The AD flag counts for nothing without the parameter, or when one server is elsewhere."""
        with Probe([self.unbound.port]) as probe:
            self.assertEqual(probe("query", "signed.example", "MX")["authentic"], 0)
        with Probe([self.unbound.port, "192.0.2.1"], self.MAIN) as probe:
            a = probe("query", "signed.example", "MX")
            self.assertEqual((a["status"], a["authentic"]), ("OK", 0))
        self.assertIn("no answer counts as validated", probe.said)
        # resolv.conf's trust-ad is said of its own servers.
        with Probe([self.unbound.port, "192.0.2.1"], self.MAIN, resolv="options trust-ad\n") as probe:
            self.assertEqual(probe("query", "signed.example", "MX")["authentic"], 0)
        with Probe([], self.MAIN, resolv=f"nameserver 127.0.0.1:{self.unbound.port}\nnameserver 192.0.2.1\n"
                   "options trust-ad\n") as probe:
            self.assertEqual(probe("query", "signed.example", "MX")["authentic"], 1)

    def test_bogus(self):
        with Probe([self.unbound.port], self.MAIN) as probe:
            a = probe("query", "a.bogus.example", "A")
            self.assertEqual((a["status"], a["authentic"], a["records"]), ("BOGUS", 0, []))
            self.assertIn("DNSSEC validation failed", a["why"])
            self.assertEqual(probe("query", "a.dead.plain.example", "A")["status"], "AGAIN")
            hop = probe("hop", "bogus.example")
            self.assertEqual((hop["status"], hop["dsn"]), ("DEFER", "4.4.3"))
        with Probe([self.unbound.port]) as probe:
            self.assertEqual(probe("query", "a.bogus.example", "A")["status"], "AGAIN")

    def test_tlsa(self):
        def tlsa(probe, *words):
            return [(t["status"], t["base"], t["n"]) for t in probe("tlsa", *words)]
        with Probe([self.unbound.port], self.MAIN + "inet_protocols = ipv4\n") as probe:
            self.assertEqual(tlsa(probe, "signed.example"), [("USABLE", "mx.signed.example", 1)])
            self.assertEqual(tlsa(probe, "[mx.signed.example]:26"), [("UNUSABLE", "mx.signed.example", 0)])
            self.assertEqual(tlsa(probe, "[mx.signed.example]:28"), [("NONE", "mx.signed.example", 0)])
            # At the end of the alias, and where there is nothing at the alias itself.
            self.assertEqual(tlsa(probe, "[alias.signed.example]"), [("USABLE", "mx.signed.example", 1)])
            self.assertEqual(tlsa(probe, "[alias.signed.example]:27"), [("USABLE", "alias.signed.example", 1)])
            self.assertEqual(tlsa(probe, "[mx1.plain.example]"), [("NONE", "mx1.plain.example", 0)])
            # An alias that leads out of the signed zone; and one of a zone that is not signed.
            self.assertEqual(tlsa(probe, "[insecure.signed.example]:27"), [("USABLE", "insecure.signed.example", 1)])
            self.assertEqual(tlsa(probe, "[insecure.signed.example]:28"), [("NONE", "insecure.signed.example", 0)])
            with Relay(self.unbound.port) as relay, Probe([relay.port], self.MAIN + "inet_protocols = ipv4\n") as other:
                self.assertEqual(tlsa(other, "[mxalias.plain.example]"), [("NONE", "mxalias.plain.example", 0)])
                self.assertNotIn(52, {kind for _, kind in relay.counts})
            self.assertEqual(tlsa(probe, "[mx1.plain.example]", "force"), [("NONE", "mx1.plain.example", 0)])
        with Probe([self.unbound.port], "inet_protocols = ipv4\n") as probe:
            self.assertEqual(tlsa(probe, "signed.example"), [("NONE", "mx.signed.example", 0)])

    def test_validates(self):
        """A resolver that does not validate is found out when DANE would need it, and the log says so, once."""
        def said(server, more, *hops):
            with Probe([server.port], self.MAIN + more) as probe:
                for hop in hops:
                    probe("tlsa", hop)
                probe("query", "signed.example", "A")
            return probe.said
        plain, signed_hop = "[mx1.plain.example]", "[mx.signed.example]"
        words = said(self.nsd, "dnssec_probe = ns:signed.example\n", signed_hop, plain, plain)
        self.assertEqual(words.count("DNSSEC is without effect: the answer to dnssec_probe = ns:signed.example is not"), 1)
        self.assertIn("DNSSEC may be without effect: dnssec_probe = ns:.: ", said(self.nsd, "", plain))
        self.assertNotIn("DNSSEC", said(self.unbound, "dnssec_probe = ns:signed.example\n", plain))
        self.assertNotIn("DNSSEC", said(self.unbound, "", signed_hop, plain))
        self.assertNotIn("DNSSEC", said(self.nsd, "dnssec_probe =\n", plain))
        self.assertIn('no "type:name"', said(self.nsd, "dnssec_probe = signed.example\n", plain))

    def test_tlsa_not_known(self):
        """Where the look-up fails, the host must not be used (RFC 7672 section 2.1.2)."""
        def fail(packet, _):
            if question_of(packet)[1] != 52:
                return None
            return packet[:2] + b"\x81\x82" + packet[4:]
        with Relay(self.unbound.port, reply=fail) as relay, Probe([relay.port], self.MAIN) as probe:
            self.assertEqual({t["status"] for t in probe("tlsa", "signed.example")}, {"AGAIN"})


def record(owner, kind, data, ttl=300):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


SELF = b"\xc0\x0c"


def answer(packet, count, body, flags=0x8180, authorities=0):
    end = question_of(packet)[2]
    return packet[:2] + struct.pack(">HHHHH", flags, 1, count, authorities, 0) + packet[12:end] + body


def by_tcp(make):
    """An answer of any size, which the client has to come for."""
    return lambda packet, tcp: make(packet) if tcp else answer(packet, 0, b"", 0x8380)


# What is sent, and what is made of it.
HOSTILE = {
    "empty": (lambda p, _: b"", "AGAIN"),
    "rubbish": (lambda p, _: p[:2] + os.urandom(200), "AGAIN"),
    "other-id": (lambda p, _: bytes([p[0] ^ 1]) + answer(p, 1, record(SELF, 1, b"\1\2\3\4"))[1:], "AGAIN"),
    "other-question": (lambda p, _: answer(p[:13] + b"X" + p[14:], 1, record(SELF, 1, b"\1\2\3\4")), "AGAIN"),
    "no-question": (lambda p, _: p[:2] + struct.pack(">HHHHH", 0x8180, 0, 1, 0, 0), "AGAIN"),
    "a-question": (lambda p, _: p, "AGAIN"),
    "lies": (lambda p, _: answer(p, 65535, record(SELF, 1, b"\1\2\3\4")), "AGAIN"),
    "pointer": (lambda p, _: answer(p, 1, b"\xc0" + bytes([question_of(p)[2]]) + b"\0" * 12), "AGAIN"),
    # The version of EDNS is too new for the server: 16, of which the header has the lower four bits.
    "badvers": (lambda p, _: p[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 1) + p[12:question_of(p)[2]]
                + b"\0" + struct.pack(">HHIH", 41, 1232, 1 << 24, 0), "AGAIN"),
    "short": (lambda p, _: answer(p, 1, record(SELF, 1, b"\1\2\3")), "AGAIN"),
    "long": (lambda p, _: answer(p, 1, record(SELF, 1, b"\1\2\3\4")) + b"\0" * 60000, "OK"),
    "loop": (lambda p, _: answer(p, 1, record(SELF, 5, SELF)), "AGAIN"),
    "endless": (lambda p, _: answer(p, 1, record(SELF, 5, b"\1x" + p[12:question_of(p)[2] - 4]), 0x8580), "AGAIN"),
    "root": (lambda p, _: answer(p, 1, record(SELF, 5, b"\0")), "AGAIN"),
    "thousands": (by_tcp(lambda p: answer(p, 4000, record(SELF, 1, b"\1\2\3\4") * 4000)), "OK"),
    "sixty-four": (by_tcp(lambda p: answer(p, 1, record(SELF, 16, b"")).ljust(65535, b"\0")), "AGAIN"),
    "drip": (by_tcp(lambda p: []), "AGAIN"),
    "twice": (lambda p, _: [answer(p, 1, record(SELF, 1, b"\1\2\3\4"))] * 50, "OK"),
}


class Hostile(Zones):
    def test_answers(self):
        """Whatever comes, the library goes on: no crash, no false record, no false "no"."""
        def reply(packet, tcp):
            make = HOSTILE.get(question_of(packet)[0].removesuffix(".hostile.example").split("x.")[-1])
            return make[0](packet, tcp) if make else None
        with Relay(self.nsd.port, reply=reply) as relay, \
                Probe([relay.port], resolv="options timeout:1 attempts:1\n") as probe:
            for name, (_, status) in HOSTILE.items():
                a = probe("query", name + ".hostile.example", "A")
                self.assertEqual(a["status"], status, (name, a["why"]))
                self.assertLessEqual(len(a["records"]), 1000)
                self.assertEqual(probe("query", f"h{len(name)}.plain.example", "A")["status"], "OK", name)

    def test_odd_names(self):
        """Names of MX hosts that no host has are not looked up, and end up in no log as they are."""
        def reply(packet, _):
            if question_of(packet)[1] != 15:
                return None
            return answer(packet, 2, record(SELF, 15, b"\0\1\x05a\n\0.b\7example\0")
                          + record(SELF, 15, b"\0\2\3mx1\5plain\7example\0"))
        with Relay(self.nsd.port, reply=reply) as relay, Probe([relay.port]) as probe:
            mx = probe("query", "odd.example", "MX")["records"]
            self.assertEqual(sorted(r["name"] for r in mx), ["a\\010\\000\\046b.example", "mx1.plain.example"])
            self.assertEqual(probe.hosts("odd.example"), ["mx1.plain.example[192.0.2.1]:2"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
