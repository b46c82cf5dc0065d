"""Where attacks take place: a running suite, an honest client beside, and what /proc tells of the suite's programs.

    with Scene(prefix) as scene:
        row = scene.play(attack, size)
"""
import multiprocessing
import os
import re
import resource
import smtplib
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from suite import Suite  # noqa: E402
from wire import HEAD, Wire  # noqa: E402

MAIN = """
smtpd_error_sleep_time = 0
mailbox_size_limit = 0
"""
HONEST_SOURCE = "127.9.9.9"
HONEST_PAUSE = 0.02
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# Programs of which there is never more than one, and that live as long as the suite.
LASTING = ("qmgr", "pickup", "anvil", "postlogd")


def raise_descriptors(n):
    """As many open files as N connections need, or as many as may be; how many connections that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = n + 200
    if hard != resource.RLIM_INFINITY and hard < want and os.geteuid() == 0:
        hard = want
    limit = want if hard == resource.RLIM_INFINITY else min(want, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))
    return min(n, max(limit, soft) - 200)


def peak_kib(pid):
    """The most memory (resident set) that PID has had."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
    except (OSError, AttributeError):
        return 0


def cpu_ns(pid):
    """What PID has used of the processor: to the nanosecond where the kernel counts so."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
                total += int(f.read().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    if total > 0:
        return total
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_NS
    except (FileNotFoundError, ProcessLookupError):
        return 0


def honest_client(port, rcpt, stop, results):
    """Sends one small message after the other; how long each took, from connecting to the goodbye."""
    times, failures = [], []
    while not stop.is_set():
        begun = time.monotonic()
        try:
            with smtplib.SMTP("127.0.0.1", port, "honest.example.net", 120, (HONEST_SOURCE, 0)) as smtp:
                smtp.sendmail("alice@example.net", [rcpt], b"Subject: honest\r\n\r\nhello\r\n")
            times.append(time.monotonic() - begun)
        except (OSError, smtplib.SMTPException) as e:
            failures.append(repr(e))
        stop.wait(HONEST_PAUSE)
    results.send((times, failures))


class Honest:
    """The honest client, in a process of its own, while an attack goes on."""
    def __init__(self, scene):
        context = multiprocessing.get_context("fork")
        self.stop = context.Event()
        self.results, theirs = context.Pipe(False)
        self.process = context.Process(target=honest_client, args=(scene.suite.port, scene.rcpt, self.stop, theirs))
        self.process.start()
        theirs.close()

    def end(self):
        self.stop.set()
        times, failures = self.results.recv() if self.results.poll(150) else ([], ["no end of the honest client"])
        self.process.join()
        return times, failures


class Scene:
    """MAILDIR: one file per message instead of one mailbox file."""
    def __init__(self, prefix, extra="", maildir=False):
        self.suite = Suite(prefix, start=False)
        self.suite.add_conf(MAIN + extra)
        if maildir:
            self.suite.add_conf(f"mail_spool_directory = {self.suite.mail}/")
        self.suite.start()
        self.maildir = maildir
        self.rcpt = f"{self.suite.user}@example.org"
        self.accepted = 0  # messages, of attackers
        self.clients = 0
        self.serial = 0
        self.deliver_one()
        self.settle()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.suite.__exit__(*failure)

    # ---- For attacks ----

    def source(self):
        """Each client has an address of its own, so that what one has done does not count for the next."""
        self.clients += 1
        return f"127.{2 + self.clients // 40000}.{self.clients // 200 % 200}.{self.clients % 200 + 1}"

    def wire(self, greet=True, local=False):
        """LOCAL: of $mynetworks, so that addresses in the header are completed."""
        return Wire(self.suite.port, source="127.0.0.1" if local else self.source(), greet=greet, timeout=120)

    def envelope(self, c):
        c.say("MAIL FROM:<alice@example.net>", "250")
        c.say(f"RCPT TO:<{self.rcpt}>", "250")

    def head(self):
        self.serial += 1
        token = b"scene%d" % self.serial
        return HEAD % (token, token)

    def content(self, pieces, code="250", local=False):
        """Sends PIECES (bytes) as the content of one message; the answer."""
        with self.wire(local=local) as c:
            self.envelope(c)
            c.say("DATA", "354")
            for piece in pieces:
                c.send(piece)
            c.send(b"\r\n.\r\n")
            answer = c.expect(code)
            self.accepted += answer.startswith("250")
            c.say("QUIT", "221")
        return answer

    def deliver_one(self):
        return self.content([self.head() + b"\r\nbody"])

    # ---- What became of it ----

    def settle(self, timeout=120):
        """Waits until every session has ended and the queue is empty."""
        deadline = time.monotonic() + timeout
        while True:
            log = self.suite.log()
            if len(re.findall(r": connect from", log)) == len(re.findall(r": disconnect from", log)):
                break
            if time.monotonic() > deadline:
                raise AssertionError("sessions are left over")
            time.sleep(0.05)
        self.suite.wait_empty(timeout)

    def cpu(self):
        return {pid: cpu_ns(pid) for pid in list(self.suite.pids()) + [self.suite.master_pid()]}

    def forget_peaks(self):
        """From here on peaks count anew, where that is allowed."""
        for pid in self.suite.pids():
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as f:
                    f.write("5")
            except OSError:
                pass

    def peaks(self):
        """program -> KiB of its largest process."""
        found = {}
        for pid, name in self.suite.pids().items():
            found[name] = max(found.get(name, 0), peak_kib(pid))
        return found

    def lasting(self):
        """pid -> program of those that no attack may end."""
        parents = {pid: name for pid, name in self.suite.pids().items() if name in LASTING + ("smtpd", "proxymap")}
        return {**parents, self.suite.master_pid(): "master"}

    def crashes(self):
        return re.findall(r".*(?:signal (?:4|6|7|8|11|31)\b|panic: |fatal: ).*", self.suite.log())

    def check_mailbox(self):
        """Each delivery is one message, and no message has come about that nobody sent."""
        sent = len(re.findall(r"status=sent ", self.suite.log()))
        if self.maildir:
            messages = self.suite.maildir(f"{self.suite.mail}/{self.suite.user}")
        else:
            with open(f"{self.suite.mail}/{self.suite.user}", "rb") as f:
                messages = re.split(rb"(?m)^(?=From )", f.read())[1:]
        if len(messages) != sent:
            raise AssertionError(f"{sent} deliveries have become {len(messages)} messages\n{self.surplus(messages)}")
        for text in messages:
            header = text[:text.find(b"\n\n") + 1]
            if b"\nSubject: smuggled\n" in header or header.count(b"\nDelivered-To:") != 1:
                raise AssertionError(header[:2000])
        return sent

    def surplus(self, messages):
        """What the log says of one message that is there without a delivery, or twice."""
        log, seen = self.suite.log(), set()
        for text in messages:
            queue_id = re.search(rb"\bid (\w+)", text).group(1).decode()
            lines = [line for line in log.splitlines() if queue_id in line]
            if queue_id in seen or not any("status=sent" in line for line in lines):
                return "\n".join(lines)
            seen.add(queue_id)
        return "none stands out"

    def troubles(self, begin):
        """Lines of the log from BEGIN on that may say why something went wrong."""
        lines = self.suite.log()[begin:].splitlines()
        return "\n".join([line for line in lines if re.search(r"warning|error|fatal|panic|: 4\d\d ", line)][:40])

    def play(self, attack, n, honest=True):
        """Runs ATTACK at size N: a dict of what it cost and how the honest client fared."""
        self.forget_peaks()
        before, processes = self.cpu(), self.lasting()
        client = Honest(self) if honest else None
        begun, log_size = time.monotonic(), len(self.suite.log())
        try:
            answer = attack.run(self, n)
            took = time.monotonic() - begun
        except (AssertionError, OSError, EOFError) as e:
            raise AssertionError(f"{attack.name}: {e!r}\n{self.troubles(log_size)}") from e
        finally:
            times, failures = client.end() if client else ([], [])
        self.settle()
        after = self.cpu()
        missing = {pid: name for pid, name in processes.items() if pid not in self.lasting()}
        return {"name": attack.name, "size": n, "answer": answer, "seconds": took,
                "cpu": sum(ns - before.get(pid, 0) for pid, ns in after.items()) / 1e9,
                "peaks": self.peaks(), "served": len(times), "failures": failures, "missing": missing,
                "median": statistics.median(times) if times else None, "worst": max(times, default=None)}


def connections(scene, n, each=None):
    """N connections at once, greeted; EACH is called with every one."""
    crowd = []
    try:
        for _ in range(n):
            sock = socket.create_connection(("127.0.0.1", scene.suite.port), 120, (scene.source(), 0))
            crowd.append(sock)
        for sock in crowd:
            greeting = sock.recv(1000)
            if not greeting.startswith(b"220 "):
                raise AssertionError(greeting)
        if each:
            for sock in crowd:
                each(sock)
    except BaseException:
        close_all(crowd)
        raise
    return crowd


def close_all(crowd):
    for sock in crowd:
        sock.close()
