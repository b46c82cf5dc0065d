"""What the tests of the queue manager have in common: qmgr alone, with a receiver, a delivery agent and a
bounce program that are not part of the suite."""
import glob
import os
import select
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from daemons import Daemons  # noqa: E402

BUILD = os.environ.get("POSTKEEP_BUILD") or os.environ.get("top_builddir") or os.getcwd()
CONTENT = b"Subject: test\r\n\r\nhello\r\n.\r\n"
SENT, DEFERRED, BOUNCED = 0, 1, 2
HOLD, RELEASE, DELETE, REQUEUE, EXPIRE, RETRY = range(6)
NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8  # NOTIFY
NOTICE_FAILURE, NOTICE_DELAY, NOTICE_SUCCESS, NOTICE_VERIFY = range(4)


def listen(daemons, name):
    """A socket of the suite, and its path."""
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(daemons.spool)
    listener.bind(name)
    os.chmod(name, 0o666)
    os.chdir(here)
    return listener, os.path.join(daemons.spool, name)


def there(channels):
    """How many of CHANNELS qmgr has not closed, whether that was read already or not."""
    poll = select.poll()
    for channel in channels:
        poll.register(channel.sock, 0)
    return len(channels) - len(poll.poll(0))


class Agent:
    """private/local, or another transport: takes deliveries and answers as DECIDE says, a function of
    (delivery, content) that returns (status, dsn, text) and, perhaps, whether the destination is
    unreachable; or None for no answer."""

    def __init__(self, daemons, decide, window=20, keep=True, name="local"):
        self.decide = decide
        self.keep = keep  # contents, for whoever wants to look at them later
        self.window = window
        self.deliveries = []
        self.unanswered = []
        self.again = b""
        self.verdict, self.verdicts = None, 0  # of answer_all, and how often there was one
        self.condition = threading.Condition()
        self.channels = []
        self.closed = 0   # channels that were closed in order
        self.at_once = 0  # most channels there were at the same time
        self.opened = []  # destinations, as they were introduced
        self.listener, self.path = listen(daemons, "private/" + name)
        self.listener.listen(300)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            channel = ipc.Channel(sock=sock, name="local", timeout=None)  # however long a test is busy
        except OSError:
            return  # qmgr was killed
        with self.condition:
            self.channels.append(channel)
            self.at_once = max(self.at_once, there(self.channels))
        try:
            destination = channel.expect("agent_open")["recipient"]
            with self.condition:
                self.opened.append(destination)
            channel.send("agent_ready", window=self.window)
            while True:
                name, delivery = channel.recv()
                if name == "agent_close":
                    self.closed += 1
                    break
                if name == "content":  # once more, as the test has asked
                    self.again += delivery
                    continue
                if name != "deliver":
                    raise AssertionError(f"{name} came to the agent")
                content = channel.take_content(delivery["size"])
                verdicts = self.verdicts
                answer = self.decide(delivery, content)
                with self.condition:
                    if not answer and verdicts != self.verdicts:
                        answer = self.verdict
                    if not answer:
                        self.unanswered.append((channel, delivery))
                    # Who waits for the delivery finds it among the unanswered.
                    self.deliveries.append((delivery, content if self.keep else None))
                    self.condition.notify_all()
                for rcpt in delivery["rcpts"] if answer else ():
                    self.result(channel, delivery, rcpt["index"], *answer)
        except (ipc.Closed, OSError):
            pass
        with self.condition:
            if channel in self.channels:
                self.channels.remove(channel)
        channel.close()

    @staticmethod
    def result(channel, delivery, index, status, dsn, text, unreachable=False, more=None):
        channel.send("result", id=delivery["id"], attempt=delivery["attempt"], index=index, status=status,
                     dsn=dsn, text=text, relay="local", unreachable=unreachable, **(more or {}))

    def wait(self, count, timeout=60):
        end = time.monotonic() + timeout
        with self.condition:
            while len(self.deliveries) < count:
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{len(self.deliveries)} deliveries, expected {count}")
                self.condition.wait(left)
            return self.deliveries[count - 1]

    def hang_up(self):
        for channel in list(self.channels):
            try:
                channel.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.channels = []

    def answer_all(self, status=SENT, dsn="2.0.0", text="delivered"):
        """Answers what has not been answered, on the channels it came by, if they are still there; later ones too."""
        with self.condition:
            self.decide = lambda delivery, content: (status, dsn, text)
            self.verdict, self.verdicts = (status, dsn, text), self.verdicts + 1
            unanswered, self.unanswered = self.unanswered, []
        for channel, delivery in unanswered:
            try:
                for rcpt in delivery["rcpts"]:
                    self.result(channel, delivery, rcpt["index"], status, dsn, text)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        os.unlink(self.path)
        self.hang_up()


