"""The two suites that are compared, each in a private directory: its configuration, its start and end, and
which processes are its own. Nothing of the system's mail set-up is read or changed."""
import grp
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from ports import free_port  # noqa: E402

USER = "bench"
DOMAIN = "example.org"

# What both have to do alike: Maildirs below one directory, everybody local, the log in a file.
COMMON = """# made by tests/bench/run
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
mail_spool_directory = {dir}/mail/
maillog_file = {dir}/log/mail
maillog_file_prefixes = {dir}/log
myhostname = mx.example.org
mydomain = example.org
myorigin = example.org
mydestination = example.org, localhost
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps = unix:passwd.byname
alias_maps =
message_size_limit = 10240000
mailbox_size_limit = 0
"""

# Postfix delivers to one user with two processes at a time unless told otherwise; the bench has one user.
POSTFIX = """daemon_directory = {root}/usr/lib/postfix/sbin
command_directory = {root}/usr/sbin
sendmail_path = {root}/usr/sbin/sendmail
mail_owner = postfix
setgid_group = postdrop
export_environment = TZ MAIL_CONFIG LANG {libs}
import_environment = MAIL_CONFIG TZ LANG {libs}
alias_database =
local_destination_concurrency_limit = 20
"""

POSTKEEP = """daemon_directory = {prefix}/libexec/postkeep
command_directory = {prefix}/sbin
"""


def wait_until(condition, what, timeout=60, pause=0.002):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {what} did not happen in {timeout} s")
        time.sleep(pause)


def ended(pid):
    """Gone, or waiting for whoever will be told of its end."""
    try:
        text = open(f"/proc/{pid}/stat").read()
    except OSError:
        return True
    return text[text.rindex(")") + 2] == "Z"


class Suite:
    """One suite in DIRECTORY, new and empty. EXTRA: more lines of main.cf. SESSIONS: SMTP sessions that must
    be possible at the same time."""
    name = ""

    def __init__(self, directory, extra="", sessions=100, users=(USER,)):
        self.dir = directory
        self.conf = directory + "/etc"
        self.spool = directory + "/spool"
        self.sessions = sessions
        self.port = free_port()
        self.master = None
        for name in ("etc", "spool", "data", "mail", "log"):
            os.makedirs(os.path.join(directory, name))
        for user in users:
            self._mailbox(user)
        self.write("main.cf", COMMON.format(dir=directory) + self.main_cf() + extra)
        self.write("master.cf", self.master_cf())

    def _mailbox(self, user):
        path = os.path.join(self.dir, "mail", user)
        os.mkdir(path)
        if os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(path, account.pw_uid, account.pw_gid)

    def write(self, name, text):
        with open(os.path.join(self.conf, name), "w") as f:
            f.write(text)

    def run(self, program, *args, **more):
        return subprocess.run([self.program(program), *args], env=self.environment(), **more)

    def listening(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
                return s.recv(4)[:3] == b"220"
        except OSError:
            return False

    def start(self):
        """Starts it and returns the seconds from there to the first greeting by SMTP."""
        began = time.monotonic()
        self._start()
        wait_until(self.listening, f"a greeting of {self.name} ({self.dir}/log/mail may say why)")
        took = time.monotonic() - began
        self.master = int(open(self.spool + "/pid/master.pid").read().split()[0])
        return took

    def stop(self):
        if not self.master:
            return
        self._stop()
        wait_until(lambda: ended(self.master), f"the end of {self.name}", 120)
        self.master = None

    def new_of(self, user=USER):
        return os.path.join(self.dir, "mail", user, "new")

    def delivered(self, user=USER):
        try:
            return len(os.listdir(self.new_of(user)))
        except FileNotFoundError:
            return 0

    def address(self, user=USER):
        return f"{user}@{DOMAIN}"


class Postfix(Suite):
    """ROOT: where Debian's package was unpacked; "" is the installed one."""
    name = "postfix"
    root = ""

    def _libs(self):
        return f"LD_LIBRARY_PATH={self.root}/usr/lib/postfix" if self.root else ""

    def main_cf(self):
        text = POSTFIX.format(root=self.root, libs=self._libs())
        # Idle sessions are a process each.
        return text + f"default_process_limit = {max(100, self.sessions + 20)}\n"

    def master_cf(self):
        lines = []
        for line in open(self.root + "/usr/share/postfix/master.cf.dist"):
            fields = line.split()
            if line.startswith(("#", " ")) or len(fields) < 8:
                continue
            if fields[0] == "smtp" and fields[1] == "inet":
                fields[0] = f"127.0.0.1:{self.port}"
            # In its chroot it would miss files of this directory that Debian's scripts put there.
            fields[4] = "n"
            lines.append(" ".join(fields))
        # Not in the shipped file: without it no log in a file.
        lines.append("postlog unix-dgram n - n - 1 postlogd")
        return "\n".join(dict.fromkeys(lines)) + "\n"

    def environment(self):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": self.conf, "LC_ALL": "C"}
        if self.root:
            env["LD_LIBRARY_PATH"] = self.root + "/usr/lib/postfix"
        return env

    def program(self, name):
        return f"{self.root}/usr/sbin/{name}"

    def _make_spool(self):
        drop = grp.getgrnam("postdrop").gr_gid
        owner = pwd.getpwnam("postfix").pw_uid
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
                     "private", "saved", "trace"):
            os.makedirs(f"{self.spool}/{name}", 0o700, exist_ok=True)
            os.chown(f"{self.spool}/{name}", owner, 0)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            os.makedirs(f"{self.spool}/{name}", exist_ok=True)
            os.chown(f"{self.spool}/{name}", owner, drop)
            os.chmod(f"{self.spool}/{name}", mode)
        os.makedirs(f"{self.spool}/pid", exist_ok=True)
        os.chown(self.dir + "/data", owner, 0)

    def _start(self):
        self._make_spool()
        subprocess.run([f"{self.root}/usr/lib/postfix/sbin/master", "-c", self.conf, "-w"], check=True,
                       env=self.environment(), stdin=subprocess.DEVNULL)

    def _stop(self):
        os.kill(self.master, signal.SIGTERM)


class Postkeep(Suite):
    """PREFIX: where it was installed."""
    name = "postkeep"
    prefix = ""

    def main_cf(self):
        text = POSTKEEP.format(prefix=self.prefix)
        if self.sessions > 500:
            text += f"default_session_limit = {self.sessions}\nsmtpd_session_limit = {self.sessions}\n"
        return text

    def master_cf(self):
        text = open(self.prefix + "/etc/postkeep/master.cf").read()
        return re.sub(r"(?m)^smtp(\s+inet)", f"127.0.0.1:{self.port}\\1", text)

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": self.conf, "LC_ALL": "C"}

    def program(self, name):
        return f"{self.prefix}/sbin/{name}"

    def _order(self, what):
        done = self.run("postkeep", "-c", self.conf, what, capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"bench: postkeep {what}: {done.stderr.decode(errors='replace')}")

    def start(self):
        # Users, modes and spool are there before the clock starts, as they are for Postfix.
        self._order("set-permissions")
        return super().start()

    def _start(self):
        self._order("start")

    def _stop(self):
        self._order("stop")
