"""A whole suite for a test: started by `postkeep start` in a temporary directory, on a loopback port that
is free, driven by clients that are not part of it. As an ordinary user everything is that user's; as root
the real users, chroots and set-group-id bits are used. Python's standard library only.

    with Suite(prefix) as suite:
        with suite.smtp() as smtp:
            smtp.sendmail("alice@example.net", [suite.user], b"Subject: x\\r\\n\\r\\nhello\\r\\n")
        suite.wait_mail(suite.user, b"hello")
"""
import glob
import mailbox
import os
import pwd
import re
import shutil
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_port  # noqa: E402

MAIN_CF = """# made by a test
compatibility_level = 3.11
queue_directory = {dir}/spool
data_directory = {dir}/data
daemon_directory = {prefix}/libexec/postkeep
command_directory = {commands}
mail_spool_directory = {dir}/mail
myhostname = mx.example.org
mydomain = example.org
myorigin = example.org
mydestination = example.org, localhost
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
alias_maps =
"""


def sanitized():
    """Is this a build with sanitizers?"""
    path = os.path.join(os.environ.get("POSTKEEP_BUILD", "/nowhere"), "config.h")
    if not os.path.exists(path):
        return False
    with open(path) as f:
        return "#define POSTKEEP_SANITIZED 1" in f.read()


