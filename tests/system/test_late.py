#!/usr/bin/env python3
"""What a server has taken goes out once, whatever becomes of the queue manager: smtp and lmtp keep what it may not have
heard, and tell the next one. First with a queue manager that is this test; then with the whole suite, whose queue manager
is killed between the server's answer and the mark."""
import os
import pwd
import re
import signal
import socket
import struct
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import ipc  # noqa: E402
from hostile import KEYWORDS, Hop, at, close, keep_and_close, say  # noqa: E402
from queue_rig import siphash  # noqa: E402
from relay import Relay, message  # noqa: E402
from test_smtp_client import CONTENT, SENT, Case, Client  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
HURRY = 12  # seconds in which a process that is told to end has ended, reports or not


class Reports:
    """private/qmgr-report. It listens from the start, as master does; who comes there waits for accept()."""

    def __init__(self, client):
        self.path = os.path.join(client.daemons.spool, "private/qmgr-report")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(10)
        self.listener.settimeout(20)

    def accept(self):
        return ipc.Channel(sock=self.listener.accept()[0], name="qmgr")

    def take(self, n, channel=None):
        """The next N reports, answered; and nothing behind them."""
        own = channel or self.accept()
        got = []
        for _ in range(n):
            got.append(own.expect("report"))
            own.send("report_ok")
        try:
            got.append(own.recv())
        except ipc.Closed:
            pass
        own.close()
        return got

    def quiet(self, seconds=0.7):
        self.listener.settimeout(seconds)
        try:
            self.listener.accept()[0].close()
        except socket.timeout:
            self.listener.settimeout(20)
            return True
        return False

    def close(self):
        self.listener.close()
        os.unlink(self.path)


