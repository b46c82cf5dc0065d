"""What the programs of a running suite still may: user, groups, capabilities, root directory, system call
filter, limits and open descriptors, as /proc tells them, held against the table of lib/service/endpoint.c and
that of doc/architecture.md. As root; and what is left of it for a suite of an ordinary user."""
import functools
import grp
import os
import pwd
import re
import smtplib
import socket
import stat
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from hostile import Hop  # noqa: E402
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USERS = {"QUEUE": "postkeep", "WORK": "postwork", "NETWORK": "postnet", "ROOT": "root"}
ROOT = os.geteuid() == 0
WORKER = "local (worker)"
# A session has so many descriptors, the process so many besides (lib/service/confine.c).
FDS_PER_SESSION, FDS_RESERVE = 4, 256
SESSIONS = {"smtpd": 2000, "qmgr": 4000}
SESSIONS_OTHERS = 1000
STATUS, LOG = 3, 4
# Port 1 answers nobody: the mail waits, and the clients stay for more.
# mtasts does not start without authorities, which a machine need not have.
OUTBOUND = ("transport_maps = inline:{ out.example=smtp:[127.0.0.1]:1, in.example=lmtp:inet:127.0.0.1:1 }\n"
            "mta_sts_CAfile = /dev/null\n")


def send_out(suite):
    """Mail for other machines: now the clients run, too."""
    with smtplib.SMTP("127.0.0.1", suite.port) as smtp:
        smtp.sendmail("", ["x@out.example", "x@in.example"], b"Subject: three\r\n\r\nx\r\n")
    suite.wait_log(r"status=deferred \(connect to 127.0.0.1\[127.0.0.1\]:1: Connection refused\)", count=2)
    # What is asked for policies of MTA-STS, and told of TLS, too: master starts it for whoever connects.
    for name in ("mtasts", "tlsrpt"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{suite.spool}/private/{name}")
            deadline = time.monotonic() + 20
            while not suite.pids(name) and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)


def tables():
    """program_table and endpoint_table: {name: {user, jail, reaches, sockets}}."""
    with open(os.path.join(TOP, "lib", "service", "endpoint.c")) as f:
        text = f.read()
    lists = {name: re.findall(r'"([^"]+)"', body)
             for name, body in re.findall(r"static const char \*const (\w+)\[\] = \{([^}]*)\}", text)}
    programs = {}
    for row in re.findall(r"\{\s*(\.name = .*?)\},", text, re.S):
        values = dict(re.findall(r"\.(\w+) = ([^,]+),", row))
        programs[values["name"].strip('"')] = {
            "user": values["user"].replace("SERVICE_USER_", ""), "jail": values.get("jail") == "true",
            "reaches": sorted(lists[values["reaches"]]), "sockets": set()}
    for program, path in re.findall(r'\{"(\w+)", "([^"]+)",', text):
        programs[program]["sockets"].add(path)
    return programs


