"""What the crash tests have in common: daemons started on what a power cut has left, at many moments.
Python's standard library only."""
import concurrent.futures
import multiprocessing
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import ipc  # noqa: E402
from daemons import NOBODY, Daemons  # noqa: E402
from disk import Cut, sample  # noqa: E402
from queue_rig import RELEASE, SENT, Agent  # noqa: E402

BUILD = os.environ.get("POSTKEEP_BUILD") or os.getcwd()
RECORDER = os.path.join(BUILD, "tests/torture/.libs/record.so")
CONF = """queue_slots_ahead = 8
queue_slots_reserved = 2
queue_slot_size = 8192
queue_slots_spare = 16
minimal_backoff_time = 1s
transport_retry_time = 2s
maximal_backoff_time = 2s
"""
PATIENCE = 120  # it takes less than a second, but for a machine with much else to do


def ask(daemons, path, what, answer, **values):
    channel = ipc.Channel(os.path.join(daemons.spool, path))
    try:
        channel.send(what, **values)
        return channel.expect(answer)
    finally:
        channel.close()


class Recovery:
    """The daemons on FILES (path -> content; MODES where they are not the usual ones), until the queue is empty.
    Of a subclass: judge() says what is wrong with .got, and go_on(daemons) what happens besides."""

    programs = ["qmgr"]

    def __init__(self, truth, time_ns, files, modes):
        self.truth, self.time, self.files, self.modes = truth, time_ns, files, modes
        self.got = {}  # (queue ID, index) -> content as delivered
        self.same = {}  # one copy of each content
        self.lock = threading.Lock()
        self.wrong = []
        self.held = set()

    def decide(self, delivery, content):
        with self.lock:
            content = self.same.setdefault(content, content)
            for rcpt in delivery["rcpts"]:
                self.got[delivery["id"], rcpt["index"]] = content
        return SENT, "2.0.0", "delivered"

    def place(self, daemons):
        for path, content in self.files.items():
            full = os.path.join(daemons.spool, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(content)
            os.chmod(full, self.modes.get(path) or 0o600)
        for top in ("slots", "maildrop"):
            for root, dirs, names in os.walk(os.path.join(daemons.spool, top)):
                for name in dirs:
                    os.chmod(os.path.join(root, name), 0o700)
                for name in dirs + names if os.getuid() == 0 else []:
                    os.chown(os.path.join(root, name), NOBODY, NOBODY)

    def empty(self, daemons):
        """Lets all go that can; what is left on hold."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ask(daemons, "public/flush", "flush", "admin_done")
            entries = ipc.mailq(daemons.spool + "/public/showq")
            held = {i for i, e in entries.items() if e["state"] == "hold"}
            if len(held) == len(entries):
                return held
            time.sleep(0.05)
        self.wrong.append(f"recovery does not end: {entries}")
        return set()

    def go_on(self, daemons):
        pass

    def run(self):
        daemons = Daemons(BUILD)
        agent = None
        try:
            daemons.configure(CONF)
            self.place(daemons)
            agent = Agent(daemons, self.decide, keep=False)
            for program in self.programs:
                daemons.start(program)
            self.go_on(daemons)
            self.held = self.empty(daemons)
            if self.held:
                ask(daemons, "private/qmgr-admin", "admin", "admin_done", verb=RELEASE, id="ALL")
                self.empty(daemons)
            self.wrong += [f"{program} ended" for program in self.programs if not daemons.alive(program)]
        except (OSError, RuntimeError, ipc.Closed, AssertionError) as e:
            self.wrong.append(f"recovery failed: {type(e).__name__} {e} {daemons.lines[-5:]}")
        finally:
            if agent:
                agent.close()
            daemons.__exit__()
        self.judge()
        return self.wrong


class Checker:
    """Many states, each in a process of its own, some at the same time: most of it is waiting. RECOVERY is a
    class of these; its counts() are summed up."""

    def __init__(self, options, history, truth, recovery):
        self.options, self.history, self.truth, self.recovery = options, history, truth, recovery
        self.enough = multiprocessing.Event()
        self.wrong, self.states, self.counts = [], 0, None
        rng = random.Random(f"{options.seed}/states")
        orders = ["strict", "ordered"] if options.order == "both" else [options.order]
        times = sample(history.times(), rng, options.states // 2)
        times += sample(history.sync_times(), rng, options.states - len(times))
        self.work = [(t, rng.random(), rng.choices(["some", "none", "all"], [6, 1, 1])[0], rng.choice(orders))
                     for t in times]
        rng.shuffle(self.work)

    def one(self, work):
        if self.enough.is_set():
            return None
        time_ns, seed, keep, order = work
        cut = Cut(self.history, time_ns, random.Random(seed), keep, order)
        files = cut.tree()
        recovery = self.recovery(self.truth, time_ns, files, cut.modes)
        wrong = [f"at {time_ns} ({keep}, {order}, {seed}): {w}" for w in recovery.run()]
        return wrong, recovery.counts()

    def run(self):
        global checker
        checker = self
        # A process that is killed, when memory runs out, ends this with an error.
        with concurrent.futures.ProcessPoolExecutor(4, multiprocessing.get_context("fork")) as pool:
            for result in pool.map(check_one, self.work):
                if not result:
                    continue
                wrong, counts = result
                self.states += 1
                self.counts = [a + b for a, b in zip(self.counts or [0] * len(counts), counts)]
                self.wrong += wrong
                if self.options.spoil and wrong:
                    self.enough.set()


checker = None  # what the processes of the pool have inherited


def check_one(work):
    return checker.one(work)


def verdict(name, wrong, spoil):
    """Says how it went; the exit status."""
    for text in wrong[:20]:
        print("WRONG:", text)
    good = bool(wrong) if spoil else not wrong
    print(f"{name}: " + ("ok" if good else "FAILED") + (", the spoilt record was noticed" if spoil and good else ""))
    return 0 if good else 1
