"""The queue manager and the wall clock: somebody sets it back or ahead while mail waits."""
import os
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import (BUILD, CONTENT, EXPIRE, HOLD, REQUEUE, RETRY, Bounce, Rig, defer, deliver)  # noqa: E402

DAY = 86400
SHIM = os.path.join(BUILD, "tests/torture/.libs/clock.so")


def defer_others(delivery, content):
    nudge = delivery["rcpts"][0]["address"].startswith("nudge")
    return (deliver if nudge else defer)(delivery, content)


class Clock(Rig):
    def setUp(self):
        super().setUp()
        self.bounce = Bounce(self.daemons)
        self.clock_file = os.path.join(self.daemons.dir, "clock")
        self.set_clock(0)
        self.daemons.environment = {
            **os.environ, "LD_PRELOAD": SHIM, "TEST_CLOCK": self.clock_file,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def set_clock(self, seconds):
        """The programs' clock is off by that much from now on."""
        self.off = seconds
        # In place: the file is mapped.
        fd = os.open(self.clock_file, os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, struct.pack("q", seconds))
        os.close(fd)

    def now(self):
        return time.time() + self.off

    def deferred(self, n, **more):
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT, **more) for _ in range(n)]
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")
        return ids

    def nudge(self):
        """Mail that comes and goes: qmgr looks at the clock, as it does by itself within a minute."""
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=["nudge@example.com"])
        self.log(f"{queue_id}: removed")
        return queue_id

    def deliveries(self):
        return [d["id"] for d, _ in self.agent.deliveries if d["rcpts"][0]["address"] != "nudge@example.com"]

    def test_set_back(self):
        """What is deferred waits as long as before, not until the old time comes round again; IDs go on."""
        self.start(defer_others)
        ids = self.deferred(5)
        before = {i: self.mailq()[i]["next"] for i in ids}
        for day in (3, 10):
            self.set_clock(-day * DAY)
            ids.append(self.nudge())
            self.log("the clock was set back by")
            for queue_id, then in before.items():
                self.assertLessEqual(abs(self.mailq()[queue_id]["next"] - (then - day * DAY)), 2)
        self.assertEqual(ids, sorted(ids))
        # Time goes on: they are due when their time has come by the new clock.
        self.agent.decide = deliver
        self.set_clock(-10 * DAY + 5000)
        self.nudge()
        self.wait_empty()
        self.assertEqual(self.bounce.notices, [])
        # Another start with that clock: IDs still grow, since the slots know the last one.
        self.restart()
        ids.append(ipc.submit(self.net(), CONTENT))
        self.assertEqual(ids, sorted(ids))
        self.wait_empty()

    def test_set_ahead(self):
        """What is due by the new clock is tried at once."""
        self.start(defer_others)
        self.deferred(3)
        self.agent.decide = deliver
        self.set_clock(4 * DAY)
        self.nudge()
        self.wait_empty()
        self.assertEqual(self.bounce.notices, [])

    def test_set_back_while_stopped(self):
        self.start(defer_others)
        (queue_id,) = self.deferred(1)
        self.set_clock(-400 * DAY)
        self.restart()
        self.assertLess(self.mailq()[queue_id]["next"], self.now() + 4500)

    def test_expiry(self):
        """After maximal_queue_lifetime, by the clock of then; on hold nothing is too old."""
        self.start(defer_others)
        held, old = self.deferred(2)
        self.assertEqual(self.admin(HOLD, held), 1)
        self.set_clock(6 * DAY)
        self.nudge()
        self.log(f"{old}: removed")
        self.assertEqual([n["id"] for n, _ in self.bounce.notices], [old])
        self.assertEqual(self.mailq()[held]["state"], "hold")

    def test_requeue_begins_a_new_life(self):
        """What had become too old on hold: -r gives it the whole time again, -R one attempt more."""
        self.start(defer_others)
        renewed, old = self.deferred(2)
        for queue_id in (renewed, old):
            self.assertEqual(self.admin(HOLD, queue_id), 1)
        self.assertEqual(self.admin(EXPIRE, renewed), 1)
        self.set_clock(6 * DAY)
        self.restart()
        self.assertEqual((self.admin(REQUEUE, renewed), self.admin(RETRY, old)), (1, 1))
        self.log(f"{old}: removed")
        self.assertEqual(self.wait_state(renewed, "deferred")["forced_expire"], 0)
        self.assertEqual([n["id"] for n, _ in self.bounce.notices], [old])
        self.assertEqual(sorted(self.deliveries()), [renewed, renewed, old, old])
        # Known after a restart as well, and not for ever.
        self.restart()
        self.set_clock(10 * DAY)
        self.nudge()
        self.wait_for("another attempt", lambda: self.deliveries().count(renewed) == 3)
        self.assertEqual(self.wait_state(renewed, "deferred")["id"], renewed)
        self.set_clock(12 * DAY)
        self.nudge()
        self.log(f"{renewed}: removed")
        self.assertEqual([n["id"] for n, _ in self.bounce.notices], [old, renewed])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