class Told(Case):
    def setUp(self):
        self.reports = Reports(self.client)
        self.addCleanup(self.reports.close)

    def order(self, hop, names="a", channel=None, **more):
        """A delivery whose recipients have tickets; its channel and queue ID."""
        channel = channel or self.client.channel()
        rcpts = [{"address": f"{n}@hop.example", "ticket": f"ticket {n}".ljust(16)} for n in names]
        self.client.order(channel, f"[127.0.0.1]:{hop.port}", rcpts, **more)
        return channel, "4bTESTID%04d" % self.client.attempt

    def report_of(self, queue_id, index, name, hop, **more):
        values = {"id": queue_id, "index": index, "ticket": f"ticket {name}".ljust(16), "dsn": "2.0.0",
                  "text": "250 2.0.0 Ok: kept", "relay": f"127.0.0.1[127.0.0.1]:{hop.port}",
                  "remote_mta": "dns; 127.0.0.1", "dsn_passed": True}
        return values | more

    def lost_before_the_answer(self, keywords, names="a"):
        """The queue manager goes while the server thinks about the end of data."""
        asked, go_on = threading.Event(), threading.Event()

        def think(s, stage, reply):
            asked.set()
            go_on.wait(20)
            return reply
        hop = self.hop(at("dot", think), keywords)
        channel, queue_id = self.order(hop, names)
        self.assertTrue(asked.wait(20))
        channel.close()
        go_on.set()
        return hop, queue_id

    def test_lost_before_the_answer(self):
        for keywords in (KEYWORDS, KEYWORDS + ("CHUNKING",), ("SIZE 100000000",)):
            hop, queue_id = self.lost_before_the_answer(keywords, "abc")
            expected = [self.report_of(queue_id, i, n, hop, dsn_passed="DSN" in keywords) for i, n in enumerate("abc")]
            self.assertEqual(self.reports.take(3), expected)
            self.accepted(hop, 3 if self.lmtp else 1)

    def test_lost_after_the_result(self):
        """It was sent, but the queue manager has not said that it has noted it. However long ago."""
        hop = self.hop()
        channel, queue_id = self.order(hop)
        self.assertEqual(channel.expect("result")["status"], SENT)
        self.assertTrue(self.reports.quiet(2))
        channel.close()
        self.assertEqual(self.reports.take(1), [self.report_of(queue_id, 0, "a", hop)])

    def test_noted(self):
        """Who orders the next delivery has noted the last one; who says goodbye, too."""
        hop = self.hop()
        channel, _ = self.order(hop)
        channel.expect("result")
        _, second = self.order(hop, "b", channel)
        channel.expect("result")
        channel.close()
        self.assertEqual(self.reports.take(1), [self.report_of(second, 0, "b", hop)])
        channel, _ = self.order(hop)
        channel.expect("result")
        channel.send("agent_close")
        channel.close()
        self.assertTrue(self.reports.quiet())

    def test_order_that_is_cut_off(self):
        """The next order's beginning says that the last one was noted, and nothing is known of its own."""
        hop = self.hop()
        channel, _ = self.order(hop)
        channel.expect("result")
        self.order(hop, "b", channel, send=CONTENT[:5])
        channel.close()
        self.assertTrue(self.reports.quiet())

    def test_only_what_was_sent(self):
        """Failures are found out again by trying; a probe delivers nothing."""
        hop = self.hop(lambda s, stage, reply: {"b": b"550 5.1.1 unknown\r\n", "c": b"450 4.2.0 later\r\n"}.get(
            s.rcpt[0], reply) if stage == "rcpt" else reply)
        channel, queue_id = self.order(hop, "abcd")
        for _ in range(4):
            channel.expect("result")
        channel.close()
        self.assertEqual(self.reports.take(2),
                         [self.report_of(queue_id, 0, "a", hop), self.report_of(queue_id, 3, "d", hop)])
        for behave, more in ((at("dot", say("450 4.3.0 no\r\n")), {}), (at("dot", say("550 5.7.1 no\r\n")), {}),
                             (at("dot", close), {}), (at("dot", keep_and_close), {}), (None, {"probe": True, "content": b""})):
            channel, _ = self.order(self.hop(behave), **more)
            channel.expect("result")
            channel.close()
            self.assertTrue(self.reports.quiet(0.3))

    def test_no_end_of_data_for_nobody(self):
        """A channel that is lost before that is lost for nothing."""
        asked, go_on = threading.Event(), threading.Event()

        def think(s, stage, reply):
            asked.set()
            go_on.wait(20)
            return reply
        hop = self.hop(at("data", think), ("SIZE 100000000",))
        channel, _ = self.order(hop)
        self.assertTrue(asked.wait(20))
        channel.close()
        go_on.set()
        self.assertTrue(self.reports.quiet())
        self.assertEqual(hop.accepted, [])

    def test_connection_lost(self):
        """A queue manager that is killed while it is told: the next one is told the rest, and nothing is left out."""
        hop, queue_id = self.lost_before_the_answer(KEYWORDS, "abcde")
        channel = self.reports.accept()
        self.assertEqual(channel.expect("report")["index"], 0)
        channel.send("report_ok")
        for index in range(1, 5):
            self.assertEqual(channel.expect("report")["index"], index)
        channel.close()
        self.reports.accept().close()
        channel = self.reports.accept()
        channel.sock.sendall(b"\xff" * 20)  # what is no message
        channel.close()
        self.assertEqual(self.reports.take(4), [self.report_of(queue_id, i, n, hop) for i, n in enumerate("abcde")][1:])

    def test_many(self):
        """More than are told at once; from several channels over one connection."""
        hop = self.hop()
        channels = [self.order(hop, "a" * 100) for _ in range(3)]
        for channel, _ in channels:
            for _ in range(100):
                self.assertEqual(channel.expect("result")["status"], SENT)
        for channel, _ in channels:
            channel.close()
        got = []
        while len(got) < 300:
            channel = self.reports.accept()
            try:
                while True:
                    got.append(channel.expect("report"))
                    channel.send("report_ok")
            except ipc.Closed:
                pass
        self.assertEqual(sorted((r["id"], r["index"]) for r in got), sorted((i, n) for _, i in channels for n in range(100)))


class ToldByLmtp(Told):
    program, lmtp = "lmtp", True

    def test_each_has_an_answer(self):
        asked, go_on = threading.Event(), threading.Event()

        def think(s, stage, reply):
            asked.set()
            go_on.wait(20)
            return {"b": b"552 5.2.2 full\r\n", "c": b"450 4.2.0 later\r\n"}.get(s.rcpt[0], reply)
        hop = self.hop(at("dot", think))
        channel, queue_id = self.order(hop, "abcd")
        self.assertTrue(asked.wait(20))
        channel.close()
        go_on.set()
        self.assertEqual(self.reports.take(2),
                         [self.report_of(queue_id, 0, "a", hop), self.report_of(queue_id, 3, "d", hop)])


