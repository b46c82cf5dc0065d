"""Next hops that refuse, hang, drip, lie and go away at every stage. Each has a domain of its own in one suite, so that
all of it happens at the same time. Whatever they do: a message is sent, deferred or bounced as RFC 5321 4.2 has it,
never lost, never sent twice without need, in bounded memory; and others are served meanwhile."""
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from hostile import KEYWORDS, Hop, at, close, drip, drip_lines, endless, hang, keep_and_close, once, say  # noqa: E402
from relay import Relay, message  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
STAGES = ("connect", "ehlo helo", "mail", "rcpt", "data", "dot")
MEMORY = 96 << 20  # resident, of the process that talked to all of them
LATER, SENT, BOUNCED = ("deferred",), ("sent",), ("bounced",)
NOT_LOST = ("sent", "deferred")


class Case:
    """A domain and its hop. EXPECT: what may be said of every recipient before the hop is healed; or a dict of such, by
    local part. UNSURE: the hop may have a copy that the suite cannot know of. LIAR: it says that it keeps what it does
    not keep."""

    def __init__(self, name, behave, expect, rcpts=("one",), body=b"body\r\n", keywords=KEYWORDS, lmtp=False,
                 unsure=False, liar=False):
        self.name, self.expect, self.body = name, expect, body
        self.domain = name.replace(" ", "-") + ".example"
        self.rcpts = [f"{r}@{self.domain}" for r in rcpts]
        self.unsure, self.liar, self.lmtp = unsure, liar, lmtp
        self.hop = Hop(behave, keywords, lmtp)
        self.token = b"token-" + self.domain.encode()

    def expected(self, rcpt):
        return self.expect[rcpt.split("@")[0]] if isinstance(self.expect, dict) else self.expect

    def route(self):
        return f"{'lmtp:inet' if self.lmtp else 'smtp'}:[127.0.0.1]:{self.hop.port}"


def everything(cases):
    return {c.domain: c.route() for c in cases}


# --- Refusals: stage, class, one or many recipients --------------------------------------------------------------


def refuse(code):
    text = {4: "4{0} 4.0.0 not now\r\n", 5: "5{0} 5.0.0 never\r\n"}[code]

    def action(s, stage, reply):
        return text.format("21" if stage == "connect" and code == 4 else "54" if code == 5 else "51").encode()
    return action


def refused_at(stage, code):
    if stage == "connect":
        return LATER  # smtp_skip_5xx_greeting
    return LATER if code == 4 else BOUNCED


def by_recipient(s, stage, reply):
    if stage not in ("rcpt", "dot"):
        return reply
    who = s.rcpt or ""
    if who.startswith("bad"):
        return b"550-5.1.1 there is\r\n550 5.1.1 nobody of that name\r\n"
    return b"452 4.2.2 full\r\n" if who.startswith("later") else reply


def refusals():
    found = []
    for stage in STAGES:
        for code in (4, 5):
            for n in (1, 3):
                found.append(Case(f"{stage.split()[0]} {code}xx {n}", at(stage, refuse(code)),
                                  refused_at(stage, code), [f"r{i}" for i in range(n)]))
    mixed = {"good": SENT, "bad": BOUNCED, "later": LATER, "fine": SENT}
    found.append(Case("rcpt mixed", at("rcpt", by_recipient), mixed, mixed))
    found.append(Case("lmtp mixed rcpt", at("rcpt", by_recipient), mixed, mixed, lmtp=True))
    found.append(Case("lmtp mixed dot", at("dot", by_recipient), mixed, mixed, lmtp=True))
    found.append(Case("lmtp none", at("rcpt", refuse(5)), BOUNCED, ("a", "b"), lmtp=True))
    found.append(Case("quit refused", at("quit", refuse(5)), SENT))
    found.append(Case("ehlo refused", at("ehlo", refuse(5)), SENT, ("a", "b")))
    found.append(Case("ehlo refused now", at("ehlo", refuse(4)), NOT_LOST))
    found.append(Case("ehlo 421", at("ehlo", say("421 4.3.2 away\r\n")), LATER))
    found.append(Case("no enhanced", at("rcpt", say("550 no\r\n")), BOUNCED, keywords=("PIPELINING",)))
    found.append(Case("wrong enhanced", at("rcpt", say("550 4.1.1 no\r\n")), BOUNCED))
    found.append(Case("rcpt 251", at("rcpt", say("251 2.1.5 will forward\r\n")), SENT))
    found.append(Case("dot 251", at("dot", say("251\r\n")), SENT))
    for stage in ("mail", "rcpt", "data", "dot"):
        found.append(Case(f"{stage} 421", at(stage, say("421 4.3.2 away\r\n")), LATER, ("a", "b")))
    return found


