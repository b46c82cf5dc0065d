"""What the queue manager has senders told, and when: failure, delay, requested success, expiry (RFC 3461,
RFC 3464), with a bounce program that is not part of the suite."""
import email
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import (CONTENT, DEFERRED, DELAY, DELETE, FAILURE, HOLD, NEVER, NOTICE_DELAY,  # noqa: E402
                       NOTICE_FAILURE, NOTICE_SUCCESS, NOTICE_VERIFY, RELEASE, SUCCESS, Bounce, Rig, defer,
                       deliver, refuse)

QUICK = "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"


class Notices(Rig):
    def start_all(self, decide, bounce=lambda notice, original: (True, "")):
        self.bounce = Bounce(self.daemons, bounce)
        self.start(decide)

    def removed(self, queue_id):
        self.log(f"{queue_id}: removed")

    # --- Who is told what -----------------------------------------------------------------------------

    def test_failure(self):
        """A notice has all that bounce needs, and the message is gone when it is in the queue."""
        def decide(delivery, content):
            return refuse(delivery, content) if delivery["rcpts"][0]["address"][0] == "n" else deliver(None, None)
        self.start_all(decide)
        rcpt = {"address": "nobody@example.com", "orig": "no.body@example.com",
                "orcpt": "rfc822;no.body@example.com", "notify": FAILURE | DELAY}
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=["bob@example.com", rcpt], envid="E1", ret=1)
        notice, original = self.bounce.wait(1)
        self.removed(queue_id)
        self.assertEqual(original, CONTENT)
        expected = {"kind": NOTICE_FAILURE, "id": queue_id, "sender": "alice@example.org",
                    "double_bounce": False, "ret": 1, "envid": "E1", "full_size": len(CONTENT)}
        self.assertEqual({name: notice[name] for name in expected}, expected)
        self.assertEqual(notice["rcpts"], [{
            "address": "nobody@example.com", "orig": "no.body@example.com",
            "orcpt": "rfc822;no.body@example.com", "notify": FAILURE | DELAY, "status": 2, "action": "failed",
            "dsn": "5.1.1", "text": "unknown user", "diagnostic": "", "remote_mta": ""}])
        self.assertLess(abs(notice["arrival_us"] / 1e6 - time.time()), 60)

    def test_notify(self):
        """NOTIFY × outcome × sender: which notice is sent, and does it count as a double bounce?"""
        alice, null, own = "alice@example.org", "", "double-bounce@mx.example.com"
        cases = [
            (0, refuse, alice, (NOTICE_FAILURE, False)),
            (FAILURE, refuse, alice, (NOTICE_FAILURE, False)),
            (FAILURE | DELAY, refuse, alice, (NOTICE_FAILURE, False)),
            (NEVER, refuse, alice, None),
            (SUCCESS, refuse, alice, None),
            (DELAY, refuse, alice, None),
            (0, deliver, alice, None),
            (NEVER, deliver, alice, None),
            (FAILURE, deliver, alice, None),
            (SUCCESS, deliver, alice, (NOTICE_SUCCESS, False)),
            (SUCCESS | FAILURE, deliver, alice, (NOTICE_SUCCESS, False)),
            # bounce is asked, and by rule sends nothing to the null sender.
            (0, refuse, null, (NOTICE_FAILURE, True)),
            (NEVER, refuse, null, (NOTICE_FAILURE, True)),
            (SUCCESS, deliver, null, (NOTICE_SUCCESS, True)),
            (0, deliver, null, None),
            (NEVER, refuse, own, (NOTICE_FAILURE, True)),
            (0, refuse, "Double-Bounce@example.org", (NOTICE_FAILURE, True)),
            (0, refuse, "double-bounced@example.org", (NOTICE_FAILURE, False)),
        ]
        self.start_all(deliver)
        channel = self.net()
        for notify, decide, sender, expected in cases:
            with self.subTest(notify=notify, decide=decide.__name__, sender=sender):
                self.agent.decide = decide
                before = len(self.bounce.notices)
                queue_id = ipc.submit(channel, CONTENT, sender=sender,
                                      rcpts=[{"address": "bob@example.com", "notify": notify}])
                self.removed(queue_id)
                got = [(n["kind"], n["double_bounce"]) for n, _ in self.bounce.notices[before:]]
                self.assertEqual(got, [expected] if expected else [])

    def test_soft_bounce(self):
        """What would be returned stays, whoever refuses it: an agent or the route. Mail that has become
        too old is returned all the same, and a probe is told what is so."""
        settings = "soft_bounce = yes\nnotify_classes =\nmaximal_backoff_time = 1000s\nminimal_backoff_time = 300s\n"
        self.daemons.configure(settings + "virtual_alias_domains = gone.example\n")
        self.start_all(refuse)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=["bob@example.com", "x@gone.example"])
        entry = self.wait_state(queue_id, "deferred")
        self.assertEqual(len(entry["rcpts"]), 2)
        self.assertIn("dsn=4.1.1, status=SOFTBOUNCE (unknown user)", self.log(f"{queue_id}: to=<bob@example.com>"))
        self.assertIn(", status=SOFTBOUNCE (", self.log(f"{queue_id}: to=<x@gone.example>"))
        self.assertEqual(self.state_on_disk(queue_id), ("D", "QQ"))
        self.assertEqual(self.bounce.notices, [])
        probe = ipc.submit(ipc.Channel(self.path("private/qmgr-local")), CONTENT, verify_only=True)
        notice, _ = self.bounce.wait(1)
        self.assertEqual((notice["id"], notice["rcpts"][0]["dsn"]), (probe, "5.1.1"))
        self.removed(probe)
        self.daemons.configure(settings + "maximal_queue_lifetime = 0\n")
        self.restart()
        self.flush()
        notice, _ = self.bounce.wait(2)
        self.assertEqual((notice["id"], notice["kind"]), (queue_id, NOTICE_FAILURE))
        self.removed(queue_id)

    def test_several_outcomes(self):
        """One message, several recipients, each with its own wish and fate: two notices, no more."""
        fates = {"sent": deliver, "fail": refuse, "late": defer}
        self.start_all(lambda d, c: fates[d["rcpts"][0]["address"][:4]](d, c))
        rcpts = [{"address": f"{fate}{notify}@example.com", "notify": notify}
                 for fate in fates for notify in (0, NEVER, SUCCESS, FAILURE)]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts)
        self.wait_state(queue_id, "deferred")
        told = {n["kind"]: [r["address"] for r in n["rcpts"]] for n, _ in self.bounce.notices}
        self.assertEqual(told, {NOTICE_FAILURE: ["fail0@example.com", "fail4@example.com"],
                                NOTICE_SUCCESS: ["sent2@example.com"]})
        self.assertEqual(self.state_on_disk(queue_id), ("D", "SSSSBXXBQQQQ"))

    def test_returned(self):
        """All of the message, or its header: RET, bounce_size_limit, and what is the most in any case."""
        self.daemons.configure("bounce_size_limit = 5000000\n")
        header = b"Subject: test\r\nX-Y: " + b"z" * 500 + b"\r\n\r\n"
        small, large = header + b"body\r\n", header + b"x" * 2000000
        self.start_all(refuse)
        channel = self.net()
        cases = [(small, 0, small), (small, 1, small), (small, 2, header), (large, 1, header), (large, 0, header)]
        for n, (content, ret, expected) in enumerate(cases):
            queue_id = ipc.submit(channel, content, ret=ret)
            notice, original = self.bounce.wait(n + 1)
            self.assertEqual(original, expected)
            self.assertEqual(notice["full_size"], len(content))
            self.removed(queue_id)

    def test_relayed(self):
        """Delivered to another server: relayed, unless that server has taken the wish for notices over."""
        remote = {"remote_mta": "dns; mx.example.net", "diagnostic": "smtp; 250 ok"}
        answers = {"plain": remote, "dsn": {**remote, "dsn_passed": True}, "here": {}}

        def decide(delivery, content):
            more = answers[delivery["rcpts"][0]["address"].split("@")[0]]
            return 0, "2.0.0", "250 ok", False, more
        self.start_all(decide)
        rcpts = [{"address": f"{name}@example.com", "notify": SUCCESS | FAILURE} for name in answers]
        self.removed(ipc.submit(self.net(), CONTENT, rcpts=rcpts))
        notice, _ = self.bounce.wait(1)
        self.assertEqual(len(self.bounce.notices), 1)
        self.assertEqual(notice["kind"], NOTICE_SUCCESS)
        self.assertEqual({r["address"].split("@")[0]: (r["action"], r["remote_mta"]) for r in notice["rcpts"]},
                         {"plain": ("relayed", "dns; mx.example.net"), "here": ("delivered", "")})

    def test_verp(self):
        """Each recipient is one delivery, from a sender made for it, and bounces go there."""
        self.daemons.configure("local_destination_recipient_limit = 50\n")

        def decide(delivery, content):
            return (refuse if delivery["rcpts"][0]["address"][0] == "n" else deliver)(delivery, content)
        self.start_all(decide)
        rcpts = ["bob@example.com", {"address": "nobody@example.com", "orig": "friend@example.com"}, "n2@example.com"]
        attrs = [{"name": "verp", "value": "+="}]
        self.removed(ipc.submit(self.net(), CONTENT, sender="list@example.org", rcpts=rcpts, attrs=attrs))
        made = {"bob@example.com": "list+bob=example.com@example.org",
                "nobody@example.com": "list+friend=example.com@example.org",
                "n2@example.com": "list+n2=example.com@example.org"}
        self.assertEqual({d["rcpts"][0]["address"]: d["sender"] for d, _ in self.agent.deliveries}, made)
        self.assertEqual(sorted(len(d["rcpts"]) for d, _ in self.agent.deliveries), [1, 1, 1])
        told = {n["sender"]: [r["address"] for r in n["rcpts"]] for n, _ in self.bounce.notices}
        self.assertEqual(told, {made[a]: [a] for a in made if a[0] == "n"})
        self.assertNotIn(True, [n["double_bounce"] for n, _ in self.bounce.notices])
        # Delimiters that make no address, and the null sender, leave all as it was.
        for sender, value in (("list@example.org", "@@"), ("list@example.org", "+"), ("", "+=")):
            queue_id = ipc.submit(self.net(), CONTENT, sender=sender, rcpts=["bob@example.com"],
                                  attrs=[{"name": "verp", "value": value}])
            self.removed(queue_id)
            self.assertEqual(self.agent.deliveries[-1][0]["sender"], sender)

    def test_verp_bounces_together(self):
        self.daemons.configure("disable_verp_bounces = yes\n")
        self.start_all(refuse)
        self.removed(ipc.submit(self.net(), CONTENT, sender="list@example.org",
                                rcpts=["n1@example.com", "n2@example.com"],
                                attrs=[{"name": "verp", "value": "+="}]))
        notice, _ = self.bounce.wait(1)
        self.assertEqual(notice["sender"], "list@example.org")
        self.assertEqual([r["address"] for r in notice["rcpts"]], ["n1@example.com", "n2@example.com"])

    def test_trouble(self):
        """Results of a class that notify_classes has are told to the postmaster, ten times an hour at most;
        the other classes, notices themselves, and what the administrator has ordered are not."""
        self.daemons.configure("notify_classes = protocol, software\ndefer_transports = off\ntransport_maps = "
                               "inline:{ { moved.example = retry:4.3.0 being moved } { off.example = off: } }\n")
        remote = {"remote_mta": "dns; mx.example.net"}
        answers = {"p": (2, "5.5.2", "500 what?", False, remote), "s": (1, "4.3.0", "broken"),
                   "r": (1, "4.3.1", "no room"), "x": (2, "5.1.1", "who?", False, remote),
                   "y": (1, "4.3.2", "not now", False, remote)}
        self.start_all(lambda d, c: answers[d["rcpts"][0]["address"][0]])
        channel = self.net()
        ipc.submit(channel, CONTENT, rcpts=["o@moved.example", "o@off.example"] + [f"{name}@example.com" for name in answers])
        ipc.submit(channel, CONTENT, sender="", rcpts=["p@example.com"])
        self.bounce.wait(4)
        told = [(n["class"], n["kind"], [r["address"] for r in n["rcpts"]]) for n, _ in self.bounce.notices]
        self.assertEqual(sorted(t for t in told if t[0]),
                         [("protocol", NOTICE_FAILURE, ["p@example.com"]), ("software", NOTICE_DELAY, ["s@example.com"])])
        for _ in range(12):
            self.removed(ipc.submit(channel, CONTENT, rcpts=["p@example.com"]))
        self.assertEqual(sum(n["class"] == "protocol" for n, _ in self.bounce.notices), 10)

    def test_report(self):
        """sendmail -bv and -v: one report for all, whatever became of each; nothing delivered by -bv."""
        self.bounce = Bounce(self.daemons)
        self.start(lambda d, c: (refuse if d["rcpts"][0]["address"][0] == "n" else deliver)(d, c))
        local = ipc.Channel(self.path("private/qmgr-local"))
        for n, more in enumerate(({"verify_only": True}, {"verbose": True})):
            queue_id = ipc.submit(local, CONTENT, rcpts=["bob@example.com", "nobody@example.com"], **more)
            notice, _ = self.bounce.wait(n + 1)
            self.removed(queue_id)
            self.assertEqual(notice["kind"], NOTICE_VERIFY)
            actions = ["deliverable", "undeliverable"] if n == 0 else ["delivered", "failed"]
            self.assertEqual([r["action"] for r in notice["rcpts"]], actions)
        self.assertEqual([d["probe"] for d, _ in self.agent.deliveries], [True, True, False, False])
        self.assertEqual(sum("status=deliverable (" in line for line in self.daemons.lines), 1)
        # What cannot be told now is told now.
        self.agent.decide = defer
        probe = ipc.submit(local, CONTENT, verify_only=True)
        self.log("status=undeliverable (mailbox is away)")
        rcpt = self.bounce.wait(3)[0]["rcpts"][0]
        self.assertEqual((rcpt["action"], rcpt["dsn"]), ("undeliverable", "4.2.2"))
        self.removed(probe)
        self.agent.decide = deliver
        # Strangers cannot ask for that.
        ipc.submit(self.net(), CONTENT, verify_only=True)
        self.assertFalse(self.agent.wait(6)[0]["probe"])

    def test_reasons(self):
        """Everybody's own reason, however many there are, over two rounds."""
        def own_reason(delivery, content):
            address = delivery["rcpts"][0]["address"]
            return (DEFERRED, "4.2.0", "not now, " + address) if self.agent.later else \
                (2, "5.1.1", "unknown user: " + address)
        self.bounce = Bounce(self.daemons)
        self.start(own_reason)
        self.agent.later = True
        rcpts = [f"user{i}@example.com" for i in range(60)]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts)
        self.wait_state(queue_id, "deferred")
        shown = self.mailq()[queue_id]["rcpts"]
        # As many as have a place in the slot; the others show none, and never another one's.
        self.assertGreaterEqual(sum(r["reason"] != "" for r in shown), 16)
        self.assertEqual([r for r in shown if r["reason"] not in ("", "not now, " + r["address"])], [])
        self.agent.later = False
        self.flush()
        self.removed(queue_id)
        told = {r["address"]: r["text"] for notice, _ in self.bounce.notices for r in notice["rcpts"]}
        self.assertEqual(told, {r: "unknown user: " + r for r in rcpts})

    # --- When bounce does not do what it should -----------------------------------------------------------

    def test_bounce_away(self):
        """The message stays, its recipient is marked; after a restart the notice is sent, once."""
        self.start(refuse)
        queue_id = ipc.submit(self.net(), CONTENT)
        entry = self.wait_state(queue_id, "deferred")
        self.assertEqual(entry["rcpts"][0]["reason"], "unknown user")
        self.assertEqual(self.state_on_disk(queue_id), ("D", "F"))
        self.restart()
        self.bounce = Bounce(self.daemons)
        self.flush()
        notice, _ = self.bounce.wait(1)
        self.removed(queue_id)
        self.assertEqual(notice["rcpts"][0]["text"], "unknown user")
        self.assertEqual((len(self.agent.deliveries), len(self.bounce.notices)), (1, 1))

    def test_bounce_says_no(self):
        answers = [(False, "452 4.3.1 full"), None, (True, "")]

        def decide(notice, original):
            answer = answers.pop(0)
            if answer is None:
                self.bounce.hang_up()
            return answer
        self.start_all(refuse, decide)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.log("tried again later: 452 4.3.1 full")
        for _ in range(2):
            self.wait_state(queue_id, "deferred")
            self.flush()
        self.removed(queue_id)
        self.assertEqual((len(self.agent.deliveries), len(self.bounce.notices)), (1, 3))

    def test_bounce_hangs(self):
        """While it does not answer, a message can be deleted or held, and the others go on."""
        self.start_all(refuse, lambda notice, original: None)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT) for _ in range(3)]
        self.bounce.wait(3)
        self.assertEqual(self.admin(DELETE, ids[0]), 1)
        self.assertEqual(self.admin(HOLD, ids[1]), 1)
        self.agent.decide = deliver
        self.removed(ipc.submit(channel, CONTENT))
        self.bounce.hang_up()
        self.wait_for("the deleted one gone", lambda: set(self.mailq()) == {ids[1], ids[2]})
        self.assertEqual(self.mailq()[ids[1]]["state"], "hold")
        self.bounce.decide = lambda notice, original: (True, "")
        self.flush()
        self.removed(ids[2])
        self.assertEqual(self.admin(RELEASE, ids[1]), 1)
        self.removed(ids[1])
        self.assertIsNone(self.daemons.log_wait(f"{ids[0]}: removed\n", timeout=0))
        self.assertEqual(len(self.agent.deliveries), 4)

    def test_deleted_while_noticed_and_killed(self):
        self.start_all(refuse, lambda notice, original: None)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.bounce.wait(1)
        self.assertEqual(self.admin(DELETE, queue_id), 1)
        self.restart()
        time.sleep(1.3)
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(self.bounce.notices), 1)

    def test_many_notices(self):
        """Thousands of failures at once: a few conversations at a time, and everybody is told."""
        def slowly(notice, original):
            time.sleep(0.01)
            return True, ""
        self.start_all(refuse, slowly)
        channel = self.net()
        ids = {ipc.submit(channel, CONTENT) for _ in range(300)}
        self.wait_empty(timeout=60)
        self.assertEqual({n["id"] for n, _ in self.bounce.notices}, ids)
        self.assertLessEqual(self.bounce.at_once, 20)

    def test_many_recipients(self):
        """A failed list of a thousand: every recipient stands in one notice, and none in two."""
        self.start_all(refuse)
        rcpts = [{"address": f"{'x' * (i % 200)}user{i}@example.com", "orig": "y" * 900 + "@example.com",
                  "orcpt": "rfc822;" + "z" * 900} for i in range(1000)]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts, batch=20,
                              attrs=[{"name": "helo_name", "value": "h" * 1000}] * 20)
        self.removed(queue_id)
        told = [r["address"] for notice, _ in self.bounce.notices for r in notice["rcpts"]]
        self.assertEqual(sorted(told), sorted(r["address"] for r in rcpts))

    # --- Time --------------------------------------------------------------------------------------------------

    def test_expiry(self):
        """After maximal_queue_lifetime what is left is returned, with the reason of the last attempt."""
        self.daemons.configure(QUICK + "maximal_queue_lifetime = 2s\nbounce_queue_lifetime = 3600s\n")
        self.start_all(defer)
        rcpts = [{"address": "bob@example.com"}, {"address": "eve@example.com", "notify": NEVER}]
        channel = self.net()
        null = ipc.submit(channel, CONTENT, sender="")
        queue_id = ipc.submit(channel, CONTENT, rcpts=rcpts)
        self.log(f"{queue_id}: from=<alice@example.org>, status=expired, returned to sender")
        self.removed(queue_id)
        notice, original = self.bounce.wait(1)
        self.assertEqual((notice["kind"], original), (NOTICE_FAILURE, CONTENT))
        self.assertEqual([(r["address"], r["action"], r["dsn"], r["text"]) for r in notice["rcpts"]],
                         [("bob@example.com", "failed", "4.2.2", "mailbox is away")])
        # More than one attempt was made, and none too many; a notice has a lifetime of its own.
        attempts = sum(d["id"] == queue_id for d, _ in self.agent.deliveries)
        self.assertTrue(2 * 2 <= attempts <= 2 * 4, attempts)
        self.assertIn(null, self.mailq())

    def test_notice_expires(self):
        self.daemons.configure(QUICK + "maximal_queue_lifetime = 3600s\nbounce_queue_lifetime = 1s\n")
        self.start_all(defer)
        queue_id = ipc.submit(self.net(), CONTENT, sender="", rcpts=[{"address": "bob@example.com", "notify": NEVER}])
        self.log(f"{queue_id}: from=<>, status=expired, returned to sender")
        self.assertTrue(self.bounce.wait(1)[0]["double_bounce"])
        self.removed(queue_id)

    def test_no_lifetime(self):
        """maximal_queue_lifetime = 0: one attempt, and back."""
        self.daemons.configure("maximal_queue_lifetime = 0\n")
        self.start_all(defer)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.removed(queue_id)
        self.assertEqual(self.bounce.wait(1)[0]["kind"], NOTICE_FAILURE)
        self.assertEqual(len(self.agent.deliveries), 1)

    def test_delay(self):
        """One warning in a message's life, restarts included; to those who want it."""
        self.daemons.configure(QUICK + "delay_warning_time = 1s\nmaximal_queue_lifetime = 86400s\n")
        self.start_all(defer)
        rcpts = [{"address": f"user{n}@example.com", "notify": n} for n in (0, NEVER, SUCCESS, FAILURE, DELAY)]
        channel = self.net()
        null = ipc.submit(channel, CONTENT, sender="")
        queue_id = ipc.submit(channel, CONTENT, rcpts=rcpts)
        notice, original = self.bounce.wait(1)
        self.assertEqual((notice["kind"], notice["id"]), (NOTICE_DELAY, queue_id))
        self.assertEqual([(r["address"], r["action"]) for r in notice["rcpts"]],
                         [("user0@example.com", "delayed"), ("user8@example.com", "delayed")])
        self.assertEqual(original, CONTENT[:CONTENT.index(b"\r\n\r\n") + 4])
        self.assertAlmostEqual(notice["expire_at"], time.time() + 86400, delta=30)
        self.wait_state(queue_id, "deferred")
        self.restart()
        for _ in range(2):
            attempts = len(self.agent.deliveries)
            self.wait_for("another attempt", lambda: len(self.agent.deliveries) >= attempts + 6)
        self.assertEqual(len(self.bounce.notices), 1)
        self.assertEqual(set(self.mailq()), {queue_id, null})

    def test_delay_notice_refused(self):
        """A warning that bounce did not take is sent after the next attempt."""
        self.daemons.configure(QUICK + "delay_warning_time = 1s\n")
        answers = [(False, "451 4.3.0 not now"), (True, "")]
        self.start_all(defer, lambda notice, original: answers.pop(0))
        ipc.submit(self.net(), CONTENT)
        self.bounce.wait(2)
        self.wait_for("another attempt", lambda: len(self.agent.deliveries) >= 5)
        self.assertEqual(len(self.bounce.notices), 2)


