"""The scheduler of the queue manager before an agent that is not part of the suite: how many deliveries at
once, who comes first, how long are pauses. What is counted is deliveries and channels, never time."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import (CONTENT, DEFERRED, DELETE, HOLD, RELEASE, Agent, Bounce, Rig, deliver,  # noqa: E402
                       silent)

A_WHILE = 0.5  # in which nothing more is to happen
COHORT = (4, 5)  # failed tries that make a destination dead: 1/5 + 1/4 + 1/3 + 1/2, and one under way


def unreachable(delivery, content):
    return DEFERRED, "4.4.1", f"connect to {delivery['nexthop']}[192.0.2.1]:25: Connection timed out", True


class SchedulerRig(Rig):
    """Has no tests of its own."""

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
        for rcpt in delivery["rcpts"]:
            Agent.result(channel, delivery, rcpt["index"], *deliver(delivery, b""))

    def under_way(self, count):
        """Do so many stay unanswered? If not, one is answered."""
        time.sleep(A_WHILE)
        if len(self.agent.unanswered) == count:
            return True
        self.answer_one()
        return False


class Scheduler(SchedulerRig):
    # --- How many at once ---------------------------------------------------------------------------

    def test_concurrency(self):
        """One destination: five at once, then one more for each that was delivered, up to twenty."""
        self.start(silent)
        self.send_many(200)
        self.stays_at(5)
        self.assertEqual(set(self.agent.opened), {"one.test"})
        self.answer_one()
        self.stays_at(7)  # its place is taken, and there is one more
        for answered in range(2, 42):
            self.answer_one()
            self.agent.wait(answered + min(5 + answered, 20))
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
        def slowly(delivery, content):
            time.sleep(0.03)
            return deliver(delivery, content)
        self.master_cf("smtp unix - - n - 2 smtp")
        self.start(silent)
        self.send_many(41, domain="busy.test")
        self.stays_at(1)
        self.answer_one()  # it can be reached: it may have the second channel, too
        self.stays_at(3)
        for i in range(5):
            self.send_many(1, domain=f"d{i}.test")
        # The busy one gives one of its two channels away.
        self.agent.decide = slowly
        self.answer_one()
        self.answer_one()
        self.wait_empty()
        order = [d["nexthop"] for d, _ in self.agent.deliveries]
        others = [i for i, name in enumerate(order) if name != "busy.test"]
        self.assertEqual(len(others), 5)
        self.assertLess(others[0], 20)
        self.assertLess(others[-1], 40)

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
            self.log(f"{queue_id}: removed", timeout=60)
        self.agent.answer_all()
        self.wait_empty()

    def test_connecting(self):
        """Destinations that have not been reached are tried beyond the limit of channels, but four times as many and
        no more; one that has let the agent in counts."""
        self.daemons.configure("default_process_limit = 2\n")
        self.start(silent)
        ids = [self.send(f"a@d{i}.test", f"b@d{i}.test") for i in range(30)]
        self.stays_at(2 + 4 * 2)
        self.assertTrue(all(delivery["tell_connected"] for delivery, _ in self.agent.deliveries))
        self.assertEqual(self.agent.at_once, 10)
        # What is connected counts: nothing new is begun until one of them is left.
        for channel, delivery in self.agent.unanswered[:3]:
            channel.send("agent_connected", attempt=delivery["attempt"])
            Agent.result(channel, delivery, delivery["rcpts"].pop(0)["index"], *deliver(delivery, b""))
            self.log(f"{delivery['id']}: to=<a@")
        self.stays_at(10)
        self.answer_one()
        self.stays_at(10)
        self.answer_one()
        self.stays_at(12)
        self.agent.answer_all()
        self.wait_empty()
        self.assertEqual({delivery["id"] for delivery, _ in self.agent.deliveries}, set(ids))

    def test_limit_that_was_set(self):
        """A limit that stands in master.cf is one for all channels."""
        self.master_cf("smtp unix - - n - 2 smtp")
        self.start(silent)
        for i in range(10):
            self.send_many(1, domain=f"d{i}.test")
        self.stays_at(2)
        self.agent.answer_all()
        self.wait_empty()

    def test_connected_without_delivery(self):
        """An agent that speaks of a delivery it was not given is left; the mail goes by another channel."""
        self.start(silent)
        self.send_many(1)
        self.agent.wait(1)
        channel, delivery = self.agent.unanswered.pop(0)
        channel.send("agent_connected", attempt=delivery["attempt"] + 1)
        self.log("transport smtp: message about a delivery it was not given")
        self.assertEqual(len(self.mailq()), 1)

    def test_content_again(self):
        """An agent gets the content of what it has as often as it asks for it, and nothing else."""
        self.start(silent)
        ipc.submit(self.net(), CONTENT + b"0123456789 abcdef\r\n" * 10000, rcpts=["a@one.test"])
        delivery, content = self.agent.wait(1)
        channel = self.agent.unanswered[0][0]
        for times in (1, 2):
            channel.send("agent_again", attempt=delivery["attempt"])
            self.wait_for("the content", lambda: len(self.agent.again) >= times * len(content))
        self.assertEqual(self.agent.again, content * 2)
        channel.send("agent_again", attempt=delivery["attempt"] + 1)
        self.log("transport smtp: message about a delivery it was not given")
        self.assertEqual(len(self.mailq()), 1)

    def test_content_again_of_several(self):
        """Where several deliveries are under way at once nobody could tell whose content it is."""
        self.start(silent, window=8)
        self.send_many(1)
        delivery, _ = self.agent.wait(1)
        self.agent.unanswered[0][0].send("agent_again", attempt=delivery["attempt"])
        self.log("transport smtp: message about a delivery it was not given")
        self.assertEqual(self.agent.again, b"")

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
        self.wait_empty(timeout=60)
        self.assertEqual(self.agent.at_once, 1)

    def test_transport_rate_delay(self):
        self.daemons.configure("smtp_transport_rate_delay = 1h\n")
        self.start()
        self.send_many(2)
        self.send_many(2, domain="two.test")
        self.stays_at(1)

    def test_transport_rate_delay_ends(self):
        """One after the other, and destinations take turns."""
        self.daemons.configure("smtp_transport_rate_delay = 3s\n")  # in which all four are there
        self.start()
        self.send_many(2)
        self.send_many(2, domain="two.test")
        self.wait_empty(timeout=60)
        self.assertEqual([d["nexthop"] for d, _ in self.agent.deliveries],
                         ["one.test", "two.test", "one.test", "two.test"])

    # --- What a reload changes ----------------------------------------------------------------------

    def test_limits_after_reload(self):
        """They hold for what is in memory already, though nothing comes after it."""
        self.daemons.configure("smtp_destination_concurrency_limit = 1\n")
        self.start(silent)
        self.send_many(40)
        self.stays_at(1)
        self.daemons.configure("smtp_destination_concurrency_limit = 4\n")
        self.daemons.order("qmgr", "R")
        self.wait_for("four at once", lambda: self.under_way(4))
        self.master_cf("smtp unix - - n - 2 smtp")
        self.daemons.order("qmgr", "R")
        self.wait_for("two at once", lambda: self.under_way(2))
        self.assertLess(len(self.agent.deliveries), 40)
        self.agent.answer_all()
        self.wait_empty()

    def test_pauses_after_reload(self):
        self.daemons.configure("smtp_destination_rate_delay = 1h\n")
        self.start()
        self.send_many(3)
        self.stays_at(1)
        self.daemons.configure("smtp_destination_rate_delay = 0\nsmtp_transport_rate_delay = 1h\n")
        self.daemons.order("qmgr", "R")
        self.stays_at(2)
        self.daemons.configure("")
        self.daemons.order("qmgr", "R")
        self.wait_empty()

    def test_bad_feedback(self):
        """A setting that is no number is named, and does not stop the mail."""
        self.daemons.configure("smtp_destination_concurrency_positive_feedback = much\n")
        self.start()
        self.send("a@one.test")
        self.wait_empty()
        self.log("smtp_destination_concurrency_positive_feedback = much: not a number from 0 to 1")



class Dead(SchedulerRig):
    """Destinations that cannot be reached."""

    def configure(self, text="", least=2, most=4):
        self.daemons.configure(f"minimal_backoff_time = {least}s\nmaximal_backoff_time = {most}s\n" + text)

    def start_dead(self, **more):
        """Everything but live.test is dead until .alive."""
        self.alive = False

        def decide(delivery, content):
            if self.alive or delivery["nexthop"] == "live.test":
                return deliver(delivery, content)
            return unreachable(delivery, content)
        self.start(decide, **more)

    def tried(self, nexthop="one.test"):
        return sum(d["nexthop"] == nexthop for d, _ in self.agent.deliveries)

    def wait_deferred(self, ids):
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")

    def test_deferred_at_once(self):
        """After a cohort of failures nothing is tried any more; others are not concerned."""
        self.start_dead()
        ids = self.send_many(60)
        self.wait_deferred(ids)
        tried = self.tried()
        self.assertIn(tried, COHORT)
        late = self.send("late@one.test")
        self.wait_deferred([late])
        self.assertEqual(self.tried(), tried)
        reason = self.mailq()[late]["rcpts"][0]["reason"]
        self.assertEqual(reason, "delivery temporarily suspended: connect to one.test[192.0.2.1]:25: "
                                 "Connection timed out")
        self.log(f"{late}: to=<late@one.test>, relay=none, ")
        queue_id = self.send("a@live.test")
        self.log(f"{queue_id}: removed")
        # All of them are tried next when the probe is.
        times = {self.mailq()[queue_id]["next"] for queue_id in ids[5:] + [late]}
        self.assertLessEqual(max(times) - min(times), 1)

    def test_one_probe(self):
        """One try now and then, whatever waits; when it succeeds, everything goes."""
        self.configure()
        self.start_dead()
        ids = self.send_many(60)
        self.wait_deferred(ids[5:])
        self.wait_for("three probes", lambda: self.tried() >= max(COHORT) + 3, timeout=60)
        # Those that were tried first, and each probe.
        told = [line for line in self.daemons.lines if "(connect to one.test" in line and "status=deferred" in line]
        self.assertLessEqual(len(told), self.tried())
        self.alive = True
        self.wait_empty(timeout=60)
        self.assertLess(self.tried(), 60 + 20)
        self.log("one.test can be reached again")

    def test_silent_probe(self):
        """While a probe is under way there is no other."""
        self.configure(least=1, most=1)
        self.start_dead()
        ids = self.send_many(30)
        self.wait_deferred(ids)
        self.agent.decide = silent
        tried = self.tried()
        self.wait_for("a probe", self.agent_has_unanswered)
        time.sleep(3)
        self.assertEqual(len(self.agent.unanswered), 1)
        self.assertLessEqual(self.tried(), tried + 3)
        # Lost without a verdict: another one follows.
        self.agent.decide = deliver
        self.agent.hang_up()
        self.wait_empty(timeout=60)

    def agent_has_unanswered(self):
        return len(self.agent.unanswered) > 0

    def test_flush(self):
        """A flush brings a probe, not a try for each message."""
        self.start_dead()
        ids = self.send_many(40)
        self.wait_deferred(ids)
        tried = self.tried()
        self.assertEqual(self.flush(), 40)
        self.wait_for("tries", lambda: self.tried() > tried)
        time.sleep(A_WHILE)
        # Those that had been tried before it was dead have their own times.
        self.assertLessEqual(self.tried(), tried + 2)
        self.wait_deferred(ids)
        self.alive = True
        self.flush()
        self.wait_empty()

    def test_flush_of_one(self):
        self.start_dead()
        ids = self.send_many(20)
        self.wait_deferred(ids)
        self.alive = True
        channel = ipc.Channel(self.path("public/flush"))
        channel.send("flush", id=ids[12], site="")
        self.assertEqual(channel.expect("admin_done")["count"], 1)
        channel.close()
        self.log(f"{ids[12]}: removed")

    @unittest.skipUnless(os.geteuid() == 0, "what a process has read is told to root")
    def test_nothing_is_read(self):
        """A message for a dead destination costs no reading of its content."""
        self.configure(least=1, most=1)
        self.start_dead()
        ids = self.send_many(6)
        self.wait_deferred(ids)
        large = ipc.submit(self.net(), os.urandom(4000000), rcpts=["large@one.test"])
        self.wait_deferred([large])
        self.agent.decide = silent  # the probe is another message, and stays under way
        self.wait_for("a probe", self.agent_has_unanswered)
        before = self.bytes_read()
        time.sleep(4)
        self.assertLess(self.bytes_read() - before, 2000000)
        self.agent.answer_all()
        self.wait_empty(timeout=60)

    def bytes_read(self):
        with open(f"/proc/{self.daemons.pid('qmgr')}/io") as f:
            return int(f.readline().split()[1])

    def test_orders(self):
        """What waits can be deleted and held, the probe too."""
        self.start_dead()
        ids = self.send_many(20)
        self.wait_deferred(ids)
        for queue_id in ids[:10]:
            self.assertEqual(self.admin(DELETE, queue_id), 1)
        for queue_id in ids[10:15]:
            self.assertEqual(self.admin(HOLD, queue_id), 1)
        self.assertEqual(set(self.mailq()), set(ids[10:]))
        self.alive = True
        self.flush()
        for queue_id in ids[15:]:
            self.log(f"{queue_id}: removed")
        for queue_id in ids[10:15]:
            self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.wait_empty()

    def test_expiry(self):
        """A message ends in time, whatever it waits for."""
        self.configure("maximal_queue_lifetime = 4s\n", least=100, most=200)
        self.bounce = Bounce(self.daemons)
        self.start_dead()
        self.send_many(20)
        self.wait_empty(timeout=60)
        self.bounce.wait(20)
        self.assertIn(self.tried(), COHORT)

    def test_restart(self):
        self.configure()
        self.start_dead()
        ids = self.send_many(30)
        self.wait_deferred(ids)
        self.restart()
        self.assertEqual(set(self.mailq()), set(ids))
        self.alive = True
        self.wait_empty(timeout=60)

    def test_other_route(self):
        """What waits for a destination goes elsewhere when the configuration says so."""
        self.start_dead()
        ids = self.send_many(20)
        self.wait_deferred(ids)
        self.daemons.configure("relayhost = live.test\n")
        self.daemons.order("qmgr", "R")
        self.wait_for("the new configuration", lambda: self.daemons.log_wait("configuration read again", timeout=0))
        self.flush()
        self.wait_empty()
        self.assertEqual(self.tried("live.test"), 20)

    def test_two_destinations(self):
        """A message for a dead and a living one: the living is not delayed, the dead not tried again."""
        self.start_dead()
        self.wait_deferred(self.send_many(5))
        ids = [self.send(f"a{i}@one.test", f"b{i}@live.test") for i in range(10)]
        self.wait_deferred(ids)
        self.assertIn(self.tried(), COHORT)
        self.assertEqual(self.tried("live.test"), 10)
        self.alive = True
        self.flush()
        self.wait_empty()

    def start_some_dead(self, *dead):
        self.dead = set(dead)
        self.start(lambda delivery, content: (unreachable if delivery["nexthop"] in self.dead else deliver)(
            delivery, content))

    def park(self, names, count=20):
        """COUNT messages, each for all of NAMES, which are dead."""
        for name in names:
            self.wait_deferred(self.send_many(5, domain=name))
        ids = [self.send(*[f"user{i}@{name}" for name in names]) for i in range(count)]
        self.wait_deferred(ids)
        return ids

    @unittest.skipUnless(os.geteuid() == 0, "what a process has read is told to root")
    def test_several_dead(self):
        """A message that waits for several is not read; it goes to each of them as soon as that one lives."""
        names = ["one.test", "two.test", "three.test"]
        self.configure(least=2, most=3)
        self.start_some_dead(*names)
        ids = self.park(names)
        large = ipc.submit(self.net(), os.urandom(3000000), rcpts=[f"large@{name}" for name in names])
        self.wait_deferred([large])
        self.agent.decide = silent  # probes stay under way: what is read is read for nothing
        self.wait_for("probes", lambda: len(self.agent.unanswered) == 3)
        before = self.bytes_read()
        time.sleep(5)
        self.assertLess(self.bytes_read() - before, 500000)
        tried = {name: self.tried(name) for name in names}
        # One of them lives: everything for it goes, and for it alone.
        self.dead.remove("two.test")
        self.agent.decide = lambda delivery, content: (unreachable if delivery["nexthop"] in self.dead else deliver)(
            delivery, content)
        for channel, delivery in self.agent.unanswered:
            for rcpt in delivery["rcpts"]:
                Agent.result(channel, delivery, rcpt["index"], *self.agent.decide(delivery, b""))
        for i in range(20):
            self.log(f"to=<user{i}@two.test>, relay=local, ", timeout=60)
        self.wait_deferred(ids + [large])
        for queue_id in ids:
            self.assertEqual({rcpt["address"].partition("@")[2] for rcpt in self.mailq()[queue_id]["rcpts"]},
                             {"one.test", "three.test"})
        self.assertLess(self.tried("one.test"), tried["one.test"] + 15)
        self.dead.clear()
        self.wait_empty(timeout=60)

    def flush_by_name(self, queue_id):
        channel = ipc.Channel(self.path("public/flush"))
        channel.send("flush", id=queue_id, site="")
        self.assertEqual(channel.expect("admin_done")["count"], 1)
        channel.close()

    def test_dead_and_alive_meanwhile(self):
        """A message is refused by one that is dead, which lives before another one has said no: it is not forgotten."""
        self.configure(least=100, most=200)
        self.start_some_dead("one.test", "two.test")
        both, = self.park(["one.test", "two.test"], count=1)
        other = self.send("other@one.test")
        self.wait_deferred([other])
        self.agent.decide = silent
        self.flush_by_name(other)
        self.wait_for("a probe", lambda: len(self.agent.unanswered) == 1)
        self.flush_by_name(both)
        self.wait_for("another one", lambda: len(self.agent.unanswered) == 2)
        (first, at_one), (second, at_two) = self.agent.unanswered
        self.assertEqual((at_one["id"], at_two["id"], at_two["nexthop"]), (other, both, "two.test"))
        Agent.result(first, at_one, 0, *deliver(at_one, b""))
        self.log(f"{other}: removed")
        self.agent.decide = deliver
        Agent.result(second, at_two, 1, *unreachable(at_two, b""))
        self.log(f"{both}: to=<user0@one.test>, relay=local, ")
        self.assertEqual([rcpt["address"] for rcpt in self.wait_state(both, "deferred")["rcpts"]], ["user0@two.test"])

    def test_several_dead_orders(self):
        """Such a message can be deleted, held, flushed, and is reached by a reload."""
        names = ["one.test", "two.test"]
        self.configure(least=100, most=200)
        self.start_some_dead(*names)
        ids = self.park(names)
        for queue_id in ids[:5]:
            self.assertEqual(self.admin(DELETE, queue_id), 1)
        for queue_id in ids[5:10]:
            self.assertEqual(self.admin(HOLD, queue_id), 1)
        self.dead.remove("one.test")
        self.assertGreater(self.flush(site="one.test"), 0)  # with the probe the others go before they are counted
        for i in range(10, 20):
            self.log(f"to=<user{i}@one.test>, relay=local, ")
        self.wait_deferred(ids[10:])
        self.dead.clear()
        self.daemons.order("qmgr", "R")
        for queue_id in ids[10:]:
            self.log(f"{queue_id}: removed")
        for queue_id in ids[5:10]:
            self.assertEqual(self.admin(RELEASE, queue_id), 1)
        self.flush()
        self.wait_empty()

    def test_more_dead_than_are_kept(self):
        """A message for more dead destinations than it may wait at is tried at its own times, and arrives."""
        names = [f"d{i}.test" for i in range(17)]
        self.configure(least=2, most=3)
        self.start_some_dead(*names)
        queue_id = self.send(*[f"a@{name}" for name in names])
        self.wait_state(queue_id, "deferred")
        self.dead.clear()
        self.wait_empty(timeout=60)

    def test_cohorts(self):
        self.daemons.configure("default_destination_concurrency_failed_cohort_limit = 10\n"
                               "initial_destination_concurrency = 1\n")
        self.start_dead()
        ids = self.send_many(30)
        self.wait_deferred(ids)
        self.assertEqual(self.tried(), 10)

    def test_cohort_without_shrinking(self):
        """A destination dies by its failures, whatever they do to its concurrency."""
        self.daemons.configure("default_destination_concurrency_negative_feedback = 0\n")
        self.start_dead()
        self.wait_deferred(self.send_many(40))
        self.log("one.test cannot be reached, its mail waits for a probe")
        self.assertIn(self.tried(), range(5, 11))  # and what was under way when it died

    def test_many(self):
        """A thousand dead destinations: a few tries each, and their mail goes when they live."""
        self.configure(least=3, most=6)
        self.start_dead()
        channel = self.net()
        for i in range(300):
            ipc.submit(channel, CONTENT, rcpts=[f"a@d{i % 50}.test"])
        self.wait_for("all to be deferred", lambda: all(
            entry["state"] == "deferred" for entry in self.mailq().values()), timeout=60)
        self.alive = True
        self.wait_empty(timeout=60)



class Orders(SchedulerRig):
    """What administrators and others want delivered, or not."""

    def etrn(self, site):
        channel = self.net()
        channel.send("flush", id="", site=site)
        done = channel.expect("admin_done")
        channel.close()
        return done["count"], done["why"]

    def test_defer_transports(self):
        """Until it is flushed; by name, by site, or all."""
        self.daemons.configure("defer_transports = other smtp\n")
        self.start()
        ids = [self.send(f"a@d{i}.test") for i in range(4)]
        for queue_id in ids:
            self.assertEqual(self.wait_state(queue_id, "deferred")["rcpts"][0]["reason"], "deferred transport")
        self.assertEqual(self.agent.deliveries, [])
        channel = ipc.Channel(self.path("public/flush"))
        channel.send("flush", id=ids[2], site="")
        channel.expect("admin_done")
        channel.close()
        self.log(f"{ids[2]}: removed")
        self.assertEqual(self.flush(site="d1.test"), 1)
        self.log(f"{ids[1]}: removed")
        self.assertEqual(len(self.agent.deliveries), 2)
        self.assertEqual(self.flush(), 2)
        self.wait_empty()

    def test_site(self):
        """What is known to go elsewhere is not read for it."""
        def full(delivery, content):
            return DEFERRED, "4.2.2", "mailbox full"
        self.start(full)
        channel = self.net()
        ids = [ipc.submit(channel, CONTENT, rcpts=[f"a@d{i % 10}.test"]) for i in range(200)]
        both = self.send("a@d3.test", "b@elsewhere.test")
        for queue_id in ids + [both]:
            self.wait_state(queue_id, "deferred")
        before = self.reads()
        self.assertEqual(self.flush(site="Unknown.test"), 0)
        # The one that goes to two places is read.
        self.assertLess(self.reads() - before, 20)
        self.agent.decide = deliver
        self.assertEqual(self.flush(site="D3.test"), 21)
        self.wait_for("their end", lambda: len(self.mailq()) == 180)
        # After a restart nothing is known; it is found out once.
        self.restart()
        self.assertEqual(self.flush(site="unknown.test"), 0)
        before = self.reads()
        self.assertEqual(self.flush(site="unknown.test"), 0)
        self.assertLess(self.reads() - before, 20)
        self.assertEqual(self.flush(site="d4.test"), 20)
        self.wait_for("their end", lambda: len(self.mailq()) == 160)

    def test_addresses(self):
        """A flush of what is from somebody, or for somebody: a part of the address, in upper or lower case."""
        def full(delivery, content):
            return DEFERRED, "4.2.2", "mailbox full"
        self.start(full)
        by_alice = [self.send(f"a@d{i}.test", sender="Alice@example.org") for i in range(3)]
        by_bob = [self.send("alice@d1.test", "b@d2.test", sender="bob@example.org") for i in range(2)]
        notice = self.send("owner@d3.test", sender="")
        held = self.send("a@d1.test", sender="alice@example.org")
        for queue_id in by_alice + by_bob + [notice, held]:
            self.wait_state(queue_id, "deferred")
        self.assertEqual(self.admin(HOLD, held), 1)
        for more, ids in (({"sender": "ALICE@"}, by_alice), ({"sender": "@example"}, by_alice + by_bob),
                          ({"sender": "mailer-daemon"}, [notice]), ({"recipient": "alice"}, by_bob),
                          ({"recipient": "@d2.test"}, [by_alice[2]] + by_bob),
                          ({"recipient": "@d2.test", "sender": "bob"}, by_bob),
                          ({"site": "d1.test", "sender": "alice"}, [by_alice[1]]),
                          ({"sender": "carol"}, [])):
            tried = len(self.agent.deliveries)
            self.assertEqual(self.flush(**more), len(ids), more)
            for queue_id in ids:
                self.wait_for("another try", lambda: queue_id in
                              {delivery["id"] for delivery, _ in self.agent.deliveries[tried:]})
                self.wait_state(queue_id, "deferred")
            self.assertEqual({delivery["id"] for delivery, _ in self.agent.deliveries[tried:]}, set(ids))

    def test_addresses_of_a_long_list(self):
        """Recipients that are not in memory are found, too; one who has got it is not."""
        def full_for_one(delivery, content):
            return (DEFERRED, "4.2.2", "mailbox full") if delivery["nexthop"] == "waits.test" else deliver(
                delivery, content)
        self.start(full_for_one)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=[
            f"user{i}-{'x' * 100}@{'waits' if i == 1500 else 'one'}.test" for i in range(2000)])
        self.wait_state(queue_id, "deferred")
        self.assertEqual(self.flush(recipient="user700-"), 0)
        self.assertEqual(self.flush(recipient="user1500-"), 1)

    def reads(self):
        """What qmgr has read so far; who is not root is not told."""
        if os.geteuid() != 0:
            return 0
        with open(f"/proc/{self.daemons.pid('qmgr')}/io") as f:
            return int(f.readlines()[2].split()[1])

    def test_etrn(self):
        self.daemons.configure("relay_domains = customer.test\ndefer_transports = relay\n")
        self.start(name="relay")
        ids = [self.send("a@customer.test"), self.send("a@sub.customer.test")]
        for queue_id in ids:
            self.wait_state(queue_id, "deferred")
        self.assertEqual(self.etrn("elsewhere.test"), (0, "not allowed"))
        self.assertEqual(self.etrn(""), (0, "not allowed"))
        self.assertEqual(self.etrn("CUSTOMER.test"), (1, ""))
        self.log(f"{ids[0]}: removed")
        self.assertEqual(set(self.mailq()), {ids[1]})
        self.assertEqual(self.etrn("sub.customer.test"), (1, ""))
        self.wait_empty()

    def test_in_flow(self):
        """With as many in memory as there may be, and none that ends, taking another one takes a little longer."""
        self.daemons.configure("qmgr_message_active_limit = 3\nin_flow_delay = 8s\n")
        self.start(silent)
        for i in range(3):
            self.send(f"a@d{i}.test")
        self.agent.wait(3)
        channel = self.net()
        channel.sock.settimeout(1)
        channel.send("submit_begin", size=10)
        with self.assertRaises(TimeoutError):
            channel.expect("submit_id")
        channel.sock.settimeout(60)
        self.assertTrue(channel.expect("submit_id")["id"])
        channel.close()
        # For each that ends, one goes on at once.
        self.answer_one()
        self.agent.decide = deliver
        self.agent.answer_all()
        self.wait_empty()
        channel = self.net()
        channel.sock.settimeout(6)
        channel.send("submit_begin", size=10)
        channel.expect("submit_id")


if __name__ == "__main__":
    unittest.main()
