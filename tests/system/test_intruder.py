"""What a stranger could do who has taken smtpd over: a program of ours stands in its stead (tests/system/intruder.c), is
started by the real master, confined as smtpd is, and tries. What succeeds is exactly what is written here.

As root with users and chroots; as an ordinary user, whose suite has neither, with what that leaves open."""
import ctypes
import glob
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite, free_port  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
BUILD = os.environ.get("POSTKEEP_BUILD", ".")
ROOT = os.geteuid() == 0
KILLED = "killed"
SYS_LANDLOCK_CREATE_RULESET = 444
# What smtpd is made to reach: as root nothing else is in its chroot.
PEERS = {"private/qmgr-net", "private/proxymap-net", "private/anvil"}
MAIN = """
daemon_directory = {dir}/daemons
relay_domains = elsewhere.example
relay_recipient_maps = texthash:{dir}/relays
smtp_sasl_password_maps = texthash:{dir}/passwords
alias_maps = texthash:{dir}/aliases
"""
# Each of these ends the process: no call of the kind is allowed at all.
DEADLY = """unlink private/qmgr-net|mkdir x|link private/anvil|chmod private/anvil|chdir /|handle|memfd x|execve /bin/sh
execveat /bin/sh|fork|clone|ptrace {other}|ptrace {qmgr}|read-memory {other}|read-memory {qmgr}|pidfd {other}
pidfd-getfd 3|kill {other}|kill {master}|tgkill {other}|sigqueue {other}|setown {other}|kcmp {other}|prlimit {other}
bind private/mine|option 4|option 5|mount /|umount /|chroot ..|pivot /|unshare|setns|setuid|setgroups|capset|dumpable
seccomp|personality|bpf|perf|userfaultfd|keys|terminal"""
DEADLY = [attempt for line in DEADLY.splitlines() for attempt in line.split("|")]


def landlock_scopes():
    """Does the kernel keep abstract sockets apart (Linux 6.12)?"""
    return ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1) >= 6


