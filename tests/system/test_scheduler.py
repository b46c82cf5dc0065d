"""The scheduler of the queue manager before an agent that is not part of the suite: how many deliveries at
once, who comes first, how long are pauses. What is counted is deliveries and channels, never time."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import CONTENT, Agent, Rig, deliver, silent  # noqa: E402

A_WHILE = 0.5  # in which nothing more is to happen


class Scheduler(Rig):
    def start(self, decide=deliver, name="smtp", window=1, **more):
        self.agent = Agent(self.daemons, decide, window=window, name=name, **more)
        self.daemons.start("qmgr")

    def master_cf(self, line):
        with open(os.path.join(self.daemons.conf, "master.cf"), "w") as f:
            f.write(line + "\n")

    def send(self, *rcpts, **more):
        return ipc.submit(self.net(), CONTENT, rcpts=rcpts, **more)

    def send_many(self, count, domain="one.test"):
        channel = self.net()
        return [ipc.submit(channel, CONTENT, rcpts=[f"user{i}@{domain}"]) for i in range(count)]

    def stays_at(self, count):
        self.agent.wait(count)
        time.sleep(A_WHILE)
        self.assertEqual(len(self.agent.deliveries), count)

    def answer_one(self):
        self.wait_for("a delivery", lambda: self.agent.unanswered)
        channel, delivery = self.agent.unanswered.pop(0)
        Agent.result(channel, delivery, 0, *deliver(delivery, b""))

    # --- How many at once ---------------------------------------------------------------------------

    def test_concurrency(self):
        """One destination: five at once, then one more for each that was delivered, up to twenty."""
        self.start(silent)
        self.send_many(200)
        self.stays_at(5)
        self.assertEqual(set(self.agent.opened), {"one.test"})
        self.answer_one()
        self.stays_at(7)  # its place is taken, and there is one more
        for _ in range(40):
            self.answer_one()
        self.stays_at(20 + 41)
        self.assertEqual(len(self.agent.unanswered), 20)
        self.assertEqual(self.agent.at_once, 20)
        self.agent.answer_all()
        self.wait_empty()

    def test_limits_of_a_transport(self):
        self.daemons.configure("""transport_maps = inline:{ one.test=slow: }