class Ending(unittest.TestCase):
    """The end of the process."""

    def setUp(self):
        self.client = Client()
        self.addCleanup(self.client.__exit__)
        self.hop = Hop()
        self.addCleanup(self.hop.stop)

    def deliver(self, wait=True):
        channel = self.client.channel()
        rcpts = [{"address": "a@hop.example", "ticket": "ticket".ljust(16)}]
        self.client.order(channel, f"[127.0.0.1]:{self.hop.port}", rcpts)
        if wait:
            channel.expect("result")
        return channel

    ENDS = (lambda process, _: process.send_signal(signal.SIGTERM), lambda _, status: status.send(b"D"),
            lambda _, status: status.shutdown(socket.SHUT_RDWR))

    def test_told_before_the_end(self):
        """Told to end at once, to take nothing new, or left alone by master: a moment is left for it."""
        for end in self.ENDS:
            channel = self.deliver()
            channel.close()
            time.sleep(0.3)
            end(*self.client.daemons.processes["smtp"])
            time.sleep(0.3)
            reports = Reports(self.client)
            self.assertEqual(len(reports.take(1)), 1)
            self.assertEqual(self.client.daemons.wait_end("smtp", HURRY), 0)
            reports.close()
            self.client.daemons.start("smtp")

    def test_nothing_to_tell(self):
        """A queue manager that is still there reads what was sent, when it is the process that goes."""
        reports = Reports(self.client)
        for end in self.ENDS:
            channel = self.deliver(wait=False)
            time.sleep(1)
            end(*self.client.daemons.processes["smtp"])
            self.assertEqual(self.client.daemons.wait_end("smtp", 3), 0)
            self.assertEqual(channel.expect("result")["status"], SENT)
            self.assertTrue(reports.quiet(0.1))
            self.client.daemons.start("smtp")
        reports.close()

    def test_killed_while_it_is_away(self):
        """… but not one that was killed."""
        for end in self.ENDS[:2]:
            reports = Reports(self.client)
            channel = self.deliver()
            process = self.client.daemons.processes["smtp"]
            process[0].send_signal(signal.SIGSTOP)
            end(*process)
            channel.close()
            process[0].send_signal(signal.SIGCONT)
            self.assertEqual(len(reports.take(1)), 1)
            self.assertEqual(self.client.daemons.wait_end("smtp", HURRY), 0)
            reports.close()
            self.client.daemons.start("smtp")

    def test_nobody_to_tell(self):
        """It does not wait for ever, and says what it could not tell."""
        channel = self.deliver()
        channel.close()
        time.sleep(0.5)
        self.client.daemons.processes["smtp"][0].send_signal(signal.SIGTERM)
        self.assertEqual(self.client.daemons.wait_end("smtp", HURRY), 0)
        self.assertIsNotNone(self.client.daemons.log_wait(
            "warning: 4bTESTID0001: delivered, but the queue manager could not be told: the message may be delivered"))
        self.client.daemons.start("smtp")

    def test_later(self):
        """The queue manager's socket comes back."""
        channel = self.deliver()
        channel.close()
        time.sleep(1)
        reports = Reports(self.client)
        self.assertEqual(len(reports.take(1)), 1)
        reports.close()


