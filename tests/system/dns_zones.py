"""The zones, the servers and the probe of the tests of lib/dns."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from name_servers import Nsd, Unbound, signed

BUILD = os.environ.get("POSTKEEP_BUILD") or os.environ.get("BUILDDIR") or "."
HEAD = """$ORIGIN {zone}.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""
PLAIN = HEAD.format(zone="plain.example") + """
*.wild A 192.0.2.70
@ MX 20 mx2
@ MX 10 mx1
@ MX 10 mx1b
mx1 A 192.0.2.1
mx1b A 192.0.2.11
mx2 A 192.0.2.2
mx2 AAAA 2001:db8::2
texts TXT "a b" "c"
short 5 A 192.0.2.3
none TXT "no address"
null MX 0 .
nulls MX 0 .
nulls MX 5 mx1
implicit A 192.0.2.4
implicit AAAA 2001:db8::4
aliased CNAME plain.example.
chain1 CNAME chain2
chain2 CNAME mx2
toalias MX 10 mxalias
mxalias CNAME mx2
lost MX 10 nowhere
lost MX 20 none
odd MX 10 a,dsn=2.0.0,status=sent
odd MX 20 mx_3
a,dsn=2.0.0,status=sent A 192.0.2.60
mx_3 A 192.0.2.61
byaddress MX 10 192.0.2.9.
byaddress MX 20 mx2
odder MX 10 a@b
a@b A 192.0.2.60
partly MX 10 nowhere
partly MX 20 mx2
later MX 10 a.dead
later MX 20 mx2
never MX 10 a.dead
never MX 20 nowhere
deadcname CNAME a.dead
far CNAME elsewhere.other.example.
loop1 CNAME loop2
loop2 CNAME loop1
mixed MX 10 mixed.hosts
mixed.hosts A 192.0.2.21
mixed.hosts A 192.0.2.22
mixed.hosts A 192.0.2.23
mixed.hosts A 192.0.2.24
mixed.hosts AAAA 2001:db8::21
mixed.hosts AAAA 2001:db8::22
xn--bcher-kva A 192.0.2.30
dead NS ns.dead
ns.dead A 127.0.0.2
""" + "".join(f'many TXT "{i:03} {"x" * 100}"\n' for i in range(100)) \
    + "".join(f"hundred MX {i // 2} h{i}\nh{i} A 192.0.2.{i + 100}\nh{i} AAAA 2001:db8::{i + 100:x}\n" for i in range(100)) \
    + "".join(f"equal MX 10 h{i}\n" for i in range(100)) \
    + "".join(f"crowd MX 10 c{i}\n" + "".join(f"c{i} A 10.1.{i}.{k}\n" for k in range(250)) for i in range(20))
OTHER = HEAD.format(zone="other.example") + "elsewhere A 192.0.2.40\n"
SIGNED = HEAD.format(zone="signed.example") + """
@ MX 10 mx
mx A 192.0.2.50
mx AAAA 2001:db8::50
forged A 192.0.2.51
insecure CNAME mx1.plain.example.
alias CNAME mx
""" + f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}\n_25._tcp.mx TLSA 0 0 1 {'cd' * 32}\n" \
    + f"_26._tcp.mx TLSA 0 0 1 {'cd' * 32}\n_27._tcp.alias TLSA 3 1 1 {'ab' * 32}\n" \
    + f"_27._tcp.insecure TLSA 3 1 1 {'ab' * 32}\n" \
    + "toplain MX 10 mx1.plain.example.\n"
REVERSE = HEAD.format(zone="2.0.192.in-addr.arpa") + "1 PTR mx1.plain.example.\n1 PTR other.plain.example.\n"


class Probe:
    """dns_probe with a configuration of its own; SERVERS: ports. MANY fibers: then a sanitized build does not look for
    leaks, which takes it minutes with thousands of stacks."""

    def __init__(self, servers, main="", resolv="", hosts="", switch="hosts: files dns\n", prefix="smtp",
                 many=False):
        self.dir = tempfile.mkdtemp(prefix="postkeep-probe.", dir="/tmp")
        listed = " ".join(s if isinstance(s, str) else f"127.0.0.1:{s}" for s in servers)
        main = f"compatibility_level = 3.9\nqueue_directory = {self.dir}\n" \
            + (f"dns_servers = {listed}\n" if servers else "") + main
        files = {"main.cf": main, "resolv.conf": "options timeout:2\n" + resolv, "hosts": hosts, "nsswitch.conf": switch,
                 "services": "odd 4711/tcp strange\nodd 4712/udp\n"}
        for name, text in files.items():
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text)
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"} if many else None
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/system/dns_probe"), self.dir, prefix],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.said = self.process.communicate(b"stop\n", 60)[1].decode()
        shutil.rmtree(self.dir)
        if self.process.returncode != 0:
            raise AssertionError(f"dns_probe ended with {self.process.returncode}: {self.said}")

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"dns_probe says nothing to {words}: {self.process.stderr.read().decode()}")
        return json.loads(line)

    def hosts(self, *words):
        """The hosts of a next hop, as host[address]:preference."""
        hop = self("hop", *words)
        return [f"{t['host']}[{t['address']}]:{t['preference']}" for t in hop["targets"]]


class Zones(unittest.TestCase):
    """One nsd and one unbound for all tests."""

    @classmethod
    def setUpClass(cls):
        zone, anchor = signed("signed.example", SIGNED)
        bogus, bogus_anchor = signed("bogus.example", HEAD.format(zone="bogus.example") + "a A 192.0.2.60\n@ MX 10 a\n")
        zones = {"plain.example": PLAIN, "other.example": OTHER, "signed.example": zone,
                 "bogus.example": bogus.replace("192.0.2.60", "192.0.2.61"), "2.0.192.in-addr.arpa": REVERSE}
        cls.nsd = cls.enter(Nsd(zones))
        # One that knows nothing of what it is asked for.
        cls.lame = cls.enter(Nsd({"x.example": HEAD.format(zone="x.example")}))
        stubs = {zone: cls.nsd.port for zone in zones}
        stubs["dead.plain.example"] = cls.lame.port
        cls.unbound = cls.enter(Unbound(stubs, [anchor, bogus_anchor]))

    @classmethod
    def enter(cls, context):
        cls.addClassCleanup(context.__exit__, None, None, None)
        return context.__enter__()