def documented():
    """The table of programs in doc/architecture.md: {name: {column: text}}."""
    with open(os.path.join(TOP, "doc", "architecture.md")) as f:
        table = re.search(r"(?m)^\| program \| does .*\n(?:\|.*\n)+", f.read()).group(0).splitlines()
    columns = [cell.strip() for cell in table[0].strip("|").split("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    return {row[0].replace("`", ""): dict(zip(columns, row)) for row in rows}


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def descriptors(pid):
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            pass
    return found


def unix_sockets():
    """inode -> (path or "", is it listening)."""
    with open("/proc/net/unix") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return {row[6]: (row[7] if len(row) > 7 else "", row[3] == "00010000") for row in rows}


def limits(pid):
    """name -> (soft, hard)"""
    with open(f"/proc/{pid}/limits") as f:
        return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in f.readlines()[1:]}


def capabilities(now):
    return [int(now[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]


def of_each(method):
    """A test of each process of the suite."""
    @functools.wraps(method)
    def test(self):
        for pid, name in self.processes:
            with self.subTest(program=name):
                method(self, pid, name, self.table[name])
    return test


class Documented(unittest.TestCase):
    """Each process of the suite is as the table of doc/architecture.md has it."""
    @classmethod
    def setUpClass(cls):
        cls.table = documented()
        cls.suite = Suite(PREFIX, OUTBOUND)
        cls.user = "nobody" if ROOT else cls.suite.user
        with smtplib.SMTP("127.0.0.1", cls.suite.port, source_address=("127.0.0.2", 0)) as smtp:
            smtp.sendmail("a@example.net", [cls.user + "@example.org"], b"Subject: one\r\n\r\nx\r\n")
        cls.suite.run("sendmail", "-f", cls.user, "no-such-user-here", input=b"Subject: two\n\nx\n")
        cls.suite.wait_mail(cls.user, b"Subject: one")
        cls.suite.wait_mail(cls.user, b"Undelivered")
        send_out(cls.suite)
        cls.client = socket.create_connection(("127.0.0.1", cls.suite.port), source_address=("127.0.0.3", 0))
        cls.client.recv(100)
        cls.processes = [(cls.suite.master_pid(), "master")]
        for pid, name in cls.suite.pids().items():
            parent = status(pid)["PPid"] == str(cls.suite.master_pid())
            cls.processes.append((pid, name if parent else f"{name} (worker)"))

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.suite.__exit__(None, None, None)

    def account(self, words):
        """The account of the words in the column "runs as"."""
        if not ROOT:
            return pwd.getpwuid(os.geteuid())
        return pwd.getpwnam({"the mailbox's user": self.user, "root": "root"}.get(words) or USERS[words.upper()])

    def test_all_run(self):
        self.assertEqual({name for _, name in self.processes}, set(self.table))
        for name, row in self.table.items():
            running = sum(1 for _, n in self.processes if n == name)
            if row["how many"] == "one":
                self.assertEqual(running, 1, name)

    @of_each
    def test_rights(self, pid, name, row):
        account, now = self.account(row["runs as"]), status(pid)
        self.assertEqual(now["Uid"].split(), [str(account.pw_uid)] * 4)
        if ROOT:
            self.assertEqual(now["Gid"].split(), [str(account.pw_gid)] * 4)
        if ROOT and account.pw_uid != 0:
            self.assertEqual(capabilities(now), [0] * 5)
        if ROOT and name != WORKER:
            self.assertEqual(now["Groups"].split(), [])
        if not ROOT:
            self.assertEqual(capabilities(now)[1:3], [0, 0])

    @of_each
    def test_system_calls(self, pid, name, row):
        """(Which list it is tests/unit/test_architecture.sh compares.)"""
        now = status(pid)
        restricted = row["system calls"] != "all"
        self.assertEqual((now["Seccomp"], now["NoNewPrivs"]), ("2", "1") if restricted else ("0", "0"))

    @of_each
    def test_limits(self, pid, name, row):
        now = limits(pid)
        if name != "master":
            self.assertEqual(now["Max core file size"], ("0", "0"))
            need = SESSIONS.get(name, SESSIONS_OTHERS) * FDS_PER_SESSION + FDS_RESERVE
            soft, hard = [float("inf") if n == "unlimited" else int(n) for n in now["Max open files"]]
            self.assertGreaterEqual(soft, need if ROOT else min(need, hard))

    @of_each
    def test_not_dumpable(self, pid, name, row):
        """What belongs to root here is of no use to another process of the same user."""
        if name != "master" or ROOT:
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)

    @unittest.skipUnless(ROOT, "needs root: the processes are not dumpable")
    @of_each
    def test_root_directory(self, pid, name, row):
        jail = f"{self.suite.spool}/jail/{name}"
        self.assertEqual(os.readlink(f"/proc/{pid}/root"), jail if row["chroot"] == "yes" else "/")

    @unittest.skipUnless(ROOT, "needs root: the processes are not dumpable")
    @of_each
    def test_descriptors(self, pid, name, row):
        """Sockets, what waits for them, and the files of the table; of the network, only who talks to it."""
        words = {"`mtasts.policies` in `data_directory`": f"{self.suite.dir}/data/mtasts.policies",
                 "`tlsrpt/` in `data_directory`": f"{self.suite.dir}/data/tlsrpt/",
                 "the log": self.suite.log_path, "the mailbox": self.suite.mail + "/", "tables": "/etc/"}
        allowed = [words.get(w) or f"{self.suite.spool}/{w.strip('`')}" for w in row["files it opens"].split(", ") if w]
        unix = unix_sockets()
        for fd, what in descriptors(pid).items():
            if fd <= 2:
                self.assertEqual(what, "/dev/null")
            elif what.startswith("socket:"):
                self.assertTrue(what[8:-1] in unix or name in ("smtpd", "master"), f"{fd} is a network socket")
            elif what.startswith("/"):
                self.assertTrue(any((what + "/").startswith(a) for a in allowed), f"{fd} {what}: {allowed}")
            else:
                self.assertRegex(what, r"^(anon_inode:(\[(eventpoll|eventfd|signalfd)\]|inotify)|pipe:)", f"{fd}")


@unittest.skipUnless(ROOT, "needs root")
class Confined(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.table = tables()
        cls.suite = Suite(PREFIX, OUTBOUND)
        # A stranger's message to somebody here, and one that comes back: now every program has worked.
        with smtplib.SMTP("127.0.0.1", cls.suite.port, source_address=("127.0.0.2", 0)) as smtp:
            smtp.sendmail("a@example.net", ["nobody@example.org"], b"Subject: one\r\n\r\nx\r\n")
        cls.suite.run("sendmail", "-f", "nobody", "no-such-user-here", input=b"Subject: two\n\nx\n")
        cls.suite.wait_mail("nobody", b"Subject: one")
        cls.suite.wait_mail("nobody", b"Undelivered")
        send_out(cls.suite)
        # One session and one delivery worker stay.
        cls.client = socket.create_connection(("127.0.0.1", cls.suite.port), source_address=("127.0.0.3", 0))
        cls.client.recv(100)
        cls.processes = cls.suite.pids()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.suite.__exit__(None, None, None)

    def each(self):
        """(pid, name, row of the table) of the programs, delivery workers left out."""
        self.assertEqual(set(self.processes.values()), set(self.table), "every program runs")
        for pid, name in self.processes.items():
            if name == "local" and status(pid)["PPid"] != str(self.suite.master_pid()):
                continue
            yield pid, name, self.table[name]

    def test_identity(self):
        """The users of the code's table are the page's: both are written by hand."""
        page = documented()
        for pid, name, row in self.each():
            self.assertEqual(page[name]["runs as"].upper(), row["user"])
            self.assertEqual(page[name]["chroot"] == "yes", row["jail"])

    def test_accounts(self):
        """Users of their own, who own nothing but what the design gives them."""
        accounts = [pwd.getpwnam(USERS[u]) for u in ("QUEUE", "WORK", "NETWORK")]
        self.assertEqual(len({a.pw_uid for a in accounts}), 3)
        self.assertEqual(len({a.pw_gid for a in accounts} | {grp.getgrnam("postdrop").gr_gid}), 4)
        owned = {a.pw_name: set() for a in accounts}
        for top, directories, files in os.walk(self.suite.spool):
            for path in [os.path.join(top, n) for n in directories + files]:
                name = pwd.getpwuid(os.lstat(path).st_uid).pw_name
                if name in owned and not stat.S_ISSOCK(os.lstat(path).st_mode):
                    owned[name].add(os.path.relpath(path, self.suite.spool).split("/")[0])
        self.assertLessEqual(owned["postkeep"], {"slots", "corrupt"})
        self.assertLessEqual(owned["postwork"], {"maildrop"})
        self.assertEqual(owned["postnet"], set())

    def test_working_directory(self):
        for pid, name, row in self.each():
            jail = f"{self.suite.spool}/jail/{name}"
            with self.subTest(program=name):
                self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), jail if row["jail"] else self.suite.spool)

    def test_jails(self):
        """A chroot holds the sockets that the program may reach, and nothing else."""
        for name, row in self.table.items():
            if not row["jail"]:
                continue
            with self.subTest(program=name):
                found = []
                for top, directories, files in os.walk(f"{self.suite.spool}/jail/{name}"):
                    here = os.stat(top)
                    self.assertEqual((here.st_uid, here.st_mode & 0o022), (0, 0), top)
                    for entry in files:
                        path = os.path.join(top, entry)
                        self.assertTrue(stat.S_ISSOCK(os.lstat(path).st_mode), path)
                        relative = os.path.relpath(path, f"{self.suite.spool}/jail/{name}")
                        self.assertTrue(os.path.samefile(path, f"{self.suite.spool}/{relative}"), path)
                        found.append(relative)
                self.assertEqual(sorted(found), row["reaches"])

    def test_descriptors(self):
        listening = {path for _, path in self.listening_paths()}
        self.assertGreater(len(listening), 10)
        for pid, name, row in self.each():
            unix = unix_sockets()
            fds = descriptors(pid)
            # Its own listening sockets come first; the path is as master has bound it.
            own = {f"private/{name}", f"public/{name}", "public/postlog" if name == "postlogd" else ""} | row["sockets"]
            for fd, what in fds.items():
                with self.subTest(program=name, fd=fd, what=what):
                    if what.startswith("socket:"):
                        path, listens = unix.get(what[8:-1], ("", False))
                        if listens or (path and fd < 16 and fd > LOG):
                            self.assertIn(path.replace(self.suite.spool + "/", ""), own)
            self.assertTrue(fds[STATUS].startswith("socket:") and fds[LOG].startswith("socket:"))

    def listening_paths(self):
        for inode, (path, listens) in unix_sockets().items():
            if listens and self.suite.spool in path or path.startswith(("private/", "public/")):
                yield inode, path

    def test_worker(self):
        """Who delivers is the mailbox's user, with the group that the mail spool needs, and nothing more."""
        self.suite.run("sendmail", "-f", "<>", "nobody", input=b"Subject: three\n\nx\n")
        self.suite.wait_mail("nobody", b"Subject: three")
        nobody = pwd.getpwnam("nobody")
        parent = next(pid for pid, name, _ in self.each() if name == "local")
        workers = [pid for pid in self.suite.pids("local") if pid != parent]
        self.assertEqual(len(workers), 1)
        now = status(workers[0])
        self.assertEqual(now["Uid"].split(), [str(nobody.pw_uid)] * 4)
        self.assertEqual(now["Gid"].split(), [str(nobody.pw_gid)] * 4)
        self.assertEqual(now["Groups"].split(), [str(os.stat(self.suite.mail).st_gid)])
        self.assertEqual(capabilities(now), [0] * 5)
        self.assertEqual([f for f in descriptors(workers[0]).values() if f.startswith("/") and f != "/dev/null"], [])


@unittest.skipUnless(ROOT, "needs root")
class Asked(unittest.TestCase):
    """lmtp has a chroot if its line says so: next hops by TCP are as before, sockets are out of reach."""

    def test_lmtp(self):
        hop = Hop(lmtp=True)
        self.addCleanup(hop.stop)
        routes = f"in.example=lmtp:inet:127.0.0.1:{hop.port}, un.example=lmtp:unix:/tmp/nobody-{os.getpid()}"
        extra = f"transport_maps = inline:{{ {routes} }}\nmta_sts_CAfile = /dev/null\n"
        with Suite(PREFIX, extra, lambda text: re.sub(r"(?m)^(lmtp +unix +- +- +)n", r"\1y", text)) as suite:
            with smtplib.SMTP("127.0.0.1", suite.port) as smtp:
                smtp.sendmail("", ["x@in.example", "x@un.example"], b"Subject: two\r\n\r\nx\r\n")
            suite.wait_log(r"to=<x@in.example>.* status=sent")
            suite.wait_log(r"to=<x@un.example>.* status=deferred .*No such file")
            jail = f"{suite.spool}/jail/lmtp"
            for pid in suite.pids("lmtp"):
                self.assertEqual((os.readlink(f"/proc/{pid}/root"), os.readlink(f"/proc/{pid}/cwd")), (jail, jail))
            found = [os.path.relpath(os.path.join(top, f), jail) for top, _, files in os.walk(jail) for f in files]
            self.assertEqual(sorted(found), tables()["lmtp"]["reaches"])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