class Bounce:
    """private/bounce: takes notices and answers as DECIDE says, a function of (notice, original) that
    returns (accepted, why), or None for no answer."""

    def __init__(self, daemons, decide=lambda notice, original: (True, "")):
        self.decide = decide
        self.notices = []
        self.at_once = 0  # most channels there were at the same time
        self.condition = threading.Condition()
        self.channels = []
        self.listener, self.path = listen(daemons, "private/bounce")
        self.listener.listen(300)
        threading.Thread(target=self.accept, daemon=True).start()

    accept = Agent.accept
    hang_up = Agent.hang_up
    close = Agent.close

    def serve(self, sock):
        channel = ipc.Channel(sock=sock, name="bounce", timeout=None)
        with self.condition:
            self.channels.append(channel)
            self.at_once = max(self.at_once, there(self.channels))
        try:
            while True:
                notice = channel.expect("notice")
                original = channel.take_content(notice["size"])
                with self.condition:
                    self.notices.append((notice, original))
                    self.condition.notify_all()
                answer = self.decide(notice, original)
                if answer:
                    channel.send("notice_done", accepted=answer[0], id="NOTICEz1" if answer[0] else "",
                                 why=answer[1])
        except (ipc.Closed, OSError):
            pass
        with self.condition:
            if channel in self.channels:
                self.channels.remove(channel)
        channel.close()

    def wait(self, count, timeout=60):
        end = time.monotonic() + timeout
        with self.condition:
            while len(self.notices) < count:
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{len(self.notices)} notices, expected {count}")
                self.condition.wait(left)
            return self.notices[count - 1]


def deliver(delivery, content):
    return SENT, "2.0.0", "delivered"


def defer(delivery, content):
    return DEFERRED, "4.2.2", "mailbox is away"


def refuse(delivery, content):
    return BOUNCED, "5.1.1", "unknown user"


def silent(delivery, content):
    return None


