"""The workloads: each takes a suite that was just made (not started) and returns its figures by name."""
import ctypes
import os
import re
import resource
import select
import socket
import statistics
import struct
import subprocess
import time

from meter import Counter, Meter, memory
from suites import USER, wait_until

SENDER = "alice@example.net"
WARM_UP = 200
IN_MOVED_TO, IN_CREATE = 0x80, 0x100


class Tools:
    """smtp-source of the unpacked package."""
    source = "smtp-source"
    environment = dict(os.environ)


def source(suite, messages, sessions, size, *more):
    subprocess.run([Tools.source, "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", SENDER,
                    "-t", suite.address(), *more, f"127.0.0.1:{suite.port}"],
                   check=True, env=Tools.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def warm(suite, size=4096):
    source(suite, WARM_UP, 5, size)
    wait_until(lambda: suite.delivered() >= WARM_UP, "the warm-up's delivery")
    time.sleep(0.7)  # what is synced or logged a little later


def per_message(costs, counts, n):
    figures = {"cpu_us": costs["cpu"] * 1e6 / n, "switches": costs["switches"] / n,
               "written_kb": costs["written"] / n / 1024}
    if counts:
        figures["switches"] = counts["switches"] / n
        figures["syscalls"] = counts["syscalls"] / n
        figures["futex"] = counts["futex"] / n
        figures["syncs"] = (counts["fsync"] + counts["fdatasync"]) / n
    return figures


def delivered(suite, mailboxes):
    return lambda: sum(suite.delivered(m) for m in mailboxes)


def measure(suite, deliveries, arrived, work, count):
    """Runs WORK; figures per delivery. ARRIVED: says how many there are. COUNT: with perf beside it."""
    meter = Meter(suite)
    counter = Counter(suite, suite.dir + "/perf") if count else None
    before = arrived()
    began = time.monotonic()
    work()
    accepted = time.monotonic()
    wait_until(lambda: arrived() - before >= deliveries, "all delivery", 300, 0.02)
    ended = time.monotonic()
    time.sleep(0.7)
    costs = meter.end()
    figures = per_message(costs, counter.end() if counter else {}, deliveries)
    figures["rate"] = deliveries / (ended - began)
    figures["accept_rate"] = deliveries / (accepted - began)
    figures["pss_mb"] = memory(suite)["pss"] / 2**20
    return figures


class Smtp:
    """SMTP to Maildir."""
    columns = ("rate", "accept_rate", "cpu_us", "switches", "written_kb", "pss_mb", "syscalls", "futex", "syncs")
    counted = True

    def __init__(self, sessions, size, messages, many=False):
        self.sessions, self.size, self.messages, self.many = sessions, size, messages, many
        self.needs = {"sessions": sessions}

    def run(self, suite, count=False):
        suite.start()
        warm(suite, self.size)
        n = min(self.messages, 2000) if count else self.messages
        more = ["-d"] if self.many else []
        return measure(suite, n, delivered(suite, [USER]), lambda: source(suite, n, self.sessions, self.size, *more), count)


class Recipients:
    """Messages to many recipients, each with a mailbox."""
    columns = Smtp.columns
    counted = True

    def __init__(self, recipients, messages, sessions=5):
        self.recipients, self.messages, self.sessions = recipients, messages, sessions
        # smtp-source numbers them, but for the first.
        self.users = [USER] + [f"{i}{USER}" for i in range(2, recipients + 1)]
        self.needs = {"users": self.users}

    def run(self, suite, count=False):
        suite.start()
        warm(suite)
        source(suite, 2, 1, 4096, "-r", str(self.recipients))
        wait_until(lambda: all(suite.delivered(u) >= 2 for u in self.users), "the warm-up's delivery", 60, 0.1)
        time.sleep(0.7)
        return measure(suite, self.messages * self.recipients, delivered(suite, self.users),
                       lambda: source(suite, self.messages, self.sessions, 4096, "-r", str(self.recipients)), count)


class Sendmail:
    """sendmail, one after another; the cost of the commands themselves is in no figure but the rate."""
    columns = ("rate", "accept_rate", "cpu_us", "switches", "written_kb")
    counted = False

    def __init__(self, messages):
        self.messages = messages
        self.needs = {}

    def run(self, suite, count=False):
        del count
        suite.start()
        warm(suite)
        with open(suite.dir + "/message", "w") as f:
            f.write("From: Alice <alice@example.net>\nSubject: bench\n\n" + ("x" * 63 + "\n") * 64)
        script = f'for i in $(seq {self.messages}); do "$0" -f {SENDER} {suite.address()} <"$1" || exit; done'

        def work():
            subprocess.run(["sh", "-c", script, suite.program("sendmail"), suite.dir + "/message"], check=True,
                           env=suite.environment())

        return measure(suite, self.messages, delivered(suite, [USER]), work, False)


class Watch:
    """Says at once when a file comes into a directory."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, path.encode(), IN_MOVED_TO | IN_CREATE) < 0:
            raise OSError(ctypes.get_errno(), "inotify", path)

    def wait(self):
        if not select.select([self.fd], [], [], 30)[0]:
            raise SystemExit("bench: no delivery in 30 s")
        data = os.read(self.fd, 65536)
        at = count = 0
        while at < len(data):
            at += 16 + struct.unpack_from("iIII", data, at)[3]
            count += 1
        return count


class Latency:
    """One message at a time: from the connection to the 250, and to the file in the mailbox."""
    columns = ("accepted_ms", "delivered_ms")
    counted = False

    def __init__(self, messages):
        self.messages = messages
        self.needs = {}

    def _one(self, suite, content):
        with socket.create_connection(("127.0.0.1", suite.port), timeout=30) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.recv(500)
            for command in ("HELO client.example.net", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{suite.address()}>", "DATA"):
                s.sendall(command.encode() + b"\r\n")
                s.recv(500)
            s.sendall(content)
            reply = s.recv(500)
            ended = time.monotonic()
            if not reply.startswith(b"250"):
                raise SystemExit(f"bench: {suite.name} answers {reply!r}")
            s.sendall(b"QUIT\r\n")
            s.recv(500)
            return ended

    def run(self, suite, count=False):
        del count
        suite.start()
        warm(suite)
        watch = Watch(suite.new_of())
        content = b"From: alice\r\nSubject: bench\r\n\r\n" + (b"x" * 62 + b"\r\n") * 64 + b".\r\n"
        accepted, delivered = [], []
        for _ in range(self.messages):
            began = time.monotonic()
            accepted.append((self._one(suite, content) - began) * 1000)
            watch.wait()
            delivered.append((time.monotonic() - began) * 1000)
            time.sleep(0.005)
        return {"accepted_ms": statistics.median(accepted), "delivered_ms": statistics.median(delivered)}


class Idle:
    """Sessions that have said EHLO and wait. Postfix, whose sessions are a process each, is measured with fewer."""
    columns = ("session_kb", "pss_mb", "connect_rate")
    counted = False
    POSTFIX_MOST = 500

    def __init__(self, sessions):
        self.wanted = sessions
        self.needs = {"sessions": sessions + 50}

    def run(self, suite, count=False):
        del count
        n = min(self.wanted, self.POSTFIX_MOST) if suite.name == "postfix" else self.wanted
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, n + 500)), hard))
        suite.start()
        warm(suite)
        time.sleep(2)
        before = memory(suite)
        sockets = []
        began = time.monotonic()
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", suite.port), timeout=60)
            sockets.append(s)
            s.recv(500)
            s.sendall(b"EHLO client.example.net\r\n")
            s.recv(2000)
        took = time.monotonic() - began
        time.sleep(4)
        after = memory(suite)
        for s in sockets:
            s.close()
        return {"session_kb": (after["pss"] - before["pss"]) / n / 1024, "pss_mb": after["pss"] / 2**20,
                "connect_rate": n / took}


class Start:
    """From nothing to the first greeting; again with the spool that the first start has made; the end."""
    columns = ("first_ms", "again_ms", "stop_ms")
    counted = False
    needs = {}

    def run(self, suite, count=False):
        del count
        first = suite.start()
        suite.stop()
        again = [suite.start() for _ in range(3) if suite.stop() is None]
        began = time.monotonic()
        suite.stop()
        return {"first_ms": first * 1000, "again_ms": statistics.median(again) * 1000,
                "stop_ms": (time.monotonic() - began) * 1000}


class Queued:
    """Many messages that stay: on hold or deferred. Memory, mailq, and a start with all of them."""
    columns = ("queue_rate", "qmgr_mb", "suite_mb", "qmgr_listed_mb", "mailq_s", "mailq_head_s", "json_s", "restart_s")
    counted = False

    def __init__(self, messages, hold):
        self.messages, self.hold = messages, hold
        self.needs = {"extra": "defer_transports = local\n"
                      "minimal_backoff_time = 10h\nmaximal_backoff_time = 20h\n"}

    def _queued(self, suite, n, timeout):
        def there():
            try:
                text = open(suite.dir + "/log/mail", errors="replace").read()
            except FileNotFoundError:
                return False
            return len(re.findall("status=deferred", text)) >= n
        wait_until(there, "the deferral of all", timeout, 1)

    def _mailq(self, suite):
        """Seconds for all of it, for its first lines, and for all of it as JSON."""
        def whole(option):
            began = time.monotonic()
            subprocess.run([suite.program("postqueue"), option], env=suite.environment(), check=True,
                           stdout=subprocess.DEVNULL)
            return time.monotonic() - began

        text = whole("-p")
        json = whole("-j")
        began = time.monotonic()
        subprocess.run(["sh", "-c", '"$0" -p 2>/dev/null | head -n 3 >/dev/null', suite.program("postqueue")],
                       env=suite.environment(), check=True)
        return text, time.monotonic() - began, json

    def _restart(self, suite):
        """From the start to a delivery: the local transport is back, and the queue is still there."""
        with open(suite.conf + "/main.cf") as f:
            text = f.read()
        suite.write("main.cf", text.replace("defer_transports =", "#defer_transports ="))
        began = time.monotonic()
        suite.start()
        watch_from = suite.delivered()
        source(suite, 1, 1, 100)
        wait_until(lambda: suite.delivered() > watch_from, "a delivery after the start", 120, 0.005)
        return time.monotonic() - began

    def run(self, suite, count=False):
        del count
        suite.start()
        began = time.monotonic()
        source(suite, self.messages, 20, 1000)
        took = time.monotonic() - began
        self._queued(suite, self.messages, 600)
        if self.hold:
            suite.run("postsuper", "-h", "ALL", check=True, stderr=subprocess.DEVNULL)
        time.sleep(2)
        m = memory(suite)
        whole, head, json = self._mailq(suite)
        listed = memory(suite)
        suite.stop()
        restart = self._restart(suite)
        return {"queue_rate": self.messages / took, "qmgr_mb": m["programs"].get("qmgr", 0) / 2**20,
                "suite_mb": m["pss"] / 2**20, "mailq_s": whole, "mailq_head_s": head, "json_s": json,
                "qmgr_listed_mb": listed["programs"].get("qmgr", 0) / 2**20, "restart_s": restart}


def workloads(scale):
    def n(count):
        return max(40, int(count * scale))

    found = {}
    for size, name in ((4096, "4k"), (65536, "64k")):
        for sessions, messages in ((1, 600), (5, 2000), (20, 4000), (100, 4000)):
            found[f"smtp-{name}-{sessions}"] = Smtp(sessions, size, n(messages if size == 4096 else messages / 4))
    found["smtp-4k-20-kept"] = Smtp(20, 4096, n(4000), many=True)
    found["recipients-50"] = Recipients(50, n(40))
    found["sendmail"] = Sendmail(n(300))
    found["latency"] = Latency(n(200))
    for sessions in (100, 1000, 5000):
        found[f"idle-{sessions}"] = Idle(sessions)
    found["start"] = Start()
    found["deferred-20000"] = Queued(n(20000), hold=False)
    found["deferred-100000"] = Queued(n(100000), hold=False)
    found["hold-100000"] = Queued(n(100000), hold=True)
    return found


DEFAULT = ("smtp-4k-20", "idle-1000", "start")