class Intruder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ports = [free_port() for _ in DEADLY]

        def a_service_for_each(master):
            return master + "".join(f"127.0.0.1:{port} inet n - - - - smtpd\n" for port in cls.ports)
        cls.suite = suite = Suite(PREFIX, edit_master=a_service_for_each, start=False)
        shutil.copytree(os.path.join(PREFIX, "libexec", "postkeep"), suite.dir + "/daemons")
        shutil.copy(os.path.join(BUILD, "tests", "system", "intruder"), suite.dir + "/daemons/smtpd")
        with open(suite.conf + "/main.cf") as f:
            main = re.sub(r"(?m)^(daemon_directory|alias_maps) =.*\n", "", f.read())
        suite.write_conf("main.cf", main + MAIN.format(dir=suite.dir))
        for name in ("relays", "passwords", "aliases"):
            with open(f"{suite.dir}/{name}", "w") as f:
                f.write("key@elsewhere.example secret\n")
        suite.start()
        cls.shell = cls.connect(suite.port)
        cls.shell.sendall(b"stat .\n")
        assert cls.shell.recv(100) == b"ok\n"  # it runs
        pids = suite.pids()
        cls.names = {"other": next(pid for pid, name in pids.items() if name == "smtpd"),
                     "qmgr": next(pid for pid, name in pids.items() if name == "qmgr"), "master": suite.master_pid()}

    @classmethod
    def tearDownClass(cls):
        cls.shell.close()
        cls.suite.__exit__(None, None, None)

    @staticmethod
    def connect(port):
        return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=("127.0.0.2", 0))

    def attempt(self, text, shell=None):
        """What became of it: "ok", an error's name, or KILLED."""
        shell = shell or self.shell
        shell.sendall(text.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            try:
                more = shell.recv(4096)
            except ConnectionResetError:
                more = b""
            if not more:
                return KILLED
            answer += more
        return answer.decode().rstrip("\n")

    def expect(self, expected):
        """EXPECTED: attempt -> answer. All that is otherwise, at once."""
        found = {text: self.attempt(text) for text in expected}
        self.assertEqual(found, expected)

    def test_is_confined(self):
        """It is the program that was meant, under the name and with the rights of smtpd."""
        pid = self.names["other"]
        with open(f"/proc/{pid}/status") as f:
            status = f.read()
        self.assertIn("\nSeccomp:\t2\n", status)
        self.assertIn("\nNoNewPrivs:\t1\n", status)
        if ROOT:
            self.assertEqual(os.readlink(f"/proc/{pid}/root"), f"{self.suite.spool}/jail/smtpd")
            self.assertEqual(os.readlink(f"/proc/{pid}/exe"), f"{self.suite.dir}/daemons/smtpd")

    def test_deadly(self):
        """What no program that talks to strangers ever does ends it; nothing of it happens."""
        for text, port in zip(DEADLY, self.ports):
            with self.subTest(attempt=text), self.connect(port) as shell:
                self.assertEqual(self.attempt(text.format(**self.names), shell), KILLED)
        self.suite.wait_log(r"killed by signal 31", count=len(DEADLY))
        self.assertTrue(os.path.exists(self.suite.spool + "/private/qmgr-net"))
        for pid in self.names.values():
            self.assertTrue(os.path.exists(f"/proc/{pid}"))

    def test_files(self):
        """No file is opened, not one that everybody may read; as root there are none but sockets."""
        spool = self.suite.spool
        paths = ["/etc/passwd", "/etc/shadow", self.suite.conf + "/main.cf", "main.cf", "slots", spool + "/slots", "../../slots",
                 "../../../../etc/passwd", ".", "/", "private", spool + "/maildrop", "/proc/self/mem", "/proc/self/maps",
                 f"/proc/{self.names['qmgr']}/mem", "/proc/self/fd/3", "/dev/mem", "/dev/null", "/tmp"]
        paths += glob.glob(spool + "/slots/*")[:2]
        self.expect({f"{how} {path}": answer for path in paths
                     for how, answer in (("open", "EPERM"), ("open-write", "EPERM"), ("openat2", "ENOSYS"))})
        there = "ENOENT" if ROOT else "ok"
        self.expect({"stat /etc/passwd": there, f"stat {spool}/slots": there, "stat private/qmgr-net": "ok",
                     "stat private/qmgr-admin": there, "stat public/showq": there})

    def test_new_sockets(self):
        self.expect({name: "EAFNOSUPPORT" for name in ("inet", "inet6", "raw", "packet", "netlink", "vsock", "alg")})

    def test_shared_sockets(self):
        """The log, and the sockets that other processes listen on too."""
        self.expect({"shutdown 4": "EPERM", "shutdown 5": "EPERM", "exec-memory": "EPERM", "io_uring": "ENOSYS"})
        self.connect(self.suite.port).close()  # it still listens
        self.assertIsNotNone(self.suite.wait_log("postkeep/"))

    def sockets(self):
        """path below the spool -> how to connect there."""
        kinds = {"public/postlog": "connect-datagram", "private/master": "connect-packets"}
        paths = glob.glob("private/*", root_dir=self.suite.spool) + glob.glob("public/*", root_dir=self.suite.spool)
        return {path: kinds.get(path, "connect") for path in paths}

    def test_sockets_of_the_suite(self):
        """As root, its peers and nothing else; without a chroot, all: there the user is the only wall."""
        sockets = self.sockets()
        self.assertGreaterEqual(len(sockets), 13)
        reached = {path for path, how in sockets.items() if self.attempt(f"{how} {path}") == "ok"}
        self.assertEqual(reached, PEERS if ROOT else set(sockets))
        for prefix in (self.suite.spool + "/", "../../", "/../../", "./../../" + self.suite.spool + "/"):
            reached = {path for path, how in sockets.items() if self.attempt(f"{how} {prefix}{path}") == "ok"}
            # Above the root of a chroot there is the root.
            above = PEERS if ROOT and prefix.strip("./") == "" else set()
            whole = set(sockets) if not ROOT and prefix.startswith(self.suite.spool) else set()
            self.assertEqual(reached, above | whole, prefix)

    def test_sockets_of_others(self):
        """Sockets of the machine: by a path as root never, by an abstract name nowhere."""
        held = []
        paths = [tempfile.mkdtemp(dir="/tmp") + "/socket"]
        if ROOT:
            paths.append(f"/run/postkeep-test-{os.getpid()}")
        try:
            for path in paths:
                held.append(socket.socket(socket.AF_UNIX))
                held[-1].bind(path)
                held[-1].listen(5)
                os.chmod(path, 0o777)
                os.chmod(os.path.dirname(path), os.stat(os.path.dirname(path)).st_mode | 0o055)
            self.expect({f"connect {path}": "ENOENT" if ROOT else "ok" for path in paths})
            name = f"postkeep-test-{os.getpid()}"
            held.append(socket.socket(socket.AF_UNIX))
            held[-1].bind("\0" + name)
            held[-1].listen(5)
            self.expect({f"abstract {name}": "EPERM" if landlock_scopes() else "ok", "abstract nobody-there": "ECONNREFUSED"})
        finally:
            for s in held:
                s.close()
            for path in paths:
                os.unlink(path)
            os.rmdir(os.path.dirname(paths[0]))

    def test_tables(self):
        """proxymap says whether there is such a recipient or domain: no values, no other tables."""
        d = self.suite.dir
        self.expect({
            "lookup unix:passwd.byname local_recipient_maps root": "found []",
            "lookup unix:passwd.byname local_recipient_maps no-such-user-here": "not found []",
            f"lookup texthash:{d}/relays relay_recipient_maps key@elsewhere.example": "found []",
            f"lookup texthash:{d}/relays relay_recipient_maps other@elsewhere.example": "not found []"})
        for text in (f"texthash:{d}/passwords smtp_sasl_password_maps key@elsewhere.example",
                     f"texthash:{d}/aliases alias_maps key@elsewhere.example", f"texthash:{d}/aliases  key@elsewhere.example",
                     "texthash:/etc/passwd relay_recipient_maps root", "texthash:/etc/shadow local_recipient_maps root",
                     f"texthash:{self.suite.conf}/main.cf mydestination x"):
            with self.subTest(lookup=text):
                answer = self.attempt("lookup " + text)
                self.assertRegex(answer, r"^error \[table proxy:.*may not be asked for by the network side")
                self.assertNotIn("secret", answer)
        self.suite.wait_log(r"proxymap\[\d+\]: warning: refused: table texthash:")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