# --- Nonsense, and silence ---------------------------------------------------------------------------------------


def scramble(change):
    return lambda s, stage, reply: change(reply)


def merge(s, stage, reply):
    s.merged = b"" if s.merged is None else s.merged
    return reply


def split(s, stage, reply):
    s.split = True
    return reply


def nonsense():
    found = []
    # A reply that cannot be understood is no verdict on the message.
    wrong = {"connect": "354 go on\r\n", "ehlo helo": "354 go on\r\n", "mail": "354 go on\r\n", "rcpt": "354 go on\r\n",
             "data": "250 2.0.0 done\r\n", "dot": "354 go on\r\n"}
    for stage in STAGES:
        short = stage.split()[0]
        for name, action in (("close", close), ("hang", hang), ("drip", drip), ("drip lines", drip_lines),
                             ("endless lines", endless(b"250-more and more\r\n" * 1000)),
                             ("endless line", endless(b"x" * 65536)),
                             ("endless empty", endless(b"\r\n" * 1000)),
                             ("garbage", say("hello, who are you?\r\n")),
                             ("binary", say(bytes(range(256)) * 4 + b"\r\n")),
                             ("code 600", say("600 what\r\n")), ("code 199", say("199 what\r\n")),
                             ("wrong code", say(wrong[stage]))):
            found.append(Case(f"{short} {name}", at(stage, action), LATER, ("a", "b")))
    for stage in STAGES[2:]:
        # The first time only: what the same session or the next says is honest.
        found.append(Case(f"{stage} close once", once(at(stage, close)), NOT_LOST, ("a", "b")))
    every = " ".join(STAGES)
    for name, change in (("nul", lambda r: r.replace(b"\r\n", b"\0\r\n")), ("bare lf", lambda r: r.replace(b"\r\n", b"\n")),
                         ("8 bit", lambda r: r.replace(b"\r\n", b" \xff\xfe\r\n"))):
        found.append(Case(f"replies {name}", at(every, scramble(change)), NOT_LOST, unsure=True))
    found.append(Case("replies code alone", at("mail rcpt dot", scramble(lambda r: r[:3] + b"\r\n")), SENT, ("a", "b")))
    found.append(Case("replies of many lines", at("connect mail rcpt data dot", scramble(
        lambda r: b"".join(r[:3] + b"-line %d\r\n" % i for i in range(50)) + r)), SENT, ("a", "b")))
    found.append(Case("replies long line", at("mail rcpt dot", scramble(lambda r: r[:-2] + b"y" * 3000 + b"\r\n")), SENT))
    found.append(Case("replies merged", merge, SENT, ("a", "b", "c")))
    found.append(Case("replies split", split, SENT, ("a", "b", "c")))
    found.append(Case("codes differ", at("mail", say("250-a\r\n450 b\r\n")), NOT_LOST))
    return found


# --- Lies --------------------------------------------------------------------------------------------------------


def forget_the_rest(s, stage, reply):
    """PIPELINING was said, but what came with a command is lost."""
    s.input = b""
    return reply


def no_bdat(s, stage, reply):
    return b"502 5.5.1 BDAT?\r\n" if s.commands[-1].startswith(b"BDAT") else reply


def no_eight_bits(s, stage, reply):
    return b"555 5.5.4 BODY?\r\n" if b"8BITMIME" in s.commands[-1] else reply


def answers_before_asked(s, stage, reply):
    s.send(b"220 hop.example\r\n250 hop.example\r\n250 Ok\r\n250 Ok\r\n354 go on\r\n250 kept\r\n221 Bye\r\n")
    while True:
        s.input = b""
        s.fill()


def kept_before_content(s, stage, reply):
    return reply + b"250 2.0.0 kept before it came\r\n"


def refuses_amid_content(s, stage, reply):
    s.send(reply)
    s.bytes(100000)
    s.send(b"552 5.3.4 that is too much\r\n")
    return b""