class Suite:
    """PREFIX: where the suite is installed. EXTRA: more lines for main.cf. EDIT_MASTER: a
    function from its text to its text."""

    def __init__(self, prefix, extra="", edit_master=None, user=None, start=True):
        self.prefix = os.path.abspath(prefix)
        self.dir = tempfile.mkdtemp(prefix="postkeep-suite.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.conf = self.dir + "/etc"
        self.spool = self.dir + "/spool"
        self.log_path = self.dir + "/log"
        self.mail = self.dir + "/mail"
        self.port = free_port()
        self.root = os.geteuid() == 0
        self.commands = self._commands()
        self.user = user or pwd.getpwuid(os.geteuid()).pw_name
        for name in ("etc", "data", "mail", "spool"):
            os.mkdir(os.path.join(self.dir, name))
        if self.root:
            shutil.chown(self.mail, "root", "mail")
            os.chmod(self.mail, 0o2775)
        self.write_conf("main.cf", MAIN_CF.format(dir=self.dir, prefix=self.prefix, commands=self.commands) + extra)
        master = open(os.path.join(self._installed_conf(), "master.cf")).read()
        master = re.sub(r"(?m)^smtp(\s+inet)", f"127.0.0.1:{self.port}\\1", master)
        self.write_conf("master.cf", edit_master(master) if edit_master else master)
        self.run("postkeep", "-c", self.conf, "set-permissions")
        self.started = False
        self.master = None
        if start:
            self.start()

    def _installed_conf(self):
        return os.path.join(self.prefix, "etc", "postkeep")

    def write_conf(self, name, text):
        with open(os.path.join(self.conf, name), "w") as f:
            f.write(text)

    def add_conf(self, text):
        with open(os.path.join(self.conf, "main.cf"), "a") as f:
            f.write(text if text.endswith("\n") else text + "\n")

    def remove_service(self, name):
        """Takes the services called NAME out of master.cf; before the start."""
        path = os.path.join(self.conf, "master.cf")
        with open(path) as f:
            lines = [line for line in f if line.split()[:1] != [name]]
        with open(path, "w") as f:
            f.writelines(lines)

    def _commands(self):
        """Where the commands are. A set-group-id postdrop obeys only the configuration that root has installed:
        an ordinary user's suite gets a copy without that bit."""
        installed = os.path.join(self.prefix, "sbin")
        if self.root or not os.stat(os.path.join(installed, "postdrop")).st_mode & stat.S_ISGID:
            return installed
        own = os.path.join(self.dir, "sbin")
        shutil.copytree(installed, own, symlinks=True, copy_function=shutil.copyfile)
        for name in os.listdir(own):
            os.chmod(os.path.join(own, name), 0o755)
        return own

    def program(self, name):
        return os.path.join(self.commands, name)

    def run(self, name, *args, check=True, input=None, timeout=60, user=None, env=None):
        """Runs a command of the suite; its result. USER: as that account (root only)."""
        argv = [self.program(name)] + list(args)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": self.conf, "LC_ALL": "C"}
        environment.update(env or {})
        more = {}
        if user:
            account = pwd.getpwnam(user)
            more = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        result = subprocess.run(argv, input=input, capture_output=True, timeout=timeout, env=environment,
                                cwd="/", **more)
        if check and result.returncode != 0:
            raise AssertionError(f"{argv} ended with {result.returncode}: "
                                 f"{result.stdout.decode()}{result.stderr.decode()}\n{self.log()}")
        return result

    def start(self):
        if sanitized():
            self._start_foreground()
        else:
            self.run("postkeep", "-c", self.conf, "start")
        self.started = True

    def _start_foreground(self):
        """What a sanitizer has to say, it says on standard error, which is nowhere but in the foreground."""
        with open(self.dir + "/stderr", "ab") as f:
            self.master = subprocess.Popen([self.program("postkeep"), "-c", self.conf, "start-fg"], cwd="/",
                                           stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        deadline = time.monotonic() + 60
        while self.run("postkeep", "-c", self.conf, "status", check=False).returncode != 0 or not self.pids("qmgr"):
            if self.master.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the suite does not start:\n{self.reports()}{self.log()}")
            time.sleep(0.05)

    def reports(self):
        """What the programs have written to standard error."""
        if not os.path.exists(self.dir + "/stderr"):
            return ""
        with open(self.dir + "/stderr", errors="replace") as f:
            return f.read()

    def stop(self):
        if self.started:
            self.run("postkeep", "-c", self.conf, "stop", timeout=120)
            self.started = False
            if self.master:
                self.master.wait(60)
                self.master = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print(f"--- log of {self.dir}\n{self.log()[-6000:]}")
        try:
            if self.started and not kind:
                self.stop()
            elif self.started:
                self.run("postkeep", "-c", self.conf, "abort", check=False, timeout=120)
            reports = self.reports()
            if re.search("Sanitizer|runtime error:", reports):
                raise AssertionError(f"found by a sanitizer:\n{reports[:20000]}")
        finally:
            if self.master:
                self.master.kill() if kind else None
                self.master.wait(60)
            shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        try:
            with open(self.log_path, errors="surrogateescape") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, timeout=30, count=1):
        """Waits for COUNT matches of PATTERN in the log; the last match."""
        deadline = time.monotonic() + timeout
        while True:
            found = list(re.finditer(pattern, self.log()))
            if len(found) >= count:
                return found[-1]
            if time.monotonic() > deadline:
                raise AssertionError(f"not in the log: {pattern}\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def smtp(self, timeout=60):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.net", timeout=timeout)

    def connect(self, timeout=30):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        return s

    def mbox(self, user):
        """The messages in USER's spool mailbox, as bytes each (From_ line left out)."""
        path = os.path.join(self.mail, user)
        if not os.path.exists(path):
            return []
        return [bytes(m) for m in mailbox.mbox(path, create=False)]

    def maildir(self, path):
        return [open(f, "rb").read() for f in sorted(glob.glob(os.path.join(path, "new", "*")))]

    def wait_mail(self, user, needle, timeout=30, count=1, maildir=None):
        """Waits for COUNT messages that contain NEEDLE; the last of them."""
        deadline = time.monotonic() + timeout
        while True:
            messages = self.maildir(maildir) if maildir else self.mbox(user)
            found = [m for m in messages if needle in m]
            if len(found) >= count:
                return found[-1]
            if time.monotonic() > deadline:
                raise AssertionError(f"no such mail for {user}: {needle!r}\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def queue(self):
        """What postqueue -j shows: a list of dicts."""
        import json
        out = self.run("postqueue", "-c", self.conf, "-j").stdout.decode()
        return [json.loads(line) for line in out.splitlines()]

    def wait_empty(self, timeout=30):
        deadline = time.monotonic() + timeout
        while self.queue():
            if time.monotonic() > deadline:
                raise AssertionError(f"queue is not empty: {self.queue()}\n{self.log()[-4000:]}")
            time.sleep(0.1)

    def master_pid(self):
        return int(open(self.spool + "/pid/master.pid").read().split()[0])

    def pids(self, program=None):
        """pid -> program of master's children (and theirs), by /proc."""
        found = {}
        parents = {self.master_pid()}
        for _ in range(3):
            for path in glob.glob("/proc/[0-9]*/stat"):
                try:
                    text = open(path).read()
                except OSError:
                    continue
                pid, name = int(text.split()[0]), text[text.index("(") + 1:text.rindex(")")]
                parent = int(text[text.rindex(")") + 2:].split()[1])
                if parent in parents and pid not in found:
                    found[pid] = name
            parents |= set(found)
        return {p: n for p, n in found.items() if not program or n == program}

    def kill(self, program, sig=signal.SIGKILL):
        """Kills every process of PROGRAM; how many."""
        pids = self.pids(program)
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        return len(pids)
