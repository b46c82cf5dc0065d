"""A whole suite against the users of its own machine: what postdrop, sendmail, pickup and postlogd make of
garbage, of a hostile environment and of what stands in the drop directory; and what delivery makes of hostile
homes. As root, the attacker is an ordinary user without any right, and postdrop has its group."""
import ctypes
import functools
import glob
import os
import pickle
import pwd
import random
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite, sanitized  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
ROOT = os.geteuid() == 0
SYSEXITS = set(range(64, 79)) | {0}
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND = 0x20000, 0x4000, 0x40000, 0x1000


def record(letter, value):
    value = value if isinstance(value, bytes) else value.encode()
    return letter.encode() + b"%d:" % len(value) + value + b"\n"


def stream(rcpt, content=b"Subject: x\r\n\r\nbody\r\n", sender="mallory"):
    return (record("V", "1") + record("S", sender) + record("R", rcpt) +
            b"".join(record("D", content[i:i + 65536]) for i in range(0, len(content), 65536)) +
            record("Z", str(len(content))))


@functools.cache
def mount_name_spaces():
    """Can root here make a mount name space of its own? Containers often forbid it."""
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None)
        os._exit(libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0)
    return os.waitpid(pid, 0)[1] == 0


class Attack(unittest.TestCase):
    """One suite for all tests of a class; self.user is the attacker."""
    MAIN = ""

    @classmethod
    def setUpClass(cls):
        cls.made = []
        if ROOT:
            cls.homes = tempfile.mkdtemp(prefix="postkeep-homes.", dir="/tmp")
            os.chmod(cls.homes, 0o755)
            for letter in "mv":
                name = f"pkh{os.getpid()}{letter}"
                subprocess.run(["useradd", "-m", "-d", f"{cls.homes}/{name}", "-s", "/bin/sh", name], check=True,
                               stderr=subprocess.DEVNULL)
                cls.made.append(name)
        cls.user = pwd.getpwnam(cls.made[0]) if ROOT else pwd.getpwuid(os.geteuid())
        cls.victim = pwd.getpwnam(cls.made[1]) if ROOT else cls.user
        cls.suite = Suite(PREFIX, start=False)
        cls.suite.add_conf(cls.MAIN.format(mail=cls.suite.mail))
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        # Nothing crashed, nothing that cannot happen happened.
        crashes = re.findall(r".*(?:signal (?:4|6|7|8|11|31)\b|panic: ).*", cls.suite.log())
        cls.suite.__exit__(None, None, None)
        for name in cls.made:
            subprocess.run(["userdel", name], check=True, stderr=subprocess.DEVNULL)
        if ROOT:
            shutil.rmtree(cls.homes)
        assert not crashes, crashes

    def need_stranger(self):
        """Tests that fork ask before they do: what skips a test must not leave it in a child."""
        if ROOT and not mount_name_spaces():
            self.skipTest("no mount name space can be made here (it needs CAP_SYS_ADMIN), and without one a stranger's "
                          "commands find another configuration than this suite's")

    def attack(self, function, timeout=120, user=None):
        """FUNCTION runs in a process of the attacker's (or USER's), for whom the suite's configuration is the one that is
        built in; its result."""
        self.need_stranger()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                os.environ.pop("MAIL_CONFIG", None)
                if ROOT:
                    self.become(user or self.user)
                else:
                    os.environ["MAIL_CONFIG"] = self.suite.conf
                os.chdir("/")
                answer = (True, function())
            except BaseException:  # the parent raises it again
                answer = (False, traceback.format_exc())
            with os.fdopen(writing, "wb") as f:
                pickle.dump(answer, f)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as f:
            signal.alarm(timeout)
            try:
                good, value = pickle.load(f)
            finally:
                signal.alarm(0)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if not good:
            self.fail(value)
        return value

    def become(self, user):
        libc = ctypes.CDLL(None, use_errno=True)
        builtin = os.path.join(PREFIX, "etc", "postkeep").encode()
        if (libc.unshare(CLONE_NEWNS) != 0 or
                libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0 or
                libc.mount(self.suite.conf.encode(), builtin, None, MS_BIND, None) != 0):
            raise OSError(ctypes.get_errno(), "a mount name space is needed")
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    def program(self, name):
        return self.suite.program(name)

    def postdrop(self, data, *args, **more):
        """In an attack: postdrop's exit status (negative: the signal that ended it)."""
        done = subprocess.run([self.program("postdrop"), "-r", *args], input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=30, **more)
        return done.returncode

    def maildrop(self):
        return sorted(os.listdir(self.suite.spool + "/maildrop")) if ROOT or not self.made else []

    def delivered(self, user, token, timeout=20):
        return self.suite.wait_mail(user, token.encode(), timeout=timeout)

    def messages(self, user):
        return len(self.suite.mbox(user))


