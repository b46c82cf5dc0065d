"""The queue manager between a receiver and a delivery agent that are not part of the suite: what it keeps,
when it says so, and what it makes of peers that break the rules. doc/queue.md is what is tested."""
import os
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import (CONTENT, DEFERRED, DELETE, HOLD, RELEASE, REQUEUE, SENT, Rig, defer,  # noqa: E402
                       deliver, silent)


class Queue(Rig):
    # --- A message's way ---------------------------------------------------------------------------

    def test_delivered(self):
        self.start()
        queue_id = ipc.submit(self.net(), CONTENT, attrs=[{"name": "client_name", "value": "mx"}])
        delivery, content = self.agent.wait(1)
        self.assertEqual(content, CONTENT)
        self.assertEqual(delivery["id"], queue_id)
        self.assertEqual(delivery["sender"], "alice@example.org")
        self.assertEqual(delivery["attrs"], [{"name": "client_name", "value": "mx"}])
        self.log(f"{queue_id}: removed")
        self.assertEqual(self.mailq(), {})
        with open(self.slot_of(queue_id), "rb") as f:
            head = f.read(512)
        self.assertIn(b"\nstate F " if b"\nstate" in head else b"state F ", head)
        # The slot is used again, under another name that sorts behind.
        other = ipc.submit(self.net(), CONTENT)
        self.assertNotEqual(other, queue_id)
        self.assertGreater(other, queue_id)

    def test_sizes(self):
        """What fits one write, what is streamed, and the edges between: all arrive to the byte."""
        self.start()
        channel = self.net()
        for n, size in enumerate((1, 16383, 16384, 65535, 65536, 65537, 262143, 262144, 262145, 5000000)):
            content = os.urandom(size)
            ipc.submit(channel, content)
            self.assertEqual(self.agent.wait(n + 1)[1], content)

    def test_many_recipients(self):
        """Each has its own destination; the ones that fail stay, the others are done."""
        def decide(delivery, content):
            bad = delivery["rcpts"][0]["address"].startswith("bad")
            return defer(delivery, content) if bad else deliver(delivery, content)
        self.start(decide)
        rcpts = [f"{'bad' if i % 10 == 0 else 'user'}{i}@example.com" for i in range(120)]
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts)
        self.agent.wait(120, timeout=60)
        entry = self.wait_state(queue_id, "deferred")
        self.assertEqual(sorted(r["address"] for r in entry["rcpts"]),
                         sorted(r for r in rcpts if r.startswith("bad")))
        self.assertEqual({r["reason"] for r in entry["rcpts"]}, {"mailbox is away"})
        # After a restart it is still known who has it.
        self.restart()
        self.assertEqual(len(self.wait_state(queue_id, "deferred")["rcpts"]), 12)

    def test_flush(self):
        answers = [defer, deliver]
        self.start(lambda d, c: answers.pop(0)(d, c))
        queue_id = ipc.submit(self.net(), CONTENT)
        self.wait_state(queue_id, "deferred")
        channel = ipc.Channel(self.path("public/flush"))
        channel.send("flush", id="", site="")
        self.assertEqual(channel.expect("admin_done")["count"], 1)
        self.assertEqual(self.agent.wait(2)[1], CONTENT)
        self.log(f"{queue_id}: removed")

    def test_ids_sort(self):
        self.start()
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT) for _ in range(50)]
        self.restart()
        channel = self.net()
        ids += [ipc.submit(channel, CONTENT) for _ in range(50)]
        self.assertEqual(ids, sorted(ids))
        self.assertEqual(len(set(ids)), 100)

    # --- What is lost when ---------------------------------------------------------------------------

    def test_receiver_vanishes(self):
        """At every point before the commit: nothing stays behind."""
        self.start()
        parts = [lambda c: c.send("submit_begin", size=10), lambda c: c.expect("submit_id"),
                 lambda c: c.send("submit_envelope", sender="a@example.org"),
                 lambda c: c.send("submit_rcpts", rcpts=[{"address": "b@example.com"}]),
                 lambda c: c.content(b"x" * 400000)]
        for n in range(len(parts) + 1):
            channel = self.net()
            for part in parts[:n]:
                part(channel)
            channel.close()
        queue_id = ipc.submit(self.net(), CONTENT)
        self.agent.wait(1)
        self.log(f"{queue_id}: removed")
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(self.agent.deliveries), 1)
        self.restart()
        time.sleep(1.5)
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(self.agent.deliveries), 1)

    def test_killed_before_delivery(self):
        self.start(lambda d, c: None)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.agent.wait(1)
        self.agent.decide = deliver
        self.restart()
        delivery, content = self.agent.wait(2)
        self.assertEqual((delivery["id"], content), (queue_id, CONTENT))
        self.log(f"{queue_id}: removed")

    def test_late_report(self):
        """The agent was done when qmgr died: it says so to the next one, and nothing is delivered twice."""
        self.start(lambda d, c: None)
        queue_id = ipc.submit(self.net(), CONTENT)
        delivery, _ = self.agent.wait(1)
        self.report(queue_id, delivery["rcpts"][0]["ticket"], restart=True)
        self.log(f"{queue_id}: removed")
        self.assertEqual(len(self.agent.deliveries), 1)

    def test_report_without_a_ticket(self):
        """Of nobody, of another recipient, of another message: it changes nothing, and is logged once."""
        self.start(lambda d, c: None)
        ids = [ipc.submit(self.net(), CONTENT, rcpts=["bob@example.com", "carol@example.com"]) for _ in range(2)]
        self.wait_for("all deliveries", lambda: sum(len(d["rcpts"]) for d, _ in self.agent.deliveries) == 4)
        tickets = {(d["id"], r["index"]): r["ticket"].encode("utf-8", "surrogateescape")
                   for d, _ in self.agent.deliveries for r in d["rcpts"]}
        self.assertEqual(tickets, {(i, n): self.ticket(i, n) for i in ids for n in (0, 1)})
        right = tickets[ids[0], 0]
        self.restart()
        wrong = [b"", b"\0" * 16, right[:15], bytes([right[0] ^ 1]) + right[1:], right[:15] + bytes([right[15] ^ 128]),
                 tickets[ids[0], 1], tickets[ids[1], 0]]
        for ticket in wrong:
            self.report(ids[0], ticket)
        self.report(ids[0], right, index=1)
        self.report(ids[0], right, index=256)
        self.report(ids[0].lower(), right)
        self.report(ids[1], right)
        self.assertEqual({self.state_on_disk(i)[1] for i in ids}, {"QQ"})
        self.log(f"has no ticket for recipient 0 of {ids[0]}: report overlooked")
        self.assertEqual(sum("has no ticket" in line for line in self.daemons.lines), 1)
        self.report(ids[0], right)
        self.assertEqual([self.state_on_disk(i)[1] for i in ids], ["SQ", "QQ"])
        self.agent.decide = deliver
        self.agent.answer_all()
        self.wait_empty()

    def test_ticket_of_a_former_message(self):
        """A slot is used again: what was good for the last message is not for this one."""
        self.start(deliver)
        first = ipc.submit(self.net(), CONTENT)
        self.log(f"{first}: removed")
        old = self.agent.deliveries[0][0]["rcpts"][0]["ticket"]
        self.agent.decide = silent
        second = ipc.submit(self.net(), CONTENT)
        self.agent.wait(2)
        self.assertEqual(first.split("z")[-1], second.split("z")[-1])
        self.report(second, old)
        self.report(first, old)
        self.restart()
        self.report(second, old)
        self.report(first, old)
        self.assertEqual(self.state_on_disk(second)[1], "Q")
        self.log(f"has no ticket for recipient 0 of {second}")
        self.assertFalse([line for line in self.daemons.lines if f"of {first}: report overlooked" in line])
        self.agent.decide = deliver
        self.agent.answer_all()
        self.wait_empty()
        self.assertGreaterEqual(len(self.agent.deliveries), 3)

    def test_ticket_key(self):
        """Its owner's alone, and the same after a restart; a damaged or lost one is made anew."""
        self.start(lambda d, c: None)
        path = self.path("slots/ticket-key")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            key = f.read()
        self.restart()
        with open(path, "rb") as f:
            self.assertEqual(f.read(), key)
        queue_id = ipc.submit(self.net(), CONTENT)
        delivery, _ = self.agent.wait(1)
        for spoil in (lambda: os.truncate(path, 15), lambda: os.unlink(path), lambda: os.truncate(path, 100)):
            self.kill()
            spoil()
            self.daemons.start("qmgr")
            with open(path, "rb") as f:
                now = f.read()
            self.assertEqual((len(now), now == key, os.stat(path).st_mode & 0o777), (16, False, 0o600))
            self.report(queue_id, delivery["rcpts"][0]["ticket"])
            self.log("has no ticket")
            self.daemons.lines.clear()
        self.agent.decide = deliver
        self.agent.answer_all()
        self.wait_empty()

    def test_agent_lost(self):
        self.start(lambda d, c: None)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.agent.wait(1)
        self.agent.hang_up()
        entry = self.wait_state(queue_id, "deferred")
        self.assertIn("lost connection", entry["rcpts"][0]["reason"])

    def test_damaged(self):
        """One damaged slot is set aside and told of; the others go on."""
        self.start(defer)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT) for _ in range(3)]
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")
        self.kill()
        with open(self.slot_of(ids[0]), "r+b") as f:
            f.seek(f.read().index(b"hello"))
            f.write(b"J")
        with open(self.slot_of(ids[1]), "r+b") as f:
            f.seek(30)
            f.write(b"\xff\xff")
        self.agent.decide = deliver
        self.daemons.start("qmgr")
        channel = ipc.Channel(self.path("public/flush"))
        channel.send("flush", id="", site="")
        channel.expect("admin_done")
        self.log(f"{ids[2]}: removed")
        self.log("1 damaged queue slots were moved to corrupt/")
        self.log(f"{ids[0]}: queue slot")
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(os.listdir(self.path("corrupt"))), 2)
        with open(self.path(f"corrupt/{ids[0]}"), "rb") as f:
            self.assertIn(b"Jello", f.read())

    def test_torn_mark(self):
        """A mark that makes no sense means due now, not done."""
        self.start(defer)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.wait_state(queue_id, "deferred")
        self.kill()
        with open(self.slot_of(queue_id), "r+b") as f:
            f.seek(256 + 6)
            f.write(b"F")
        self.agent.decide = deliver
        self.daemons.start("qmgr")
        self.agent.wait(2)
        self.log(f"{queue_id}: removed")

    def test_poisoned(self):
        """A slot that qmgr has died over twice is held, not tried a third time."""
        self.start(defer)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.wait_state(queue_id, "deferred")
        self.kill()
        # What stands there after qmgr ended twice while reading it.
        self.set_mark(queue_id, work=2)
        self.daemons.start("qmgr")
        self.wait_state(queue_id, "hold")
        self.log("placed on hold")

    # --- Administration --------------------------------------------------------------------------------

    def test_orders(self):
        self.start(defer)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT) for _ in range(4)]
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")
        self.assertEqual(self.admin(HOLD, ids[0]), 1)
        self.assertEqual(self.admin(HOLD, ids[0]), 0)
        self.assertEqual(self.mailq()[ids[0]]["state"], "hold")
        self.restart()
        self.assertEqual(self.mailq()[ids[0]]["state"], "hold")
        self.assertEqual(self.admin(DELETE, ids[1]), 1)
        self.assertNotIn(ids[1], self.mailq())
        self.restart()
        self.assertNotIn(ids[1], self.mailq())
        self.assertEqual(self.admin(DELETE, "no-such-id"), 0)
        self.agent.decide = deliver
        self.assertEqual(self.admin(RELEASE, ids[0]), 1)
        self.log(f"{ids[0]}: removed")
        self.assertEqual(self.admin(REQUEUE, ids[2]), 1)
        self.log(f"{ids[2]}: removed")
        self.assertEqual(self.admin(DELETE, "ALL", "deferred"), 1)
        self.assertEqual(self.mailq(), {})

    def test_cat(self):
        self.start(defer)
        queue_id = ipc.submit(self.net(), CONTENT)
        channel = ipc.Channel(self.path("private/qmgr-admin"))
        channel.send("admin_cat", id=queue_id)
        slot = channel.expect("admin_slot")
        data = b""
        while len(data) < slot["size"]:
            data += channel.recv()[1]
        self.assertEqual(data[slot["text_size"]:], CONTENT)
        self.assertIn(b"\nsender alice@example.org\n", b"\n" + data)

    def test_hold_on_arrival(self):
        self.start()
        queue_id = ipc.submit(self.net(), CONTENT, hold=True)
        self.assertEqual(self.mailq()[queue_id]["state"], "hold")
        self.restart()
        self.assertEqual(self.mailq()[queue_id]["state"], "hold")
        self.assertEqual(self.agent.deliveries, [])

    # --- Peers that break the rules -----------------------------------------------------------------------

    def test_refused(self):
        """What a receiver may not say is refused with 451, and the channel is of use again."""
        self.start()
        good = {"sender": "a@example.org"}
        cases = [
            ({"sender": "a b@example.org"}, ["b@example.com"], CONTENT),
            (good, ["b@@example.org"], CONTENT),
            (good, [], CONTENT),
            ({"sender": "a@example.org", "attrs": [{"name": "transport", "value": "pipe"}]}, ["b@example.com"], CONTENT),
            ({"sender": "a@example.org", "attrs": [{"name": "local_uid", "value": "0"}]}, ["b@example.com"], CONTENT),
        ]
        channel = self.net()
        for envelope, rcpts, content in cases:
            channel.send("submit_begin", size=0)
            channel.expect("submit_id")
            channel.send("submit_envelope", **envelope)
            channel.send("submit_rcpts", rcpts=[{"address": r} for r in rcpts])
            channel.content(content)
            channel.send("submit_commit", size=len(content))
            self.assertEqual(channel.expect("submit_no")["code"], 451)
        # A content that is not as long as was said.
        channel.send("submit_begin", size=0)
        channel.expect("submit_id")
        channel.send("submit_envelope", **good)
        channel.send("submit_rcpts", rcpts=[{"address": "b@example.com"}])
        channel.content(CONTENT)
        channel.send("submit_commit", size=len(CONTENT) + 1)
        self.assertEqual(channel.expect("submit_no")["code"], 451)
        ipc.submit(channel, CONTENT)
        self.assertEqual(self.agent.wait(1)[1], CONTENT)
        self.assertEqual(len(self.agent.deliveries), 1)

    def test_too_large(self):
        self.daemons.configure("message_size_limit = 100000\n")
        self.start()
        channel = self.net()
        for size in (100000, 300000):
            channel.send("submit_begin", size=0)
            channel.expect("submit_id")
            channel.send("submit_envelope", sender="a@example.org")
            channel.send("submit_rcpts", rcpts=[{"address": "b@example.com"}])
            channel.content(b"x" * size)
            channel.send("submit_commit", size=size)
            if size == 100000:
                channel.expect("submit_ok")
            else:
                self.assertEqual(channel.expect("submit_no")["code"], 552)

    def test_hostile(self):
        """Frames that are none, on every socket: the channel is closed, nothing else happens."""
        self.start()
        hello = ipc.pack("hello", version=1, name="x")
        garbage = [b"\xff" * 100, b"\0" * 8, os.urandom(5000), struct.pack("<IHH", 70000, 1, 0),
                   struct.pack("<IHH", 8, 999, 0) + b"12345678",
                   hello + struct.pack("<IHH", 8, 999, 0) + b"12345678",
                   hello + struct.pack("<IHH", 4, 1, 0) + b"1234",
                   hello + struct.pack("<IHH", 8, 1, 7) + b"12345678",
                   hello + ipc.pack("deliver", id="x"), hello + ipc.pack("submit_commit", size=1),
                   hello + ipc.pack("admin", verb=2, id="ALL"), ipc.pack("hello", version=99, name="x"),
                   hello + hello]
        for name in ("qmgr-net", "qmgr-local", "qmgr-bounce", "qmgr-report"):
            for data in garbage:
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(10)
                    s.connect(self.path("private/" + name))
                    try:
                        s.sendall(data)
                        s.shutdown(socket.SHUT_WR)
                        while s.recv(4096):
                            pass
                    except (BrokenPipeError, ConnectionResetError):
                        pass
        self.assertTrue(self.daemons.alive("qmgr"))
        ipc.submit(self.net(), CONTENT)
        self.agent.wait(1)

    def test_lying_agent(self):
        """Results for what was never given: the channel goes, the message stays."""
        self.start(lambda d, c: None)
        queue_id = ipc.submit(self.net(), CONTENT)
        delivery, _ = self.agent.wait(1)
        for attempt, index in ((delivery["attempt"] + 77, 0), (delivery["attempt"], 5)):
            channel = self.agent.channels[-1]
            channel.send("result", id=queue_id, attempt=attempt, index=index, status=SENT, dsn="2.0.0", text="x",
                         relay="x")
            self.wait_state(queue_id, "deferred")
            count = len(self.agent.deliveries) + 1
            self.admin(REQUEUE, queue_id)
            delivery, _ = self.agent.wait(count)
        self.assertTrue(self.daemons.alive("qmgr"))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