class Killed(unittest.TestCase):
    """The whole suite; its hop answers when qmgr is no more, or does not look."""

    RCPTS = [f"{n}@hop.example" for n in "abc"]

    def start(self, lmtp=False, then="kill", keywords=KEYWORDS):
        self.asked, self.go_on, self.first = threading.Event(), threading.Event(), True

        def think(s, stage, reply):
            if self.first:
                self.first = lmtp and s.rcpt[0] != "c"
                self.asked.set()
                self.go_on.wait(60)
            return reply
        self.hop = Hop(at("dot", think), keywords, lmtp=lmtp)
        self.addCleanup(self.hop.stop)
        self.relay = Relay(PREFIX, {"hop.example": f"{'lmtp' if lmtp else 'smtp'}:inet:127.0.0.1:{self.hop.port}" if lmtp
                                    else f"smtp:[127.0.0.1]:{self.hop.port}"}, patience="60s", backoff="2s")
        self.relay.__enter__()
        self.addCleanup(self.relay.__exit__, None, None, None)

    def once(self):
        """Each recipient has it once, and the queue is empty."""
        self.relay.wait_empty()
        for rcpt in self.RCPTS:
            self.relay.wait_log(rf"to=<{rcpt}>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:{self.hop.port}, delay=[0-9.]+, dsn=2\.0\.0, "
                                r"status=sent \(told late: 250 2\.0\.0 Ok: kept\)")
        time.sleep(1.5)  # longer than the next qmgr waits for reports
        copies = self.hop.copies(b"token-late")
        self.assertEqual(copies, {rcpt: 1 for rcpt in self.RCPTS})
        self.assertFalse(re.findall(r"status=(?!sent)\w+", self.relay.log()))

    def test_killed_before_the_answer(self):
        for lmtp in (False, True):
            with self.subTest(lmtp=lmtp):
                self.start(lmtp)
                self.relay.submit(self.RCPTS, message(b"token-late", b"once\r\n"))
                self.assertTrue(self.asked.wait(30))
                self.relay.kill("qmgr")
                self.go_on.set()
                self.once()

    def test_killed_before_the_mark(self):
        """It is stopped, so the result waits in its socket for ever."""
        for keywords in (KEYWORDS, KEYWORDS + ("CHUNKING",)):
            with self.subTest(keywords=keywords):
                self.start(keywords=keywords)
                self.relay.submit(self.RCPTS, message(b"token-late", b"once\r\n"))
                self.assertTrue(self.asked.wait(30))
                self.relay.kill("qmgr", signal.SIGSTOP)
                self.go_on.set()
                time.sleep(1)
                self.relay.kill("qmgr")
                self.once()

    def test_restarted_in_between(self):
        """The next qmgr waits for a second; smtp is told to go meanwhile, too."""
        self.start()
        self.relay.submit(self.RCPTS, message(b"token-late", b"once\r\n"))
        self.assertTrue(self.asked.wait(30))
        self.relay.kill("qmgr")
        self.relay.run("postkeep", "-c", self.relay.conf, "reload")
        self.go_on.set()
        self.once()


class Forged(unittest.TestCase):
    """Who may talk to private/qmgr-report, and what somebody who has taken smtp over can say there: nothing of messages
    that were not given to it."""

    def connect(self, user):
        """A connection of USER, made by a process of that user; or the error."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                account = pwd.getpwnam(user)
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                s = socket.socket(socket.AF_UNIX)
                s.connect(self.relay.spool + "/private/qmgr-report")
                socket.send_fds(theirs, [b"ok"], [s.fileno()])
            except OSError as e:
                theirs.send(e.strerror.encode())
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        words, fds, _, _ = socket.recv_fds(ours, 100, 1)
        return ipc.Channel(sock=socket.socket(fileno=fds[0]), name="smtp") if fds else words.decode()

    def test_reports(self):
        self.relay = Relay(PREFIX, {"hop.example": "smtp:[127.0.0.1]:1"})
        with self.relay as relay:
            waiting, other = [relay.submit("a@hop.example", message(b"token-%d" % n)) for n in (1, 2)]
            for queue_id in (waiting, other):
                relay.wait_log(rf"{queue_id}: to=<a@hop.example>.*status=deferred")
            if relay.root:
                for user in ("nobody", "postwork", "postkeep", "daemon"):
                    self.assertEqual(self.connect(user), "Permission denied", user)
                self.assertEqual(sorted(os.listdir(relay.spool + "/jail/smtpd/private")), ["anvil", "proxymap-net", "qmgr-net"])
            channel = self.connect("postnet") if relay.root else ipc.Channel(relay.spool + "/private/qmgr-report")
            for ticket in (b"", b"x" * 16, bytes(16), os.urandom(16)):
                for index in (0, 1, 10000000):
                    channel.send("report", id=waiting, index=index, ticket=ticket, dsn="2.0.0", text="250 ok", relay="x")
                    channel.expect("report_ok")
            relay.wait_log(rf"has no ticket for recipient 0 of {waiting}: report overlooked")
            self.assertEqual({q["queue_id"] for q in relay.queue()}, {waiting, other})
            self.assertNotIn("told late", relay.log())
            # What it was given it can lie about, as it always could.
            with open(relay.spool + "/slots/ticket-key", "rb") as f:
                key = struct.unpack("=QQ", f.read())
            ticket = struct.pack("=QQ", *siphash(key, waiting.encode() + bytes(8), long=True))
            channel.send("report", id=other, index=0, ticket=ticket)
            channel.expect("report_ok")
            channel.send("report", id=waiting, index=0, ticket=ticket, dsn="2.0.0", text="250 ok", relay="x")
            channel.expect("report_ok")
            relay.wait_log(rf"{waiting}: removed")
            self.assertEqual({q["queue_id"] for q in relay.queue()}, {other})
            channel.close()


if __name__ == "__main__":
    unittest.main()
