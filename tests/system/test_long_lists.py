"""Messages with long lists of recipients: read from their slots piece by piece, never whole in memory, and all
that can happen to a message can happen to them."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import (BOUNCED, BUILD, CONTENT, DELETE, EXPIRE, FAILURE, HOLD, NEVER, RELEASE, SENT, Bounce, Rig,  # noqa: E402
                       deliver, silent)
from test_scheduler import SchedulerRig, unreachable  # noqa: E402

LIST = 3000  # recipients: several pieces

with open(os.path.join(BUILD, "config.h")) as config:
    SANITIZED = "#define POSTKEEP_SANITIZED 1" in config.read()


def numbers(deliveries):
    return [int(r["address"].split("@")[0][1:]) for d, _ in deliveries for r in d["rcpts"]]


class Lists(SchedulerRig):
    def addresses(self, count=LIST, domain="one.test"):
        return [f"u{i:05}@{domain}" for i in range(count)]

    def test_delivered(self):
        """Each once, over a few destinations."""
        self.start()
        rcpts = [f"u{i:05}@d{i % 7}.test" for i in range(LIST)]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts, batch=100)
        self.wait_empty(timeout=60)
        self.assertEqual(sorted(numbers(self.agent.deliveries)), list(range(LIST)))
        self.assertEqual({content for _, content in self.agent.deliveries}, {CONTENT})

    def test_local(self):
        """As many destinations as recipients."""
        self.start(name="local", window=8)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(domain="example.com"), batch=100)
        self.wait_empty(timeout=60)
        self.assertEqual(sorted(numbers(self.agent.deliveries)), list(range(LIST)))

    def test_large_content(self):
        content = os.urandom(400000)
        self.daemons.configure("smtp_destination_recipient_limit = 100\n")
        self.start()
        queue_id = ipc.submit(self.net(), content, rcpts=self.addresses(2000), batch=100)
        self.wait_empty(timeout=60)
        self.assertEqual({c == content for _, c in self.agent.deliveries}, {True})
        self.assertEqual(sorted(numbers(self.agent.deliveries)), list(range(2000)))

    def test_killed(self):
        """What has been delivered is not delivered again, the rest is."""
        def first_half(delivery, content):
            return deliver(delivery, content) if numbers([(delivery, content)])[0] < LIST / 2 else None
        self.start(first_half)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.wait_for("half of it", lambda: self.state_on_disk(queue_id)[1].count("S") >= LIST / 2 - 50, timeout=60)
        self.agent.decide = silent
        self.kill()
        done = {i for i, state in enumerate(self.state_on_disk(queue_id)[1]) if state == "S"}
        before = len(self.agent.deliveries)
        self.agent.decide = deliver
        self.daemons.start("qmgr")
        self.wait_empty(timeout=60)
        again = numbers(self.agent.deliveries[before:])
        self.assertEqual(sorted(again), sorted(set(range(LIST)) - done))

    def test_reported_late(self):
        """Hundreds were under way when qmgr was killed: while agents report, nothing is tried again."""
        self.daemons.configure("default_process_limit = 200\n")
        self.start(silent)
        rcpts = [f"u{i:05}@d{i % 40}.test" for i in range(LIST)]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts, batch=100)
        self.wait_for("a slice", lambda: len(numbers(self.agent.deliveries)) >= 900, timeout=60)
        self.kill()
        told = [r for d, _ in self.agent.deliveries for r in d["rcpts"]][::-1]
        self.agent.decide = deliver
        before = len(self.agent.deliveries)
        self.daemons.start("qmgr")
        channel = ipc.Channel(self.path("private/qmgr-report"), timeout=60)
        # More slowly than the second of grace allows.
        for n, r in enumerate(told):
            if n % 150 == 0:
                time.sleep(0.3)
            channel.send("report", id=queue_id, index=r["index"], ticket=r["ticket"], dsn="2.0.0", text="delivered",
                         relay="hop", remote_mta="", dsn_passed=False)
            channel.expect("report_ok")
        self.wait_empty(timeout=60)
        self.assertEqual(sorted(numbers(self.agent.deliveries[before:])),
                         sorted(set(range(LIST)) - {r["index"] for r in told}))

    def test_mixed_results(self):
        """Some fail: one mark each, notices for all of them, in lots."""
        def decide(delivery, content):
            return (BOUNCED, "5.1.1", "no such user") if delivery["nexthop"] == "bad.test" else deliver(delivery, content)
        self.bounce = Bounce(self.daemons)
        self.start(decide)
        rcpts = [f"u{i:05}@{'bad' if i % 10 == 0 else 'good'}.test" for i in range(LIST)]
        ipc.submit(self.net(), CONTENT, rcpts=rcpts, batch=100)
        self.wait_empty(timeout=60)
        told = [r["address"] for notice, _ in self.bounce.notices for r in notice["rcpts"]]
        self.assertEqual(sorted(told), sorted(r for r in rcpts if "bad" in r))

    def test_notify(self):
        """NOTIFY=NEVER is known of a recipient who is read for the second time."""
        self.bounce = Bounce(self.daemons)
        self.start(silent)
        rcpts = [{"address": a, "orig": a, "notify": NEVER if i % 2 else FAILURE} for i, a in enumerate(self.addresses())]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts, batch=100)
        self.agent.wait(1)
        self.assertEqual(self.admin(EXPIRE, queue_id), 1)
        self.agent.decide = unreachable
        self.agent.answer_all(SENT)
        self.wait_empty(timeout=60)
        told = {r["address"] for notice, _ in self.bounce.notices for r in notice["rcpts"]}
        sent = {r["address"] for d, _ in self.agent.deliveries for r in d["rcpts"]}
        self.assertEqual(told, {r["address"] for i, r in enumerate(rcpts) if i % 2 == 0} - sent)
        self.assertGreater(len(told), 500)

    def test_listing(self):
        self.start(silent)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.agent.wait(1)
        entry = self.mailq()[queue_id]
        self.assertEqual((entry["state"], len(entry["rcpts"])), ("active", LIST))
        self.assertEqual(self.admin(HOLD, queue_id), 1)
        self.agent.answer_all()

        def all_there():
            entry = self.wait_state(queue_id, "hold")
            left[:] = [r["address"] for r in entry["rcpts"]]
            sent = [r["address"] for d, _ in self.agent.deliveries for r in d["rcpts"]]
            return sorted(left + sent) == self.addresses()
        left = []
        self.wait_for("each to be sent or to wait", all_there)
        self.assertGreater(len(left), 1000)
        self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.wait_empty(timeout=60)
        self.assertEqual(sorted(numbers(self.agent.deliveries)), list(range(LIST)))

    def test_deleted(self):
        self.start(silent)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.agent.wait(2)
        self.assertEqual(self.admin(DELETE, queue_id), 1)
        self.agent.answer_all()
        self.wait_empty()
        self.assertLess(sum(len(d["rcpts"]) for d, _ in self.agent.deliveries), LIST)

    def test_late_report(self):
        """One of the list was delivered when the queue manager was killed."""
        self.start(silent)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.agent.wait(1)
        self.kill()
        before = len(self.agent.deliveries)
        self.agent.unanswered = []
        self.agent.decide = deliver
        report = ipc.Channel(self.path("private/qmgr-report"))
        for index in (2500, 7):
            report.send("report", id=queue_id, index=index, ticket=self.ticket(queue_id, index), dsn="2.0.0", text="delivered",
                        relay="local")
        self.daemons.start("qmgr")
        for _ in range(2):
            report.expect("report_ok")
        report.close()
        self.wait_empty(timeout=60)
        self.assertEqual(sorted(numbers(self.agent.deliveries[before:])),
                         [i for i in range(LIST) if i not in (7, 2500)])

    def test_late_report_while_active(self):
        """Of one that is not in memory, too."""
        self.start(silent)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.agent.wait(1)
        report = ipc.Channel(self.path("private/qmgr-report"))
        report.send("report", id=queue_id, index=2999, ticket=self.ticket(queue_id, 2999), dsn="2.0.0", text="delivered",
                    relay="local")
        report.expect("report_ok")
        self.assertEqual(self.state_on_disk(queue_id)[1][2999], "S")
        self.agent.answer_all()
        self.wait_empty(timeout=60)

    def test_deferred_and_flushed(self):
        """All of it fails, and is tried again."""
        self.start(unreachable)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.wait_state(queue_id, "deferred", timeout=60)
        self.assertEqual(len(self.mailq()[queue_id]["rcpts"]), LIST)
        self.assertLess(len(self.agent.deliveries), 10)
        self.agent.decide = deliver
        before = len(self.agent.deliveries)
        self.assertEqual(self.flush(site="one.test"), 1)
        self.wait_for("the rest", lambda: self.flush() == 0 and not self.mailq(), timeout=60)
        self.assertEqual(sorted(set(numbers(self.agent.deliveries[before:]))), list(range(LIST)))

    def test_damaged(self):
        """One byte in the middle of the list is noticed before anything is delivered."""
        self.start(unreachable)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=self.addresses(), batch=100)
        self.wait_state(queue_id, "deferred", timeout=60)
        self.kill()
        before = len(self.agent.deliveries)
        with open(self.slot_of(queue_id), "r+b") as f:
            f.seek(f.read().index(b"u02000@"))
            f.write(b"x")
        self.agent.decide = deliver
        self.daemons.start("qmgr")
        self.flush()
        self.log("moved to corrupt/")
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(self.agent.deliveries), before)

    @unittest.skipIf(SANITIZED, "AddressSanitizer keeps what was freed")
    def test_memory(self):
        """Twenty lists of 20,000 at the same time: what is in memory is slices."""
        self.daemons.configure("default_process_limit = 10\n")
        self.start(silent, keep=False)
        channel = self.net()
        rcpts = [f"somebody.with.a.name.{i:05}@destination-{i % 50}.example.test" for i in range(20000)]
        before = self.memory()
        ids = [ipc.submit(channel, CONTENT, rcpts=rcpts, batch=100) for _ in range(20)]
        self.agent.wait(10)
        self.wait_for("all of them to be active", lambda: self.active() == 20, timeout=200)
        time.sleep(1)
        used = self.memory() - before
        # Whole they would be 20 * 20,000 recipients of 56 bytes and 80 of text, and more.
        self.assertLess(used, 32 << 20)
        for queue_id in ids[1:]:
            self.assertEqual(self.admin(DELETE, queue_id), 1)
        self.agent.answer_all()
        self.wait_empty(timeout=200)

    def active(self):
        return sum("(queue active)" in line for line in self.daemons.lines)

    def memory(self):
        """Resident bytes that are its own."""
        with open(f"/proc/{self.daemons.pid('qmgr')}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))


del Rig, SchedulerRig

if __name__ == "__main__":
    unittest.main()
