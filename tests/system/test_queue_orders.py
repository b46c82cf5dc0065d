"""The queue manager when things happen at the same time: orders while a message is active or being read,
many destinations, few descriptors, callers that do not read, an end in the middle."""
import glob
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import (CONTENT, DEFERRED, DELETE, EXPIRE, HOLD, NOTICE_SUCCESS, RELEASE, REQUEUE, RETRY, SENT,  # noqa: E402
                       SUCCESS, Bounce, Rig, defer, deliver, refuse, silent)


class Orders(Rig):
    def active(self, **more):
        """A message whose delivery is under way."""
        queue_id = ipc.submit(self.net(), CONTENT, **more)
        self.agent.wait(1)
        return queue_id

    # --- Orders on what is being delivered ---------------------------------------------------------

    def test_requeue_while_active(self):
        """An order that has nothing to do leaves the slot as it was: nobody gives it back twice."""
        self.start(silent)
        queue_id = self.active()
        for _ in range(5):
            self.assertEqual(self.admin(REQUEUE, queue_id), 1)
        self.agent.answer_all()
        self.log(f"{queue_id}: removed")
        channel = self.net()
        for _ in range(100):
            ipc.submit(channel, CONTENT)
        self.wait_empty()
        self.assertEqual(len(self.agent.deliveries), 101)

    def test_requeue_while_active_and_held(self):
        """Both release what was to be held once its delivery is over."""
        self.start(silent)
        for count, verb in enumerate((REQUEUE, RETRY), 1):
            queue_id = ipc.submit(self.net(), CONTENT)
            self.agent.wait(count)
            self.assertEqual(self.admin(HOLD, queue_id), 1)
            self.assertEqual(self.admin(verb, queue_id), 1)
            self.agent.answer_all(DEFERRED, "4.2.2", "mailbox is away")
            self.wait_state(queue_id, "deferred")
            self.agent.decide = silent

    def test_delete_while_active(self):
        self.start(silent)
        queue_id = self.active(rcpts=["bob@example.com", "bob+x@example.com"])
        self.assertEqual(self.admin(DELETE, queue_id), 1)
        self.assertEqual(self.state_on_disk(queue_id)[0], "F")
        self.assertEqual(self.mailq(), {})
        for verb in (HOLD, RELEASE, REQUEUE, EXPIRE, DELETE):
            self.assertEqual(self.admin(verb, queue_id, missing=True), 0)
        self.assertEqual(self.state_on_disk(queue_id)[0], "F")
        self.agent.answer_all(DEFERRED, "4.0.0", "too late")
        self.wait_empty()
        self.restart()
        self.assertEqual(self.mailq(), {})

    def test_killed_after_delete(self):
        self.start(silent)
        queue_id = self.active()
        self.assertEqual(self.admin(DELETE, queue_id), 1)
        self.restart()
        time.sleep(1.5)
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(self.agent.deliveries), 1)

    def test_hold_while_active(self):
        self.start(silent)
        queue_id = self.active()
        self.assertEqual(self.admin(HOLD, queue_id), 1)
        self.assertEqual(self.mailq()[queue_id]["state"], "hold")
        self.agent.answer_all(DEFERRED, "4.2.2", "mailbox is away")
        self.log("status=deferred")
        self.assertEqual(self.flush(), 0)
        self.assertEqual(self.mailq()[queue_id]["state"], "hold")
        self.restart()
        self.assertEqual(self.mailq()[queue_id]["state"], "hold")
        self.agent.decide = deliver
        self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.log(f"{queue_id}: removed")

    def test_release_while_active(self):
        """Held and released again during one delivery: as if nothing had been said."""
        self.start(silent)
        queue_id = self.active()
        self.assertEqual(self.admin(RELEASE, queue_id), 0)
        self.assertEqual(self.admin(HOLD, queue_id), 1)
        self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.agent.answer_all(DEFERRED, "4.2.2", "mailbox is away")
        self.wait_state(queue_id, "deferred")

    def hold_a_list(self, *sites):
        """A list of ten at each site, held with one delivery of two recipients under way to each."""
        self.daemons.configure("smtp_destination_concurrency_limit = 1\n"
                               "smtp_destination_recipient_limit = 2\n")
        self.start(silent, name="smtp", window=1)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=[f"r{i}@{site}" for site in sites for i in range(10)])
        self.agent.wait(len(sites))
        self.assertEqual(self.admin(HOLD, queue_id), 1)
        return queue_id

    def delivered(self):
        return sorted(r["address"] for delivery, _ in self.agent.deliveries for r in delivery["rcpts"])

    def test_hold_stops(self):
        """What has not been handed over when it is held is not before it is released."""
        queue_id = self.hold_a_list("one.test")
        self.agent.answer_all()
        self.wait_for("the end of the round", lambda: self.state_on_disk(queue_id) == ("H", "SSQQQQQQQQ"))
        time.sleep(0.5)
        self.assertEqual(len(self.agent.deliveries), 1)
        self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.wait_empty()
        self.assertEqual(self.delivered(), sorted(f"r{i}@one.test" for i in range(10)))

    def test_released_before_it_has_stopped(self):
        """Those that the order has left out go at once, not after a pause that no delivery has earned."""
        queue_id = self.hold_a_list("one.test", "two.test")
        channel, delivery = self.agent.unanswered.pop(0)
        for rcpt in delivery["rcpts"]:
            self.agent.result(channel, delivery, rcpt["index"], *deliver(delivery, b""))
        self.log("status=sent")
        time.sleep(0.5)
        self.assertEqual(len(self.agent.deliveries), 2)
        self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.agent.answer_all()
        self.wait_empty()
        self.assertEqual(self.delivered(), sorted(f"r{i}@{n}.test" for n in ("one", "two") for i in range(10)))

    def test_expire_while_active(self):
        self.bounce = Bounce(self.daemons)
        self.start(silent)
        queue_id = self.active()
        self.assertEqual(self.admin(EXPIRE, queue_id), 1)
        self.agent.answer_all(DEFERRED, "4.2.2", "mailbox is away")
        self.log(f"{queue_id}: from=<alice@example.org>, status=force-expired, returned to sender")
        self.assertEqual(self.bounce.wait(1)[0]["rcpts"][0]["text"], "mailbox is away")
        self.log(f"{queue_id}: removed")

    def test_orders_while_read(self):
        """A large message takes a while to be read back: an order in that time is not lost."""
        self.daemons.configure("message_size_limit = 0\nmailbox_size_limit = 0\n")
        self.start(defer)
        queue_id = ipc.submit(self.net(), b"x" * 30000000)
        for pause in (0, 0.003, 0.01, 0.02, 0.05):
            self.wait_state(queue_id, "deferred", timeout=60)
            self.flush()
            time.sleep(pause)
            self.assertEqual(self.admin(HOLD, queue_id), 1)
            self.wait_state(queue_id, "hold", timeout=60)
            self.assertEqual(len(self.mailq()), 1)
            self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.flush()
        self.assertEqual(self.admin(DELETE, queue_id), 1)
        self.wait_empty(timeout=60)

    def test_listed_while_read(self):
        """mailq shows every message once, whatever it is doing."""
        self.start(defer)
        channel = self.net()
        ids = {ipc.submit(channel, CONTENT) for _ in range(50)}
        end = time.monotonic() + 3
        while time.monotonic() < end:
            self.flush()
            self.assertEqual(set(self.mailq()), ids)

    def test_orders_at_random(self):
        """All orders on all messages from four sides, while they are delivered, deferred and refused. What
        was not deleted is delivered, or its sender told."""
        kinds = [deliver, defer, defer, refuse]
        self.bounce = Bounce(self.daemons)
        self.start(lambda d, c: kinds[hash(d["id"]) % 4](d, c))
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT, rcpts=["bob@example.com", "eve@example.com"]) for _ in range(60)]
        deleted = set()

        def give_orders(n):
            for i, queue_id in enumerate(ids * 2):
                verb = (i * 7 + n * 3) % 5
                if verb == DELETE and i % 4:
                    verb = REQUEUE
                if self.admin(verb, queue_id) and verb == DELETE:
                    deleted.add(queue_id)
                if i % 20 == 0:
                    self.flush()
        threads = [threading.Thread(target=give_orders, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kinds[:] = [deliver] * 4
        self.admin(RELEASE, "ALL")
        self.wait_for("an empty queue", lambda: not self.mailq() or self.flush() < 0, timeout=60)
        delivered = {d["id"] for d, _ in self.agent.deliveries}
        self.assertEqual(set(ids) - delivered - deleted, set())
        # Each slot is in use once: none was freed twice.
        self.assertEqual(len({ipc.submit(channel, CONTENT) for _ in range(200)}), 200)

    # --- Many of something ---------------------------------------------------------------------------

    def test_active_limit(self):
        """No more than that are in memory; the rest waits on disk, and has its turn."""
        self.daemons.configure("qmgr_message_active_limit = 5\nin_flow_delay = 0\n")
        self.start(silent, window=64)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT) for _ in range(30)]
        self.agent.wait(5)
        time.sleep(0.3)
        self.assertEqual(len(self.agent.deliveries), 5)
        states = [entry["state"] for entry in self.mailq().values()]
        self.assertEqual((states.count("active"), states.count("incoming")), (5, 25))
        self.agent.answer_all()
        self.wait_empty()
        self.assertEqual({d["id"] for d, _ in self.agent.deliveries}, set(ids))

    def test_many_destinations(self):
        """A list of a thousand: so many channels at once and no more, and everybody gets it."""
        def slowly(delivery, content):
            time.sleep(0.01)
            return deliver(delivery, content)
        self.start(slowly)
        ipc.submit(self.net(), CONTENT, rcpts=[f"user{i}@example.com" for i in range(1000)])
        self.wait_empty(timeout=60)
        self.assertEqual(len({d["rcpts"][0]["address"] for d, _ in self.agent.deliveries}), 1000)
        # The agent may not yet have seen the end of a channel whose place was given away.
        self.assertLessEqual(self.agent.at_once, 210)

    def test_turns(self):
        """A destination with much to do does not keep another one waiting for ever."""
        def slowly(delivery, content):
            time.sleep(0.2)
            return deliver(delivery, content)
        self.start(slowly, window=1)
        channel = self.net()
        busy = [f"user{i}@example.com" for i in range(200)]
        for _ in range(60):
            ipc.submit(channel, CONTENT, rcpts=busy)
        queue_id = ipc.submit(channel, CONTENT, rcpts=["late@example.com"])
        self.log(f"{queue_id}: removed", timeout=60)
        self.assertLess(len(self.agent.deliveries), 60 * 200)

    def test_recipients_in_a_delivery(self):
        """As many as fit into a request, whatever the configuration says."""
        self.daemons.configure("local_destination_recipient_limit = 0\nrecipient_delimiter = +\n")
        self.start(deliver)
        ipc.submit(self.net(), CONTENT, rcpts=[f"bob+{i}@example.com" for i in range(250)])
        self.wait_empty()
        self.assertEqual(sum(len(d["rcpts"]) for d, _ in self.agent.deliveries), 250)
        self.assertEqual(max(len(d["rcpts"]) for d, _ in self.agent.deliveries), 100)

    def test_recipient_limit_after_reload(self):
        self.daemons.configure("local_destination_recipient_limit = 50\nrecipient_delimiter = +\n")
        self.start(deliver)
        rcpts = [f"bob+{i}@example.com" for i in range(10)]
        ipc.submit(self.net(), CONTENT, rcpts=rcpts)
        self.wait_empty()
        self.daemons.configure("local_destination_recipient_limit = 1\nrecipient_delimiter = +\n")
        self.daemons.order("qmgr", "R")
        before = len(self.agent.deliveries)

        def one_each():
            count = len(self.agent.deliveries)
            ipc.submit(self.net(), CONTENT, rcpts=rcpts)
            self.wait_empty()
            return len(self.agent.deliveries) - count == 10
        self.wait_for("the new limit", one_each)
        self.assertEqual(before, 1)

    def test_few_descriptors(self):
        """Out of descriptors: 451, no slot is lost for it, and it heals."""
        self.daemons.files = 100
        self.start(deliver)
        self.assertTrue(ipc.submit(self.net(), CONTENT))
        self.wait_empty()
        slots = len(glob.glob(self.path("slots/*/*")))
        channels, codes = [], []
        for _ in range(80):
            channel = ipc.Channel(self.path("private/qmgr-net"), timeout=6)
            channels.append(channel)
            channel.send("submit_begin", size=1)
            try:
                name, values = channel.recv()
            except TimeoutError:
                break
            if name == "submit_no":
                codes.append(values["code"])
        self.assertEqual(set(codes) - {451}, set())
        self.log("Too many open files")
        for channel in channels:
            channel.close()
        self.assertTrue(ipc.submit(self.net(), CONTENT))
        self.wait_empty()
        self.assertGreaterEqual(len(glob.glob(self.path("slots/*/*"))), slots)

    # --- Callers that take their time ------------------------------------------------------------------

    def test_listing_that_nobody_reads(self):
        """It holds up no mail, whatever it was just showing."""
        self.start(silent, window=64)
        rcpts = [f"bob+{'x' * 60}{i}@example.com" for i in range(5000)]
        self.daemons.configure("recipient_delimiter = +\n")
        self.restart()
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=rcpts)
        self.agent.wait(1)
        listing = ipc.Channel(self.path("public/showq"))
        listing.send("showq_ask")
        listing.expect("showq_entry")
        time.sleep(0.3)
        self.agent.answer_all()
        self.log(f"{queue_id}: removed", timeout=60)
        self.assertEqual(self.state_on_disk(queue_id)[0], "F")
        listing.close()

    def test_listings_that_everybody_may_open(self):
        """However many somebody opens: mail still comes in."""
        self.daemons.configure("default_session_limit = 150\n")
        self.start(deliver)
        listings = []
        for _ in range(250):
            try:
                listings.append(ipc.Channel(self.path("public/showq")))
            except BlockingIOError:
                time.sleep(0.01)  # more at a time than the kernel keeps for qmgr
            except BrokenPipeError:
                pass
        queue_id = ipc.submit(self.net(), CONTENT)
        self.log(f"{queue_id}: removed")
        for listing in listings:
            listing.close()

    def test_flush_of_a_site(self):
        self.start(defer)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT, rcpts=[f"bob@{domain}"])
               for domain in ("example.com", "mx.example.com", "EXAMPLE.com")]
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")
        self.agent.decide = deliver
        self.assertEqual(self.flush(site="example.com"), 2)
        self.log(f"{ids[0]}: removed")
        self.log(f"{ids[2]}: removed")
        self.assertEqual(list(self.mailq()), [ids[1]])

    # --- Reports and ends ---------------------------------------------------------------------------------

    def test_late_report_of_a_second_attempt(self):
        """A message that had been deferred before has the same grace after kill -9 as a new one."""
        self.start(defer)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.wait_state(queue_id, "deferred")
        self.agent.decide = silent
        self.flush()
        delivery, _ = self.agent.wait(2)
        self.restart()
        time.sleep(0.3)
        self.report(queue_id, delivery["rcpts"][0]["ticket"])
        self.log(f"{queue_id}: removed")
        self.assertEqual(len(self.agent.deliveries), 2)

    def test_late_report_while_others_are_delivered(self):
        """A delivery whose channel was lost has been put off, and the message is still in memory for another
        recipient: that it was delivered is in the slot at once, and it is not delivered again."""
        self.start(silent)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=["bob@example.com", "carol@example.com"])
        self.agent.wait(2)
        self.wait_for("both deliveries", lambda: len(self.agent.unanswered) == 2)
        bobs = next(u for u in self.agent.unanswered if u[1]["rcpts"][0]["address"].startswith("bob"))
        self.agent.unanswered.remove(bobs)
        bobs[0].sock.shutdown(socket.SHUT_RDWR)
        self.assertIn("status=deferred", self.log(f"{queue_id}: to=<bob@example.com>"))
        self.report(queue_id, bobs[1]["rcpts"][0]["ticket"], bobs[1]["rcpts"][0]["index"])
        self.assertEqual(self.state_on_disk(queue_id), ("I", "SQ"))
        self.agent.answer_all(DEFERRED, "4.2.2", "mailbox is away")
        self.wait_state(queue_id, "deferred")
        self.assertEqual(self.state_on_disk(queue_id), ("D", "SQ"))
        self.agent.decide = deliver
        self.flush()
        self.log(f"{queue_id}: removed")
        self.assertEqual([d["rcpts"][0]["address"] for d, _ in self.agent.deliveries[2:]], ["carol@example.com"])

    def test_late_report_while_delivered_again(self):
        """Later than the grace: it may be delivered twice, but if the second time fails it was delivered."""
        self.bounce = Bounce(self.daemons)
        for verdict in ((DEFERRED, "4.2.2", "mailbox is away"), (SENT, "2.0.0", "delivered")):
            self.start(silent)
            queue_id = self.active(rcpts=[{"address": "bob@example.com", "notify": SUCCESS}])
            ticket = self.agent.deliveries[0][0]["rcpts"][0]["ticket"]
            self.restart()
            self.agent.wait(2)
            self.wait_for("the second delivery", lambda: len(self.agent.unanswered) == 2)
            del self.agent.unanswered[0]  # its channel went with the first qmgr
            self.report(queue_id, ticket, remote_mta="dns; hop.example")
            self.report(queue_id, ticket)
            self.agent.answer_all(*verdict)
            self.log(f"{queue_id}: removed")
            self.assertEqual(len(self.agent.deliveries), 2)
            self.agent.close()
            self.agent = None
            self.kill()
        self.assertEqual([n["rcpts"][0]["action"] for n, _ in self.bounce.notices], ["relayed", "delivered"])

    def test_late_report_with_a_notice(self):
        """NOTIFY=SUCCESS holds for a delivery that is reported late, too, but not if the next server has taken the
        wish over."""
        self.bounce = Bounce(self.daemons)
        self.start(silent)
        relayed = {"remote_mta": "dns; hop.example", "text": "250 ok", "relay": "hop.example[192.0.2.1]:25"}
        said = []
        for n, (more, action) in enumerate((({}, "delivered"), (relayed, "relayed"), ({"dsn_passed": True}, None)) * 2, 1):
            queue_id = ipc.submit(self.net(), CONTENT, rcpts=[{"address": "bob@example.com", "notify": SUCCESS}])
            delivery, _ = self.agent.wait(n)
            if n > 3:
                self.agent.hang_up()
            self.report(queue_id, delivery["rcpts"][0]["ticket"], restart=n <= 3, **more)
            line = self.log(f"{queue_id}: to=<bob@example.com>, relay={more.get('relay', 'local')}, ")
            self.assertIn(f"dsn=2.0.0, status=sent (told late: {more.get('text', 'delivered')})", line)
            self.log(f"{queue_id}: removed")
            if action:
                said.append((action, more.get("text", "delivered")))
        self.assertEqual([(n["rcpts"][0]["action"], n["rcpts"][0]["text"]) for n, _ in self.bounce.notices
                          if n["kind"] == NOTICE_SUCCESS], said)

    def test_clock_was_ahead(self):
        """A next attempt in the far future, written by a clock that was wrong, is not believed."""
        self.start(defer)
        queue_id = ipc.submit(self.net(), CONTENT)
        self.wait_state(queue_id, "deferred")
        self.kill()
        self.set_mark(queue_id, b"D", next_time=int(time.time()) + 400 * 86400)
        self.daemons.start("qmgr")
        self.assertLess(self.mailq()[queue_id]["next"], time.time() + 4500)

    def test_drain(self):
        """What is under way is finished; nothing new begins; then it ends."""
        self.start(silent)
        queue_id = self.active()
        waiting = self.net()
        begun = self.net()
        begun.send("submit_begin", size=len(CONTENT))
        late = begun.expect("submit_id")["id"]
        self.daemons.order("qmgr", "D")
        with self.assertRaises(ipc.Closed):
            waiting.recv()
        # A message whose content is on its way is taken, and waits on disk.
        begun.send("submit_envelope", sender="alice@example.org")
        begun.send("submit_rcpts", rcpts=[{"address": "bob@example.com"}])
        begun.content(CONTENT)
        begun.send("submit_commit", size=len(CONTENT))
        begun.expect("submit_ok")
        self.agent.answer_all()
        self.assertEqual(self.daemons.wait_end("qmgr"), 0)
        self.log(f"{queue_id}: removed")
        self.assertEqual(len(self.agent.deliveries), 1)
        self.assertEqual(self.agent.closed, 1)
        self.assertEqual(self.state_on_disk(queue_id)[0], "F")
        self.daemons.start("qmgr")
        self.log(f"{late}: removed")

    def test_ends_in_order_are_no_crashes(self):
        """However often it is stopped while it reads: no message goes on hold for it."""
        self.start(defer)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT) for _ in range(50)]
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")
        for _ in range(4):
            self.flush()
            self.daemons.order("qmgr", "D")
            self.assertEqual(self.daemons.wait_end("qmgr"), 0)
            self.daemons.start("qmgr")
        self.assertEqual([e["state"] for e in self.mailq().values() if e["state"] == "hold"], [])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
