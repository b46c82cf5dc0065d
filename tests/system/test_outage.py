"""Transports whose delivery agent cannot be had: missing, or ending at once. Their mail is deferred with that reason,
nobody is asked again before transport_retry_time has passed, and nothing is lost."""
import itertools
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from queue_rig import CONTENT, Agent, Rig, deliver, listen  # noqa: E402

NEVER = "transport_retry_time = 10h\nminimal_backoff_time = 10h\nmaximal_backoff_time = 20h\n"
SOON = "transport_retry_time = 2s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
NO_SOCKET = "connect to transport private/smtp: No such file or directory"
UNAVAILABLE = "mail transport unavailable: "
MISSING = UNAVAILABLE + "private/smtp: No such file or directory (has master.cf a line for it?)"
ENDED = UNAVAILABLE + "the delivery agent ended"
LOST = "lost connection with the delivery agent"


class Crashing:
    """An agent that ends whenever it is asked; or, if READY, at its first delivery."""

    def __init__(self, daemons, ready=False):
        self.ready = ready
        self.counted = self.looks = 0
        self.listener, self.path = listen(daemons, "private/smtp")
        self.listener.listen(300)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.counted += 1
            if self.ready:
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()
            else:
                sock.close()

    def serve(self, sock):
        try:
            channel = ipc.Channel(sock=sock, name="smtp", timeout=60)
            channel.expect("agent_open")
            channel.send("agent_ready", window=1)
            channel.expect("deliver")
            channel.close()
        except (ipc.Closed, OSError):
            pass

    def asked(self):
        """How often it was asked so far. Who comes next is taken last: by then all that came before are counted."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.path)
            s.recv(1)
        self.looks += 1
        return self.counted - self.looks

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)


class KilledOnce(Agent):
    """Ends whenever it is asked, until .alive."""
    alive = False
    asked = 0

    def serve(self, sock):
        self.asked += 1
        if self.alive:
            super().serve(sock)
        else:
            sock.close()


class Outage(Rig):
    def start(self, agent=None, settings=NEVER):
        self.daemons.configure(settings)
        self.agent = agent
        self.daemons.start("qmgr")

    def send(self, count, first=0):
        """To that many destinations."""
        channel = self.net()
        return [ipc.submit(channel, CONTENT, rcpts=[f"user@host{first + i}.test"]) for i in range(count)]

    def said(self, text):
        return sum(text in line for line in self.daemons.lines)

    def works(self):
        """From now on there is an agent that delivers."""
        if self.agent:
            self.agent.close()
        self.agent = Agent(self.daemons, lambda delivery, content: (0, "2.0.0", "delivered"), name="smtp", window=1)

    def all_deferred(self, ids, *reasons):
        for queue_id in ids:
            entry = self.wait_state(queue_id, "deferred", timeout=60)
            self.assertIn(entry["rcpts"][0]["reason"], reasons)

    def delivered_once(self, count):
        self.wait_empty()
        who = [rcpt["address"] for delivery, _ in self.agent.deliveries for rcpt in delivery["rcpts"]]
        self.assertEqual(len(who), count)
        self.assertEqual(len(set(who)), count)

    def test_missing(self):
        """It is looked for once, whatever comes; a flush makes it be looked for again."""
        self.start()
        self.all_deferred(self.send(20), MISSING)
        self.assertEqual(self.said(NO_SOCKET), 1)
        self.works()
        self.all_deferred(self.send(5, 20), MISSING)
        self.assertEqual(self.agent.opened, [])
        self.flush()
        self.delivered_once(25)
        self.assertEqual(self.said("transport smtp: the delivery agent works again"), 1)

    def test_reload(self):
        """Somebody has mended master.cf."""
        self.start()
        self.all_deferred(self.send(3), MISSING)
        self.works()
        self.daemons.order("qmgr", "R")
        hosts = itertools.count(3)

        def goes():
            queue_id, = self.send(1, next(hosts))
            ended = {"state": "deferred"}
            self.wait_for("its end", lambda: self.mailq().get(queue_id, ended)["state"] == "deferred")
            return self.agent.deliveries
        self.wait_for("new mail to go", goes)

    def test_time(self):
        """Without help."""
        self.start(settings=SOON)
        self.all_deferred(self.send(3), MISSING)
        self.works()
        self.delivered_once(3)

    def test_ends_at_once(self):
        crashing = Crashing(self.daemons)
        self.start(crashing)
        self.all_deferred(self.send(20), ENDED)
        asked = crashing.asked()
        self.all_deferred(self.send(10, 20), ENDED)
        self.assertEqual(crashing.asked(), asked)
        self.assertEqual(self.said("the delivery agent ended, again, without a result"), 1)
        self.works()
        self.flush()
        self.delivered_once(30)

    def test_ends_at_each_delivery(self):
        """The message on its way is deferred as lost, and after the second loss the others for want of an agent."""
        crashing = Crashing(self.daemons, ready=True)
        self.start(crashing)
        count = 0
        while not self.said(LOST + ", again, without a result"):
            self.assertLess(count, 100)
            self.all_deferred(self.send(1, count), LOST, UNAVAILABLE + LOST)
            count += 1
            time.sleep(0.2)
        asked = crashing.asked()
        self.all_deferred(self.send(10, count), UNAVAILABLE + LOST)
        self.assertEqual(crashing.asked(), asked)
        self.works()
        self.flush()
        self.delivered_once(count + 10)

    def test_user_kills(self):
        """What delivers to a user is a process of that user's, who may end it: that is no outage of all the others."""
        def decide(delivery, content):
            if delivery["rcpts"][0]["address"].startswith("mallory"):
                raise ipc.Closed()
            return deliver(delivery, content)

        self.start(Agent(self.daemons, decide))
        for i in range(3):
            queue_id = ipc.submit(self.net(), CONTENT, rcpts=["mallory@example.com"])
            self.assertEqual(self.wait_state(queue_id, "deferred")["rcpts"][0]["reason"], LOST)
            time.sleep(1.2)  # it is asked for again after a second
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=["bob@example.com"])
        self.log(f"{queue_id}: removed")

    def test_killed_once(self):
        """It is started again by master: nothing is deferred that it had not got."""
        killed = KilledOnce(self.daemons, deliver, name="smtp", window=1)
        self.start(killed)
        self.send(20)
        self.wait_for("the agent to be asked", lambda: killed.asked)
        killed.alive = True
        self.delivered_once(20)
        self.assertEqual(self.said("status=deferred"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