class Postdrop(Attack):
    MAIN = "default_session_limit = 100\nqmgr_session_limit = 100\n"

    def setUp(self):
        self.token = f"token-{os.getpid()}-{time.monotonic_ns()}"

    def good(self, token=None, size=0):
        text = f"Subject: {token or self.token}\r\n\r\n".encode() + b"x" * size + b"\r\n"
        return stream(self.user.pw_name, text)

    def test_garbage(self):
        """Nothing that is not a whole message is one; each ends with a status that says so."""
        good = self.good()
        cases = [b"", b"\0", b"V", b"V1", b"V1:", b"V1:1", b"V1:1\n", b"V1:9\n" + good[5:], b"X" + good, good + b"x",
                 good + good, good.replace(b"V1:1", b"V01:1"), good.replace(b"V1:1", b"V99999999999999999999:1"),
                 good.replace(b"S7:mallory\n", b""), good.replace(b"S7:mallory\n", b"S7:mallory\n" * 2),
                 good.replace(b"S7:mallory", b"S8:mall\nory"), record("V", "1") + record("S", "a") + record("Z", "0"),
                 stream("a\nb"), stream("a\0b"), stream(""), stream("a" * 1101), stream("a b@@c"), stream(self.user.pw_name, b"a\nb\r\n"),
                 stream(self.user.pw_name, b"a\rb\r\n"), stream(self.user.pw_name, b"no end"), stream("x", b"\n"), stream("x", b"\r"),
                 good.replace(b"R", record("F", "88") + b"R", 1), good.replace(b"R", record("F", "z") + b"R", 1),
                 good.replace(b"R", record("Q", "never,delay") + b"R", 1), good.replace(b"R", record("T", "all") + b"R", 1),
                 good.replace(b"R", record("E", "x" * 101) + b"R", 1), good.replace(b"R", record("N", "a\x7f") + b"R", 1),
                 good[:-1], good.replace(b"Z", b"Z1:0\nZ", 1), b"V1:1\n" + b"R" * 100000, b"V1:1\nS0:\nR5:" + b"a" * 70000,
                 b"\xff" * 100000, b"V1:1\nS0:\n" + record("R", "x@nowhere.example") * 500000]
        rng = random.Random(1)
        for _ in range(60):
            bad = bytearray(good)
            bad[rng.randrange(len(bad) - 40)] ^= 1 << rng.randrange(8)
            cases.append(bytes(bad[:rng.randrange(1, len(bad) - 1)]))
        cases += [good[:n] for n in range(0, len(good), 3)]

        def run():
            return [(case[:80], status) for case in cases for status in [self.postdrop(case)] if status not in (65, 69)]
        self.assertEqual(self.attack(run), [])
        self.assertEqual(self.maildrop(), [])
        self.assertEqual(self.suite.queue(), [])

    def test_environment(self):
        """Names and values of the environment change nothing; a configuration of the caller's is not read."""
        trap = self.suite.dir + "/trap"
        os.makedirs(trap, exist_ok=True)
        os.chmod(trap, 0o755)
        with open(trap + "/main.cf", "w") as f:
            f.write(f"queue_directory = {trap}\n")
        environments = [{}, {"TZ": ":/etc/shadow"}, {"TZ": "x" * 100000}, {"LD_PRELOAD": "/nonexistent.so", "LD_LIBRARY_PATH": trap},
                        {"PATH": trap}, {"IFS": "/"}, {"LC_ALL": "../../../etc/shadow", "LANG": "C" * 5000, "LOCPATH": trap},
                        {"GCONV_PATH": trap, "NLSPATH": trap, "RES_OPTIONS": "x", "HOSTALIASES": "/etc/shadow"},
                        {"MALLOC_CHECK_": "3", "GLIBC_TUNABLES": "glibc.malloc.mxfast=glibc.malloc.mxfast=A"}, {f"V{i}": "x" * 900 for i in range(900)}]

        def run():
            keep = {} if ROOT else {"MAIL_CONFIG": self.suite.conf}
            results = [self.postdrop(self.good(f"{self.token}-{i}."), env={**e, **keep}) for i, e in enumerate(environments)]
            results.append(self.postdrop(self.good("trapped"), env={"MAIL_CONFIG": trap}) if ROOT else 77)
            results.append(self.postdrop(self.good("trapped"), "-c", trap) if ROOT else 77)
            return results
        self.assertEqual(self.attack(run), [0] * len(environments) + [77, 77])
        for i in range(len(environments)):
            self.delivered(self.user.pw_name, f"{self.token}-{i}.")
        self.assertEqual(os.listdir(trap), ["main.cf"])

    def test_limits(self):
        """Whatever the caller's limits make of it: accepted and delivered, or refused and nowhere."""
        def limited(which, value):
            return lambda: resource.setrlimit(which, (value, value))

        def closed(fds):
            def close():
                for fd in fds:
                    os.close(fd)
            return close
        cases = [limited(resource.RLIMIT_FSIZE, 0), limited(resource.RLIMIT_FSIZE, 100), limited(resource.RLIMIT_NOFILE, 3),
                 limited(resource.RLIMIT_NOFILE, 4), limited(resource.RLIMIT_NOFILE, 5), limited(resource.RLIMIT_NPROC, 0),
                 limited(resource.RLIMIT_AS, 8 << 20), limited(resource.RLIMIT_STACK, 64 << 10), limited(resource.RLIMIT_DATA, 1 << 20),
                 limited(resource.RLIMIT_CPU, 0), limited(resource.RLIMIT_MEMLOCK, 0), limited(resource.RLIMIT_CORE, -1),
                 closed([1]), closed([2]), closed([1, 2]), lambda: os.umask(0o777), lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
                 lambda: signal.setitimer(signal.ITIMER_REAL, 0.001), lambda: signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65)),
                 lambda: os.nice(19), lambda: os.chdir("/proc")]

        def run(up):
            return [self.postdrop(self.good(f"{self.token}-{up}-{i}.", 3000), preexec_fn=limit) for i, limit in enumerate(cases)]
        for up in (True, False):
            if not up:
                self.suite.stop()
            results = self.attack(lambda: run(up))
            if not up:
                ready = [n for n in self.maildrop() if os.stat(f"{self.suite.spool}/maildrop/{n}").st_mode & stat.S_IXUSR]
                self.assertEqual(len(ready), results.count(0))
                self.suite.start()
            for i, status in enumerate(results):
                self.assertTrue(status in SYSEXITS or status in (-9, -11, -6, -14, -24, 127), (i, status))
                if status == 0:
                    self.delivered(self.user.pw_name, f"{self.token}-{up}-{i}.")
            time.sleep(0.2)
            self.assertEqual(sum(f"{self.token}-{up}-".encode() in m for m in self.suite.mbox(self.user.pw_name)), results.count(0))

    def test_killed(self):
        """Ended at any moment: an accepted message is delivered, one that was not leaves nothing that counts."""
        def run():
            results = []
            for i in range(40):
                p = subprocess.Popen([self.program("postdrop"), "-r"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
                text = self.good(f"{self.token}-{i}.", 400000 if i % 2 else 10)
                try:
                    p.stdin.write(text[:len(text) * (i % 5 + 1) // 5])
                    p.stdin.flush()
                    time.sleep(i % 7 * 0.002)
                    p.send_signal([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT][i % 4])
                    p.stdin.close()
                except BrokenPipeError:
                    pass
                results.append(p.wait())
            return results
        results = self.attack(run)
        for i, status in enumerate(results):
            if status == 0:
                self.delivered(self.user.pw_name, f"{self.token}-{i}.")
            self.assertIn(status, (0, 65, 75, -9, -1, -2, -15))
        self.suite.wait_empty()

    @unittest.skipUnless(ROOT, "needs root")
    def test_drop_directory(self):
        """The attacker can neither look into the directories of the spool nor put anything there."""
        spool = self.suite.spool

        def run():
            allowed = []
            for name in ("maildrop", "slots", "corrupt", "private", "public", "pid", "jail", "."):
                path = f"{spool}/{name}"
                for what, attempt in (("list", lambda: name not in ("public", "pid", "jail", ".") and os.listdir(path) or os.stat("/nonexistent")),
                                      ("make", lambda: os.close(os.open(f"{path}/x", os.O_CREAT | os.O_WRONLY))),
                                      ("link", lambda: os.link(f"{self.user.pw_dir}/mine", f"{path}/y")),
                                      ("symlink", lambda: os.symlink("/etc/shadow", f"{path}/z")),
                                      ("rename", lambda: os.rename(path, path + ".old")),
                                      ("remove", lambda: shutil.rmtree(path))):
                    try:
                        attempt()
                        allowed.append((name, what))
                    except OSError:
                        pass
            return allowed
        with open(self.user.pw_dir + "/mine", "w"):
            os.chown(self.user.pw_dir + "/mine", self.user.pw_uid, self.user.pw_gid)
        self.assertEqual(self.attack(run), [])

    @unittest.skipUnless(ROOT, "needs root")
    def test_not_traceable(self):
        """The process with the group is not its caller's to look into."""
        def run():
            p = subprocess.Popen([self.program("postdrop"), "-r"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            p.stdin.write(b"V1:1\n")
            p.stdin.flush()
            time.sleep(0.2)
            found = []
            for name in ("mem", "environ", "fd/0"):
                try:
                    with open(f"/proc/{p.pid}/{name}", "rb"):
                        found.append(name)
                except OSError:
                    pass
            p.kill()
            p.wait()
            return found
        self.assertEqual(self.attack(run), [])

    def test_stalled(self):
        """A user who starts many messages and ends none does not keep others from sending theirs."""
        self.need_stranger()
        part = self.good("stalled", 500000)[:400000]
        ready, wanted = os.pipe()
        over, goes_on = os.pipe()

        def run():
            many = [subprocess.Popen([self.program("postdrop"), "-r"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL) for _ in range(150)]
            for p in many:
                p.stdin.write(part)
                p.stdin.flush()
            time.sleep(0.5)
            os.write(wanted, b"x")
            own = self.postdrop(self.good(self.token + "-own"))
            select.select([over], [], [], 100)
            for p in many:
                p.kill()
                p.wait()
            return own
        pid = os.fork()
        if pid == 0:
            os._exit(self.attack(run))
        os.read(ready, 1)
        with self.suite.smtp() as smtp:
            smtp.sendmail("a@example.net", [self.victim.pw_name + "@example.org"], f"Subject: {self.token}-s\r\n\r\nx\r\n".encode())
        if ROOT:  # an ordinary user's own suite is that user's to fill
            other = stream(self.victim.pw_name, f"Subject: {self.token}-v\r\n\r\n".encode())
            self.assertEqual(self.attack(lambda: self.postdrop(other), user=self.victim), 0)
        os.write(goes_on, b"x")  # all that was done while it went on
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        for fd in (ready, wanted, over, goes_on):
            os.close(fd)
        self.delivered(self.victim.pw_name, self.token + "-s")
        if ROOT:
            self.delivered(self.victim.pw_name, self.token + "-v")

    def memory(self):
        """KiB of pickup and qmgr."""
        total = 0
        for name in ("pickup", "qmgr"):
            for pid in self.suite.pids(name):
                with open(f"/proc/{pid}/status") as f:
                    total += int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
        return total

    def test_stalled_lists(self):
        """The same with the longest lists of recipients there may be: they do not take the memory of all others."""
        domain = "b" * 60 + ".example.com"
        rcpts = b"".join(record("R", "a" * 50 + f"{i:06}@{domain}") for i in range(110000))
        data = record("V", "1") + record("S", "mallory") + rcpts + record("D", b"x" * 65534 + b"\r\n") * 5

        def run():
            before = self.memory()
            many = [subprocess.Popen([self.program("postdrop"), "-r"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL) for _ in range(9)]
            for p in many:
                try:
                    p.stdin.write(data)
                    p.stdin.flush()
                except BrokenPipeError:
                    pass
            own = self.postdrop(self.good())
            time.sleep(1)
            most = self.memory() - before
            for p in many:
                p.kill()
                p.wait()
            return own, most
        own, most = self.attack(run)
        self.assertEqual(own, 0)
        self.delivered(self.user.pw_name, self.token)
        if not sanitized():
            self.assertLess(most, 200 << 10)
        # One of them is a message like any other.
        whole = data + record("Z", str(5 * 65536))
        self.assertEqual(self.attack(lambda: self.postdrop(whole)), 0)
        self.suite.run("postsuper", "-d", "ALL")

    def test_sendmail_arguments(self):
        """Odd words on sendmail's command line: a status of sysexits.h, never a signal, never a wrong recipient."""
        user = self.user.pw_name
        cases = [[""], ["", ""], ["-"], ["--"], ["-t", "-t"], ["-f"], ["-f", "", user], ["-f", "<>", user], ["-f", "a\nb", user],
                 ["-f", "x" * 5000, user], ["-F", "A\r\nBcc: root", user], ["-F", "\\\"(x", user], ["-F", "\udcff\udcfe", user],
                 ["-r", "|id", user], ["|id"], ["/etc/passwd"], [":include:/etc/shadow"], ["\\" + user], ["-bx", user], ["-b", user],
                 ["-oQ/etc", user], ["-C", "/etc/shadow", user], ["-C", "../../etc", user], ["-X/etc/x", user], ["-q", user],
                 ["-qRx", user], ["-qI../../x"], ["-qSx"], ["-O", "QueueDirectory=/tmp", user], ["-N", "never,delay", user],
                 ["-R", "x", user], ["-V", "\n", user], ["-V", "x" * 200, user], ["-B", "x", user], [user] * 5000, ["a" * 100000],
                 ["," * 20000], ["(" * 20000], ["<" * 20000], ["\"" * 20001], [user + "@"], ["@" + user], [user + "@[127.0.0.1"],
                 ["a b c"], ["a@b c@d"], ["\u00e9@\u00e9"], ["--help"], ["-h"], ["-bd", "x"], ["-I", "x"], ["-bi"], ["-bh"], ["-A"],
                 ["-tt" * 1000], ["-G", "-G", user], ["-e", user], ["-v" * 50, user], ["-m", "-n", "-U", user], ["-p", "UUCP:x", user]]

        def run():
            results = []
            for words in cases:
                done = subprocess.run([self.program("sendmail"), *[os.fsencode(w) for w in words]], input=b"Subject: odd\n\nx\n",
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
                results.append((repr(words)[:60], done.returncode))
            for argv in ([], ["mailq"], ["newaliases", "x"], ["-bp"]):  # other names of the program, and none
                done = subprocess.run(argv or [b""], executable=self.program("sendmail"), input=b"", stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, timeout=60)
                results.append((repr(argv), done.returncode))
            return results
        for words, status in self.attack(run):
            self.assertIn(status, SYSEXITS, words)
        self.suite.run("postsuper", "-d", "ALL", check=False)
        # A name or an address is a name or an address.
        for message in self.suite.mbox(user):
            self.assertNotIn(b"\nBcc: root", message)


class Pickup(Attack):
    MAIN = "default_session_limit = 100\nqmgr_session_limit = 100\n"

    @unittest.skipUnless(ROOT, "needs root")
    def test_hostile_files(self):
        """What stands in maildrop/ by whatever way: nothing is read through it, and it holds up nobody."""
        suite, uid, gid = self.suite, self.user.pw_uid, self.user.pw_gid
        drop = suite.spool + "/maildrop"
        suite.stop()

        def put(name, data, mode=0o744, owner=uid):
            with open(f"{drop}/{name}", "wb") as f:
                f.write(data)
            os.chown(f"{drop}/{name}", owner, gid)
            os.chmod(f"{drop}/{name}", mode)
        secret = suite.dir + "/secret"
        with open(secret, "wb") as f:
            f.write(stream(self.user.pw_name, b"Subject: secret\r\n\r\n"))
        os.chmod(secret, 0o600)
        os.symlink(secret, drop + "/00-symlink")
        os.mkfifo(drop + "/00-fifo", 0o744)
        os.mkdir(drop + "/00-directory", 0o755)
        os.mknod(drop + "/00-zero", 0o744 | stat.S_IFCHR, os.makedev(1, 5))
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(drop + "/00-socket")
        os.chmod(drop + "/00-socket", 0o744)
        put("00-unreadable", stream(self.user.pw_name, b"Subject: unreadable\r\n\r\n"), 0o700, 0)
        put("00-garbage", b"\0" * 1000)
        put("00-" + "n" * 250, stream(self.user.pw_name))
        put("00-new\nline", stream("no\nbody"))
        put("00-%s%n%p", b"%s%n")
        put("bad.00-kept", b"x")
        os.mkdir(drop + "/bad.00-garbage")
        with open(drop + "/00-huge", "wb") as f:
            f.truncate(1 << 33)
        os.chown(drop + "/00-huge", uid, gid)
        os.chmod(drop + "/00-huge", 0o744)
        put("zz-good", stream(self.user.pw_name, b"Subject: the good one\r\n\r\n"))
        for command in (["mailq"], ["postqueue", "-j"]):  # they look as well, as root
            listed = suite.run(*command, timeout=20).stdout
            self.assertNotIn(b"secret", listed)
        suite.start()
        self.delivered(self.user.pw_name, "the good one")
        suite.wait_log("zz-good|qmgr.*removed")
        self.assertFalse([m for m in suite.mbox(self.user.pw_name) if b"secret" in m or b"unreadable" in m])
        self.assertFalse(os.path.exists(drop + "/zz-good"))
        with open(secret, "rb") as f:
            self.assertIn(b"Subject: secret", f.read())
        sock.close()
        for line in suite.log().splitlines():
            self.assertRegex(line, r"^\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ \S+: ")

    @unittest.skipUnless(ROOT, "needs root")
    def test_sockets(self):
        """The suite's sockets: an ordinary user gets nothing but log, list and flush."""
        spool = self.suite.spool

        def run():
            open_to_us = []
            for path in sorted(glob.glob(spool + "/public/*")) + [f"{spool}/private/{n}" for n in
                    ("qmgr-net", "qmgr-local", "qmgr-bounce", "qmgr-report", "qmgr-admin", "local", "bounce", "proxymap", "proxymap-net", "proxymap-smtp", "anvil")]:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if path.endswith("postlog") else socket.SOCK_STREAM)
                s.settimeout(3)
                try:
                    s.connect(path)
                    if not path.endswith("postlog"):
                        s.sendall(b"\0" * 8)
                        if s.recv(1) == b"":
                            raise OSError("hung up on")
                except socket.timeout:
                    pass
                except OSError:
                    continue
                open_to_us.append(os.path.basename(path))
            return open_to_us
        self.assertLessEqual(set(self.attack(run)), {"postlog", "showq", "flush"})

    @unittest.skipUnless(ROOT, "needs root")
    def test_crowd(self):
        """A user who holds all connections that can be had does not keep mail, or mailq, from others."""
        self.need_stranger()
        spool = self.suite.spool
        ready, wanted = os.pipe()
        over, goes_on = os.pipe()

        def run():
            held = []
            for name in ("showq", "flush"):
                for _ in range(150):
                    s = socket.socket(socket.AF_UNIX)
                    s.settimeout(0.05)
                    try:
                        s.connect(f"{spool}/public/{name}")
                        held.append(s)
                    except OSError:
                        pass
            os.write(wanted, b"x")
            select.select([over], [], [], 100)
        pid = os.fork()
        if pid == 0:
            self.attack(run)
            os._exit(0)
        os.read(ready, 1)
        with self.suite.smtp() as smtp:
            smtp.sendmail("a@example.net", [self.victim.pw_name + "@example.org"], b"Subject: crowded\r\n\r\nx\r\n")
        done = self.attack(lambda: subprocess.run([self.program("mailq")], capture_output=True).returncode, user=self.victim)
        self.assertEqual(done, 0)
        os.write(goes_on, b"x")  # all that was done while it went on
        self.delivered(self.victim.pw_name, "crowded")
        os.waitpid(pid, 0)
        for fd in (ready, wanted, over, goes_on):
            os.close(fd)


class Postlogd(Attack):
    def send(self, *datagrams):
        path = self.suite.spool + "/public/postlog"

        def run():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.connect(path)
            for d in datagrams:
                s.send(d)
        self.attack(run)

    def test_empty_datagram(self):
        """A datagram without a byte is no end of the log."""
        self.send(b"", b"", b"6postlog[1]: after the empty one")
        self.suite.wait_log("after the empty one", timeout=30)
        self.suite.run("postlog", "-t", "tool", "still heard")
        self.suite.wait_log("still heard", timeout=30)

    @unittest.skipUnless(ROOT, "needs root")
    def test_forged(self):
        """A user's line is marked as the user's, one line is one line, and what is no text is not written."""
        host = socket.gethostname().split(".")[0]
        self.send(b"6postkeep/qmgr[1]: 4abc: removed", b"postkeep/smtpd[2]: forged",
                  b"6x\nNov 22 06:07:42 " + host.encode() + b" postkeep/smtpd[3]: forged-line",
                  b"6bell \x07 escape \x1b[2J cr \r nul \0 c1 \xc2\x9b 8bit \xff end-of-it", b"6" + b"y" * 16000 + b"tail")
        self.suite.wait_log("end-of-it", timeout=30)
        text = self.suite.log()
        for forged in ("4abc: removed", "forged", "forged-line", "yyyy"):
            for line in [line for line in text.splitlines() if forged in line]:
                self.assertRegex(line, rf"^\S+ +\d+ \S+ \S+ postlog\[\d+\]: uid={self.user.pw_uid}: ")
                self.assertLess(len(line), 5000)
        self.assertIsNone(re.search("[\0-\x08\x0b-\x1f\x7f\x80-\x9f\udc80-\udcff]", text))

    def test_flood(self):
        """Who writes without end does not silence the suite."""
        self.need_stranger()
        path = self.suite.spool + "/public/postlog"

        def run():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.setblocking(False)
            s.connect(path)
            end = time.monotonic() + 3
            n = 0
            while time.monotonic() < end:
                try:
                    s.send(b"6flood")
                    n += 1
                except BlockingIOError:
                    pass
            return n
        pid = os.fork()
        if pid == 0:
            try:
                self.attack(run)
            finally:
                os._exit(0)
        time.sleep(0.5)
        for i in range(5):
            with self.suite.smtp() as smtp:
                smtp.ehlo(f"flooded-{i}.example")
                smtp.mail("a@example.net")
                smtp.rcpt(f"no-such-user-{i}@example.org")
        for i in range(5):
            self.suite.wait_log(f"reject: RCPT from .*helo=<flooded-{i}.example>", timeout=30)
        os.waitpid(pid, 0)


@unittest.skipUnless(ROOT, "needs root")
class Home(Attack):
    """Delivery to a user whose home directory is a trap for somebody else's files."""
    MAIN = "home_mailbox = Maildir/\n"

    def setUp(self):
        self.token = f"token-{time.monotonic_ns()}"
        self.maildir = self.user.pw_dir + "/Maildir"
        self.clear(self.maildir)

    def clear(self, path):
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)
        shutil.rmtree(path, ignore_errors=True)

    def own(self, path):
        os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def send(self, to=None, sender="alice@example.net", **more):
        self.suite.run("sendmail", "-f", sender, to or self.user.pw_name, input=f"Subject: {self.token}\n\nx\n".encode(), **more)

    def deferred(self):
        found = self.suite.wait_log(rf"to=<{self.user.pw_name}@example.org>.*status=deferred \((.*)\)",
                                    count=1 + getattr(self, "seen", 0))
        self.seen = len(re.findall("status=deferred", self.suite.log()))
        self.suite.run("postsuper", "-d", "ALL")
        return found.group(1)

    def test_traps(self):
        victim = self.victim.pw_dir
        os.makedirs(victim + "/Maildir/new", exist_ok=True)
        for name in ("Maildir", "Maildir/new"):
            os.chown(f"{victim}/{name}", self.victim.pw_uid, self.victim.pw_gid)
            os.chmod(f"{victim}/{name}", 0o777)
        self.seen = len(re.findall("status=deferred", self.suite.log()))

        def maildir(**parts):
            self.clear(self.maildir)
            os.mkdir(self.maildir)
            self.own(self.maildir)
            for part, target in parts.items():
                os.symlink(target, f"{self.maildir}/{part}")
                self.own(f"{self.maildir}/{part}")
        traps = [lambda: os.symlink(victim + "/Maildir", self.maildir), lambda: maildir(new=victim + "/Maildir/new"),
                 lambda: maildir(tmp="/tmp"), lambda: maildir(cur="/etc"), lambda: open(self.maildir, "w").close(),
                 lambda: os.symlink("/etc", self.maildir), lambda: os.symlink("Maildir", self.maildir),
                 lambda: os.mkdir(self.maildir), lambda: os.mkfifo(self.maildir)]
        for trap in traps:
            self.clear(self.maildir)
            trap()
            if not os.path.isdir(self.maildir) or os.path.islink(self.maildir):
                self.own(self.maildir)
            before = set(os.listdir("/etc")) | set(os.listdir("/tmp"))
            self.send()
            self.assertRegex(self.deferred(), "Maildir")
            self.assertEqual(os.listdir(victim + "/Maildir/new"), [])
            self.assertEqual({n for n in set(os.listdir("/etc")) | set(os.listdir("/tmp")) if re.match(r"\d+\.M", n)} - before, set())

    def test_full(self):
        """A file system without room: deferred, nothing left in tmp/, delivered when there is room."""
        os.mkdir(self.maildir)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=64k,uid={self.user.pw_uid},mode=700", "none",
                           self.maildir]).returncode != 0:
            self.skipTest("no file system can be mounted here (it needs CAP_SYS_ADMIN)")
        try:
            self.seen = len(re.findall("status=deferred", self.suite.log()))
            text = f"Subject: {self.token}\n\n".encode() + b"x" * 70 * 1000
            self.suite.run("sendmail", "-f", "alice@example.net", self.user.pw_name, input=text)
            found = self.suite.wait_log(rf"to=<{self.user.pw_name}@.*dsn=4.3.1, status=deferred \((.*)\)")
            self.assertIn("No space left", found.group(1))
            self.assertEqual(os.listdir(self.maildir + "/tmp") + os.listdir(self.maildir + "/new"), [])
            subprocess.run(["mount", "-o", "remount,size=1m", self.maildir], check=True)
            self.suite.run("postqueue", "-f")
            self.suite.wait_mail(None, self.token.encode(), maildir=self.maildir)
        finally:
            subprocess.run(["umount", "-l", self.maildir], check=True)

    def test_names(self):
        """Local parts that would be paths, options or commands name nobody."""
        names = ["../" + self.victim.pw_name, "./" + self.user.pw_name, "/etc/passwd", "..", ".", "|id", "/", "~root", "$HOME", "-f", "*",
                 self.user.pw_name + "/../root", "%s%s%n", self.user.pw_name + ":x", "a" * 300, "a\u00e9"]
        for name in names:
            quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"@example.org'
            self.suite.run("sendmail", "-f", "<>", "--", quoted, input=b"Subject: odd\n\nx\n")
        # No sender to tell: each is undeliverable or returned, none delivered.
        self.suite.wait_empty(timeout=30)
        self.suite.wait_log(r"local\[\d+\]: \w+: to=<.*status=bounced \(unknown user", count=len(names))

    def test_headers(self):
        """Addresses do not become header lines."""
        self.clear(self.maildir)
        with self.suite.connect() as c:
            f = c.makefile("rwb")

            def say(line):
                f.write(line.encode() + b"\r\n")
                f.flush()
                return f.readline()[:3].decode()
            f.readline()
            say("HELO x")
            for sender in ('"a\\\rX-Evil: 1"@example.net', '"a b (c) <d>, e"@example.net', '"From x"@example.net'):
                code = say(f"MAIL FROM:<{sender}>")
                self.assertEqual(code, "500" if "\r" in sender else "250")
                if code == "250":
                    self.assertEqual(say(f"RCPT TO:<{self.user.pw_name}>"), "250")
                    self.assertEqual(say("DATA"), "354")
                    self.assertEqual(say(f"Subject: {self.token}\r\n\r\nFrom here\r\n>From there\r\n."), "250")
        text = self.suite.wait_mail(None, self.token.encode(), maildir=self.maildir)
        self.suite.wait_empty()
        for text in self.suite.maildir(self.maildir):
            self.assertNotIn(b"\nX-Evil", text)
            self.assertEqual(text.count(b"\nDelivered-To:"), 1)
            self.assertIn(b"\n\nFrom here\n>From there\n", text)


@unittest.skipUnless(ROOT, "needs root")
class Spool(Attack):
    """The same with mailbox files in the spool."""

    def setUp(self):
        self.token = f"token-{time.monotonic_ns()}"
        self.box = f"{self.suite.mail}/{self.user.pw_name}"
        if os.path.lexists(self.box):
            os.unlink(self.box)

    def send(self, text="x"):
        self.suite.run("sendmail", "-f", "alice@example.net", self.user.pw_name, input=f"Subject: {self.token}\n\n{text}\n".encode())

    def test_traps(self):
        victim = f"{self.suite.mail}/{self.victim.pw_name}"
        with open(victim, "w") as f:
            f.write("the victim's\n")
        os.chown(victim, self.victim.pw_uid, self.victim.pw_gid)
        os.chmod(victim, 0o666)

        def other():
            with open(self.box, "w") as f:
                f.write("x")
            os.chown(self.box, self.victim.pw_uid, -1)
            os.chmod(self.box, 0o666)
        traps = [(lambda: os.symlink(victim, self.box), "symbolic link"), (lambda: os.link(victim, self.box), "has 2 links"),
                 (lambda: os.mkfifo(self.box, 0o666), "regular"), (other, "belongs to uid"),
                 (lambda: os.symlink("/dev/null", self.box), "symbolic link"), (lambda: os.symlink("/nonexistent/x", self.box), "symbolic link"),
                 (lambda: os.mknod(self.box, 0o666 | stat.S_IFCHR, os.makedev(1, 3)), "regular")]
        for trap, why in traps:
            if os.path.lexists(self.box):
                os.unlink(self.box)
            trap()
            if os.path.islink(self.box) or why == "regular":
                os.chown(self.box, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)
            seen = len(re.findall("status=deferred", self.suite.log()))
            self.send()
            found = self.suite.wait_log(r"status=deferred \((.*)\)", count=seen + 1)
            self.assertIn(why, found.group(1))
            self.suite.run("postsuper", "-d", "ALL")
        with open(victim) as f:
            self.assertEqual(f.read(), "the victim's\n")
        os.unlink(self.box)
        self.send()
        self.delivered(self.user.pw_name, self.token)

    def test_from_lines(self):
        """A line "From " within a message begins none, wherever the pieces of a large one are cut."""
        body = "From evil@example.net Sun Nov 22 06:07:42 2026\nSubject: forged\n\nx\n>From y\nFrom\nFrom" + "\n\nFrom z\n" * 90000
        self.send(body)
        self.delivered(self.user.pw_name, self.token)
        self.assertEqual(self.messages(self.user.pw_name), 1)
        with open(self.box) as f:
            text = f.read()
        self.assertEqual(len(re.findall("(?m)^From ", text)), 1)
        self.assertEqual(text.count("\n>From z\n"), 90000)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
