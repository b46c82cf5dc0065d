"""What the tests of master and postkeep share: a suite of stand-ins in a folder of its own.

Runs master and postkeep of the build folder (the working directory, or $BUILD) with stand-ins for the
other programs (probe.py). Started as root, all tests of
a script run twice: as root, and as an ordinary user.
"""
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from ports import free_port  # noqa: E402

BUILD = os.path.abspath(os.environ.get("BUILD", "."))
ROOT = os.geteuid() == 0
ORDINARY = "games"


def wait_for(what, test, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        got = test()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("waited %g s for %s" % (seconds, what))


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Suite:
    """A configuration, a spool and a folder of programs of their own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="pk-master-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.etc, self.queue, self.programs, self.commands = (
            os.path.join(self.dir, name) for name in ("etc", "spool", "daemons", "commands"))
        for path in (self.etc, self.programs, self.commands):
            os.mkdir(path, 0o755)
        for name in ("postlogd", "qmgr", "smtpd", "pickup", "bounce", "proxymap", "anvil", "local", "smtp", "lmtp",
                     "probe"):
            self.program(name)
        self.wrap("master", os.path.join(BUILD, "master/master"), self.programs)
        self.wrap("postdrop", "/bin/true", self.commands)
        self.port = free_port()
        self.main()
        self.master()

    def program(self, name):
        path = os.path.join(self.programs, name)
        shutil.copyfile(os.path.join(HERE, "probe.py"), path)
        os.chmod(path, 0o755)

    @staticmethod
    def wrap(name, target, folder):
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write('#!/bin/sh\nexec %s "$@"\n' % target)
        os.chmod(path, 0o755)

    def main(self, more=""):
        with open(os.path.join(self.etc, "main.cf"), "w") as f:
            f.write("queue_directory = %s\ndaemon_directory = %s\ncommand_directory = %s\n"
                    "mail_owner = daemon\nmail_work_user = bin\nmail_network_user = games\n"
                    "setgid_group = mail\ninet_interfaces = 127.0.0.1\nmyhostname = mx.example.com\n"
                    "import_environment = ASAN_OPTIONS\n"
                    "%s" % (self.queue, self.programs, self.commands, more))

    def master(self, lines=None, smtpd=""):
        with open(os.path.join(self.etc, "master.cf"), "w") as f:
            f.write(lines if lines is not None else self.lines(smtpd))

    def lines(self, smtpd=""):
        return ("%d inet n - y - - smtpd %s\n" % (self.port, smtpd)
                + "pickup unix n - y 60 1 pickup\nqmgr unix n - n 300 1 qmgr\n"
                  "bounce unix - - y - 0 bounce\nproxymap unix - - n - - proxymap\n"
                  "anvil unix - - y - 1 anvil\nlocal unix - n n - - local\n"
                  "postlog unix-dgram n - n - 1 postlogd\n")

    def postkeep(self, *command, timeout=100):
        r = subprocess.run([os.path.join(BUILD, "admin/postkeep"), "-c", self.etc, *command],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=timeout, text=True)
        return r.returncode, r.stdout

    def log(self):
        try:
            with open(os.path.join(self.queue, "test.log")) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def orders(self):
        try:
            with open(os.path.join(self.queue, "test.orders")) as f:
                return [line.split(None, 2) for line in f.read().splitlines()]
        except FileNotFoundError:
            return []

    def pid(self):
        try:
            with open(os.path.join(self.queue, "pid/master.pid")) as f:
                return int(f.readline() or "0")
        except FileNotFoundError:
            return 0

    def children(self):
        pids = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if any(w.startswith(self.programs.encode() + b"/") for w in words[:2]) \
                    and b"-L" in words:
                pids.append(int(path.split("/")[2]))
        return pids

    def connect(self, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port), timeout=10)
        line = b""
        while not line.endswith(b"\n"):
            got = s.recv(200)
            if not got:
                raise AssertionError("closed before the greeting")
            line += got
        service, pid, flags, overrides = line.decode().split()
        return s, int(pid), flags, overrides

    def close(self):
        for pid in [self.pid()] + self.children():
            if pid > 0 and alive(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        shutil.rmtree(self.dir, ignore_errors=True)


class MasterTest(unittest.TestCase):
    def setUp(self):
        self.suite = Suite()
        self.addCleanup(self.suite.close)
        status, text = self.suite.postkeep("set-permissions")
        self.assertEqual(status, 0, text)

    def start(self):
        status, text = self.suite.postkeep("start")
        self.assertEqual(status, 0, text)

    def wait_log(self, pattern, seconds=10):
        return wait_for("log line " + pattern,
                        lambda: re.search(pattern, self.suite.log()), seconds)

    def fails(self, *patterns, command="start"):
        status, text = self.suite.postkeep(command)
        self.assertEqual(status, 1, text)
        for pattern in patterns:
            self.assertRegex(text, pattern)
        return text


def run_as_ordinary_user():
    """The same tests in a process that has become an ordinary user for good."""
    user = pwd.getpwnam(ORDINARY)
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    for path in (os.path.join(BUILD, "admin/postkeep"), os.path.abspath(sys.argv[0])):
        if subprocess.run(["/usr/bin/test", "-r", path], **who, cwd="/").returncode != 0:
            print("skipped: %s cannot read %s" % (ORDINARY, path), file=sys.stderr)
            return 0
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "BUILD": BUILD, "HOME": "/nonexistent",
           "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, os.path.abspath(sys.argv[0])] + sys.argv[1:], env=env,
                          **who).returncode



def main():
    """Runs the tests of the calling script, as root and as an ordinary user."""
    program = unittest.main(exit=False, warnings="ignore")
    failed = not program.result.wasSuccessful()
    if ROOT:
        print("as an ordinary user (%s):" % ORDINARY, file=sys.stderr, flush=True)
        failed = run_as_ordinary_user() != 0 or failed
    sys.exit(1 if failed else 0)