def goes_amid_content(s, stage, reply):
    s.send(reply)
    s.bytes(100000)
    raise ConnectionError


def stops_reading(s, stage, reply):
    s.send(reply)
    return hang(s, stage, reply)


def after_we_gave_up(s, stage, reply):
    """Longer than it is waited for; then the message is kept after all."""
    t = s.pending
    s.hop.over.wait(20)
    s.keep(t, t.rcpts)
    return reply


def second_transaction_421(s, stage, reply):
    if sum(c.startswith(b"MAIL") for c in s.commands) > 1:
        s.send(b"421 4.7.0 one is enough\r\n")
        raise ConnectionError
    return reply


def one_answer_then_gone(s, stage, reply):
    """LMTP: a recipient's answer, and nothing of the others'."""
    if s.stored:
        raise ConnectionError
    return reply


def lies():
    big = (b"x" * 70 + b"\r\n") * 70000
    many = b"".join(b"250-KEYWORD%d %s\r\n" % (i, b"y" * 50) for i in range(20000)) + b"250 SIZE 0\r\n"
    injected = b"220 2.0.0 Ready\r\n250-hop.example\r\n250-AUTH PLAIN\r\n250 SIZE 1\r\n"
    tls = KEYWORDS + ("STARTTLS",)
    return [
        Case("size small", None, BOUNCED, ("a", "b"), keywords=("SIZE 200", "PIPELINING"), body=b"z\r\n" * 500),
        Case("size nonsense", None, NOT_LOST, keywords=("SIZE 99999999999999999999999", "SIZE -1", "SIZE x")),
        Case("pipelining lie", at("mail", forget_the_rest), NOT_LOST, ("a", "b")),
        # A complete "no" to what the server itself has offered: smtp_discard_ehlo_keywords is the remedy.
        Case("chunking lie", at("bdat dot", no_bdat), ("sent", "deferred"), keywords=KEYWORDS + ("CHUNKING",), body=big),
        Case("8bitmime lie", at("mail", no_eight_bits), ("sent", "deferred", "bounced"), body=b"\xc3\xa4\r\n"),
        Case("starttls injection", at("starttls", say(injected)), NOT_LOST, keywords=tls),
        Case("starttls refused", at("starttls", refuse(5)), NOT_LOST, keywords=tls),
        Case("starttls not now", at("starttls", refuse(4)), NOT_LOST, keywords=tls),
        Case("starttls close", at("starttls", close), NOT_LOST, keywords=tls),
        Case("starttls hang", at("starttls", hang), NOT_LOST, keywords=tls),
        Case("starttls no handshake", at("starttls", say(b"220 2.0.0 Ready\r\n")), NOT_LOST, keywords=tls),
        Case("keywords many", at("ehlo", say(many)), NOT_LOST),
        Case("keywords long", at("ehlo", say(b"250-" + b"K" * 200000 + b"\r\n250 SIZE 0\r\n")), NOT_LOST),
        Case("answers before asked", at("connect", answers_before_asked), NOT_LOST, liar=True),
        Case("kept before content", at("data", kept_before_content), NOT_LOST, unsure=True),
        Case("refuses amid content", at("data", refuses_amid_content), ("bounced", "deferred"), body=big, unsure=True),
        Case("goes amid content", at("data", goes_amid_content), LATER, body=big),
        Case("stops reading", at("data", stops_reading), LATER, body=big),
        Case("late", at("dot", after_we_gave_up), LATER, unsure=True),
        Case("kept and gone", at("dot", keep_and_close), LATER, ("a", "b"), unsure=True),
        Case("lmtp one answer", at("dot", one_answer_then_gone), {"a": SENT, "b": LATER, "c": LATER}, ("a", "b", "c"),
             lmtp=True),
    ]


