"""Who ends the processes of one suite, and who starts it again. Only processes whose arguments name the
suite's own configuration directory are ever touched, and each through a descriptor of that process, so that
a number used again cannot be mistaken. Python's standard library only."""
import os
import random
import signal
import subprocess
import threading
import time


class Processes:
    """What runs of the suite."""

    def __init__(self, suite):
        self.conf = suite.conf.encode()
        self.programs = os.path.join(suite.prefix, "libexec", "postkeep").encode() + b"/"

    def name(self, pid):
        """The program, or None: not of this suite."""
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            return None
        if not argv[0].startswith(self.programs) or self.conf not in argv:
            return None
        return os.path.basename(argv[0]).decode()

    @staticmethod
    def parent(pid):
        try:
            with open(f"/proc/{pid}/stat", "rb") as f:
                text = f.read()
        except OSError:
            return 0
        return int(text[text.rindex(b")") + 2:].split()[1])

    def list(self):
        """pid -> kind: the program; "local worker"; "fork" for what master has just made."""
        names = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                name = self.name(int(entry))
                if name:
                    names[int(entry)] = name
        kinds = {}
        for pid, name in names.items():
            above = names.get(self.parent(pid))
            if name == "local" and above == "local":
                kinds[pid] = "local worker"
            elif name == "master" and above == "master":
                kinds[pid] = "fork"
            else:
                kinds[pid] = name
        return kinds

    def send(self, pid, *signals, pause=0):
        """SIGNALS to PID, if it still is of the suite."""
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if not self.name(pid):
                return False
            for n, signo in enumerate(signals):
                if n:
                    time.sleep(pause)
                signal.pidfd_send_signal(fd, signo)
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)
        return True


class Keeper(threading.Thread):
    """Starts the suite again when master is gone. PAUSE says for how long nobody may."""

    def __init__(self, suite, processes, stop):
        super().__init__(name="keeper", daemon=True)
        self.suite, self.processes, self.stop = suite, processes, stop
        self.not_before = 0
        self.starts = 0
        self.failures = {}

    def up(self):
        return "master" in self.processes.list().values()

    def start_once(self):
        try:
            result = self.suite.run("postkeep", "-c", self.suite.conf, "start", check=False, timeout=60)
        except subprocess.TimeoutExpired:
            self.failures["did not return"] = self.failures.get("did not return", 0) + 1
            return False
        if result.returncode == 0:
            self.starts += 1
            return True
        words = result.stderr.decode(errors="replace").strip().split("\n")[0]
        self.failures[words] = self.failures.get(words, 0) + 1
        return False

    def run(self):
        while not self.stop.is_set():
            if time.monotonic() >= self.not_before and not self.up():
                self.start_once()
            time.sleep(0.1)


class Killer:
    """Ends one process after another at random moments."""

    def __init__(self, processes, keeper, seed, note, only=None):
        self.processes, self.keeper, self.note = processes, keeper, note
        self.only = only and only.split(",")
        self.rng = random.Random(f"{seed}/killer")
        self.counts = {}
        self.stops = 0

    def total(self):
        return sum(self.counts.values())

    def choose(self):
        """A kind first, each as likely as the other; then one of its processes."""
        kinds = {}
        for pid, kind in self.processes.list().items():
            if not self.only or kind in self.only:
                kinds.setdefault(kind, []).append(pid)
        if not kinds:
            return None, None
        kind = self.rng.choice(sorted(kinds))
        return kind, self.rng.choice(sorted(kinds[kind]))

    def once(self):
        rng = self.rng
        kind, pid = self.choose()
        if not pid:
            return
        signals = (signal.SIGKILL,)
        if rng.random() < 0.1:
            signals = (signal.SIGSTOP, rng.choice([signal.SIGCONT, signal.SIGKILL]))
        if kind == "master" and rng.random() < 0.3:
            # Down for a while: sendmail goes on without the suite.
            self.keeper.not_before = time.monotonic() + rng.uniform(0.5, 4)
        if not self.processes.send(pid, *signals, pause=rng.uniform(0.05, 1.5)):
            return
        if signals[-1] == signal.SIGKILL:
            self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(signals) > 1:
            self.stops += 1
        self.note(f"{'+'.join(s.name for s in signals)} {kind} {pid}")

    def run(self, kills, end, pace):
        """Until KILLS were done or the time is END; PACE seconds apart on the average."""
        while self.total() < kills and time.monotonic() < end:
            time.sleep(min(self.rng.expovariate(1 / pace), 5 * pace))
            self.once()
