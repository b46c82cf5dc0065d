#!/usr/bin/env python3
"""Every option of sendmail, with the suite stopped: what stands in maildrop/, and each exit status.

Runs on a build folder (the working directory, or $BUILDDIR), as an ordinary user with a configuration
directory of its own; as root also with postdrop set-group-id, as it is installed. Exit status 77: skipped.
"""
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BUILD = os.environ.get("BUILDDIR", os.getcwd())
SENDMAIL = os.path.join(BUILD, "sendmail", "sendmail")
POSTDROP = os.path.join(BUILD, "sendmail", "postdrop")
LOGIN = pwd.getpwuid(os.getuid()).pw_name
USAGE, DATAERR, UNAVAILABLE, TEMPFAIL, NOPERM = 64, 65, 69, 75, 77
LIMIT = 20000


def parse_drop(data):
    """The records of a maildrop file: {letter: [values]}; content joined under 'D'."""
    records = {}
    at = 0
    while at < len(data):
        colon = data.index(b":", at)
        length = int(data[at + 1:colon])
        value = data[colon + 1:colon + 1 + length]
        assert data[colon + 1 + length:colon + 2 + length] == b"\n", data
        records.setdefault(chr(data[at]), []).append(value)
        at = colon + 2 + length
    return records


class Case(unittest.TestCase):
    """A spool and a configuration for each test."""

    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="sendmail.")
        self.etc = os.path.join(self.top, "etc")
        self.spool = os.path.join(self.top, "spool")
        self.maildrop = os.path.join(self.spool, "maildrop")
        self.commands = os.path.join(self.top, "bin")
        os.makedirs(self.etc)
        os.makedirs(self.maildrop)
        os.mkdir(os.path.join(self.spool, "public"))
        os.mkdir(self.commands)
        os.symlink(POSTDROP, os.path.join(self.commands, "postdrop"))
        self.configure()

    def tearDown(self):
        shutil.rmtree(self.top)

    def configure(self, *lines):
        with open(os.path.join(self.etc, "main.cf"), "w", encoding="utf-8") as f:
            f.write(f"queue_directory = {self.spool}\n"
                    f"command_directory = {self.commands}\n"
                    f"daemon_directory = {self.commands}\n"
                    f"maillog_file = {self.top}/log\n"
                    f"message_size_limit = {LIMIT}\n")
            for line in lines:
                f.write(line + "\n")

    def telltale(self, name):
        """Puts in the place of one of the suite's programs one that tells how it was called."""
        path = os.path.join(self.commands, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\necho "${0##*/} $* [$MAIL_CONFIG]"\n')
        os.chmod(path, 0o755)

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": self.etc}

    def run_program(self, program, *args, data=b"hello\n", env=None, name=None):
        full_env = {**self.environment(), **(env or {})}
        return subprocess.run([name or program, *args], executable=program, input=data,
                              env={k: v for k, v in full_env.items() if v is not None},
                              capture_output=True, timeout=60, check=False)

    def sendmail(self, *args, data=b"hello\n", env=None, name=None):
        return self.run_program(SENDMAIL, *args, data=data, env=env, name=name)

    def files(self):
        return [os.path.join(self.maildrop, n) for n in sorted(os.listdir(self.maildrop))]

    def take(self):
        """The one message in maildrop, parsed; the directory is empty afterwards."""
        (path,) = self.files()
        mode = os.stat(path).st_mode
        self.assertTrue(stat.S_ISREG(mode) and mode & stat.S_IXUSR, oct(mode))
        with open(path, "rb") as f:
            data = f.read()
        os.unlink(path)
        records = parse_drop(data)
        content = b"".join(records.get("D", []))
        self.assertIn(records["V"], ([b"1"], [b"3"], [b"4"]))
        self.assertEqual(records["V"] == [b"4"], "X" in records)
        self.assertEqual(len(records.get("K", [])), int(records["V"] != [b"1"]))
        self.assertEqual(records["Z"], [str(len(content)).encode()])
        records["D"] = content
        return records

    def accept(self, *args, data=b"hello\n", env=None):
        result = self.sendmail(*args, data=data, env=env)
        self.assertEqual(result.returncode, 0, (args, result.stderr))
        return self.take()

    def refuse(self, status, *args, data=b"hello\n", env=None):
        result = self.sendmail(*args, data=data, env=env)
        self.assertEqual(result.returncode, status, (args, result.stderr))
        self.assertNotEqual(result.stderr, b"", args)
        self.assertEqual(self.files(), [], args)
        return result.stderr.decode()


class Told(Case):
    """What stands in the log: one line for one mistake, though two programs had a part in it."""

    def setUp(self):
        super().setUp()
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.log.close)
        self.log.bind(os.path.join(self.spool, "public", "postlog"))
        self.log.settimeout(0)

    def lines(self):
        lines = []
        try:
            while True:
                lines.append(self.log.recv(4096).decode())
        except BlockingIOError:
            return lines

    def test_no_message(self):
        """postdrop, which has been started already, says nothing of what sendmail did not send."""
        self.refuse(USAGE, "-t", data=b"From: me\n\nhello\n")
        self.refuse(USAGE)
        self.assertEqual([line for line in self.lines() if "postdrop" in line], [])

    def test_half_a_message(self):
        """Nor does it keep silent of half a message; nor, without -r, of none."""
        for arguments, data in (["-r"], b"V1:3\nS3:a@b\n"), ([], b""):
            self.assertEqual(self.run_program(POSTDROP, *arguments, data=data).returncode, DATAERR)
            (line,) = self.lines()
            self.assertIn(f"uid={os.getuid()}: the message was not complete", line)


