"""What the programs of a running suite still may: user, groups, capabilities, root directory, system call
filter and open descriptors, as /proc tells them, held against the table of lib/service/endpoint.c. As root."""
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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USERS = {"QUEUE": "postkeep", "WORK": "postwork", "NETWORK": "postnet", "ROOT": "root"}
# Regular files that a program may have open for good.
FILES = {"postlogd": r"/log$", "qmgr": r"/(slots/.*|pid/.*|[^/]*lock[^/]*)$", "master": r"/pid/.*$"}
STATUS, LOG = 3, 4


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


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Confined(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.table = tables()
        cls.suite = Suite(PREFIX)
        # A stranger's message to somebody here, and one that comes back: now every program has worked.
        with smtplib.SMTP("127.0.0.1", cls.suite.port, source_address=("127.0.0.2", 0)) as smtp:
            smtp.sendmail("a@example.net", ["nobody@example.org"], b"Subject: one\r\n\r\nx\r\n")
        cls.suite.run("sendmail", "-f", "nobody", "no-such-user-here", input=b"Subject: two\n\nx\n")
        cls.suite.wait_mail("nobody", b"Subject: one")
        cls.suite.wait_mail("nobody", b"Undelivered")
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
        for pid, name, row in self.each():
            with self.subTest(program=name):
                account = pwd.getpwnam(USERS[row["user"]])
                now = status(pid)
                self.assertEqual(now["Uid"].split(), [str(account.pw_uid)] * 4)
                self.assertEqual(now["Gid"].split(), [str(account.pw_gid)] * 4)
                if row["user"] == "ROOT":
                    continue
                self.assertEqual(now["Groups"].split(), [])
                for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    self.assertEqual(int(now[capabilities], 16), 0, capabilities)
                self.assertEqual((now["NoNewPrivs"], now["Seccomp"]), ("1", "2"))

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

    def test_not_dumpable(self):
        """Nobody but root looks into the memory of any of them, and none leaves a core file."""
        for pid, name, _ in list(self.each()) + [(self.suite.master_pid(), "master", None)]:
            with self.subTest(program=name):
                self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)
                with open(f"/proc/{pid}/limits") as f:
                    core = re.search(r"Max core file size\s+(\S+)\s+(\S+)", f.read())
                if name != "master":
                    self.assertEqual(core.groups(), ("0", "0"))

    def test_root_directory(self):
        for pid, name, row in self.each():
            jail = f"{self.suite.spool}/jail/{name}"
            with self.subTest(program=name):
                self.assertEqual(os.readlink(f"/proc/{pid}/root"), jail if row["jail"] else "/")
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
                    if fd <= 2:
                        self.assertEqual(what, "/dev/null")
                    elif what.startswith("socket:"):
                        inode = what[8:-1]
                        path, listens = unix.get(inode, (None, False))
                        if path is None:
                            self.assertEqual(name, "smtpd", "a network socket")
                        elif listens or (path and fd < 16 and fd > LOG):
                            self.assertIn(path.replace(self.suite.spool + "/", ""), own)
                    elif what.startswith("/"):
                        self.assertIn(name, FILES)
                        if not os.path.isdir(what):
                            self.assertRegex(what, FILES[name])
                    else:
                        self.assertRegex(what, r"^(anon_inode:|pipe:)")
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
        self.assertEqual([int(now[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [0] * 5)
        self.assertEqual((now["NoNewPrivs"], now["Seccomp"]), ("1", "2"))
        self.assertEqual(os.stat(f"/proc/{workers[0]}/environ").st_uid, 0)
        self.assertEqual([f for f in descriptors(workers[0]).values() if f.startswith("/") and f != "/dev/null"], [])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
