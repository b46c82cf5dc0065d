#!/usr/bin/env python3
"""local beside a queue manager that the test plays: deliveries to mbox and Maildir, refusals, limits, and
what becomes of a delivery whose queue manager goes away. As an ordinary user all mail goes to that user's
mailboxes; as root, real users are made for the test and removed after it."""
import fcntl
import glob
import grp
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402

BUILD = os.path.abspath(os.environ.get("POSTKEEP_BUILD", "."))
ROOT = os.geteuid() == 0
NOBODY = 65534
SENT, DEFERRED, BOUNCED = 0, 1, 2
MAIN_CF = """compatibility_level = 3.11
myhostname = mx.example.com
mydestination = $myhostname, example.com, localhost
queue_directory = {dir}/spool
data_directory = {dir}/data
mail_spool_directory = {dir}/mail
alias_maps =
recipient_delimiter = +
mail_owner = daemon
mail_work_user = bin
mail_network_user = nobody
setgid_group = mail
deliver_lock_delay = 1s
"""
CONTENT = b"From: a@example.org\r\nSubject: x\r\n\r\nFrom here\r\nbody\r\n"


def wait_for(condition, timeout=10):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Local:
    """The program under a master that only starts and stops it; as an ordinary user unless AS_ROOT. FILE_SIZE: as
    `ulimit -f` sets it, in bytes."""

    def __init__(self, extra="", maxproc=0, as_root=False, file_size=None):
        self.dir = tempfile.mkdtemp(prefix="postkeep-local.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        for name in ("conf", "data", "spool", "spool/private", "mail"):
            os.mkdir(os.path.join(self.dir, name))
        if as_root:
            shutil.chown(self.dir + "/mail", "root", "mail")
            os.chmod(self.dir + "/mail", 0o2775)
        elif ROOT:
            for name in ("", "/mail", "/spool", "/spool/private"):
                shutil.chown(self.dir + name, NOBODY, NOBODY)
        with open(self.dir + "/conf/main.cf", "w") as f:
            f.write(MAIN_CF.format(dir=self.dir) + extra)
        self.path = self.dir + "/spool/private/local"
        self.report_path = self.dir + "/spool/private/qmgr-report"
        self.mail = self.dir + "/mail/"
        self.listener = self.listen(self.path)
        self.lines = []
        self.open_channels = []
        self.log_read, log_write = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=self._gather, daemon=True).start()
        self.status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = [theirs.fileno(), log_write.fileno(), self.listener.fileno()]

        def child():
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in wanted]
            for at, fd in enumerate(high):
                os.dup2(fd, 3 + at)
            if file_size:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
            if ROOT and not as_root:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)

        argv = [BUILD + "/local/local", "-n", "local", "-t", "unix", "-c", self.dir + "/conf",
                "-m", str(maxproc), "-L", "unix:private/local"]
        self.process = subprocess.Popen(argv, cwd=self.dir + "/spool", stdin=subprocess.DEVNULL,
                                        preexec_fn=child, pass_fds=range(3, 6))
        theirs.close()
        log_write.close()
        self.status.settimeout(10)
        if not self.status.recv(1000):
            self.__exit__()
            raise RuntimeError("local did not start: %s" % self.lines)

    def listen(self, path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen(100)
        return listener

    def _gather(self):
        while True:
            try:
                data = self.log_read.recv(65536)
            except OSError:
                return
            if not data:
                return
            self.lines += [line[1:] for line in data.decode("utf-8", "replace").splitlines()]

    def logged(self, pattern, timeout=5):
        return wait_for(lambda: any(re.search(pattern, line) for line in self.lines), timeout)

    def workers(self):
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            return [int(pid) for pid in f.read().split()]

    def new(self, user):
        """The messages in the user's Maildir, and what is left over in tmp/."""
        def names(name):
            return sorted(glob.glob(self.mail + user + "/" + name + "/*"))
        return [read(name) for name in names("new")], names("tmp")

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for channel in self.open_channels:
            channel.close()
        self.status.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.listener.close()
            self.log_read.close()
            shutil.rmtree(self.dir)

    def connect(self, hello=True):
        self.open_channels.append(ipc.Channel(self.path, name="qmgr", hello=hello))
        return self.open_channels[-1]

    def open(self, recipient):
        return Channel(self.connect(), recipient)


class Channel:
    """The queue manager's side of one channel."""

    def __init__(self, channel, recipient):
        self.ipc = channel
        self.ipc.send("agent_open", recipient=recipient)
        self.attempt = 0
        self.answer, self.values = self.ipc.recv()

    def send(self, content=CONTENT, address="u@example.com", sender="s@example.org", orig="o@example.com",
             size=None, probe=False, rcpts=None):
        self.attempt += 1
        self.ipc.send("deliver", id="4bTESTID%04d" % self.attempt, attempt=self.attempt,
                      nexthop="example.com", sender=sender, size=len(content) if size is None else size,
                      probe=probe,
                      rcpts=[{"index": i, "address": a, "orig": orig, "ticket": "ticket %04d %04d" % (self.attempt, i)}
                             for i, a in enumerate(rcpts or [address])])
        if content:
            self.ipc.content(content)
        return self.attempt

    def result(self):
        return self.ipc.expect("result")

    def deliver(self, *args, **kwargs):
        attempt = self.send(*args, **kwargs)
        result = self.result()
        assert result["attempt"] == attempt, result
        return result

    def results(self, n):
        return [self.result() for _ in range(n)]

    def gone(self):
        """Has local closed the channel?"""
        try:
            self.ipc.recv()
        except ipc.Closed:
            return True
        return False

    def close(self):
        self.ipc.close()


class Reports:
    """private/qmgr-report of a queue manager that is back."""

    def __init__(self, local):
        self.listener = local.listen(local.report_path)
        self.listener.settimeout(20)

    def take(self, n):
        sock, _ = self.listener.accept()
        channel = ipc.Channel(sock=sock, name="qmgr")
        got = []
        for _ in range(n):
            got.append(channel.expect("report"))
            channel.send("report_ok")
        channel.close()
        return got

    def quiet(self, seconds):
        self.listener.settimeout(seconds)
        try:
            self.listener.accept()[0].close()
        except socket.timeout:
            return True
        return False

    def close(self):
        self.listener.close()


class Case(unittest.TestCase):
    def sent(self, result, text):
        self.assertEqual((result["status"], result["dsn"], result["text"], result["relay"]),
                         (SENT, "2.0.0", text, "local"))

    def deferred(self, result, dsn, pattern):
        self.assertEqual((result["status"], result["dsn"]), (DEFERRED, dsn), result)
        self.assertRegex(result["text"], pattern)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Mbox(Case):
    user = "root"

    def test_form(self):
        with Local() as local:
            channel = local.open(self.user)
            self.assertEqual(channel.answer, "agent_ready")
            self.sent(channel.deliver(), "delivered to mailbox")
            self.sent(channel.deliver(b"A: b\r\n\r\nno end", sender="", orig=""), "delivered to mailbox")
            self.assertRegex(read(local.mail + self.user),
                             rb"\AFrom s@example.org  \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n"
                             rb"Return-Path: <s@example.org>\nX-Original-To: o@example.com\n"
                             rb"Delivered-To: u@example.com\nFrom: a@example.org\nSubject: x\n\n"
                             rb">From here\nbody\n\n"
                             rb"From MAILER-DAEMON  [^\n]*\nReturn-Path: <>\nDelivered-To: u@example.com\n"
                             rb"A: b\n\nno end\n\n\Z")
            self.assertEqual(os.listdir(local.mail), [self.user])
            channel.close()

    def test_loop_and_copies(self):
        with Local() as local:
            channel = local.open(self.user)
            channel.send(b"Delivered-To: U@example.com\r\n\r\n", rcpts=["u@example.com", "v@example.com"])
            results = sorted(channel.results(2), key=lambda r: r["index"])
            self.assertEqual((results[0]["status"], results[0]["dsn"], results[0]["text"]),
                             (BOUNCED, "5.4.6", "mail forwarding loop for u@example.com"))
            self.sent(results[1], "delivered to mailbox")
            self.assertEqual(read(local.mail + self.user).count(b"Return-Path:"), 1)
            channel.close()

    def test_probe(self):
        with Local() as local:
            channel = local.open(self.user)
            self.sent(channel.deliver(probe=True), "delivers to mailbox")
            self.assertEqual(os.listdir(local.mail), [])
            os.symlink("/etc/passwd", local.mail + self.user)
            self.deferred(channel.deliver(probe=True), "4.2.0", "not a regular file")
            channel.close()

    def test_limit_of_the_system(self):
        """A file that the system lets grow no further (ulimit -f) is an error like another, not the worker's end:
        deferred with the cause, and the mailbox is as it was."""
        for kind, extra in (("mailbox", ""), ("maildir", Maildir.extra)):
            with Local(extra, file_size=500000) as local:
                channel = local.open(self.user)
                self.sent(channel.deliver(), "delivered to " + kind)
                workers = local.workers()
                for size in (600000, 2000000):
                    self.deferred(channel.deliver(CONTENT + b"x" * size), "4.2.2", "File too large")
                self.sent(channel.deliver(CONTENT + b"y" * 100000), "delivered to " + kind)
                self.assertEqual(local.workers(), workers)
                if kind == "maildir":
                    messages, left = local.new(self.user)
                    self.assertEqual((len(messages), left), (2, []))
                else:
                    text = read(local.mail + self.user)
                    self.assertEqual((text.count(b"\nDelivered-To: "), b"xxx" in text), (2, False))
                channel.close()

    def test_refusals(self):
        with Local("mailbox_size_limit = 1000\nmessage_size_limit = 1000\n") as local:
            channel = local.open(self.user)
            os.symlink("elsewhere", local.mail + self.user)
            self.deferred(channel.deliver(), "4.2.0", "symbolic link")
            self.assertFalse(os.path.exists(local.mail + "elsewhere"))
            os.unlink(local.mail + self.user)
            os.mkdir(local.mail + self.user)
            self.deferred(channel.deliver(), "4.2.0", "mailbox")
            os.rmdir(local.mail + self.user)
            self.sent(channel.deliver(), "delivered to mailbox")
            before = read(local.mail + self.user)
            self.deferred(channel.deliver(CONTENT + b"x" * 1000), "4.2.2", "mailbox_size_limit")
            self.deferred(channel.deliver(CONTENT + b"x" * 1000000), "4.2.2", "mailbox_size_limit")
            self.assertEqual(read(local.mail + self.user), before)
            shutil.rmtree(local.mail)
            self.deferred(channel.deliver(), "4.2.0", "No such file")
            channel.close()

    def test_lock(self):
        with Local("deliver_lock_attempts = 2\ndeliver_lock_delay = 1s\n") as local:
            channel = local.open(self.user)
            lock = local.mail + self.user + ".lock"
            open(lock, "w").close()
            channel.send()
            self.deferred(channel.result(), "4.2.0", "cannot create lock file .*: File exists")
            for _ in range(channel.values["window"]):
                channel.send()
            time.sleep(0.3)
            os.unlink(lock)
            for result in channel.results(channel.values["window"]):
                self.sent(result, "delivered to mailbox")
            self.assertEqual(read(local.mail + self.user).count(b"\nReturn-Path:"), channel.values["window"])
            self.assertFalse(os.path.exists(lock))
            channel.close()

    def test_large(self):
        body = b"From the start\r\n" + b"0123456789abcdef\r\n" * 300000 + b"the end"
        with Local() as local:
            channel = local.open(self.user)
            channel.send(b"A: b\r\n\r\n" + body, rcpts=["u@example.com", "v@example.com"])
            for result in channel.results(2):
                self.sent(result, "delivered to mailbox")
            text = read(local.mail + self.user)
            stored = b"A: b\n\n>" + body.replace(b"\r\n", b"\n") + b"\n\n"
            self.assertEqual(text.count(stored), 2)
            self.assertEqual(os.listdir(local.mail), [self.user])
            channel.close()

    def test_lost_in_the_middle(self):
        for size in (1000, 2000000):
            with Local() as local:
                channel = local.open(self.user)
                channel.send(b"x" * size, size=size + 1)
                wait_for(lambda: False, 0.3)
                channel.close()
                self.assertTrue(wait_for(lambda: not local.workers()))
                self.assertEqual(os.listdir(local.mail), [])


class Maildir(Case):
    user = "root"
    extra = "mail_spool_directory = ${queue_directory}/../mail/\n"

    def test_size_limit(self):
        """Of each file, whatever the Maildir holds in all: the largest just fits, one byte more does not, be it in
        memory or spooled."""
        for limit in (1000, 1000000):
            with Local(self.extra + "message_size_limit = %d\nmailbox_size_limit = %d\n" % (limit, limit)) as local:
                channel = local.open(self.user)
                self.sent(channel.deliver(b"A: b\r\n\r\n"), "delivered to maildir")
                head = os.path.getsize(glob.glob(local.mail + self.user + "/new/*")[0])
                line = b"x" * 99 + b"\r\n"
                fits = b"A: b\r\n\r\n" + line * ((limit - head) // 100)
                fits += b"y" * (limit - head - len(fits.replace(b"\r", b"")) + 6)
                self.deferred(channel.deliver(fits), "4.2.2", r"mailbox_size_limit \(%d\)" % limit)
                self.sent(channel.deliver(fits[:-1]), "delivered to maildir")
                self.sent(channel.deliver(fits[:-1]), "delivered to maildir")
                messages, left = local.new(self.user)
                self.assertEqual(sorted(len(m) for m in messages), [head, limit, limit])
                self.assertEqual(left, [])
                channel.close()

    def test_form(self):
        with Local(self.extra) as local:
            channel = local.open(self.user)
            self.sent(channel.deliver(), "delivered to maildir")
            path = glob.glob(local.mail + self.user + "/new/*")[0]
            expected = (b"Return-Path: <s@example.org>\nX-Original-To: o@example.com\n"
                        b"Delivered-To: u@example.com\nFrom: a@example.org\nSubject: x\n\n"
                        b"From here\nbody\n")
            self.assertEqual(read(path), expected)
            name = os.path.basename(path)
            self.assertRegex(name, r"^\d{10}\.M\d{6}P\d+Q\d+\.[^:/]+,S=%d,W=%d$" %
                             (len(expected), len(expected) + expected.count(b"\n")))
            for name in ("tmp", "new", "cur"):
                self.assertEqual(os.stat(local.mail + self.user + "/" + name).st_mode & 0o7777, 0o700)
            channel.close()

    def test_many(self):
        with Local(self.extra) as local:
            channel = local.open(self.user)
            window, n = channel.values["window"], 400
            for i in range(window):
                channel.send(CONTENT + b"%d\r\n" % i)
            for i in range(window, n):
                self.sent(channel.result(), "delivered to maildir")
                channel.send(CONTENT + b"%d\r\n" % i)
            channel.results(window)
            messages, left = local.new(self.user)
            self.assertEqual(sorted(int(m.split(b"\n")[-2]) for m in messages), list(range(n)))
            self.assertEqual(left, [])
            channel.close()

    def test_large(self):
        body = b"0123456789abcdef\r\n" * 300000 + b"the end"
        with Local(self.extra) as local:
            channel = local.open(self.user)
            channel.send(b"A: b\r\nDelivered-To: u@example.com\r\n\r\n" + body,
                         rcpts=["u@example.com", "v@example.com", "w@example.com"])
            results = sorted(channel.results(3), key=lambda r: r["index"])
            self.assertEqual(results[0]["status"], BOUNCED)
            self.sent(results[1], "delivered to maildir")
            self.sent(results[2], "delivered to maildir")
            messages, left = local.new(self.user)
            self.assertEqual(left, [])
            self.assertEqual(sorted(m.split(b"\n")[2] for m in messages),
                             [b"Delivered-To: v@example.com", b"Delivered-To: w@example.com"])
            for message in messages:
                self.assertTrue(message.endswith(b"\n\n" + body.replace(b"\r\n", b"\n") + b"\n"))
            channel.close()

    def test_lost_in_the_middle(self):
        for size in (1000, 2000000):
            with Local(self.extra) as local:
                channel = local.open(self.user)
                channel.deliver()
                channel.send(b"x" * size, size=size + 1)
                if size > 1000:
                    self.assertTrue(wait_for(lambda: local.new(self.user)[1]), "it is spooled to tmp/")
                channel.close()
                self.assertTrue(wait_for(lambda: local.new(self.user)[1] == []))
                self.assertEqual(len(local.new(self.user)[0]), 1)

    def test_late_report(self):
        with Local(self.extra) as local:
            channel = local.open(self.user)
            n = 20
            for _ in range(n):
                channel.send()
            self.assertTrue(wait_for(lambda: len(local.new(self.user)[0]) == n))
            channel.close()
            wait_for(lambda: False, 0.7)
            reports = Reports(local)
            got = reports.take(n)
            self.assertEqual(sorted((r["id"], r["ticket"]) for r in got),
                             [("4bTESTID%04d" % i, "ticket %04d 0000" % i) for i in range(1, n + 1)])
            self.assertEqual({(r["index"], r["dsn"], r["text"], r["relay"], r["remote_mta"], r["dsn_passed"]) for r in got},
                             {(0, "2.0.0", "delivered to maildir", "local", "", False)})
            self.assertTrue(wait_for(lambda: not local.workers()))
            reports.close()

    def test_report_of_what_was_told_last(self):
        """Whether the queue manager has acted on what it read just before it died, nobody knows."""
        with Local(self.extra) as local:
            reports = Reports(local)
            channel = local.open(self.user)
            channel.deliver()
            channel.close()
            self.assertEqual(reports.take(1)[0]["id"], "4bTESTID0001")
            channel = local.open(self.user)
            channel.deliver()
            wait_for(lambda: False, 1)
            channel.close()
            self.assertTrue(reports.quiet(1))
            reports.close()

    def test_close_in_order(self):
        """A queue manager that has heard everything says so: nobody waits for the next one."""
        with Local(self.extra) as local:
            reports = Reports(local)
            channel = local.open(self.user)
            channel.deliver()
            channel.ipc.send("agent_close")
            channel.close()
            self.assertTrue(wait_for(lambda: not local.workers()))
            self.assertTrue(reports.quiet(0.5))
            reports.close()

    def test_nobody_to_report_to(self):
        with Local(self.extra) as local:
            channel = local.open(self.user)
            channel.deliver()
            channel.close()
            wait_for(lambda: False, 0.5)
            self.assertEqual(len(local.workers()), 1)
            local.status.send(b"D")
            self.assertTrue(wait_for(lambda: local.process.poll() is not None, 8))


class Parent(Case):
    def test_destinations(self):
        own = pwd.getpwuid(NOBODY if ROOT else os.geteuid()).pw_name
        with Local() as local:
            for recipient, name in (("root", "root"), ("postmaster", "root"), ("PostMaster", "root"),
                                    ("root+ext", "root"), (own, own), ("ROOT", "root")):
                channel = local.open(recipient)
                self.assertEqual(channel.answer, "agent_ready", recipient)
                channel.deliver(b"%s\r\n" % recipient.encode())
                self.assertIn(b"\n%s\n" % recipient.encode(), read(local.mail + name))
                channel.close()
            for recipient in ("no-such-user", "../root", "no+ext", "\x00root", "", "x" * 1000):
                channel = local.open(recipient)
                self.assertEqual((channel.answer, channel.values["dsn"], channel.values["busy"]),
                                 ("agent_no", "5.1.1", False))
                self.assertEqual(channel.values["text"], 'unknown user: "%s"' % recipient)
                self.assertTrue(channel.gone())

    def test_worker_limit(self):
        with Local(maxproc=2) as local:
            channels = [local.open("root"), local.open("root")]
            busy = local.open("root")
            self.assertEqual((busy.answer, busy.values["dsn"][0], busy.values["busy"]), ("agent_no", "4", True))
            channels[0].close()
            self.assertTrue(wait_for(lambda: len(local.workers()) == 1))
            again = local.open("root")
            self.sent(again.deliver(), "delivered to mailbox")
            self.sent(channels[1].deliver(), "delivered to mailbox")
            again.close()
            channels[1].close()

    def test_slow_and_bad_peers(self):
        with Local() as local:
            slow = []
            for data in (b"", b"\0", ipc.pack("hello", version=1, name="qmgr"),
                         ipc.pack("hello", version=1, name="qmgr") + ipc.pack("agent_open", recipient="r")[:-1]):
                slow.append(local.connect(hello=False))
                slow[-1].sock.sendall(data)
            for data in (b"\xff" * 100, ipc.pack("agent_open", recipient="root") * 2,
                         ipc.pack("hello", version=2, name="qmgr") * 2,
                         ipc.pack("hello", version=1, name="qmgr") + ipc.pack("report_ok", reserved=0)):
                bad = local.connect(hello=False)
                bad.sock.sendall(data)
                with self.assertRaises(ipc.Closed):
                    bad.recv()
            self.assertTrue(local.logged("channel refused"))
            channel = local.open("root")
            self.sent(channel.deliver(), "delivered to mailbox")
            channel.close()
            slow[-1].sock.sendall(ipc.pack("agent_open", recipient="r")[-1:])
            self.assertEqual(slow[-1].expect("agent_no")["text"], 'unknown user: "r"')
            for channel in slow:
                channel.close()

    def test_bad_deliveries(self):
        with Local() as local:
            channel = local.open("root")
            channel.ipc.send("report_ok")
            self.assertTrue(channel.gone())
            channel = local.open("root")
            channel.send(b"abc", size=2)
            self.assertTrue(channel.gone())
            self.assertTrue(local.logged("more content than was announced"))
            self.assertEqual(os.listdir(local.mail), [])

    def test_killed_worker(self):
        with Local() as local:
            channel = local.open("root")
            os.kill(local.workers()[0], signal.SIGKILL)
            self.assertTrue(channel.gone())
            self.assertTrue(local.logged(r'worker for "root" \(pid \d+\) was ended by signal 9 \(Killed\)'))
            channel = local.open("root")
            self.sent(channel.deliver(), "delivered to mailbox")
            channel.close()

    def test_drain(self):
        for order in (b"D", b"R"):
            with Local() as local:
                channel = local.open("root")
                local.status.send(order)
                self.assertTrue(local.status.recv(100))
                self.sent(channel.deliver(), "delivered to mailbox")
                wait_for(lambda: False, 0.7)
                self.assertIsNone(local.process.poll())
                channel.close()
                self.assertEqual(local.process.wait(5), 0)

    def test_terminate(self):
        """What was begun is brought to its end, and told."""
        with Local() as local:
            channel = local.open("root")
            for _ in range(5):
                channel.send()
            channel.result()
            local.process.send_signal(signal.SIGTERM)
            told = 1
            try:
                while True:
                    channel.result()
                    told += 1
            except ipc.Closed:
                pass
            self.assertEqual(local.process.wait(5), 0)
            self.assertGreaterEqual(told, read(local.mail + "root").count(b"Return-Path"))


@unittest.skipUnless(ROOT, "needs root")
class AsRoot(Case):
    """Real users: two are made for the tests, with homes in a directory of their own."""

    @classmethod
    def setUpClass(cls):
        cls.homes = tempfile.mkdtemp(prefix="postkeep-homes.", dir="/tmp")
        os.chmod(cls.homes, 0o755)
        cls.users = ["pkt%da" % os.getpid(), "pkt%db" % os.getpid()]
        for user in cls.users:
            subprocess.run(["useradd", "-m", "-d", cls.homes + "/" + user, "-s", "/usr/sbin/nologin", user],
                           check=True, stderr=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        for user in cls.users:
            subprocess.run(["userdel", user], check=True, stderr=subprocess.DEVNULL)
        shutil.rmtree(cls.homes)

    def setUp(self):
        self.user = pwd.getpwnam(self.users[0])
        self.home = self.user.pw_dir

    def status(self, pid):
        return dict(line.split(":\t") for line in read("/proc/%d/status" % pid).decode().splitlines())

    def test_spool(self):
        with Local(as_root=True) as local:
            channel = local.open(self.user.pw_name)
            pid = local.workers()[0]
            self.sent(channel.deliver(), "delivered to mailbox")
            st = os.stat(local.mail + self.user.pw_name)
            mail = os.stat(local.mail).st_gid
            self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777), (self.user.pw_uid, mail, 0o600))
            status = self.status(pid)
            self.assertEqual(status["Uid"].split(), [str(self.user.pw_uid)] * 4)
            self.assertEqual(status["Gid"].split(), [str(self.user.pw_gid)] * 4)
            self.assertEqual(status["Groups"].split(), [str(mail)])
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(int(status["CapBnd"], 16), 0)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
            # Neither master's socket nor a listening one: standard streams, parent, log, channel, and
            # what the event loop has.
            sockets = [f for f in os.listdir("/proc/%d/fd" % pid)
                       if os.readlink("/proc/%d/fd/%s" % (pid, f)).startswith("socket:")]
            self.assertEqual(sorted(sockets), ["3", "4", "5"])
            self.assertNotEqual(os.stat("/proc/%d/fd/3" % pid).st_ino,
                                os.stat("/proc/%d/fd/3" % local.process.pid).st_ino)
            # A mailbox of somebody else, and a hard link to one.
            other = local.mail + self.users[1]
            os.chown(local.mail + self.user.pw_name, 12345, mail)
            os.chmod(local.mail + self.user.pw_name, 0o666)
            self.deferred(channel.deliver(), "4.2.0", "belongs to uid 12345")
            os.rename(local.mail + self.user.pw_name, other)
            os.chown(other, self.user.pw_uid, mail)
            os.link(other, local.mail + self.user.pw_name)
            self.deferred(channel.deliver(), "4.2.0", "has 2 links")
            self.assertEqual(read(other).count(b"Return-Path"), 1)
            channel.close()

    def test_spool_groups(self):
        """The spool's group is taken only where it is what opens the directory, and root's never."""
        cases = (("root", "mail", 0o2775, "mail", True), ("root", "mail", 0o1777, None, True),
                 (self.user.pw_name, "mail", 0o770, None, True), ("root", "root", 0o775, None, False),
                 ("root", "mail", 0o755, None, False))
        with Local(as_root=True) as local:
            for owner, group, mode, taken, good in cases:
                shutil.chown(local.mail, owner, group)
                os.chmod(local.mail, mode)
                before = set(local.workers())
                channel = local.open(self.user.pw_name)
                pid = (set(local.workers()) - before).pop()
                groups = [str(grp.getgrnam(taken).gr_gid)] if taken else []
                self.assertEqual(self.status(pid)["Groups"].split(), groups, (owner, group, mode))
                if good:
                    self.sent(channel.deliver(), "delivered to mailbox")
                    os.unlink(local.mail + self.user.pw_name)
                else:
                    self.deferred(channel.deliver(), "4.2.0", "Permission denied")
                channel.close()

    def test_root(self):
        with Local(as_root=True) as local:
            channel = local.open("postmaster")
            status = self.status(local.workers()[0])
            self.assertEqual((int(status["CapEff"], 16), int(status["CapPrm"], 16)), (0, 0))
            self.assertEqual(status["NoNewPrivs"], "1")
            self.sent(channel.deliver(), "delivered to mailbox")
            self.assertEqual(os.stat(local.mail + "root").st_uid, 0)
            # Without capabilities root writes only where root may as any owner may.
            os.chown(local.mail, self.user.pw_uid, 0)
            os.chmod(local.mail, 0o700)
            self.deferred(channel.deliver(), "4.2.0", "Permission denied")
            channel.close()

    def test_maildir_at_home(self):
        with Local("home_mailbox = mail/Maildir/\n", as_root=True) as local:
            channel = local.open(self.user.pw_name)
            self.assertEqual(self.status(local.workers()[0])["Groups"].split(), [])
            self.sent(channel.deliver(), "delivered to maildir")
            for name in ("mail", "mail/Maildir", "mail/Maildir/new"):
                st = os.stat(self.home + "/" + name)
                self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o777),
                                 (self.user.pw_uid, self.user.pw_gid, 0o700))
            name = glob.glob(self.home + "/mail/Maildir/new/*")[0]
            self.assertEqual((os.stat(name).st_uid, os.stat(name).st_mode & 0o777), (self.user.pw_uid, 0o600))
            # A link that the user has made is the user's business; one that another has made is not.
            shutil.rmtree(self.home + "/mail")
            os.mkdir(self.home + "/elsewhere")
            os.chown(self.home + "/elsewhere", self.user.pw_uid, self.user.pw_gid)
            os.symlink("elsewhere", self.home + "/mail")
            os.chown(self.home + "/mail", self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)
            self.sent(channel.deliver(), "delivered to maildir")
            other = pwd.getpwnam(self.users[1])
            os.chown(self.home + "/mail", other.pw_uid, other.pw_gid, follow_symlinks=False)
            channel.close()
            channel = local.open(self.user.pw_name)
            self.deferred(channel.deliver(), "4.2.0", "link of somebody else")
            channel.close()
        os.unlink(self.home + "/mail")
        shutil.rmtree(self.home + "/elsewhere")

    def test_mbox_at_home(self):
        with Local("home_mailbox = mbox\nrequire_home_directory = yes\n", as_root=True) as local:
            channel = local.open(self.user.pw_name)
            self.sent(channel.deliver(), "delivered to mailbox")
            self.assertEqual(os.stat(self.home + "/mbox").st_uid, self.user.pw_uid)
            os.chmod(self.home, 0o000)
            os.chown(self.home, 0, 0)
            self.deferred(channel.deliver(), "4.2.0", "Permission denied")
            channel.close()
            os.rename(self.home, self.home + ".away")
            channel = local.open(self.user.pw_name)
            self.assertEqual((channel.answer, channel.values["dsn"]), ("agent_no", "4.2.0"))
            self.assertIn("require_home_directory", channel.values["text"])
            os.rename(self.home + ".away", self.home)
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
            os.chmod(self.home, 0o700)

    def test_strangers(self):
        """Only the queue manager's user may connect, whatever the socket's mode."""
        with Local(as_root=True) as local:
            code = ("import socket,sys,os; os.setgid(%d); os.setuid(%d); s=socket.socket(socket.AF_UNIX); "
                    "s.settimeout(5); s.connect(sys.argv[1]); sys.exit(len(s.recv(1)))")
            for user, expected in (("nobody", 0), (self.user.pw_name, 0)):
                pw = pwd.getpwnam(user)
                done = subprocess.run([sys.executable, "-c", code % (pw.pw_gid, pw.pw_uid), local.path])
                self.assertEqual(done.returncode, expected)
            self.assertTrue(local.logged("connection of uid %d refused" % self.user.pw_uid))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