class Envelope(Case):
    def test_verp(self):
        """-XV asks for variable return paths: with the delimiters of main.cf, or others that it allows."""
        self.assertNotIn("X", self.accept("bob"))
        self.assertEqual(self.accept("-XV", "bob")["X"], [b"+="])
        self.assertEqual(self.accept("-XV-=", "bob")["X"], [b"-="])
        for delimiters in ("+", "+=+", "ab", "@="):
            self.assertIn("-XV needs two characters from -=+", self.refuse(USAGE, "-XV" + delimiters, "bob"))

    def test_plain(self):
        m = self.accept("bob")
        self.assertEqual(m["S"], [LOGIN.encode()])
        self.assertEqual(m["R"], [b"bob"])
        self.assertEqual(m["D"], b"hello\r\n")
        self.assertEqual(m["F"], [b"b"])

    def test_sender(self):
        for option in (["-f", "a@b.example"], ["-fa@b.example"], ["-r", "a@b.example"],
                       ["-f", "<a@b.example>"], ["-f", "A. <a@b.example>"]):
            self.assertEqual(self.accept(*option, "bob")["S"], [b"a@b.example"])
        for option in (["-f", ""], ["-f", "<>"]):
            self.assertEqual(self.accept(*option, "bob")["S"], [b""])

    def test_full_name(self):
        self.assertEqual(self.accept("-F", "Some One", "bob")["N"], [b"Some One"])
        self.assertEqual(self.accept("bob", env={"NAME": "Env Name"})["N"], [b"Env Name"])
        self.assertEqual(self.accept("-F", "x", "bob", env={"NAME": "y"})["N"], [b"x"])
        long = "ä" * 150
        self.assertEqual(self.accept("-F", long, "bob")["N"], [long[:100].encode()])

    def test_recipients(self):
        m = self.accept("a, b@c.example", "Some One <d@e.example>", '"x y"@z.example')
        self.assertEqual(m["R"], [b"a", b"b@c.example", b"d@e.example", b'"x y"@z.example'])
        self.assertEqual(self.accept("--", "-x")["R"], [b"-x"])
        many = [f"user{i}@example.org" for i in range(3000)]
        self.assertEqual(self.accept(*many)["R"], [a.encode() for a in many])

    def test_dsn(self):
        m = self.accept("-N", "success,failure", "-R", "hdrs", "-V", "id 1", "bob")
        self.assertEqual((m["Q"], m["T"], m["E"]), ([b"success,failure"], [b"hdrs"], [b"id 1"]))
        m = self.accept("-N", "never", "-R", "full", "bob")
        self.assertEqual((m["Q"], m["T"]), ([b"never"], [b"full"]))
        for option in (["-N", "x"], ["-R", "x"], ["-V", "x" * 101], ["-V", "a\nb"]):
            result = self.sendmail(*option, "bob")
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"ignored", result.stderr)
            m = self.take()
            self.assertFalse({"Q", "T", "E"} & set(m), option)

    def test_flags(self):
        for args, flags in ((["-G"], b"bg"), (["-B8BITMIME"], b"8b"), (["-B", "7BIT"], b"b"),
                            (["-v"], b"rb"), (["-O", "smtputf8=yes"], b"ub"), (["-v", "-v"], b"b")):
            self.assertEqual(self.accept(*args, "bob")["F"], [flags], args)
        self.assertEqual(self.accept("bäb@example.org")["F"], [b"ub"])

    def test_ignored(self):
        m = self.accept("-bm", "-om", "-oem", "-odb", "-o7", "-o8", "-m", "-n", "-x", "-U", "-c",
                        "-Am", "-Ac", "-h", "5", "-L", "tag", "-em", "-p", "x", "-O", "Timeout=5",
                        "bob")
        self.assertEqual(m["R"], [b"bob"])
        self.assertEqual(m["F"], [b"b"])

    def test_verify(self):
        result = self.sendmail("-bv", "-f", "a@b.example", "x", "y", data=b"not read\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"<a@b.example>", result.stdout)
        m = self.take()
        self.assertEqual(m["F"], [b"vb"])
        self.assertEqual(m["R"], [b"x", b"y"])
        self.assertEqual(m["D"], b"From: a@b.example\r\nSubject: probe\r\nTo: x,\r\n\ty\r\n")


class Content(Case):
    def test_line_ends(self):
        cases = (("always", b"a\r\nb\nc", b"a\r\nb\r\nc\r\n"),
                 ("always", b"a\rb\n", b"a b\r\n"),
                 ("strict", b"a\r\nb\r\n", b"a\r\nb\r\n"),
                 ("strict", b"a\nb\r\n", b"a\r\nb \r\n"),
                 ("never", b"a\r\n", b"a \r\n"))
        for how, data, content in cases:
            self.configure(f"sendmail_fix_line_endings = {how}")
            self.assertEqual(self.accept("bob", data=data)["D"], content, (how, data))

    def test_empty(self):
        self.assertEqual(self.accept("bob", data=b"")["D"], b"")

    def test_dot(self):
        data = b"a\n.\nb\n"
        self.assertEqual(self.accept("bob", data=data)["D"], b"a\r\n")
        for option in ("-i", "-oi"):
            self.assertEqual(self.accept(option, "bob", data=data)["D"], b"a\r\n.\r\nb\r\n")
        self.assertEqual(self.accept("-ti", "bob", data=b"\na\n.\n")["D"], b"\r\na\r\n.\r\n")

    def test_from_line(self):
        data = b"From x y\n>From z\nSubject: a\n\nFrom b\n"
        self.assertEqual(self.accept("bob", data=data)["D"], b"Subject: a\r\n\r\nFrom b\r\n")

    def test_binary(self):
        data = bytes(b for b in range(256) if b not in (10, 13)) * 20
        self.assertEqual(self.accept("bob", data=data)["D"], data + b"\r\n")

    def test_size_limit(self):
        just = b"x" * (LIMIT - 2) + b"\n"
        self.assertEqual(self.accept("bob", data=just)["D"], just[:-1] + b"\r\n")
        self.assertIn("message file too big", self.refuse(UNAVAILABLE, "bob", data=b"x" + just))

    def test_large(self):
        self.configure("message_size_limit = 0")
        data = b"".join(b"%099d\n" % i for i in range(40000))
        self.assertEqual(self.accept("bob", data=data)["D"], data.replace(b"\n", b"\r\n"))


class Extract(Case):
    def test_all(self):
        m = self.accept("-t", data=b"To: a, B <b@c.example>\nCc: d\nBcc: e,\n f\n\nTo: x\n")
        self.assertEqual(m["R"], [b"a", b"b@c.example", b"d", b"e", b"f"])
        self.assertEqual(m["F"], [b"b"])
        self.assertIn(b"\r\n\r\nTo: x\r\n", m["D"])

    def test_added(self):
        self.assertEqual(self.accept("-t", "x", data=b"To: a\n\n")["R"], [b"x", b"a"])

    def test_resent(self):
        self.assertEqual(self.accept("-t", data=b"To: a\nResent-To: b\nResent-Bcc: c\n\n")["R"],
                         [b"b", b"c"])

    def test_header_only(self):
        self.assertEqual(self.accept("-t", data=b"To: a")["R"], [b"a"])

    def test_none(self):
        self.refuse(USAGE, "-t", data=b"Subject: To: a\n\nTo: b\n")
        self.refuse(USAGE, "-t", data=b"")
        self.refuse(USAGE, "-t", data=b"To: nobody:;\n\n")

    def test_large_header(self):
        self.configure("message_size_limit = 0")
        many = [b"user%d@example.org" % i for i in range(5000)]
        m = self.accept("-t", data=b"To: " + b",\n ".join(many) + b"\n\nbody\n")
        self.assertEqual(m["R"], many)


class Errors(Case):
    def test_usage(self):
        for args in (["-Z", "bob"], ["--help"], [], ["-f"], ["-B", "9BIT", "bob"], ["-bt"], ["-bz"],
                     ["-X", "/dev/null", "bob"], ["-bv", "-t"], ["-bv", "-N", "never", "bob"],
                     ["-bv", "-v", "bob"], ["-bp", "bob"], ["-q", "bob"], ["-qR"], ["-qI"],
                     ["-qS"], ["-bs", "-t"], [""], ["<>"], ["a b@c@d", ","]):
            self.refuse(USAGE, *args)

    def test_configuration(self):
        self.refuse(TEMPFAIL, "-C", os.path.join(self.top, "none"), "bob")
        with open(os.path.join(self.etc, "main.cf"), "a", encoding="utf-8") as f:
            f.write("smtpd_timeout = soon\nno_such_parameter = 1\nrubbish\n")
        self.accept("bob")  # a fault elsewhere in the file does not stop mail

    def test_c_option(self):
        for path in (self.etc, os.path.join(self.etc, "main.cf")):
            self.accept("-C", path, "bob", env={"MAIL_CONFIG": None})

    def test_spool(self):
        os.rmdir(self.maildrop)
        result = self.sendmail("bob")
        self.assertEqual(result.returncode, TEMPFAIL)
        self.assertIn(b"maildrop", result.stderr)
        os.mkdir(self.maildrop)
        self.configure("queue_directory = /nonexistent")
        self.refuse(TEMPFAIL, "bob")

    def test_no_postdrop(self):
        os.unlink(os.path.join(self.commands, "postdrop"))
        self.assertIn("postdrop", self.refuse(UNAVAILABLE, "bob"))

    def test_submitters(self):
        for users in (f"!{LOGIN}, static:anyone", "somebody_else", f"!{LOGIN}"):
            self.configure(f"authorized_submit_users = {users}")
            self.assertIn(LOGIN, self.refuse(NOPERM, "bob"), users)
            result = self.run_program(POSTDROP)
            self.assertEqual(result.returncode, NOPERM)
            self.refuse(NOPERM, "-bs")
        listed = os.path.join(self.top, "users")
        with open(listed, "w", encoding="utf-8") as f:
            f.write(f"# users\n{LOGIN}\n")
        for users in (LOGIN, "static:anyone", f"x, {LOGIN}", listed):
            self.configure(f"authorized_submit_users = {users}")
            self.accept("bob")
        self.configure("authorized_submit_users = /nonexistent")
        self.refuse(TEMPFAIL, "bob")

    def test_input_error(self):
        fd = os.open(self.top, os.O_RDONLY)  # reading a directory fails
        try:
            result = subprocess.run([SENDMAIL, "bob"], stdin=fd, env=self.environment(),
                                    capture_output=True, timeout=60, check=False)
        finally:
            os.close(fd)
        self.assertEqual(result.returncode, DATAERR)
        self.assertEqual(self.files(), [])

    def test_input_never_readable(self):
        """What can never be read is an error in the data, whatever the reason; what may pass is not."""
        write_only = os.open(os.path.join(self.top, "out"), os.O_WRONLY | os.O_CREAT)
        listener = socket.socket(socket.AF_UNIX)
        for fd in (write_only, listener.fileno()):
            result = subprocess.run([SENDMAIL, "bob"], stdin=fd, env=self.environment(),
                                    capture_output=True, timeout=60, check=False)
            self.assertEqual(result.returncode, DATAERR, result.stderr)
            result = subprocess.run([POSTDROP], stdin=fd, env=self.environment(),
                                    capture_output=True, timeout=60, check=False)
            self.assertEqual(result.returncode, DATAERR, result.stderr)
        os.close(write_only)
        listener.close()
        self.assertEqual(self.files(), [])

    def test_remark_not_heard(self):
        """The message is stored, so the status is 0, even if what is said about the report cannot be written."""
        with open("/dev/full", "wb") as full:
            result = subprocess.run([SENDMAIL, "-v", "bob"], input=b"hello\n", stdout=full, stderr=subprocess.PIPE,
                                    env=self.environment(), timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.files()), 1)

    def limited(self, limit, *args, data=b"hello\n"):
        """Exit status under a limit of the shell's."""
        return subprocess.run(["/bin/sh", "-c", f'ulimit {limit} && exec "$@"', "sh", *args],
                              input=data, env=self.environment(), capture_output=True, timeout=60,
                              check=False).returncode

    def test_few_descriptors(self):
        """A lack of descriptors passes: 75, also when it is postdrop's."""
        found = [self.limited(f"-n {n}", SENDMAIL, "bob") for n in range(4, 20)]
        self.assertEqual(set(found), {0, TEMPFAIL})
        self.assertEqual(found[-1], 0)
        self.assertEqual(found, sorted(found, reverse=True))
        self.assertEqual(len(self.files()), found.count(0))

    def test_little_memory(self):
        """So does a lack of memory: 75 from the first program that has enough to start at all."""
        with open(os.path.join(BUILD, "config.h"), encoding="utf-8") as f:
            if "#define POSTKEEP_SANITIZED 1" in f.read():
                self.skipTest("AddressSanitizer needs more memory than there is")
        self.configure("message_size_limit = 0")
        header = b"To: bob\nX: " + b" x\n" * 2000000 + b"\n"
        found = [self.limited(f"-v {k * 1024}", SENDMAIL, "-t", data=header)
                 for k in (16, 20, 24, 28, 32, 40, 48, 64, 96, 400)]
        started = [status for status in found if status != 127]  # by the dynamic loader
        self.assertEqual(set(started), {0, TEMPFAIL}, found)
        self.assertEqual(found[-1], 0)
        self.assertEqual(len(self.files()), found.count(0))

    def test_file_size_rlimit(self):
        """A caller's own limit is a failed write: nothing is left, and it is no acceptance."""
        self.configure("message_size_limit = 0")
        result = subprocess.run(
            ["/bin/sh", "-c", f"ulimit -f 1; exec {SENDMAIL} bob"], input=b"x" * 100000 + b"\n",
            env=self.environment(), capture_output=True,
            timeout=60, check=False)
        self.assertEqual(result.returncode, TEMPFAIL, result.stderr)
        self.assertEqual(self.files(), [])

    def test_ignored_signals(self):
        """A caller that does not want to hear of its own children: what was stored is told as stored all the same."""
        def ignore():
            for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
        self.configure(f"daemon_directory = {BUILD}/smtpd")
        for args, data in ((["bob"], b"hello\n"),
                           (["-bs"], b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n")):
            result = subprocess.run([SENDMAIL, *args], input=data, env=self.environment(), capture_output=True,
                                    timeout=60, check=False, preexec_fn=ignore)
            self.assertEqual(result.returncode, 0, (args, result.stderr))
            self.assertNotIn(b"fatal", result.stderr)
            self.assertNotIn(b"\r\n4", result.stdout)
            self.assertEqual(self.take()["D"], b"hello\r\n")

    def test_closed_descriptors(self):
        result = subprocess.run(["/bin/sh", "-c", f"exec {SENDMAIL} bob <&- >&- 2>&-"],
                                env=self.environment(),
                                timeout=60, check=False)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(self.take()["D"], b"")


class Modes(Case):
    def test_others_programs(self):
        for name in ("postqueue", "postkeep", "smtpd"):
            self.telltale(name)
        here = f"[{self.etc}]"
        for args, told in ((["-bp"], "postqueue -p"), (["-q"], "postqueue -f"),
                           (["-qIABC"], "postqueue -i ABC"), (["-qRx.example"], "postqueue -s x.example"),
                           (["-qSbob"], "postqueue -f --sender bob"),
                           (["-qRbob@"], "postqueue -f --recipient bob@"),
                           (["-qRx.example", "-qSbob@"], "postqueue -s x.example --sender bob@"),
                           (["-bs"], "smtpd -S"), (["-bd"], "postkeep start"),
                           (["-bl"], "postkeep start"), (["-bd", "-q15m"], "postkeep start"),
                           (["-bp", "-v"], "postqueue -v -p")):
            result = self.sendmail(*args)
            self.assertEqual(result.returncode, 0, (args, result.stderr))
            self.assertEqual(result.stdout.decode().strip(), f"{told} {here}", args)
        result = self.sendmail(name="mailq")
        self.assertEqual(result.stdout.decode().strip(), f"postqueue -p {here}")
        result = self.sendmail("-C", self.etc, "-bp", env={"MAIL_CONFIG": None})
        self.assertEqual(result.stdout.decode().strip(), f"postqueue -p {here}")

    def test_choice_of_messages(self):
        """What Postfix refuses as well; the reason names what can be done instead."""
        for option in ("-q!Sx.example", "-q!Rx.example", "-qL"):
            result = self.sendmail(option)
            self.assertEqual((result.returncode, result.stdout), (USAGE, b""), option)
            text = result.stderr.decode()
            self.assertIn(f"{option}: messages cannot be chosen like this here", text)
            self.assertIn("-qI", text)

    def test_nothing(self):
        for args in (["-q30m"], ["-bh"], ["-bH"]):
            result = self.sendmail(*args)
            self.assertEqual((result.returncode, self.files()), (0, []), args)

    def test_newaliases(self):
        for args, name in (([], "newaliases"), (["-bi"], None), (["-I"], None)):
            result = self.sendmail(*args, name=name)
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"alias", result.stdout)

    def test_smtp_session(self):
        """-bs with the real smtpd: what is said there ends where sendmail's mail ends."""
        self.configure(f"daemon_directory = {BUILD}/smtpd")
        result = self.sendmail("-bs", data=b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n"
                               b"RCPT TO:<c@d.example>\r\nDATA\r\n..dot\r\n.\r\nQUIT\r\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"\r\n250 2.0.0 ", result.stdout)
        m = self.take()
        self.assertEqual((m["S"], m["R"], m["D"]), ([b"a@b.example"], [b"c@d.example"], b".dot\r\n"))

    def test_program_missing(self):
        self.refuse(UNAVAILABLE, "-bp")


class Postdrop(Case):
    HEAD = b"V1:1\nS1:a\nR1:b\n"

    def drop(self, data, *args, env=None):
        return self.run_program(POSTDROP, *args, data=data, env=env)

    def test_by_hand(self):
        result = self.drop(self.HEAD + b"D3:x\r\n\nZ1:3\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.take()["D"], b"x\r\n")

    def wait_for(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    @staticmethod
    def catches(pid, sig):
        """Has the process begun so far that it looks after SIG itself?"""
        with open(f"/proc/{pid}/status") as f:
            mask = next(line for line in f if line.startswith("SigCgt:"))
        return int(mask.split()[1], 16) >> (sig - 1) & 1

    def test_refused(self):
        for data in (b"", self.HEAD, self.HEAD + b"D3:x\r\n\n", self.HEAD + b"D2:x\n\nZ1:2\n",
                     self.HEAD + b"Z1:0\nx", b"V1:1\nR1:b\nZ1:0\n", b"S1:a\n", b"\0" * 1000,
                     self.HEAD + b"D3:x\r\n\nZ1:4\n"):
            result = self.drop(data)
            self.assertEqual(result.returncode, DATAERR, data)
            self.assertEqual(self.files(), [], data)
        self.assertEqual(self.drop(b"", "-Z").returncode, USAGE)
        self.assertEqual(self.drop(b"", "file").returncode, USAGE)

    def test_killed(self):
        """Ended by a signal while input is awaited: no file; killed for good: none that is complete."""
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            p = subprocess.Popen([POSTDROP], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=self.environment())
            p.stdin.write(self.HEAD + b"D3:x\r\n\n")
            p.stdin.flush()
            self.wait_for(lambda: self.catches(p.pid, signal.SIGTERM))
            time.sleep(0.2)  # in which it comes to read
            p.send_signal(sig)
            p.wait(timeout=30)
            p.communicate()
            self.assertEqual(p.returncode, -9 if sig == signal.SIGKILL else TEMPFAIL)
            self.assertEqual(self.files(), [])

    def test_killed_large(self):
        self.configure("message_size_limit = 0")
        p = subprocess.Popen([POSTDROP], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=self.environment())
        p.stdin.write(self.HEAD + (b"D60002:" + b"x" * 60000 + b"\r\n\n") * 10)
        p.stdin.flush()
        self.wait_for(self.files)
        (path,) = self.files()
        self.assertFalse(os.stat(path).st_mode & stat.S_IXUSR)
        p.send_signal(signal.SIGTERM)
        p.wait(timeout=30)
        p.communicate()
        self.assertEqual((p.returncode, self.files()), (TEMPFAIL, []))

    def test_deaf_pickup(self):
        """Somebody listens and never answers: after trigger_timeout the message is stored."""
        self.configure("trigger_timeout = 1s")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.join(self.spool, "public", "pickup"))
            s.listen(5)
            started = time.monotonic()
            self.assertEqual(self.accept("bob")["R"], [b"bob"])
            self.assertLess(time.monotonic() - started, 20)

    def test_babbling_pickup(self):
        """Somebody else's protocol at the socket is no acceptance; the message is stored."""
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.join(self.spool, "public", "pickup"))
            s.listen(5)

            def babble():
                c, _ = s.accept()
                c.sendall(b"220 hello\r\n" * 10)
                c.close()

            t = threading.Thread(target=babble)
            t.start()
            self.assertEqual(self.accept("bob")["R"], [b"bob"])
            t.join(10)

    def test_environment(self):
        """Nothing of the environment but MAIL_CONFIG counts."""
        env = {"LD_PRELOAD": "/nonexistent.so", "IFS": "x", "TZ": "/etc/passwd", "BASH_ENV": "/x"}
        self.assertEqual(self.accept("bob", env=env)["R"], [b"bob"])


def makefile_value(name):
    """A directory that configure chose, as the Makefile of the build folder has it."""
    with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as f:
        values = dict(re.findall(r"^(\w+) = (.*)$", f.read(), re.M))
    value = values[name]
    while "${" in value:
        value = re.sub(r"\$\{(\w+)\}", lambda m: values[m.group(1)], value)
    return value


def sanitized():
    """The leak checker cannot look into a set-group-id process, and says so by its exit status."""
    with open(os.path.join(BUILD, "config.h"), encoding="utf-8") as f:
        return "#define POSTKEEP_SANITIZED 1" in f.read()


def setgid_possible():
    return os.getuid() == 0 and not sanitized() and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True,
        check=False).returncode == 0


@unittest.skipUnless(setgid_possible(), "needs root and a mount name space")
class SetGroupId(Case):
    """As installed: postdrop has a group that alone may write to maildrop, its caller has no rights."""
    DROP_GID = 54321
    WORK_UID = 54322
    USER = pwd.getpwnam("nobody")

    def setUp(self):
        super().setUp()
        os.chmod(self.top, 0o755)
        os.chown(self.maildrop, self.WORK_UID, self.DROP_GID)
        os.chmod(self.maildrop, 0o1730)
        postdrop = os.path.join(self.commands, "postdrop")
        os.unlink(postdrop)
        shutil.copy(POSTDROP, postdrop)
        os.chown(postdrop, 0, self.DROP_GID)
        os.chmod(postdrop, 0o2755)

    def as_user(self, *argv, data=b"hello\n", default="", env=None):
        """Runs ARGV as nobody, with DEFAULT as the main.cf of the built-in configuration directory."""
        builtin = makefile_value("configdir")
        main_cf = os.path.join(self.top, "default.cf")
        with open(main_cf, "w", encoding="utf-8") as f:
            f.write(default)
        above = os.path.dirname(builtin)
        script = (f'mount -t tmpfs none "{above}" && chmod 755 "{above}" && mkdir "{builtin}" && '
                  f'cp "{main_cf}" "{builtin}/main.cf" && '
                  f'exec setpriv --reuid={self.USER.pw_uid} --regid={self.USER.pw_gid} '
                  f'--clear-groups -- "$@"')
        return subprocess.run(["unshare", "-m", "/bin/sh", "-c", script, "sh", *argv], input=data,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})},
                              capture_output=True, timeout=60, check=False)

    def copy_main_cf(self):
        with open(os.path.join(self.etc, "main.cf"), encoding="utf-8") as f:
            return f.read()

    def test_default_directory(self):
        result = self.as_user(os.path.join(self.commands, "postdrop"),
                              data=Postdrop.HEAD + b"Z1:0\n", default=self.copy_main_cf())
        self.assertEqual(result.returncode, 0, result.stderr)
        (path,) = self.files()
        st = os.stat(path)
        self.assertEqual((st.st_uid, st.st_gid), (self.USER.pw_uid, self.DROP_GID))
        self.assertEqual(stat.S_IMODE(st.st_mode), 0o744)

    def test_listed_directory(self):
        listed = f"alternate_config_directories = /x, {self.etc}\n"
        for args, env in ((["-c", self.etc], {}), ([], {"MAIL_CONFIG": self.etc})):
            result = self.as_user(os.path.join(self.commands, "postdrop"), *args, env=env,
                                  data=Postdrop.HEAD + b"Z1:0\n", default=listed)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.take()

    def test_unlisted_directory(self):
        for default in ("", f"alternate_config_directories = {self.etc}x\n"):
            for args, env in ((["-c", self.etc], {}), ([], {"MAIL_CONFIG": self.etc})):
                result = self.as_user(os.path.join(self.commands, "postdrop"), *args, env=env,
                                      data=Postdrop.HEAD + b"Z1:0\n", default=default)
                self.assertEqual(result.returncode, NOPERM, result.stderr)
                self.assertEqual(self.files(), [])

    def test_own_directory(self):
        """A suite of the caller's own needs no entry in root's list; and the group is gone by then."""
        own = os.path.join(self.top, "own")
        maildrop = os.path.join(own, "spool", "maildrop")
        os.makedirs(os.path.join(own, "etc"))
        os.makedirs(maildrop)
        text = self.copy_main_cf().replace(os.path.dirname(self.maildrop), os.path.join(own, "spool"))
        with open(os.path.join(own, "etc", "main.cf"), "w", encoding="utf-8") as f:
            f.write(text)
        for path, _, names in os.walk(own):
            for name in ["."] + names:
                os.chown(os.path.join(path, name), self.USER.pw_uid, self.USER.pw_gid)
        postdrop = os.path.join(self.commands, "postdrop")
        head = Postdrop.HEAD + b"Z1:0\n"
        result = self.as_user(postdrop, "-c", os.path.join(own, "etc"), data=head)
        self.assertEqual(result.returncode, 0, result.stderr)
        (name,) = os.listdir(maildrop)
        self.assertEqual(os.stat(os.path.join(maildrop, name)).st_gid, self.USER.pw_gid)
        # With the group, this would put a file where the group alone may.
        with open(os.path.join(own, "etc", "main.cf"), "w", encoding="utf-8") as f:
            f.write(self.copy_main_cf())
        result = self.as_user(postdrop, "-c", os.path.join(own, "etc"), data=head)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(self.files(), [])

    def test_unreadable_directory(self):
        """The caller's path is not even looked at."""
        secret = os.path.join(self.top, "secret")
        os.mkdir(secret, 0o700)
        result = self.as_user(os.path.join(self.commands, "postdrop"), "-c", secret)
        self.assertEqual(result.returncode, NOPERM, result.stderr)

    def test_caller_cannot_reach_the_file(self):
        """Neither the directory nor the file is the caller's to change once it stands there."""
        self.as_user(os.path.join(self.commands, "postdrop"), data=Postdrop.HEAD + b"Z1:0\n",
                     default=self.copy_main_cf())
        (path,) = self.files()
        for command in (["cat", path], ["rm", path], ["ls", self.maildrop],
                        ["touch", self.maildrop + "/x"]):
            self.assertNotEqual(self.as_user(*command).returncode, 0, command)
        self.assertEqual(self.files(), [path])


if __name__ == "__main__":
    if not os.path.exists(SENDMAIL):
        print(f"no {SENDMAIL}: not a build folder")
        sys.exit(77)
    unittest.main(verbosity=1)
