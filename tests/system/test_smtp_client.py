#!/usr/bin/env python3
"""The programs smtp and lmtp, given orders by a queue manager that is this test, and talking to a next hop that does as
the test says: what is said on the wire, and what becomes of each recipient."""
import os
import signal
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import ipc  # noqa: E402
from daemons import Daemons  # noqa: E402
from hostile import KEYWORDS, Gone, Hop, at, close, keep_and_close, say  # noqa: E402
from ports import free_port  # noqa: E402

BUILD = os.environ.get("POSTKEEP_BUILD") or os.environ.get("BUILDDIR", os.getcwd())
SENT, DEFERRED, BOUNCED = range(3)
CONTENT = b"Subject: x\r\n\r\nhello\r\n.dot\r\n..two\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"".join(b"%07d .abc def\r\n" % i for i in range(20000))
PLAIN = ("SIZE 100000000", "8BITMIME")
CHUNKING = KEYWORDS + ("CHUNKING",)
TIMEOUTS = ([f"{p}_{t}_timeout" for p in ("smtp", "lmtp") for t in
             ("connect", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit")]
            + ["smtp_helo_timeout", "lmtp_lhlo_timeout"])
MAIN = "smtp_tls_security_level = none\n"


class Client:
    """One of the programs, and channels to it."""

    def __init__(self, main="", program="smtp", patience="60s"):
        self.daemons = Daemons(BUILD)
        self.daemons.configure("".join(f"{t} = {patience}\n" for t in TIMEOUTS) + MAIN + main)
        self.program = program
        self.daemons.start(program)
        self.attempt = self.again = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemons.__exit__()

    def channel(self):
        channel = ipc.Channel(os.path.join(self.daemons.spool, "private", self.program), name="qmgr")
        channel.send("agent_open", recipient="hop")
        assert channel.expect("agent_ready")["window"] == 1
        return channel

    def order(self, channel, nexthop, rcpts, content=CONTENT, send=None, **more):
        self.attempt += 1
        fields = dict(id="4bTESTID%04d" % self.attempt, attempt=self.attempt, nexthop=nexthop, sender="s@example.org",
                      size=len(content), arrival_us=int(time.time() * 1e6),
                      header_has_8bit=not content.partition(b"\r\n\r\n")[0].isascii(),
                      body_has_8bit=not content.partition(b"\r\n\r\n")[2].isascii())
        fields.update(more)
        rcpts = [r if isinstance(r, dict) else {"address": r, "orig": r} for r in rcpts]
        channel.send("deliver", rcpts=[{"index": i, **r} for i, r in enumerate(rcpts)], **fields)
        if send is None:
            send = content
        if send:
            channel.content(send)

    def results(self, channel, n, content):
        """N of them. Who wants the content again gets it."""
        results = []
        while len(results) < n:
            name, fields = channel.recv()
            if name == "agent_again":
                assert fields["attempt"] == self.attempt, fields
                self.again += 1
                channel.content(content)
            else:
                assert name == "result", name
                results.append(fields)
        return results

    def deliver(self, hop, rcpts=("a@hop.example",), channel=None, nexthop=None, **more):
        """The results, in the order of the recipients."""
        own = channel or self.channel()
        self.order(own, nexthop or f"[127.0.0.1]:{hop.port}", rcpts, **more)
        results = sorted(self.results(own, len(rcpts), more.get("content", CONTENT)), key=lambda r: r["index"])
        if not channel:
            try:
                own.send("agent_close")
            except OSError:
                pass  # a process that has ended by now needs no goodbye
            own.close()
        return results

    def one(self, hop, **more):
        return self.deliver(hop, **more)[0]


class Case(unittest.TestCase):
    main, program, lmtp, patience = "", "smtp", False, "60s"

    @classmethod
    def setUpClass(cls):
        cls.client = Client(cls.main, cls.program, cls.patience)

    @classmethod
    def tearDownClass(cls):
        pid = cls.client.daemons.alive(cls.program)
        cls.client.__exit__()
        assert pid, f"{cls.program} died"

    def hop(self, behave=None, keywords=KEYWORDS, **more):
        hop = Hop(behave, keywords, lmtp=self.lmtp, **more)
        self.addCleanup(hop.stop)
        return hop

    def accepted(self, hop, n=1):
        """What HOP has, when that is N messages: it says so before it takes note of it."""
        deadline = time.monotonic() + 60
        while len(hop.accepted) < n and time.monotonic() < deadline:
            time.sleep(0.005)
        self.assertEqual(len(hop.accepted), n)
        return hop.accepted

    def result(self, r, status, dsn, text, unreachable=False):
        self.assertEqual((r["status"], r["dsn"], r["unreachable"]), (status, dsn, unreachable), r)
        self.assertIn(text, r["text"])

    def logged(self, text, since):
        self.assertIsNotNone(self.client.daemons.log_wait(text, since), self.client.daemons.lines[since:])


class Sent(Case):
    def test_content_arrives_as_it_is(self):
        for keywords in (KEYWORDS, PLAIN, CHUNKING, ("CHUNKING", "8BITMIME"), ("PIPELINING", "CHUNKING", "8BITMIME"),
                         ("8BITMIME",)):
            for content in (CONTENT, b"", b".\r\n", b"no end", b"\r\n.\r\n", LARGE, LARGE[:65536], LARGE[:65536] + b"y",
                            LARGE + b"no end", b"x" * 998 + b"\r\n"):
                with self.subTest(keywords=keywords, size=len(content)):
                    hop = self.hop(keywords=keywords)
                    self.result(self.client.one(hop, content=content), SENT, "2.0.0", "250 2.0.0 Ok: kept")
                    whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
                    sender, rcpts, got = self.accepted(hop)[0]
                    self.assertEqual((sender, rcpts), ("s@example.org", ["a@hop.example"]))
                    at = next((i for i, (a, b) in enumerate(zip(got, whole)) if a != b), min(len(got), len(whole)))
                    self.assertTrue(got == whole, f"{len(got)} of {len(whole)} bytes; at {at}: {got[at - 50:at + 50]}")

    def test_long_lines_are_logged(self):
        """Lines of more than smtp_line_length_limit are broken, and the log says so, as it changes what was signed."""
        for keywords in (KEYWORDS, CHUNKING):
            with self.subTest(keywords=keywords):
                hop = self.hop(keywords=keywords)
                since = self.client.daemons.log_mark()
                self.client.one(hop, content=b"\r\n" + b"x" * 999 + b"\r\n")
                self.assertEqual(self.accepted(hop)[0][2], b"\r\n" + b"x" * 998 + b"\r\n x\r\n")
                self.logged(": breaking line > 998 bytes with <CR><LF>SPACE", since)

    def test_result(self):
        hop = self.hop()
        r = self.client.one(hop)
        self.assertEqual(r["relay"], f"127.0.0.1[127.0.0.1]:{hop.port}")
        self.assertEqual((r["remote_mta"], r["dsn_passed"], r["conn_use"]), ("dns; 127.0.0.1", True, 1))
        self.assertFalse(self.client.one(self.hop(keywords=PLAIN))["dsn_passed"])

    def test_commands(self):
        hop = self.hop()
        rcpts = [{"address": "a@hop.example", "orig": "o+b@example.net", "notify": 6},
                 {"address": '"b c"@hop.example', "orcpt": "rfc822;x y@example.net"}]
        self.client.deliver(hop, rcpts=rcpts, ret=2, envid="QQ+1", body_8bit=True)
        self.assertEqual(hop.sessions[0].commands[:5], [
            b"EHLO mx.example.com",
            b"MAIL FROM:<s@example.org> SIZE=%d BODY=8BITMIME RET=HDRS ENVID=QQ+2B1" % len(CONTENT),
            b"RCPT TO:<a@hop.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Bb@example.net",
            b'RCPT TO:<"b c"@hop.example> ORCPT=rfc822;x+20y@example.net', b"DATA"])
        hop = self.hop(keywords=())
        self.client.deliver(hop, rcpts=rcpts, ret=2, envid="QQ+1", body_8bit=True)
        self.assertEqual(hop.sessions[0].commands[1:3], [b"MAIL FROM:<s@example.org>", b"RCPT TO:<a@hop.example>"])

    def test_one_packet(self):
        """With PIPELINING what can be said is said before anything is answered; with CHUNKING all of it, once the
        server has shown that it knows BDAT."""
        for keywords, seen in ((KEYWORDS, (b"DATA\r\n", b"DATA\r\n")),
                               (CHUNKING, (b"BDAT 1\r\nS", b"BDAT %d LAST\r\n%s" % (len(CONTENT), CONTENT)))):
            there = []

            def look(s, stage, reply):
                """Says nothing until all has come that should."""
                deadline = time.monotonic() + 20
                while not s.input.endswith(seen[len(there)]) and time.monotonic() < deadline:
                    time.sleep(0.02)
                    s.conn.setblocking(False)
                    try:
                        s.input += s.conn.recv(65536)
                    except BlockingIOError:
                        pass
                    s.conn.setblocking(True)
                there.append(s.input)
                return reply

            hop = self.hop(at("mail", look), keywords=keywords)
            for i in range(2):
                self.client.one(hop)
                self.assertTrue(there[i].endswith(seen[i]), there)
                self.assertTrue(there[i].startswith(b"RCPT TO:"), there)
            self.assertEqual(len(hop.sessions), 1)

    def test_many_recipients(self):
        hop = self.hop()
        rcpts = [f"{'x' * 60}{i}@{'y' * 60}.hop.example" for i in range(100)]
        results = self.client.deliver(hop, rcpts=rcpts)
        self.assertEqual({r["status"] for r in results}, {SENT})
        self.assertEqual(self.accepted(hop)[0][1], rcpts)

    def test_long_lines(self):
        hop = self.hop()
        self.client.one(hop, content=b"a: b\r\n\r\n" + b"x" * 3000 + b"\r\n")
        body = self.accepted(hop)[0][2].split(b"\r\n\r\n")[1]
        self.assertEqual(body.replace(b"\r\n ", b"").strip(), b"x" * 3000)
        self.assertLessEqual(max(len(line) for line in body.split(b"\r\n")), 998)

    def test_helo(self):
        both = [b"EHLO mx.example.com", b"HELO mx.example.com"]
        for reply in ("502 5.5.1 what?", "550 no", "450 4.7.1 later", "451-local\r\n451 trouble", "354 odd"):
            with self.subTest(reply=reply):
                hop = self.hop(at("ehlo", say(reply + "\r\n")))
                self.result(self.client.one(hop), SENT, "2.0.0", "250")
                self.assertEqual(hop.sessions[0].commands[:2], both)
        # HELO is refused as well; and "no more of you" is taken at its word.
        hop = self.hop(lambda s, stage, reply: b"450 4.7.1 later\r\n" if stage in ("ehlo", "helo") else reply)
        self.result(self.client.one(hop), DEFERRED, "4.7.1", "(in reply to HELO command)", True)
        self.assertEqual(hop.sessions[0].commands[:2], both)
        hop = self.hop(at("ehlo", say("421 4.3.2 bye\r\n")))
        self.result(self.client.one(hop), DEFERRED, "4.3.2", "(in reply to EHLO command)", True)
        self.assertNotIn(both[1], hop.sessions[0].commands)

    def test_probe(self):
        hop = self.hop(lambda s, stage, reply: b"550 5.1.1 no\r\n" if stage == "rcpt" and s.rcpt[0] == "b" else reply)
        results = self.client.deliver(hop, rcpts=["a@hop.example", "b@hop.example"], probe=True)
        self.assertEqual([r["status"] for r in results], [SENT, BOUNCED])
        self.assertEqual(hop.accepted, [])

    def test_offered_tls(self):
        """Who offers TLS that is not asked for is noted, if that is wanted."""
        hop = self.hop(keywords=KEYWORDS + ("STARTTLS",))
        for main, noted in (("", False), ("smtp_tls_note_starttls_offer = yes\n", True)):
            with Client(main) as client:
                self.result(client.one(hop), SENT, "2.0.0", "250")
                self.result(client.one(self.hop()), SENT, "2.0.0", "250")
                note = "Host offered STARTTLS: [127.0.0.1]"
                if noted:
                    self.assertIsNotNone(client.daemons.log_wait(note), client.daemons.lines)
                lines = [line for line in client.daemons.lines if note in line]
                self.assertEqual(len(lines), int(noted), client.daemons.lines)


class Refused(Case):
    """Each stage, each kind of reply."""

    def test_stages(self):
        words = {"mail": "MAIL FROM command", "rcpt": "RCPT TO command", "data": "DATA command",
                 "dot": "end of DATA command"}
        for keywords in (KEYWORDS, PLAIN):
            for stage, command in words.items():
                for reply, status, dsn in (("550 5.7.1 go away", BOUNCED, "5.7.1"), ("554 no", BOUNCED, "5.0.0"),
                                           ("451 4.7.0 later", DEFERRED, "4.7.0"), ("450 5.1.1 odd", DEFERRED, "4.0.0"),
                                           ("421 4.3.2 bye", DEFERRED, "4.3.2")):
                    with self.subTest(keywords=keywords, stage=stage, reply=reply):
                        hop = self.hop(at(stage, say(reply + "\r\n")), keywords=keywords)
                        r = self.client.one(hop)
                        self.result(r, status, dsn, f"host 127.0.0.1[127.0.0.1] said: {reply.split()[0]} ")
                        self.assertIn(f"(in reply to {command})", r["text"])
                        self.assertEqual(r["diagnostic"][:10], f"smtp; {reply[:3]} ")
                        self.assertEqual(hop.accepted, [])

    def test_too_many_recipients(self):
        hop = self.hop(lambda s, stage, reply: b"552 too many\r\n" if stage == "rcpt" and s.rcpt[0] == "b" else reply)
        results = self.client.deliver(hop, rcpts=["a@hop.example", "b@hop.example"])
        self.assertEqual([r["status"] for r in results], [SENT, DEFERRED])

    def test_each_recipient(self):
        hop = self.hop(lambda s, stage, reply: {"b": b"550 5.1.1 b\r\n", "c": b"450 4.2.1 c\r\n"}.get(s.rcpt[0], reply)
                       if stage == "rcpt" else reply, CHUNKING)
        results = self.client.deliver(hop, rcpts=[x + "@hop.example" for x in "abc"])
        self.assertEqual([(r["status"], r["dsn"]) for r in results],
                         [(SENT, "2.0.0"), (BOUNCED, "5.1.1"), (DEFERRED, "4.2.1")])

    def test_content_for_nobody(self):
        """A server that refuses all recipients and then wants content gets none."""
        hop = self.hop(lambda s, stage, reply: {"rcpt": b"550 5.1.1 no\r\n", "data": b"354 go on\r\n"}.get(stage, reply))
        self.result(self.client.one(hop), BOUNCED, "5.1.1", "no")
        self.assertEqual(hop.accepted, [])

    def test_unreachable(self):
        self.result(self.client.deliver(None, nexthop=f"[127.0.0.1]:{free_port()}")[0], DEFERRED, "4.4.1",
                    "Connection refused", True)
        for reply, dsn in (("554 5.7.1 no", "4.7.1"), ("554 no", "4.0.0"), ("421 4.3.2 busy", "4.3.2")):
            self.result(self.client.one(self.hop(at("connect", say(reply + "\r\n")))), DEFERRED, dsn,
                        "refused to talk to me: " + reply, True)
        self.result(self.client.one(self.hop(at("connect", close))), DEFERRED, "4.4.2",
                    "lost connection with 127.0.0.1[127.0.0.1] while receiving the initial server greeting", True)
        self.result(self.client.one(self.hop(at("mail", close))), DEFERRED, "4.4.2", "while sending MAIL FROM", True)

    def test_lost(self):
        for stage, text in (("rcpt", "while sending RCPT TO"), ("data", "while sending DATA command"),
                            ("dot", "message may be sent more than once")):
            hop = self.hop(at(stage, close))
            self.result(self.client.one(hop), DEFERRED, "4.4.2", text)
            self.assertEqual(hop.accepted, [])
        hop = self.hop(at("dot", keep_and_close))
        self.result(self.client.one(hop), DEFERRED, "4.4.2", "message may be sent more than once")

    def test_cannot_go(self):
        hop = self.hop(keywords=("SIZE 100",))
        self.result(self.client.one(hop, content=b"x" * 101), BOUNCED, "5.3.4", "exceeds size limit 100")
        self.result(self.client.one(hop, content=b"x" * 100), SENT, "2.0.0", "250")
        hop = self.hop(keywords=PLAIN)
        self.result(self.client.one(hop, rcpts=["ü@hop.example"], smtputf8=True), BOUNCED, "5.6.7", "SMTPUTF8")
        self.result(self.client.one(hop, smtputf8=True), SENT, "2.0.0", "250")

    def test_last_words(self):
        """A server that says why and hangs up in the middle of the content is heard."""
        def enough(s, stage, reply):
            s.send(reply)
            s.bytes(20000)
            s.send(b"552 5.3.4 that is enough\r\n")
            time.sleep(0.2)
            raise Gone
        r = self.client.one(self.hop(at("data", enough)), content=LARGE * 20)
        self.result(r, BOUNCED, "5.3.4", "552 5.3.4 that is enough (in reply to message body)")

    def test_bdat_refused(self):
        def too_much(s, stage, reply):
            return reply if s.commands[-1] == b"BDAT 1" else b"552 5.3.4 too much\r\n"
        hop = self.hop(at("bdat dot", too_much), CHUNKING)
        self.result(self.client.one(hop, content=LARGE), BOUNCED, "5.3.4", "BDAT")

    def test_bdat_unknown(self):
        """A server that offers CHUNKING and does not know BDAT gets no content for commands: the mail waits, and goes
        by DATA."""
        def unknown(s, stage, reply):
            return b"502 5.5.1 what?\r\n" if s.commands[-1].startswith(b"BDAT") else reply
        for content in (CONTENT, LARGE):
            hop = self.hop(at("bdat dot", unknown), CHUNKING)
            self.result(self.client.one(hop, content=content), DEFERRED, "4.5.1",
                        "502 5.5.1 what? (in reply to BDAT command)")
            self.result(self.client.one(hop, content=content), SENT, "2.0.0", "250")
            self.assertEqual(hop.sessions[0].commands[3:], [b"BDAT 1"])
            self.assertEqual(hop.sessions[0].input, b"")
            self.assertIn(b"DATA", hop.sessions[-1].commands)

    def test_address_that_ends_a_command(self):
        hop = self.hop()
        results = self.client.deliver(hop, rcpts=["a@hop.example\r\nDATA", "b@hop.example"])
        self.assertEqual([r["status"] for r in results], [BOUNCED, SENT])


class Hanging(Case):
    patience = "2s"

    def test_no_greeting(self):
        self.result(self.client.one(self.hop(at("connect", say("garbage\r\n")))), DEFERRED, "4.4.2", "broken", True)

    def test_hangs(self):
        def hang(s, stage, reply):
            s.pause(60)
            raise Gone
        for stage, unreachable in (("connect", True), ("ehlo", True), ("mail", True), ("dot", False)):
            with self.subTest(stage=stage):
                r = self.client.one(self.hop(at(stage, hang)))
                self.result(r, DEFERRED, "4.4.2", "conversation with 127.0.0.1[127.0.0.1] timed out", unreachable)


class NextHops(Case):
    def test_list(self):
        bad, good = self.hop(at("rcpt", say("450 4.2.0 later\r\n"))), self.hop()
        hops = f"[127.0.0.1]:{bad.port}, [127.0.0.1]:{good.port}"
        since = self.client.daemons.log_mark()
        self.result(self.client.deliver(None, nexthop=hops)[0], SENT, "2.0.0", "250")
        self.accepted(good)
        self.assertEqual(len(bad.sessions), 1)
        self.logged(": host 127.0.0.1[127.0.0.1] said: 450 4.2.0 later (in reply to RCPT TO command)", since)

    def test_log(self):
        """The log has the failures that the result does not have."""
        refusing, good = self.hop(at("connect", say("554 5.7.1 no\r\n"))), self.hop()
        for last, word in ((good, SENT), (refusing, DEFERRED)):
            before = len(self.client.daemons.lines)
            hops = f"[127.0.0.1]:{refusing.port} [127.0.0.2]:{refusing.port} [127.0.0.1]:{last.port}"
            self.assertEqual(self.client.deliver(None, nexthop=hops)[0]["status"], word)
            self.logged("connect to 127.0.0.2", before)
            lines = [line for line in self.client.daemons.lines[before:] if "refused to talk to me" in line]
            self.assertEqual(len(lines), 1, lines)

    def test_only_who_is_left(self):
        some = self.hop(lambda s, stage, reply: b"450 4.2.0 later\r\n" if stage == "rcpt" and s.rcpt[0] == "b" else reply)
        rest = self.hop()
        hops = f"[127.0.0.1]:{some.port} [127.0.0.1]:{rest.port}"
        results = self.client.deliver(None, nexthop=hops, rcpts=["a@hop.example", "b@hop.example"])
        self.assertEqual([r["status"] for r in results], [SENT, SENT])
        self.assertEqual([self.accepted(h)[0][1] for h in (some, rest)], [["a@hop.example"], ["b@hop.example"]])

    def test_nonsense(self):
        for hop in ("[127.0.0.1", "[127.0.0.1]:x", "[]"):
            r = self.client.deliver(None, nexthop=hop)[0]
            self.assertEqual(r["status"], DEFERRED, r)


class Connections(Case):
    main = "smtp_connection_cache_time_limit = 60s\n"

    def test_used_again(self):
        hop = self.hop()
        channel = self.client.channel()
        uses = [self.client.one(hop, channel=channel)["conn_use"] for _ in range(3)]
        self.assertEqual((uses, len(hop.sessions)), ([1, 2, 3], 1))
        self.accepted(hop, 3)
        channel.close()

    def test_shared_by_channels(self):
        hop = self.hop()
        self.assertEqual([self.client.one(hop)["conn_use"] for _ in range(2)], [1, 2])
        self.assertEqual(len(hop.sessions), 1)

    def test_dead_ones_are_no_failure(self):
        hop = self.hop()
        channel = self.client.channel()
        self.client.one(hop, channel=channel)
        hop.heal()
        self.result(self.client.one(hop, channel=channel), SENT, "2.0.0", "250")
        for stage in ("rset", "mail"):
            hop = self.hop()
            self.client.one(hop, channel=channel)
            hop.behave = at(stage, lambda s, st, reply: b"421 4.4.2 idle\r\n" if len(hop.sessions) == 1 else reply)
            self.result(self.client.one(hop, channel=channel), SENT, "2.0.0", "250")
        channel.close()

    def test_after_a_refusal(self):
        hop = self.hop(at("mail", say("550 5.7.1 no\r\n")))
        channel = self.client.channel()
        self.result(self.client.one(hop, channel=channel), BOUNCED, "5.7.1", "no")
        hop.behave = None
        self.result(self.client.one(hop, channel=channel), SENT, "2.0.0", "250")
        self.assertEqual(len(hop.sessions), 1)
        channel.close()

    def test_more_replies_than_commands(self):
        """What was not asked for is not the answer to the next question."""
        hop = self.hop(at("dot", say("250 2.0.0 Ok\r\n250 2.0.0 Ok: not for you\r\n")))
        channel = self.client.channel()
        self.client.one(hop, channel=channel)
        self.client.one(hop, channel=channel)
        self.assertEqual(len(hop.sessions), 2)
        channel.close()

    def test_a_reply_too_many_while_idle(self):
        """Neither is what comes between two messages: by one reply off, RCPT's "no" would be taken for that to BDAT."""
        def twice(s, stage, reply):
            s.send(reply)
            if len(s.hop.sessions) == 1:
                time.sleep(0.1)
                s.send(b"250 2.0.0 Ok: not for you\r\n")
                s.said = True
            return b""
        hop = self.hop(at("dot", twice), CHUNKING)
        channel = self.client.channel()
        self.result(self.client.one(hop, channel=channel), SENT, "2.0.0", "kept")
        deadline = time.monotonic() + 60
        while not hasattr(hop.sessions[0], "said"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        r = self.client.one(hop, channel=channel)
        self.result(r, SENT, "2.0.0", "kept")
        self.assertEqual((len(hop.sessions), r["conn_use"]), (2, 1))
        channel.close()

    def test_results_before_goodbyes(self):
        """Who has the message is known at once: neither servers for the others nor a QUIT that nobody answers come
        between."""
        first = threading.Event()

        def slow(s, stage, reply):
            first.wait(15)
            return reply
        some = self.hop(lambda s, stage, reply: b"450 4.2.0 later\r\n" if stage == "rcpt" and s.rcpt[0] == "b" else reply)
        rest = self.hop(at("connect", slow))
        channel = self.client.channel()
        self.client.order(channel, f"[127.0.0.1]:{some.port} [127.0.0.1]:{rest.port}", ["b@hop.example", "a@hop.example"])
        r = channel.expect("result")
        self.assertEqual((r["index"], r["status"], rest.accepted), (1, SENT, []))
        first.set()
        r = channel.expect("result")
        self.assertEqual((r["index"], r["status"]), (0, SENT))
        channel.close()


class Shared(unittest.TestCase):
    """Next hops with the same server share its connections where the same is demanded of it, and nowhere else."""

    def uses(self, hop, main, spellings):
        """How often the connection of each message was used, or the words of the failure."""
        main = main.replace("@", str(hop.port)) + "smtp_connection_cache_time_limit = 60s\n"
        self.addCleanup(hop.stop)
        with Client(main) as client:
            results = [client.one(hop, nexthop=s.replace("@", str(hop.port))) for s in spellings]
        return [r["conn_use"] if r["status"] == SENT else r["text"] for r in results]

    def test_the_same_server(self):
        self.assertEqual(self.uses(Hop(), "", ["[127.0.0.1]:@", "127.0.0.1:@", "[127.0.0.1]:@"]), [1, 2, 3])

    def test_not_kept(self):
        """By another name; and a destination whose connections are not to be kept gets no kept one."""
        hops = ["[127.0.0.1]:@", "localhost:@", "[127.0.0.1]:@"]
        main = "inet_protocols = ipv4\ndisable_dns_lookups = yes\nsmtp_connection_cache_destinations = 127.0.0.1\n"
        self.assertEqual(self.uses(Hop(), main, hops), [1, 2, 3])
        self.assertEqual(self.uses(Hop(), main + "smtp_connection_cache_on_demand = no\n", hops), [1, 1, 2])

    def test_policies(self):
        """What went in clear is not for who demands TLS, and is still there for who does not."""
        main = "smtp_tls_policy_maps = inline:{ { [127.0.0.1]:@ = encrypt } }\nsmtp_tls_security_level = may\n"
        hop = Hop()
        first, second, third = self.uses(hop, main, ["127.0.0.1:@", "[127.0.0.1]:@", "127.0.0.1:@"])
        self.assertEqual((first, third), (1, 2))
        self.assertIn("TLS is required, but was not offered", second)
        no = Hop(None, KEYWORDS + ("STARTTLS",))
        self.assertEqual(self.uses(no, main, ["[127.0.0.1]:@"]), [
            "TLS is required, but host 127.0.0.1[127.0.0.1] refused to start TLS: 502 5.5.1 not here"])
        self.assertEqual(len(hop.sessions), 2)
        for level, uses in (("may", [1, 2]), ("none", [1, 1]), ("may ciphers=high", [1, 1])):
            with self.subTest(level=level):
                self.assertEqual(self.uses(Hop(), main.replace("encrypt", level), ["127.0.0.1:@", "[127.0.0.1]:@"]), uses)

    def test_logins(self):
        def behave(s, stage, reply):
            return b"235 2.7.0 in\r\n" if stage == "other" and s.commands[-1].startswith(b"AUTH") else reply
        main = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
                "smtp_sasl_password_maps = inline:{ { [127.0.0.1]:@ = u:p }, { 127.0.0.1:@ = %s } }\n")
        hops = ["[127.0.0.1]:@", "127.0.0.1:@", "[127.0.0.1]:@"]
        for other, uses in (("u:p", [1, 2, 3]), ("v:p", [1, 1, 2]), ("u:q", [1, 1, 2])):
            with self.subTest(other=other):
                hop = Hop(behave, KEYWORDS + ("AUTH PLAIN",))
                self.assertEqual(self.uses(hop, main % other, hops), uses)
                self.assertEqual(sum(c.startswith(b"AUTH PLAIN") for s in hop.sessions for c in s.commands), uses.count(1))
        # Nobody's connection is no account's, nor the other way round.
        nobody = (main % "u:p").replace(", { 127.0.0.1:@ = u:p }", "")
        for order in (hops, hops[1:] + hops[1:2]):
            hop = Hop(behave, KEYWORDS + ("AUTH PLAIN",))
            self.assertEqual(self.uses(hop, nobody, order), [1, 1, 2])

    def test_login_by_port(self):
        """A password that one server refuses is still tried at another one behind the same address, which may well be a
        tunnel's; and what that one says may be any 2xx."""
        def hop(answer):
            def behave(s, stage, reply):
                return answer if stage == "other" and s.commands[-1].startswith(b"AUTH") else reply
            return Hop(behave, KEYWORDS + ("AUTH PLAIN",))
        refusing, good = hop(b"535 5.7.8 no\r\n"), hop(b"250 in\r\n")
        self.addCleanup(refusing.stop)
        main = ("smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
                "smtp_sasl_password_maps = static:u:p\n")
        first, again, third = self.uses(good, main, [f"[127.0.0.1]:{refusing.port}", f"[127.0.0.1]:{refusing.port}",
                                                     "[127.0.0.1]:@"])
        self.assertIn("535 5.7.8 no", first)
        self.assertIn("has refused this user and password lately", again)
        self.assertEqual(third, 1)
        # Nothing of the kind is remembered of a server that cannot tell now.
        busy = hop(b"454 4.7.0 later\r\n")
        self.addCleanup(busy.stop)
        with Client(main) as client:
            for _ in range(2):
                r = client.one(busy)
                self.assertEqual((r["status"], r["dsn"]), (DEFERRED, "4.7.0"), r)
                self.assertIn("454 4.7.0 later", r["text"])

    def test_dead_ones(self):
        """One that is dead is replaced without a word, for the other next hop as well."""
        hop = Hop(lambda s, stage, reply: b"421 4.4.2 idle\r\n" if stage == "rset" and s is hop.sessions[0] else reply)
        self.assertEqual(self.uses(hop, "", ["[127.0.0.1]:@", "127.0.0.1:@"]), [1, 1])


class Channels(Case):
    def test_quit(self):
        hop = self.hop()
        self.client.one(hop)
        deadline = time.monotonic() + 60
        while b"QUIT" not in hop.sessions[0].commands:
            self.assertLess(time.monotonic(), deadline, "no QUIT")
            time.sleep(0.05)

    def test_content_that_ends_early(self):
        """The channel is cut in the middle: the server gets no end of data."""
        for keywords in (KEYWORDS, PLAIN, CHUNKING):
            for content, part in ((CONTENT, 5), (CONTENT, 0), (LARGE, 70000), (LARGE, 200000)):
                with self.subTest(keywords=keywords, size=len(content), part=part):
                    hop = self.hop(keywords=keywords)
                    channel = self.client.channel()
                    self.client.order(channel, f"[127.0.0.1]:{hop.port}", ["a@hop.example"], content=content,
                                      send=content[:part])
                    time.sleep(0.1)
                    channel.close()
                    self.client.one(self.hop())
                    self.assertEqual(hop.accepted, [])

    def test_queue_manager_that_goes(self):
        """It goes while the server thinks about RCPT: nobody would note the result, so nothing is sent."""
        channel = self.client.channel()

        def leave(s, stage, reply):
            channel.close()
            self.client.one(self.hop())  # by then it has seen that as well
            return reply

        hop = self.hop(at("rcpt", leave))
        self.client.order(channel, f"[127.0.0.1]:{hop.port}", ["a@hop.example"])
        deadline = time.monotonic() + 60
        while not hop.sessions or hop.open:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertEqual(hop.accepted, [])

    def test_content_of_a_refused_message_is_dropped(self):
        hop = self.hop(at("mail", say("550 5.7.1 no\r\n")))
        channel = self.client.channel()
        self.result(self.client.one(hop, channel=channel, content=LARGE), BOUNCED, "5.7.1", "no")
        hop.behave = None
        self.result(self.client.one(hop, channel=channel), SENT, "2.0.0", "250")
        channel.close()


class Tables(Case):
    """What tables say of a server's address, and parameters of the connection."""
    main = ("smtp_discard_ehlo_keyword_address_maps = inline:{ { 127.0.0.1 = pipelining, dsn } }\n"
            "smtp_pix_workaround_maps = inline:{ { 127.0.0.1 = disable_esmtp delay_dotcrlf } }\n"
            "smtp_pix_workaround_threshold_time = 100s\nsmtp_pix_workaround_delay_time = 0\nsmtp_connection_cache_on_demand = no\n"
            "smtp_connection_cache_destinations = 127.0.0.1\nsmtp_connection_cache_time_limit = 60s\n"
            "smtp_bind_address = 127.0.0.9\nsmtp_helo_name = me.example\n"
            "smtp_reply_filter = inline:{ { 550 5.7.1 x = 451 4.7.1 y } }\n"
            "smtp_delivery_status_filter = inline:{ { 4.4.2 z = 5.4.2 z } }\n"
            "smtp_send_xforward_command = yes\nsmtp_address_verify_target = data\nsmtp_connection_reuse_count_limit = 2\n")

    def test_keywords_to_overlook(self):
        hop = self.hop()
        self.assertFalse(self.client.one(hop)["dsn_passed"])
        self.assertIn(b"SIZE=", hop.sessions[0].commands[1])
        self.assertNotIn(b"ORCPT", hop.sessions[0].commands[2])
        self.assertEqual(hop.sessions[0].commands[0], b"EHLO me.example")

    def test_address_to_come_from(self):
        peers = []
        self.client.one(self.hop(at("connect", lambda s, stage, reply: peers.append(s.conn.getpeername()[0]) or reply)))
        self.assertEqual(peers, ["127.0.0.9"])

    def test_kept_by_destination_and_count(self):
        hop = self.hop()
        # A limit of N: used again N times.
        self.assertEqual([self.client.one(hop)["conn_use"] for _ in range(4)], [1, 2, 3, 1])

    def test_firewall(self):
        greeting = say("220 " + "*" * 50 + "\r\n")
        for age, words in ((200, "disable_esmtp delay_dotcrlf"), (0, "disable_esmtp")):
            with self.subTest(age=age):
                hop = self.hop(at("connect", greeting))
                since = self.client.daemons.log_mark()
                self.client.one(hop, arrival_us=int((time.time() - age) * 1e6))
                self.assertEqual(hop.sessions[0].commands[0], b"HELO me.example")
                self.logged(f"enabling PIX workarounds: {words} for 127.0.0.1[127.0.0.1]:{hop.port}", since)

    def test_probe_to_data(self):
        """The question goes as far as DATA, and no content follows."""
        hop = self.hop()
        self.result(self.client.one(hop, probe=True), SENT, "2.0.0", "354")
        self.assertEqual(hop.accepted, [])
        self.result(self.client.one(self.hop(at("data", say("554 5.7.1 no\r\n"))), probe=True), BOUNCED, "5.7.1",
                    "in reply to DATA command")
        self.result(self.client.one(self.hop(at("rcpt", say("550 5.1.1 no\r\n"))), probe=True), BOUNCED, "5.1.1", "RCPT TO")

    def test_reply_filter(self):
        since = self.client.daemons.log_mark()
        self.result(self.client.one(self.hop(at("rcpt", say("550 5.7.1 x\r\n")))), DEFERRED, "4.7.1", "said: 451 4.7.1 y")
        self.logged('replacing server reply "550 5.7.1 x" with "451 4.7.1 y"', since)

    def test_xforward(self):
        hop = self.hop(keywords=("PIPELINING", "XFORWARD NAME ADDR PROTO SOURCE"))
        self.client.one(hop, attrs=[{"name": "client_name", "value": "c d.example"},
                                    {"name": "client_address", "value": "192.0.2.1"}])
        self.assertEqual(hop.sessions[0].commands[1],
                         b"XFORWARD NAME=c+20d.example ADDR=192.0.2.1 PROTO=[UNAVAILABLE] SOURCE=REMOTE")


class Ending(unittest.TestCase):
    """The process ends, by order or since a file has changed."""

    def test_the_answer_to_the_end_is_waited_for(self):
        with Client() as client:
            pid = client.daemons.pid("smtp")

            def end(s, stage, reply):
                os.kill(pid, signal.SIGTERM)
                time.sleep(1)
                return reply
            hop = Hop(at("dot", end))
            self.addCleanup(hop.stop)
            r = client.one(hop)
            self.assertEqual((r["status"], r["text"]), (SENT, "250 2.0.0 Ok: kept"))
            self.assertEqual(client.daemons.wait_end("smtp"), 0)

    def test_before_the_end_nothing_is_sent(self):
        with Client() as client:
            pid = client.daemons.pid("smtp")

            def end(s, stage, reply):
                os.kill(pid, signal.SIGTERM)
                time.sleep(1)
                return reply
            hop = Hop(at("rcpt", end))
            self.addCleanup(hop.stop)
            channel = client.channel()
            client.order(channel, f"[127.0.0.1]:{hop.port}", ["a@hop.example"])
            self.assertEqual(client.daemons.wait_end("smtp"), 0)
            self.assertEqual(hop.accepted, [])
            channel.close()

    def test_the_end_is_not_the_destinations_fault(self):
        with Client() as client:
            pid = client.daemons.pid("smtp")

            def end(s, stage, reply):
                os.kill(pid, signal.SIGTERM)
                s.pause(60)
            hop = Hop(at("connect", end))
            self.addCleanup(hop.stop)
            r = client.one(hop)
            self.assertEqual((r["status"], r["unreachable"]), (DEFERRED, False), r)
            self.assertEqual(client.daemons.wait_end("smtp"), 0)

    def test_a_changed_file(self):
        with Client() as client:
            client.daemons.stop("smtp")
            table = os.path.join(client.daemons.dir, "generic")

            def write(text):
                with open(table + ".new", "w") as f:
                    f.write(text)
                os.rename(table + ".new", table)

            write("s@example.org t@example.net\n")
            client.daemons.configure(MAIN + f"smtp_generic_maps = texthash:{table}\n")
            client.daemons.start("smtp")
            hop = Hop()
            self.addCleanup(hop.stop)
            client.one(hop)
            self.assertIn(b"MAIL FROM:<t@example.net>", hop.sessions[0].commands[1])
            write("s@example.org u@example.net\n")
            self.assertEqual(client.daemons.wait_end("smtp"), 0)
            client.daemons.start("smtp")
            client.one(hop)
            self.assertIn(b"MAIL FROM:<u@example.net>", hop.sessions[1].commands[1])


class Lmtp(Case):
    program, lmtp = "lmtp", True

    def test_each_recipient_after_the_dot(self):
        for keywords in (KEYWORDS, PLAIN, CHUNKING):
            hop = self.hop(lambda s, stage, reply: {"b": b"552 5.2.2 full\r\n", "c": b"450 4.2.0 later\r\n"}.get(
                s.rcpt[0], reply) if stage == "dot" else reply, keywords)
            results = self.client.deliver(hop, rcpts=[x + "@hop.example" for x in "abcd"],
                                          nexthop=f"inet:127.0.0.1:{hop.port}")
            self.assertEqual([(r["status"], r["dsn"]) for r in results],
                             [(SENT, "2.0.0"), (BOUNCED, "5.2.2"), (DEFERRED, "4.2.0"), (SENT, "2.0.0")])
            self.assertEqual(hop.sessions[0].commands[0], b"LHLO mx.example.com")
            self.accepted(hop, 2)

    def test_lost_between_replies(self):
        hop = self.hop(lambda s, stage, reply: close(s, stage, reply) if stage == "dot" and s.rcpt[0] == "b" else reply)
        results = self.client.deliver(hop, rcpts=[x + "@hop.example" for x in "abc"])
        self.assertEqual([r["status"] for r in results], [SENT, DEFERRED, DEFERRED])

    def test_no_socket(self):
        self.result(self.client.deliver(None, nexthop="unix:private/nobody")[0], DEFERRED, "4.4.1", "No such file", True)


if __name__ == "__main__":
    unittest.main()