class Rig(unittest.TestCase):
    """Has no tests of its own."""

    def setUp(self):
        self.daemons = Daemons(BUILD)
        self.agent = self.bounce = None
        self.addCleanup(self.clean)

    def clean(self):
        for program in list(self.daemons.processes):
            # Whatever a test was about: what it did must not have ended the program.
            alive = self.daemons.alive(program)
            self.assertTrue(alive, program + " has ended: " + "\n".join(self.daemons.lines[-30:]))
        for helper in (self.agent, self.bounce):
            if helper:
                helper.close()
        self.daemons.__exit__()

    def path(self, name):
        return os.path.join(self.daemons.spool, name)

    def start(self, decide=deliver, **more):
        if decide:
            self.agent = Agent(self.daemons, decide, **more)
        self.daemons.start("qmgr")

    def kill(self):
        """Kills qmgr, and waits until the agent has taken what had still been on its way."""
        self.daemons.kill("qmgr")
        if self.agent:
            self.wait_for("the agent's channels to end", lambda: not self.agent.channels)

    def restart(self):
        self.kill()
        self.daemons.start("qmgr")

    def flush(self, site="", **more):
        channel = ipc.Channel(self.path("public/flush"))
        channel.send("flush", id="", site=site, **more)
        done = channel.expect("admin_done")
        channel.close()
        return done["count"]

    def wait_for(self, what, condition, timeout=60):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError("not in time: " + what + "\n" + "\n".join(self.daemons.lines[-15:]))
            time.sleep(0.02)

    def net(self):
        channel = ipc.Channel(self.path("private/qmgr-net"))
        self.addCleanup(channel.close)
        return channel

    def mailq(self):
        return ipc.mailq(self.path("public/showq"))

    def admin(self, verb, queue_id, state="", missing=False):
        channel = ipc.Channel(self.path("private/qmgr-admin"))
        channel.send("admin", verb=verb, id=queue_id, state=state)
        done = channel.expect("admin_done")
        channel.close()
        self.assertTrue(done["missing"] or not missing)
        return done["count"]

    def wait_state(self, queue_id, state, timeout=60):
        end = time.monotonic() + timeout
        while True:
            entry = self.mailq().get(queue_id)
            if (entry and entry["state"]) == state:
                return entry
            if time.monotonic() > end:
                raise AssertionError(f"{queue_id}: {entry}, expected {state}\n" + "\n".join(self.daemons.lines[-15:]))
            time.sleep(0.05)

    def log(self, text, timeout=60):
        line = self.daemons.log_wait(text, timeout=timeout)
        self.assertIsNotNone(line, f"not in the log: {text}\n" + "\n".join(self.daemons.lines[-15:]))
        return line

    def wait_empty(self, timeout=60):
        self.wait_for("an empty queue", lambda: not self.mailq(), timeout)

    def state_on_disk(self, queue_id):
        """The letter of the state mark, and those of the recipients."""
        with open(self.slot_of(queue_id), "rb") as f:
            head = f.read(512)
            rcpts = int(head[head.index(b"\nrcpts ") + 7:][:7])
            marks = f.read(32 * rcpts)
        return chr(head[256 + 6]), "".join(chr(marks[32 * i + 8]) for i in range(rcpts))

    def set_mark(self, queue_id, state=b"Q", next_time=0, work=0):
        """Writes the state mark as lib/queue does (SipHash-2-4 with its public key). qmgr is not running."""
        text = (b"state %s next %012d tries 00001 work %d warned n expire n" % (state, next_time, work)).ljust(72)
        check = siphash((0x706f73746b656570, 0x736c6f742d312121), queue_id.encode() + struct.pack("<Q", 256) + text)
        with open(self.slot_of(queue_id), "r+b") as f:
            f.seek(256)
            f.write((text + b"%016x" % check).ljust(127) + b"\n")

    def ticket(self, queue_id, index):
        """What goes out with a recipient, made as qmgr/ticket.c does."""
        with open(self.path("slots/ticket-key"), "rb") as f:
            key = struct.unpack("=QQ", f.read())
        return struct.pack("=QQ", *siphash(key, queue_id.encode() + struct.pack("=Q", index), long=True))

    def report(self, queue_id, ticket, index=0, restart=False, **more):
        """What an agent says that has delivered and lost its channel. RESTART: as qmgr was killed; the next one finds
        the report when it starts."""
        if restart:
            self.kill()
        report = ipc.Channel(self.path("private/qmgr-report"))
        values = {"dsn": "2.0.0", "text": "delivered", "relay": "local", **more}
        report.send("report", id=queue_id, index=index, ticket=ticket, **values)
        if restart:
            self.daemons.start("qmgr")
        report.expect("report_ok")
        report.close()

    def slot_of(self, queue_id):
        for path in glob.glob(self.path("slots/*/*")):
            with open(path, "rb") as f:
                if f"\nid {queue_id} ".encode() in f.read(256):
                    return path
        return None


def siphash(key, data, long=False):
    """SipHash-2-4; LONG: of 128 bits, as two numbers."""
    mask = (1 << 64) - 1
    v = [key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
         key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573]

    def rotate(x, b):
        return ((x << b) | (x >> (64 - b))) & mask

    def mix(rounds):
        for _ in range(rounds):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    if long:
        v[1] ^= 0xee
    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) & 255])
    for i in range(0, len(padded), 8):
        m = struct.unpack_from("<Q", padded, i)[0]
        v[3] ^= m
        mix(2)
        v[0] ^= m
    v[2] ^= 0xee if long else 0xff
    mix(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    if not long:
        return first
    v[1] ^= 0xdd
    mix(4)
    return first, v[0] ^ v[1] ^ v[2] ^ v[3]
