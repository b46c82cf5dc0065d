"""local beside a queue manager that the test plays: deliveries to mbox and Maildir, refusals, limits, and
what becomes of a delivery whose queue manager goes away. As an ordinary user all mail goes to that user's
mailboxes; as root, real users are made for the test and removed after it."""
import fcntl
import glob
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

BUILD = os.environ.get("POSTKEEP_BUILD", ".")
ROOT = os.geteuid() == 0
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
    """The program under a master that only starts and stops it."""

    def __init__(self, extra="", maxproc=0, conf=None):
        self.dir = tempfile.mkdtemp(prefix="postkeep-local.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        for name in ("conf", "data", "spool", "spool/private", "mail"):
            os.mkdir(os.path.join(self.dir, name))
        if ROOT:
            shutil.chown(self.dir + "/mail", "root", "mail")
            os.chmod(self.dir + "/mail", 0o2775)
        with open(self.dir + "/conf/main.cf", "w") as f:
            f.write(MAIN_CF.format(dir=self.dir) + extra)
        self.path = self.dir + "/spool/private/local"
        self.listener = self.listen(self.path)
        self.lines = []
        self.log_read, log_write = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=self._gather, daemon=True).start()
        self.status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = [theirs.fileno(), log_write.fileno(), self.listener.fileno()]

        def child():
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in wanted]
            for at, fd in enumerate(high):
                os.dup2(fd, 3 + at)

        argv = [BUILD + "/local/local", "-n", "local", "-t", "unix", "-c", self.dir + "/conf",
                "-m", str(maxproc), "-L", "unix:private/local"]
        self.process = subprocess.Popen(argv, cwd=self.dir + "/spool", stdin=subprocess.DEVNULL,
                                        preexec_fn=child, pass_fds=range(3, 6))
        theirs.close()
        log_write.close()
        self.status.settimeout(10)
        if not self.status.recv(1000):
            raise RuntimeError("local did not start: %s" % self.lines)

    def listen(self, path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(100)
        return listener

    def _gather(self):
        while True:
            data = self.log_read.recv(65536)
            if not data:
                return
            self.lines += [line[1:] for line in data.decode("utf-8", "replace").splitlines()]

    def logged(self, pattern, timeout=5):
        return wait_for(lambda: any(re.search(pattern, line) for line in self.lines), timeout)

    def workers(self):
        out = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True).stdout
        return [int(pid) for pid in out.split()]

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.status.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.listener.close()
            shutil.rmtree(self.dir)

    def open(self, recipient):
        return Channel(self, recipient)


class Channel:
    """The queue manager's side of one channel."""

    def __init__(self, local, recipient):
        self.ipc = ipc.Channel(local.path, name="qmgr")
        self.ipc.send("agent_open", recipient=recipient)
        self.attempt = 0
        self.answer, self.values = self.ipc.recv()

    def send(self, content=CONTENT, address="u@example.com", sender="s@example.org", orig="o@example.com",
             size=None, probe=False, rcpts=None):
        self.attempt += 1
        self.ipc.send("deliver", id="4bTESTID%04d" % self.attempt, attempt=self.attempt,
                      nexthop="example.com", sender=sender, size=len(content) if size is None else size,
                      probe=probe,
                      rcpts=[{"index": i, "address": a, "orig": orig} for i, a in enumerate(rcpts or [address])])
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

    def close(self):
        self.ipc.close()


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
    user = "root" if ROOT else pwd.getpwuid(os.geteuid()).pw_name

    def test_form(self):
        with Local() as local:
            channel = local.open(self.user)
            self.assertEqual(channel.answer, "agent_ready")
            self.sent(channel.deliver(), "delivered to mailbox")
            self.sent(channel.deliver(b"A: b\r\n\r\nno end", sender="", orig=""), "delivered to mailbox")
            text = read(local.dir + "/mail/" + self.user)
            self.assertRegex(text, rb"\AFrom s@example.org  \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n"
                             rb"Return-Path: <s@example.org>\nX-Original-To: o@example.com\n"
                             rb"Delivered-To: u@example.com\nFrom: a@example.org\nSubject: x\n\n"
                             rb">From here\nbody\n\n"
                             rb"From MAILER-DAEMON  [^\n]*\nReturn-Path: <>\nDelivered-To: u@example.com\n"
                             rb"A: b\n\nno end\n\n\Z")
            channel.close()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
