"""A whole suite against clients that wish it ill: what is smuggled in content, what stands where it
should not, what never ends, what is too much, what goes away half-way; and what a stranger may never get.
Each test looks at what reached the mailbox, and at the end no session and no piece of a message is left."""
import os
import re
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite, free_port  # noqa: E402
from wire import FALSE_ENDS, HEAD, Wire, content_as_stored  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
MAIN = """
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
mail_spool_directory = {mail}/
"""
# More listeners: name, and what master.cf says for it.
LISTENERS = {
    "strict": "-o smtpd_forbid_bare_newline=reject",
    "slow": "-o smtpd_timeout=2 -o smtpd_minimum_rate=200",
    "counted": "-o smtpd_client_connection_count_limit=5",
    "rated": "-o smtpd_client_connection_rate_limit=5",
    "errors": "-o smtpd_error_sleep_time=1 -o smtpd_soft_error_limit=2 -o smtpd_hard_error_limit=4",
}


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ports = {name: free_port() for name in LISTENERS}

        def more_listeners(master):
            for name, options in LISTENERS.items():
                master += f"127.0.0.1:{cls.ports[name]} inet n - y - - smtpd {options}\n"
            return master
        cls.suite = Suite(PREFIX, edit_master=more_listeners, start=False)
        cls.suite.add_conf(MAIN.format(mail=cls.suite.mail))
        cls.suite.start()
        cls.ports["smtp"] = cls.suite.port
        cls.rcpt = f"{cls.suite.user}@example.org"
        cls.serial = 0
        cls.mail = {}

    @classmethod
    def tearDownClass(cls):
        # Nothing crashed, nothing that cannot happen happened.
        crashes = re.findall(r".*(?:signal (?:4|6|7|8|11|31)\b|panic: ).*", cls.suite.log())
        cls.suite.__exit__(None, None, None)
        assert not crashes, crashes

    def setUp(self):
        type(self).serial += 1
        self.token = f"t{self.serial}x{os.getpid()}"
        # Each test is another client: what one does must not count for the next.
        self.source = f"127.1.{self.serial}.1"

    def tearDown(self):
        """No session is left, and the suite still takes mail."""
        self.wait_calm()
        with self.wire() as c:
            c.say("QUIT", "221")

    def wire(self, listener="smtp", **more):
        more.setdefault("source", self.source)
        return Wire(self.ports[listener], **more)

    def wait_calm(self, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            log = self.suite.log()
            opened = len(re.findall(r"smtpd\[\d+\]: connect from", log))
            closed = len(re.findall(r"smtpd\[\d+\]: disconnect from", log))
            if opened == closed:
                return
            if time.monotonic() > deadline:
                self.fail(f"{opened} sessions begun, {closed} ended")
            time.sleep(0.05)

    def envelope(self, c, rcpt=None):
        c.say("MAIL FROM:<alice@example.net>", "250")
        c.say(f"RCPT TO:<{rcpt or self.rcpt}>", "250")

    def deliver(self, c, content, end=b"\r\n.\r\n"):
        self.envelope(c)
        c.say("DATA", "354")
        c.send(content + end)
        return c.expect("250").split()[-1]

    def head(self, token):
        return HEAD % (token.encode(), token.encode())

    def stored(self, token, timeout=60):
        """The one message with TOKEN: what stands behind the lines that the suite has added."""
        folder = os.path.join(self.suite.mail, self.suite.user, "new")
        deadline = time.monotonic() + timeout
        mark = b"Subject: " + token.encode() + b"\n"
        found = []
        while not found:
            for name in set(os.listdir(folder) if os.path.isdir(folder) else []) - set(self.mail):
                with open(os.path.join(folder, name), "rb") as f:
                    self.mail[name] = f.read()
            found = [text for text in self.mail.values() if mark in text]
            if time.monotonic() > deadline:
                self.fail(f"no message {token}")
            time.sleep(0.02)
        self.assertEqual(len(found), 1, token)
        return found[0][found[0].index(b"\nFrom: alice@example.net\n") + 1:]

    def not_stored(self, text):
        """Everything that was taken has been delivered, and TEXT is not in it."""
        self.suite.wait_empty()
        folder = os.path.join(self.suite.mail, self.suite.user, "new")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as f:
                self.assertNotIn(text, f.read())

    # ---- Ends of lines and messages ----

    def test_smuggling_data(self):
        """Whatever looks like an end but CRLF.CRLF is content, and the command behind it too."""
        for i, false_end in enumerate(FALSE_ENDS):
            with self.subTest(end=false_end), self.wire() as c:
                token = f"{self.token}n{i}"
                evil = f"MAIL FROM:<evil@example.net>\r\nRCPT TO:<{self.rcpt}>\r\nDATA\r\n".encode()
                body = (self.head(token) + b"\r\nfirst" + false_end + evil +
                        b"Subject: smuggled\r\n\r\nsecond")
                self.envelope(c)
                c.say("DATA", "354")
                c.send(body + b"\r\n.\r\nQUIT\r\n")
                replies = c.rest()
                self.assertEqual(len(replies), 2, replies)
                self.assertTrue(replies[0].startswith("250 2.0.0 Ok: queued"), replies)
                self.assertEqual(self.stored(token), content_as_stored(body + b"\r\n"))
        self.assertNotIn("evil@example.net", self.suite.log())

    def test_smuggling_refused(self):
        """smtpd_forbid_bare_newline = reject: a CR or LF that is no line end is the end of the message's luck."""
        for false_end in FALSE_ENDS:
            bare = re.search(rb"\r(?!\n)|(?<!\r)\n", false_end)
            with self.subTest(end=false_end), self.wire("strict") as c:
                self.envelope(c)
                c.say("DATA", "354")
                c.send(b"Subject: x\r\n\r\nfirst" + false_end + b"QUIT\r\n" + b"rest\r\n.\r\nQUIT\r\n")
                replies = c.rest()
                self.assertEqual(len(replies), 2, replies)
                self.assertRegex(replies[0], "^550 5.5.2 .*bare" if bare else "^250 2.0.0")

    def test_smuggling_bdat(self):
        """In a chunk nothing is an end but its last byte; what is stored is what was counted."""
        for i, false_end in enumerate(FALSE_ENDS + [b"\r\n.\r\n", b"\r\n..\r\n"]):
            with self.subTest(end=false_end), self.wire() as c:
                token = f"{self.token}n{i}"
                body = (self.head(token) + b"\r\nfirst" + false_end +
                        f"MAIL FROM:<evil@example.net>\r\nRCPT TO:<{self.rcpt}>\r\nBDAT 3 LAST\r\nabc".encode() +
                        b"\r\n")
                self.envelope(c)
                # Cut in the worst place: inside the false end.
                cut = body.index(false_end) + 1
                c.send(b"BDAT %d\r\n" % cut + body[:cut])
                c.expect("250")
                c.send(b"BDAT %d LAST\r\n" % (len(body) - cut) + body[cut:])
                c.expect("250 2.0.0 Ok")
                expected = re.sub(rb"(?<!\r)\n", b"\r\n", body).replace(b"\r\n", b"\n").replace(b"\r", b" ")
                self.assertEqual(self.stored(token), expected)
        self.assertNotIn("evil@example.net", self.suite.log())

    def test_commands_with_bare_newlines(self):
        """A command ends in CRLF; NUL and control bytes are no part of one."""
        for line in (b"NOOP\0\r\n", b"NOOP \x01\r\n", b"NOOP\r\r\n", b"NO\0OP\r\n", b"NOOP \x7f\r\n",
                     b"NOOP \x80\r\n", b"MAIL FROM:<a\0b@example.net>\r\n", b"\r\n", b" \r\n"):
            with self.subTest(line=line), self.wire() as c:
                c.send(line)
                c.expect("500")
                c.say("NOOP", "250")
        for line in (b"\0NOOP\r\n", b"\x80\r\n", b"\x16\x03\x01\r\n", b"GET / HTTP/1.0\r\n"):
            with self.subTest(line=line), self.wire() as c:  # no mail client at all
                c.send(line)
                self.assertEqual([r[:9] for r in c.rest()], ["221 2.7.0"])
        for line in (b"MAIL FROM:<a@example.net>\rRCPT TO:<b@example.net>\r\n", b"EHLO x\rMAIL FROM:<>\r\n"):
            with self.subTest(line=line), self.wire() as c:
                c.send(line)
                c.expect("50")
        with self.wire("strict") as c:
            c.send(b"NOOP\n")
            self.assertEqual([r[:9] for r in c.rest()], ["550 5.5.2"])

    # ---- Too much ----

    def test_long_lines(self):
        """Commands of 64 KiB are answered; a line that never ends ends the session."""
        with self.wire() as c:
            for size in (2040, 2050, 4096, 65000):
                c.send(b"NOOP " + b"x" * (size - 7) + b"\r\n")
                c.expect("250" if size < 2048 else "500")
            c.say("NOOP", "250")
        with self.wire() as c:
            try:
                for _ in range(200):
                    c.send(b"x" * 65536)
                c.send(b"\r\nNOOP\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertLessEqual(len(c.rest()), 1)
        with self.wire() as c:
            c.send(b"\0" * 300000)
            self.assertLessEqual(len(c.rest()), 1)

    def timed_delivery(self, content, limit=6):
        with self.wire() as c:
            begun = time.monotonic()
            self.deliver(c, content)
            took = time.monotonic() - begun
            self.assertLess(took, limit, "cost is not linear")

    def test_many_header_lines(self):
        token = self.token + "n"
        content = (self.head(token) + b"".join(b"X-Line-%d: y\r\n" % i for i in range(50000)) +
                   b"\r\nbody")
        self.timed_delivery(content)
        self.assertEqual(self.stored(token), content.replace(b"\r\n", b"\n") + b"\n")

    def test_huge_header(self):
        """Ten MB less a bit of one header field: header_size_limit bytes of it arrive, and all else."""
        limit = 102400
        token = self.token + "n"
        content = self.head(token) + b"X-Big: " + b"a" * 9_900_000 + b"\r\nX-Behind: b\r\n\r\nbody"
        self.timed_delivery(content)
        kept = self.head(token) + b"X-Big: " + b"a" * (limit - 7) + b"\r\nX-Behind: b\r\n\r\nbody"
        self.assertEqual(self.stored(token), kept.replace(b"\r\n", b"\n") + b"\n")
        token = self.token + "m"
        content = self.head(token) + b"X-Big: " + b"a b\r\n " * 1_400_000 + b"c\r\nX-Behind: b\r\n\r\nbody"
        self.timed_delivery(content)
        kept = self.head(token) + b"X-Big: " + b"a b\r\n " * ((limit - 6) // 6) + b"X-Behind: b\r\n\r\nbody"
        self.assertEqual(self.stored(token), kept.replace(b"\r\n X-", b"\r\nX-").replace(b"\r\n", b"\n") + b"\n")
        self.suite.wait_log("header field X-Big is larger than header_size_limit", count=2)

    def test_many_addresses(self):
        """Half a million addresses in one field, from a client whose headers are rewritten."""
        for i, piece in enumerate((b"a@example.net,", b"a,", b"(", b'"', b"<", b"((a)", b'"a" <', b"@a:", b"a;:", b"\\(")):
            token = f"{self.token}n{i}"
            count = 500_000 if len(piece) > 4 else 900_000
            lines = b"\r\n ".join([piece * 60] * (count // 60))
            with self.subTest(piece=piece):
                content = self.head(token) + b"To: " + lines + b"\r\n\r\nbody"
                for source in ("127.0.0.1", self.source):
                    with self.wire(source=source) as c:
                        begun = time.monotonic()
                        self.deliver(c, content.replace(token.encode(), (token + source[4]).encode()))
                        self.assertLess(time.monotonic() - begun, 6, "cost is not linear")

    def test_nesting_below_the_limit(self):
        """Deep comments and quotes in a field that is looked at: within header_size_limit."""
        with self.wire(source="127.0.0.1") as c:
            for i, inner in enumerate((b"(" * 50000 + b")" * 50000, b"(" * 100000, b'"' + b"\\" * 99000, b"<" * 100000,
                                       b"(\\" * 50000, b"a." * 50000, b"a@" * 50000, b"a " * 50000, b"a," * 50000)):
                content = self.head(f"{self.token}n{i}") + b"To: " + inner + b"\r\n\r\nbody"
                begun = time.monotonic()
                self.deliver(c, content)
                self.assertLess(time.monotonic() - begun, 3, inner[:4])

    def test_parameter_floods(self):
        bad = ["SIZE", "SIZE=", "SIZE=x", "SIZE=-1", "SIZE=99999999999999999999999", "SIZE=1 SIZE=1", "BODY=8BIT",
               "BODY=BINARYMIME", "SMTPUTF8=yes", "RET=ALL", "ENVID=", "ENVID=+", "ENVID=+0", "ENVID=+GG", "ENVID=+0D+0A",
               "ENVID=+00", "ENVID=" + "x" * 101, "ENVID=a=b", "X=1", "=", "==", "SIZE=1=2", "AUTH=<>", "NOTIFY=NEVER",
               " ".join(f"X{i}=1" for i in range(300)), "A" * 1500, "SIZE=1\tSIZE=2", "ENVID=\u00e9"]
        for parameter in bad:
            with self.subTest(parameter=parameter[:40]), self.wire() as c:
                c.send(f"MAIL FROM:<a@example.net> {parameter}\r\n")
                self.assertRegex(c.reply(), "^(501 5.5.4|555 5.5.4|500 5.5.2|552 5.3.4) ")
                c.say("RCPT TO:<x@example.org>", "503")
        bad = ["NOTIFY", "NOTIFY=", "NOTIFY=,", "NOTIFY=NEVER,FAILURE", "NOTIFY=X", "NOTIFY=" + "DELAY," * 200, "ORCPT=",
               "ORCPT=x", "ORCPT=;x", "ORCPT=rfc822;", "ORCPT=rfc822;a+0Db", "ORCPT=rfc822;a+00b", "ORCPT=rfc822;+",
               "ORCPT=rfc822;" + "x" * 500, "ORCPT=utf-8;\\x{0A}", "ORCPT=utf-8;\\x{110000}", "ORCPT=utf-8;\\x{D800}",
               "ORCPT=utf-8;\\x{FFFFFFFFFFFF}", "ORCPT=utf-8;\\x{", "ORCPT=r fc;x", "SIZE=1", "ORCPT=a;b ORCPT=a;b"]
        for parameter in bad:
            with self.subTest(parameter=parameter[:40]), self.wire() as c:
                c.say("MAIL FROM:<a@example.net>", "250")
                c.send(f"RCPT TO:<{self.rcpt}> {parameter}\r\n")
                self.assertRegex(c.reply(), "^(501 5.5.4|555 5.5.4) ")
                c.say("DATA", "554")

    def test_long_addresses(self):
        """The longest address that is taken at MAIL goes all the way; what is longer is refused there."""
        with self.wire() as c:
            for local, code in (("a" * 1000, "250"), ("a" * 1012, "250"), ("a" * 1023, "501")):
                c.send(f"MAIL FROM:<{local}>\r\n")
                reply = c.reply()
                self.assertTrue(reply.startswith(code), reply)
                if code != "250":
                    continue
                c.say(f"RCPT TO:<{self.rcpt}>", "250")
                c.say("DATA", "354")
                token = f"{self.token}n{len(local)}"
                c.send(self.head(token) + b"\r\nbody\r\n.\r\n")
                c.expect("250")
                self.stored(token)

    # ---- Chunks that lie ----

    def test_bdat_counts(self):
        for argument in ("", "x", "-1", "+1", "0x10", "1.5", "1 2", "1 LASTT", "LAST", "1 LAST LAST",
                         "18446744073709551616", "99999999999999999999999999", "1LAST"):
            with self.subTest(argument=argument), self.wire() as c:
                self.envelope(c)
                c.send(f"BDAT {argument}\r\n")
                replies = c.rest()
                self.assertEqual([r[:3] for r in replies], ["501"], replies)
        for size in ("18446744073709551615", "9223372036854775807", "99999999999"):
            with self.subTest(size=size), self.wire() as c:
                self.envelope(c)
                c.send(f"BDAT {size} LAST\r\n" + "x" * 1000)
                c.sock.shutdown(socket.SHUT_WR)
                self.assertNotIn("250", [r[:3] for r in c.rest()])
        with self.wire() as c:  # more than was counted is commands
            self.envelope(c)
            token = self.token + "n"
            body = self.head(token) + b"\r\nbody\r\n"
            c.send(b"BDAT %d LAST\r\n" % len(body) + body + b"surplus\r\nQUIT\r\n")
            self.assertEqual([r[:3] for r in c.rest()], ["250", "502", "221"])
            self.assertEqual(self.stored(token), body.replace(b"\r\n", b"\n"))

    def test_bdat_zero_chunks(self):
        token = self.token + "n"
        with self.wire() as c:
            self.envelope(c)
            for _ in range(500):
                c.send(b"BDAT 0\r\n")
            for _ in range(500):
                c.expect("250")
            body = self.head(token) + b"\r\nbody"
            for byte in body:
                c.send(b"BDAT 1\r\n" + bytes([byte]))
            for byte in body:
                c.expect("250")
            c.say("BDAT 0 LAST", "250")
            self.assertEqual(self.stored(token), body.replace(b"\r\n", b"\n") + b"\n")
            c.say("BDAT 0 LAST", "503")
            self.envelope(c)
            c.say("BDAT 0 LAST", "250")

    def test_bdat_after_a_refusal(self):
        """Once a chunk was refused the message is lost: later chunks alone are none."""
        tail = self.head(self.token) + b"\r\nonly the end\r\n"
        with self.wire() as c:
            c.say("MAIL FROM:<alice@example.net>", "250")
            c.send(b"BDAT 10\r\n" + b"x" * 10)
            c.expect("554")
            c.say(f"RCPT TO:<{self.rcpt}>", "503")
            c.send(b"BDAT %d LAST\r\n" % len(tail) + tail)
            c.expect("554")
            c.say("BDAT 0 LAST", "503")
        with self.wire() as c:
            c.send(b"BDAT 10\r\n" + b"x" * 10)
            c.expect("503")

    # ---- Going away ----

    def test_disconnects(self):
        """At every state, politely and not: nothing is left of it."""
        # What is sent, and whether a reply is waited for.
        steps = [(b"EHLO client.example.net\r\n", True), (b"MAIL FROM:<alice@example.net>\r\n", True),
                 (f"RCPT TO:<{self.rcpt}>\r\n".encode(), True), (b"DATA\r\n", True),
                 (b"Subject: gone\r\n\r\n" + b"x" * 20000 + b"\r\n", False), (b".", False)]
        chunks = steps[:3] + [(b"BDAT 100\r\n", False), (b"x" * 50, False), (b"y" * 50, True),
                              (b"BDAT 200000 LAST\r\n", False), (b"z" * 199999, False)]
        before = len(self.suite.queue())
        for script in (steps, chunks):
            for n in range(len(script) + 1):
                for rude in (False, True):
                    c = self.wire(greet=False)
                    if n > 0:
                        c.expect("220")
                    for data, wait in script[:n]:
                        c.send(data)
                        if wait:
                            c.reply()
                    if rude:
                        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    c.close()
        self.wait_calm()
        self.assertEqual(len(self.suite.queue()), before)
        for path in os.listdir(self.suite.spool + "/maildrop"):
            self.fail(path)
        self.not_stored(b"Subject: gone")

    def test_lost_after_the_end(self):
        """Who sends the whole message and does not wait has sent it."""
        with self.wire() as c:
            self.envelope(c)
            c.say("DATA", "354")
            c.send(self.head(self.token + "n") + b"\r\nbody\r\n.\r\n")
            c.sock.shutdown(socket.SHUT_WR)
            self.assertEqual([r[:3] for r in c.rest()], ["250"])
        self.stored(self.token + "n")

    # ---- Many, and slow ----

    def test_idle_crowd(self):
        """Five hundred who say nothing; one who has mail is served all the same."""
        crowd = [self.wire(greet=False) for _ in range(500)]
        try:
            for c in crowd:
                c.expect("220")
            with self.wire() as c:
                begun = time.monotonic()
                self.deliver(c, self.head(self.token + "n") + b"\r\nbody")
                self.assertLess(time.monotonic() - begun, 3)
            self.stored(self.token + "n")
        finally:
            for c in crowd:
                c.close()

    def test_slow(self):
        """A client that drips loses its session; one that is slow but steady does not."""
        for script in ([], ["MAIL FROM:<alice@example.net>", f"RCPT TO:<{self.rcpt}>", "DATA"]):
            with self.subTest(script=script), self.wire("slow") as c:
                for command in script:
                    c.say(command, "354" if command == "DATA" else "250")
                begun = time.monotonic()
                try:
                    while time.monotonic() - begun < 12:
                        c.send(b"x")
                        time.sleep(0.2)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.assertLess(time.monotonic() - begun, 8)
        with self.wire("slow") as c:
            self.envelope(c)
            c.say("DATA", "354")
            c.send(self.head(self.token + "n") + b"\r\n")
            for _ in range(20):
                c.send(b"x" * 200 + b"\r\n")
                time.sleep(0.2)
            c.send(b".\r\n")
            c.expect("250")
        self.stored(self.token + "n")

    def test_slow_reader(self):
        """A client that sends and never reads is left when smtpd_timeout is over."""
        c = self.wire("slow", greet=False)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.sock.settimeout(15)
        begun = time.monotonic()
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            c.send(b"EHLO client.example.net\r\n")
            while time.monotonic() - begun < 14:
                c.send(b"HELP\r\n" * 500)
        c.close()

    def test_connection_count(self):
        held = [self.wire("counted") for _ in range(5)]
        with self.wire("counted", greet=False) as c:
            c.expect("421 4.7.0")
            self.assertEqual(c.rest(), [])
        held.pop().close()
        self.wait_for(lambda: self.admitted("counted"))
        for c in held:
            c.close()
        # A host beside is another client.
        with self.wire("counted", source="127.1.250.9") as c:
            c.say("QUIT", "221")

    def admitted(self, listener):
        with self.wire(listener, greet=False) as c:
            return c.reply().startswith("220")

    def wait_for(self, condition, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_connection_rate(self):
        for _ in range(5):
            self.assertTrue(self.admitted("rated"))
        with self.wire("rated", greet=False) as c:
            c.expect("421 4.7.0")

    def test_errors_flood(self):
        with self.wire("errors") as c:
            begun = time.monotonic()
            c.send(b"X\r\n" * 100)
            replies = c.rest()
            self.assertEqual([r[:3] for r in replies], ["502"] * 4 + ["421"])
            self.assertGreater(time.monotonic() - begun, 1.5)
        with self.wire() as c:
            c.send(b"X\r\n" * 100)
            self.assertEqual([r[:3] for r in c.rest()], ["502"] * 20 + ["421"])
        with self.wire() as c:  # what does no work is no way around it
            c.send(b"RSET\r\n" * 300)
            replies = [r[:3] for r in c.rest()]
            self.assertEqual(replies[-1], "421")
            self.assertLess(len(replies), 130)

    def test_pipelining_against_the_rules(self):
        with self.wire(greet=False) as c:
            c.expect("220")
            c.send(b"EHLO x\r\nMAIL FROM:<a@example.net>\r\n")
            self.assertEqual([r[:3] for r in c.rest()], ["554"])
        with self.wire(greet=False) as c:
            c.expect("220")
            c.send(b"HELO x\r\n")
            c.expect("250")
            c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n")
            self.assertEqual([r[:3] for r in c.rest()], ["554"])
        with self.wire() as c:
            self.envelope(c)
            c.send(b"DATA\r\nSubject: too early\r\n\r\nbody\r\n.\r\n")
            self.assertEqual([r[:3] for r in c.rest()], ["554"])
        with self.wire() as c:  # as RFC 2920 allows
            c.send(f"MAIL FROM:<a@example.net>\r\nRCPT TO:<{self.rcpt}>\r\nRCPT TO:<no-such-user@example.org>\r\nDATA\r\n")
            for code in ("250", "250", "550", "354"):
                c.expect(code)
            c.send(self.head(self.token + "n") + b"\r\nbody\r\n.\r\nRSET\r\nMAIL FROM:<a@example.net>\r\nQUIT\r\n")
            self.assertEqual([r[:3] for r in c.rest()], ["250", "250", "250", "221"])
        self.stored(self.token + "n")

    # ---- Addresses ----

    def test_relaying(self):
        """No odd form of an address takes mail for a stranger elsewhere, or to another of our users."""
        user = self.suite.user
        refused = ["user@remote.example", "user%remote.example@example.org", '"user@remote.example"@example.org',
                   '"user%remote.example"@example.org', "@example.org:user@remote.example",
                   "@example.org,@localhost:user@remote.example", "user@[192.0.2.1]", "user%remote.example@[127.0.0.1]",
                   '"user@remote.example"@[127.0.0.1]', "remote.example!user@example.org", "remote.example!user",
                   '"remote.example!user"@example.org', "user%remote.example", '"user@remote.example"',
                   "user@[IPv6:2001:db8::1]", "a%b%c@example.org", f"{user}%remote.example@example.org",
                   f'"{user}@remote.example"@example.org', f"remote.example!{user}@localhost", "user@sub.example.org",
                   "user@example.org.", "user@remote.example.", '"\\@remote.example"@example.org', f"{user}@example.org.remote",
                   "@localhost:user%remote.example@example.org"]
        for address in refused:
            with self.subTest(address=address), self.wire() as c:
                c.say("MAIL FROM:<a@example.net>", "250")
                c.send(f"RCPT TO:<{address}>\r\n")
                reply = c.reply()
                if address == "user@example.org.":  # a domain of ours, spelt with its dot
                    self.assertRegex(reply, "^550 5.1.1")
                else:
                    self.assertRegex(reply, "^554 5.7.1 .*Relay access denied")
                c.say("DATA", "554")
        for address in ("user@remote.example@example.org", "user@remote@localhost", "<user@remote.example>", "user@[127.0.0.1",
                        "user@[127.0.0.256]", "user@[999]", "@example.org:", "@example.org", "@:user@example.org", "",
                        " ", "user@example..org", "user@-example.org", "a b@example.org", "user@example.org,b@remote.example",
                        "user@exa_mple@org", '"user"@remote.example"@example.org', "user@[IPv6:::1::]", "user@[x:y]"):
            with self.subTest(address=address), self.wire() as c:
                c.say("MAIL FROM:<a@example.net>", "250")
                c.send(f"RCPT TO:<{address}>\r\n")
                self.assertRegex(c.reply(), "^(501 5.1.3|554 5.7.1|550 5.1.1)")
                c.say("DATA", "554")
        for address in (f"{user}@[127.0.0.1]", f"@remote.example:{user}@example.org", f'"{user}"@example.org', user,
                        f"{user}@EXAMPLE.ORG", f"{user}@localhost"):
            with self.subTest(address=address), self.wire() as c:
                c.say("MAIL FROM:<a@example.net>", "250")
                c.say(f"RCPT TO:<{address}>", "250")

    def test_8bit(self):
        with self.wire() as c:
            for path in ("<\u00e4@example.org>".encode("latin-1"), b"<\xff@example.org>", b"<\xc0\xaf@example.org>",
                         b"<\xed\xa0\x80@example.org>", b"<a@ex\xc2\x85mple.org>"):
                c.send(b"MAIL FROM:" + path + b"\r\n")
                self.assertRegex(c.reply(), "^(500 5.5.2|501 5.1.7|553 5.6.7)")
            c.say("MAIL FROM:<\u00e4@example.net> SMTPUTF8", "250")
            c.say("RCPT TO:<\u00f6@example.org>", "550")
            c.say(f"RCPT TO:<{self.rcpt}>", "250")
            c.say("DATA", "354")
            text = self.head(self.token + "n") + "X-Text: \u20ac\r\n\r\n\u00e4\r\n".encode()
            c.send(text + b".\r\n")
            c.expect("250")
        self.assertEqual(self.stored(self.token + "n"), text.replace(b"\r\n", b"\n"))
        with self.wire() as c:  # bytes that are no UTF-8 pass through a body as they are
            body = self.head(self.token + "m") + b"\r\n" + bytes(b for b in range(256) if b not in (10, 13)) + b"\r\n"
            self.deliver(c, body, end=b".\r\n")
        self.assertEqual(self.stored(self.token + "m"), body.replace(b"\r\n", b"\n"))

    # ---- Helpers that fail ----

    def test_helpers_gone(self):
        """A helper that is away or hangs is never a no; the session lives on and the next try works."""
        suite = self.suite
        with self.wire() as c:
            c.say("MAIL FROM:<a@example.net>", "250")
            suite.kill("proxymap")
            c.send("RCPT TO:<no-such-user@example.org>\r\n")
            self.assertRegex(c.reply(), "^(550 5.1.1|451 4.3.0)")
            self.wait_for(lambda: c.send(f"RCPT TO:<{self.rcpt}>\r\n") or c.reply().startswith("250"))
            suite.kill("qmgr")
            c.send("DATA\r\n")
            reply = c.reply()
            self.assertRegex(reply, "^(354|451)")
            if reply.startswith("354"):
                c.send(self.head(self.token + "n") + b"\r\nbody\r\n.\r\n")
                self.assertRegex(c.reply(), "^(250|451)")
            c.say("RSET", "250")
            self.envelope(c)
            c.say("DATA", "354")
            c.send(b"Subject: lost\r\n\r\n")
            time.sleep(0.2)
            suite.kill("qmgr")
            c.send(b"body\r\n.\r\n")
            c.expect("451 4.3.0")
            self.wait_for(lambda: suite.pids("qmgr"))
            self.deliver(c, self.head(self.token + "m") + b"\r\nbody")
        self.stored(self.token + "m")
        self.not_stored(b"Subject: lost")

    def test_chunks_while_qmgr_is_away(self):
        """The first chunk is refused: those behind it do not become a message of their own."""
        suite = self.suite
        with self.wire(timeout=60) as c:
            self.envelope(c)
            suite.kill("qmgr", signal.SIGSTOP)
            try:
                c.send(b"BDAT 10\r\n0123456789")
                begun = time.monotonic()
                c.expect("451")
                self.assertLess(time.monotonic() - begun, 30)
            finally:
                suite.kill("qmgr", signal.SIGCONT)
            tail = self.head(self.token) + b"\r\ntail\r\n"
            c.send(b"BDAT 4\r\nabcdBDAT %d LAST\r\n" % len(tail) + tail)
            c.expect("451")
            c.expect("451")
            self.deliver(c, self.head(self.token + "n") + b"\r\nwhole")
        self.stored(self.token + "n")
        self.not_stored(b"\ntail\n")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