class WithBounce(Rig):
    """The same with the suite's own bounce program."""

    def start_all(self, decide, text=""):
        self.daemons.configure("myorigin = example.com\n" + text)
        self.start(decide)
        self.daemons.start("bounce")

    def test_failure(self):
        """The notice goes where the message came from, from nobody, and is a report with all its parts."""
        self.start_all(lambda d, c: (deliver if d["sender"] == "" else refuse)(d, c))
        queue_id = ipc.submit(self.net(), CONTENT, sender="bob@example.com", envid="E1",
                              rcpts=[{"address": "nobody@example.com", "orcpt": "rfc822;no.body@example.com"}])
        delivery, content = self.agent.wait(2)
        self.log(f"{queue_id}: sender non-delivery notification: {delivery['id']}")
        self.assertEqual((delivery["sender"], delivery["rcpts"][0]["address"]), ("", "bob@example.com"))
        message = email.message_from_bytes(content)
        self.assertEqual(message.get_content_type(), "multipart/report")
        self.assertEqual(message.get_param("report-type"), "delivery-status")
        text, report, original = message.get_payload()
        self.assertIn("unknown user", text.get_payload())
        per_message, per_rcpt = report.get_payload()
        self.assertEqual(per_message["Original-Envelope-Id"], "E1")
        self.assertEqual(per_message["Reporting-MTA"], "dns; mx.example.com")
        self.assertEqual(per_rcpt["Final-Recipient"], "rfc822; nobody@example.com")
        self.assertEqual(per_rcpt["Original-Recipient"], "rfc822; no.body@example.com")
        self.assertEqual((per_rcpt["Action"], per_rcpt["Status"]), ("failed", "5.1.1"))
        self.assertEqual(original.get_content_type(), "message/rfc822")
        self.assertEqual(original.get_payload()[0]["Subject"], "test")
        self.wait_empty()

    def test_double_bounce(self):
        """A notice that cannot be delivered goes to the postmaster if that is wanted, and ends there."""
        self.start_all(refuse, "notify_classes = 2bounce\n")
        ipc.submit(self.net(), CONTENT, sender="bob@example.com", rcpts=["nobody@example.com"])
        self.log("undeliverable postmaster notification discarded")
        self.wait_empty()
        self.assertEqual([(d["sender"], d["rcpts"][0]["address"]) for d, _ in self.agent.deliveries],
                         [("bob@example.com", "nobody@example.com"), ("", "bob@example.com"),
                          ("double-bounce@example.com", "postmaster@example.com")])

    def test_copies(self):
        """What notify_classes asks for: the postmaster sees the header of what could not be delivered, or not
        yet, and not what stands in it. Other classes are taken, and send nothing."""
        def decide(delivery, content):
            first = delivery["rcpts"][0]["address"][0]
            return (refuse if first == "n" else defer if first == "l" else deliver)(delivery, content)
        self.start_all(decide, "notify_classes = bounce, delay, policy, protocol, resource, software\n"
                       "bounce_notice_recipient = failures\ndelay_notice_recipient = delays@mx.example.com\n"
                       "delay_warning_time = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n")
        sent = {}
        for rcpt, kind, postmaster in (("nobody", "non-delivery", "failures@example.com"),
                                       ("later", "delay", "delays@mx.example.com")):
            queue_id = ipc.submit(self.net(), CONTENT, sender="bob@example.com", rcpts=[rcpt + "@example.com"])
            self.log(f"{queue_id}: sender {kind} notification: ")
            copy = self.log(f"{queue_id}: postmaster {kind} notification: ").split()[-1]
            self.log(f"{copy}: removed")
            for delivery, content in self.agent.deliveries:
                sent[delivery["rcpts"][0]["address"], delivery["sender"]] = content
            copied = sent[postmaster, "double-bounce@example.com"]
            self.assertIn(b"Subject: test\r\n", copied)
            self.assertNotIn(b"hello", copied)
        self.assertEqual(len([s for s in sent if s[1] == "double-bounce@example.com"]), 2)

    def test_no_double_bounce(self):
        self.start_all(refuse)
        ipc.submit(self.net(), CONTENT, sender="bob@example.com", rcpts=["nobody@example.com"])
        self.log("undeliverable notification discarded")
        self.wait_empty()
        self.assertEqual(len(self.agent.deliveries), 2)

    def test_killed(self):
        """kill -9 of bounce, and of both: in the end the sender has heard of it."""
        self.start_all(lambda d, c: (deliver if d["sender"] == "" else refuse)(d, c))
        self.daemons.kill("bounce")
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT, sender="bob@example.com") for _ in range(5)]
        self.wait_for("marks", lambda: all(self.state_on_disk(i)[1] == "F" for i in ids))
        self.restart()
        self.daemons.start("bounce")
        self.flush()
        self.wait_empty(timeout=60)
        told = "".join(c.decode() for d, c in self.agent.deliveries if d["sender"] == "")
        for queue_id in ids:
            self.assertIn(queue_id, told)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