slow_destination_concurrency_limit = 2
slow_initial_destination_concurrency = 1
""")
        self.start(silent, name="slow")
        self.send_many(10)
        self.stays_at(1)
        self.answer_one()
        self.stays_at(3)
        self.assertEqual(self.agent.at_once, 2)
        self.agent.answer_all()
        self.wait_empty()
        self.assertEqual(self.agent.at_once, 2)

    def test_window(self):
        """An agent that takes several deliveries on a channel gets one channel."""
        self.start(silent, window=8)
        self.send_many(20)
        self.stays_at(8)
        self.assertEqual(self.agent.at_once, 1)
        self.agent.answer_all()
        self.wait_empty()

    def test_recipient_limit(self):
        """So many recipients in a delivery; with one, the recipient is the destination."""
        self.daemons.configure("smtp_destination_recipient_limit = 4\n")
        self.start()
        self.send(*[f"user{i}@one.test" for i in range(10)])
        self.wait_empty()
        self.assertEqual(sorted(len(d["rcpts"]) for d, _ in self.agent.deliveries), [2, 4, 4])

    def test_one_recipient(self):
        self.daemons.configure("smtp_destination_recipient_limit = 1\nsmtp_destination_concurrency_limit = 1\n")
        self.start(silent)
        for _ in range(3):
            self.send("a@one.test", "b@one.test", "c@two.test")
        self.stays_at(3)
        self.assertEqual({d["rcpts"][0]["address"] for d, _ in self.agent.deliveries},
                         {"a@one.test", "b@one.test", "c@two.test"})
        self.assertEqual({d["nexthop"] for d, _ in self.agent.deliveries}, {"one.test", "two.test"})
        self.agent.answer_all()
        self.wait_empty()

    # --- Channels -----------------------------------------------------------------------------------

    def test_process_limit(self):
        """As many channels as master.cf allows; who has none comes first."""
        self.master_cf("smtp unix - - n - 3 smtp")
        self.start(silent)
        for i in range(20):
            self.send_many(1, domain=f"d{i % 10}.test")
        self.stays_at(3)
        first = [d["nexthop"] for d, _ in self.agent.deliveries]
        self.assertEqual(len(set(first)), 3)
        self.agent.answer_all()
        self.wait_empty()
        # The agent may not yet have seen the end of channels whose places were given away.
        self.assertLessEqual(self.agent.at_once, 6)

    def test_round_robin(self):
        """No destination has a second turn while another one waits for its first."""
        self.master_cf("smtp unix - - n - 2 smtp")
        self.start(silent)
        self.send_many(40, domain="busy.test")
        self.stays_at(2)
        for i in range(5):
            self.send_many(1, domain=f"d{i}.test")
        # The busy one gives one of its two channels away.
        self.agent.answer_all()
        self.wait_empty()
        order = [d["nexthop"] for d, _ in self.agent.deliveries]
        others = [i for i, name in enumerate(order) if name != "busy.test"]
        self.assertEqual(len(others), 5)
        self.assertLess(others[0], 6)
        self.assertLess(others[-1], 45)

    def test_silent_destinations(self):
        """Destinations that answer nothing keep their channels from nobody when the limit is nobody's wish."""
        def decide(delivery, content):
            return None if delivery["nexthop"].startswith("silent") else deliver(delivery, content)
        self.daemons.configure("default_process_limit = 4\n")
        self.start(decide)
        for i in range(8):
            self.send_many(1, domain=f"silent{i}.test")
        self.agent.wait(4)
        ids = [self.send(f"user@live{i}.test") for i in range(20)]
        for queue_id in ids:
            self.log(f"{queue_id}: removed", timeout=30)
        self.agent.answer_all()
        self.wait_empty()

    # --- Order in a destination ---------------------------------------------------------------------

    def test_list_and_small_mail(self):
        """Messages take turns: mail that comes after a long list overtakes most of it."""
        self.daemons.configure("smtp_destination_concurrency_limit = 1\nsmtp_destination_recipient_limit = 5\n")
        self.start(silent)
        big = self.send(*[f"user{i}@one.test" for i in range(500)])
        self.agent.wait(1)
        small = self.send_many(5)
        self.agent.answer_all()
        self.wait_empty()
        order = [d["id"] for d, _ in self.agent.deliveries]
        self.assertEqual(order.count(big), 100)
        self.assertLess(max(order.index(queue_id) for queue_id in small), 15)

    # --- Pauses --------------------------------------------------------------------------------------

    def test_destination_rate_delay(self):
        """One delivery to a destination, then a pause that others do not have."""
        self.daemons.configure("smtp_destination_rate_delay = 1h\n")
        self.start()
        self.send_many(3)
        self.send_many(2, domain="two.test")
        self.stays_at(2)
        self.assertEqual({d["nexthop"] for d, _ in self.agent.deliveries}, {"one.test", "two.test"})

    def test_destination_rate_delay_ends(self):
        self.daemons.configure("smtp_destination_rate_delay = 3s\n")
        self.start()
        self.send_many(3)
        self.agent.wait(1)
        time.sleep(A_WHILE)
        self.assertEqual(len(self.agent.deliveries), 1)
        self.wait_empty(timeout=30)
        self.assertEqual(self.agent.at_once, 1)

    def test_transport_rate_delay(self):
        self.daemons.configure("smtp_transport_rate_delay = 1h\n")
        self.start()
        self.send_many(2)
        self.send_many(2, domain="two.test")
        self.stays_at(1)

    def test_transport_rate_delay_ends(self):
        """One after the other, and destinations take turns."""
        self.daemons.configure("smtp_transport_rate_delay = 1s\n")
        self.start()
        self.send_many(2)
        self.send_many(2, domain="two.test")
        self.wait_empty(timeout=30)
        self.assertEqual([d["nexthop"] for d, _ in self.agent.deliveries],
                         ["one.test", "two.test", "one.test", "two.test"])

    def test_bad_feedback(self):
        """A setting that is no number is named, and does not stop the mail."""
        self.daemons.configure("smtp_destination_concurrency_positive_feedback = much\n")
        self.start()
        self.send("a@one.test")
        self.wait_empty()
        self.log("smtp_destination_concurrency_positive_feedback = much: not a number from 0 to 1")


if __name__ == "__main__":
    unittest.main()