class HostileHop(unittest.TestCase):
    def check_before(self, relay, cases):
        for case in cases:
            for rcpt in case.rcpts:
                with self.subTest(case.name):
                    status = relay.wait_status(rcpt, timeout=120)
                    self.assertIn(status.word, case.expected(rcpt), f"{case.name}: {status}")
                    self.assertLess(len(status.why), 2000)

    def check_after(self, relay, cases):
        """Every recipient was sent a message or a notice, and never two."""
        for case in cases:
            for rcpt in case.rcpts:
                with self.subTest(case.name):
                    status = relay.wait_status(rcpt, ("sent", "bounced"), timeout=120)
                    copies = case.hop.copies(case.token).get(rcpt, 0)
                    if case.liar or case.unsure and copies > 1:
                        continue
                    if status.word == "bounced":
                        self.assertEqual(copies if not case.unsure else 0, 0, f"{case.name}: {rcpt} bounced and kept")
                    else:
                        self.assertEqual(copies, 1, f"{case.name}: {rcpt}")

    def play(self, cases):
        calm = Hop()
        routes = everything(cases)
        routes["calm.example"] = f"smtp:[127.0.0.1]:{calm.port}"
        extra = "smtp_tls_security_level = may\ndefault_process_limit = 300\nlmtp_tls_security_level = none\n"
        with Relay(PREFIX, routes, extra=extra, patience="8s") as relay:
            for case in cases:
                relay.submit(case.rcpts, message(case.token, case.body))
            relay.submit("one@calm.example", message(b"calm"))
            relay.wait_status("one@calm.example", "sent")
            self.check_before(relay, cases)
            self.assertLess(relay.memory(), MEMORY)
            for case in cases:
                case.hop.heal()
            deadline = time.monotonic() + 120
            while relay.queue() and time.monotonic() < deadline:
                relay.flush()
                time.sleep(1)
            self.check_after(relay, cases)
            self.assertNotRegex(relay.log(), r"smtp\[\d+\]: (panic|fatal)|process .*smtp.* (killed|ended|exit)")
        for case in cases:
            case.hop.stop()
        calm.stop()

    def test_refusals(self):
        self.play(refusals())

    def test_nonsense(self):
        self.play(nonsense())

    def test_lies(self):
        self.play(lies())

    def test_sessions(self):
        """One connection for several messages, which the hop ends before each second one: none is lost, none comes
        twice."""
        case = Case("second transaction", at("mail", second_transaction_421), NOT_LOST)
        with Relay(PREFIX, everything([case]), run_delay="3s", backoff="3s") as relay:
            for i in range(12):
                relay.submit(f"r{i}@{case.domain}", message(b"several"))
            for i in range(12):
                relay.wait_status(f"r{i}@{case.domain}", "sent", timeout=120)
            self.assertEqual(case.hop.copies(b"several"), {f"r{i}@{case.domain}": 1 for i in range(12)})
        case.hop.stop()

    def test_slow_delivery(self):
        """A delivery may take longer than its programs wait for each other otherwise: it does not come twice."""
        def think(s, stage, reply):
            s.pause(4)
            return reply
        case = Case("slow", at("dot", think), SENT)
        with Relay(PREFIX, everything([case]), extra="ipc_timeout = 2s\n", run_delay="2s", backoff="2s",
                   patience="60s") as relay:
            relay.submit(case.rcpts, message(case.token))
            self.assertEqual(relay.wait_status(case.rcpts[0]).word, "sent")
            self.assertEqual(case.hop.copies(case.token), {case.rcpts[0]: 1})
        case.hop.stop()

    def test_others_meanwhile(self):
        """Hops that hang at every stage and a patience that outlasts this test: others get their mail all the same."""
        cases = [Case(f"hang {stage.split()[0]} {i}", at(stage, hang), SENT) for stage in STAGES for i in range(5)]
        calm = Hop()
        routes = everything(cases)
        routes["calm.example"] = f"smtp:[127.0.0.1]:{calm.port}"
        with Relay(PREFIX, routes, patience="1000s") as relay:
            for case in cases:
                relay.submit(case.rcpts, message(case.token, case.body))
            deadline = time.monotonic() + 120
            while not all(case.hop.sessions for case in cases):
                self.assertLess(time.monotonic(), deadline, "not all were connected to")
                time.sleep(0.1)
            for i in range(20):
                relay.submit(f"r{i}@calm.example", message(b"calm"))
            for i in range(20):
                relay.wait_status(f"r{i}@calm.example", "sent")
            self.assertEqual([s for s in relay.statuses() if "calm" not in s.rcpt], [])
            for case in cases:
                case.hop.heal()
            self.check_flushed(relay, cases)
        for case in cases:
            case.hop.stop()
        calm.stop()

    def check_flushed(self, relay, cases):
        deadline = time.monotonic() + 120
        while relay.queue() and time.monotonic() < deadline:
            relay.flush()
            time.sleep(0.5)
        self.check_after(relay, cases)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
