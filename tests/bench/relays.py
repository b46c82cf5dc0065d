"""The workloads of mail that goes on to other servers. As those of loads.py; the sinks are started by them, before the
suite."""
import re
import socket
import statistics
import subprocess
import threading
import time

import loads
from loads import SENDER, Tools, source
from meter import Meter, memory
from sinks import Sink, Sinks, address
from suites import free_port, wait_until

RCPT = "someone@relayed.example"
COMMON = """disable_dns_lookups = yes
smtp_tls_security_level = none
"""


def configure(suite, text, transport=None):
    with open(suite.conf + "/main.cf") as f:
        suite.write("main.cf", f.read() + COMMON + text)
    if transport is not None:
        suite.write("transport", "".join(f"{domain} smtp:[{host}]:{port}\n" for domain, host, port in transport))


def sink(port):
    return Sink(Tools.source.replace("smtp-source", "smtp-sink"), Tools.environment, port)


class Reader:
    """Replies of a server, line by line."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=300)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.f = self.s.makefile("rb")
        self.expect(b"2")

    def expect(self, kind, n=1):
        for _ in range(n):
            while True:
                line = self.f.readline()
                if line[3:4] != b"-":
                    break
            if line[:1] != kind:
                raise SystemExit(f"bench: {line!r} is no {kind.decode()}xx")

    def hello(self):
        self.s.sendall(b"EHLO client.example.net\r\n")
        self.expect(b"2")
        return self

    def send(self, rcpts, content):
        """One message. Recipients go in packets of 500."""
        self.s.sendall(b"MAIL FROM:<%s>\r\n" % SENDER.encode())
        self.expect(b"2")
        for at in range(0, len(rcpts), 500):
            some = rcpts[at:at + 500]
            self.s.sendall(b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in some))
            self.expect(b"2", len(some))
        self.s.sendall(b"DATA\r\n")
        self.expect(b"3")
        self.s.sendall(content + b".\r\n")
        self.expect(b"2")


CONTENT = b"From: alice\r\nSubject: bench\r\n\r\n" + (b"x" * 62 + b"\r\n") * 16


def submit(suite, rcpts, sessions=8):
    """A message for each of RCPTS, by some sessions at a time."""
    def some(part):
        session = Reader(suite.port).hello()
        for rcpt in part:
            session.send([rcpt], CONTENT)

    threads = [threading.Thread(target=some, args=(rcpts[i::sessions],)) for i in range(sessions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


class Relay:
    """SMTP to SMTP: everything goes on to one smarthost."""
    columns = loads.Smtp.columns
    counted = True

    def __init__(self, sessions, size, messages):
        self.sessions, self.size, self.messages = sessions, size, messages
        self.needs = {"sessions": sessions}

    def run(self, suite, count=False):
        port = free_port()
        configure(suite, f"relayhost = [127.0.0.1]:{port}\n")
        there = sink(port)
        try:
            suite.start()
            source(suite, loads.WARM_UP, 5, self.size, "-t", RCPT)
            wait_until(lambda: there.messages >= loads.WARM_UP, "the warm-up's delivery")
            time.sleep(0.7)
            n = min(self.messages, 2000) if count else self.messages
            return loads.measure(suite, n, lambda: there.messages,
                                 lambda: source(suite, n, self.sessions, self.size, "-t", RCPT), count)
        finally:
            there.stop()


class DeadRelay:
    """Messages that wait for a smarthost that is down: memory, CPU while they wait, and how fast they go once it is up."""
    columns = ("queue_rate", "qmgr_mb", "suite_mb", "wait_cpu_ms", "drain_rate")
    counted = False
    WAIT = 70  # seconds: more than a round of retries, which is a minute

    def __init__(self, messages):
        self.messages = messages
        self.needs = {}

    def _deferred(self, suite):
        def there():
            with open(suite.dir + "/log/mail", errors="replace") as f:
                return len(re.findall("status=deferred", f.read())) >= self.messages
        wait_until(there, "the deferral of all", 900, 1)

    def run(self, suite, count=False):
        del count
        port = free_port()
        configure(suite, f"relayhost = [127.0.0.1]:{port}\nminimal_backoff_time = 60s\nmaximal_backoff_time = 60s\n"
                  "queue_run_delay = 60s\n")
        suite.start()
        began = time.monotonic()
        source(suite, self.messages, 20, 1000, "-t", RCPT)
        took = time.monotonic() - began
        self._deferred(suite)
        time.sleep(2)
        meter = Meter(suite)
        time.sleep(self.WAIT)
        waited = meter.end()
        m = memory(suite)
        there = sink(port)
        try:
            began = time.monotonic()
            subprocess.run([suite.program("postqueue"), "-f"], env=suite.environment(), check=True)
            wait_until(lambda: there.messages >= self.messages, "the delivery of all", 900, 0.02)
            drained = time.monotonic() - began
        finally:
            there.stop()
        return {"queue_rate": self.messages / took, "qmgr_mb": m["programs"].get("qmgr", 0) / 2**20,
                "suite_mb": m["pss"] / 2**20, "wait_cpu_ms": waited["cpu"] * 1000,
                "drain_rate": self.messages / drained}


class Destinations:
    """Mail for 1,000 destinations: how long the mail of 800 takes when the other 200 are up, and when they are silent."""
    columns = ("all_live_s", "some_dead_s", "dead_ratio")
    counted = False

    def __init__(self, live, dead, each):
        self.live, self.dead, self.each = live, dead, each
        self.needs = {}

    def _phase(self, suite, sinks, token, others):
        """Seconds until the mail for all of the live ones has come, with as much for OTHERS."""
        domains = [f"live{i}.example" for i in range(self.live)] + others
        # Mixed, in the same order every time.
        domains = [domains[i * 617 % len(domains)] for i in range(len(domains))]
        wanted = self.live * self.each
        seen = {"at": 0, "n": 0}

        def come():
            while seen["at"] < len(sinks.came):
                rcpt = sinks.came[seen["at"]][1]
                seen["at"] += 1
                seen["n"] += rcpt.startswith(token) and int(rcpt[rcpt.index("@live") + 5:-8]) < self.live
            return seen["n"] >= wanted

        began = time.monotonic()
        submit(suite, [f"{token}{k}@{d}" for k in range(self.each) for d in domains])
        wait_until(come, "the mail of the live destinations", 900, 0.01)
        return time.monotonic() - began

    def run(self, suite, count=False):
        del count
        port = free_port()
        n = self.live + self.dead
        configure(suite, f"transport_maps = texthash:{suite.conf}/transport\n",
                  [(f"live{i}.example", address(1, i), port) for i in range(n)]
                  + [(f"dead{i}.example", address(2, i), port) for i in range(self.dead)])
        sinks = Sinks(port, n, self.dead)
        try:
            suite.start()
            self._phase(suite, sinks, "warm", [])
            live = self._phase(suite, sinks, "a", [f"live{i}.example" for i in range(self.live, n)])
            time.sleep(2)
            mixed = self._phase(suite, sinks, "b", [f"dead{i}.example" for i in range(self.dead)])
        finally:
            sinks.stop()
        return {"all_live_s": live, "some_dead_s": mixed, "dead_ratio": mixed / live}


class List:
    """One message for 50,000 recipients at 100 hosts, and the latency of small mail to another host meanwhile."""
    columns = ("quiet_ms", "small_ms", "small_p95_ms", "list_s", "list_rate")
    counted = False
    DOMAINS = 100
    PAUSE = 0.05

    def __init__(self, recipients):
        self.recipients = recipients
        self.needs = {}

    def _small(self, suite, sinks, token, until, least):
        """Milliseconds from the connection to the arrival of each of the messages sent until UNTIL()."""
        sent = {}
        while len(sent) < least or not until():
            rcpt = f"{token}{len(sent)}@small.example"
            sent[rcpt] = time.monotonic()
            Reader(suite.port).hello().send([rcpt], CONTENT)
            time.sleep(self.PAUSE)

        def arrived():
            return {rcpt: when for _, rcpt, when in list(sinks.came) if rcpt in sent}

        wait_until(lambda: len(arrived()) == len(sent), "the small mail", 300, 0.1)
        came = arrived()
        return sorted((came[rcpt] - sent[rcpt]) * 1000 for rcpt in sent)

    def run(self, suite, count=False):
        del count
        port = free_port()
        configure(suite, f"transport_maps = texthash:{suite.conf}/transport\nsmtpd_recipient_limit = 100000\n",
                  [(f"list{i}.example", address(1, i), port) for i in range(self.DOMAINS)]
                  + [("small.example", address(1, self.DOMAINS), port)])
        sinks = Sinks(port, self.DOMAINS + 1)
        try:
            suite.start()
            quiet = self._small(suite, sinks, "quiet", lambda: True, 30)
            rcpts = [f"r{i}@list{i % self.DOMAINS}.example" for i in range(self.recipients)]
            Reader(suite.port).hello().send(rcpts, CONTENT)
            began = time.monotonic()

            def listed():
                return sum(n for n, rcpt, _ in list(sinks.came) if "@list" in rcpt) >= self.recipients

            small = self._small(suite, sinks, "small", listed, 1)
            wait_until(listed, "the list's delivery", 900)
            took = max(when for _, rcpt, when in sinks.came if "@list" in rcpt) - began
        finally:
            sinks.stop()
        return {"quiet_ms": statistics.median(quiet), "small_ms": statistics.median(small),
                "small_p95_ms": small[int(len(small) * 0.95)], "list_s": took, "list_rate": self.recipients / took}


def workloads(scale):
    def n(count):
        return max(40, int(count * scale))

    return {
        "relay-4k-1": Relay(1, 4096, n(600)),
        "relay-4k-20": Relay(20, 4096, n(4000)),
        "deferred-relay-20000": DeadRelay(n(20000)),
        "destinations-1000": Destinations(n(800), n(200), 5),
        "list-50000": List(n(50000)),
    }
