"""Calls that fail at a chosen place (tests/torture/fail.c preloaded), one test for each fault that
tests/torture/failing has found: the programs go on, keep what they promised, and say what is true."""
import glob
import os
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "torture")]
import daemons  # noqa: E402
import inject  # noqa: E402
import ipc  # noqa: E402
from queue_rig import CONTENT, DELETE, HOLD, Agent, Rig, defer, deliver  # noqa: E402

BUILD = os.path.abspath(os.environ.get("POSTKEEP_BUILD") or os.getcwd())
FAILING = os.path.join(HERE, "..", "torture", "failing")
LIBRARY = os.path.join(BUILD, "tests/torture/.libs/fail.so")
daemons.UNIX_ENDPOINTS.setdefault("pickup", ["public/pickup"])


def possible():
    """AddressSanitizer wants to be the first library of a program."""
    with open(os.path.join(BUILD, "config.h")) as f:
        return os.path.exists(LIBRARY) and "#define POSTKEEP_SANITIZED 1" not in f.read()


@unittest.skipUnless(possible(), "no shim, or a sanitized build")
class Failing(Rig):
    def setUp(self):
        super().setUp()
        self.shim = inject.Shim(os.path.join(self.daemons.dir, "control"), LIBRARY)
        os.chmod(self.shim.path, 0o666)
        self.daemons.environment = dict(os.environ, **self.shim.environment())

    def armed(self, *what):
        self.shim.arm(*what)
        self.addCleanup(self.shim.disarm)

    def failed(self):
        return self.shim.counts()[1]

    def queued(self, decide=defer):
        """A message in the queue, deferred or delivered as DECIDE says."""
        self.start(decide)
        queue_id = ipc.submit(self.net(), CONTENT)
        if decide is defer:
            self.wait_state(queue_id, "deferred")
        return queue_id


class Queues(Failing):
    def test_unreadable_at_start(self):
        """A slot that cannot be opened at the start is opened later: its message is not forgotten."""
        queue_id = self.queued()
        self.kill()
        slots = self.slots()
        self.armed("qmgr", "read", "EIO", inject.FOREVER, 0)
        self.daemons.start("qmgr")
        # The slots are what is read last; all that comes before is the same at every start.
        first = self.shim.counts()[0]["read"] - slots + 1
        self.kill()
        self.agent.decide = deliver
        self.armed("qmgr", "read", "EIO", first, inject.FOREVER)
        self.daemons.start("qmgr")
        self.log("tried again later")
        self.assertEqual(self.mailq(), {})
        self.assertGreater(self.failed(), 0)
        self.shim.disarm()
        self.wait_listed(queue_id)
        self.assertEqual(self.mailq()[queue_id]["state"], "deferred")
        self.flush()
        self.log(f"{queue_id}: removed")
        self.assertEqual(self.agent.deliveries[-1][1], CONTENT)

    def wait_listed(self, queue_id):
        end = time.monotonic() + 20
        while queue_id not in self.mailq():
            self.assertLess(time.monotonic(), end, "the message was not found again")
            time.sleep(0.1)

    def test_marks_fail_before_delivery(self):
        """The mark that counts attempts cannot be written: the message goes its way all the same."""
        queue_id = self.queued()
        self.agent.decide = deliver
        self.armed("qmgr", "write", "EIO", 1, 1)
        self.flush()
        self.log(f"{queue_id}: removed")
        self.assertEqual(self.failed(), 1)

    def test_unreadable_when_due(self):
        """A disk's errors are no crashes: a message that cannot be read is tried again, and never held."""
        queue_id = self.queued()
        self.agent.decide = deliver
        # Header, envelope and content; the first read is for the count of crashes, the fourth gets the reason.
        for kind, first in (("read", 2), ("read", 3), ("read", 5), ("stat", 1), ("read", 3)):
            since = self.daemons.log_mark()
            self.armed("qmgr", kind, "EIO", first, 1)
            self.flush()
            line = self.daemons.log_wait("tried again later", since)
            self.assertIsNotNone(line, (kind, first, self.daemons.lines[-5:]))
            self.assertIn("Input/output error", line)
            self.assertEqual(self.failed(), 1)
        self.assertEqual(self.mailq()[queue_id]["state"], "deferred")
        self.assertEqual(os.listdir(self.path("corrupt")), [])
        self.flush()
        self.log(f"{queue_id}: removed")

    def damaged(self, at):
        """A queued message one of whose bytes is another now, and nothing can be renamed."""
        queue_id = self.queued()
        self.kill()
        with open(self.slot_of(queue_id), "r+b") as f:
            where = at if at >= 0 else f.read().index(b"hello")
            f.seek(where)
            f.write(b"#")
        self.armed("qmgr", "rename", "EIO", 1, inject.FOREVER)
        self.daemons.start("qmgr")
        self.flush()
        self.log("could not be moved")
        self.assertEqual(os.listdir(self.path("corrupt")), [])
        self.shim.disarm()
        self.wait_for("a file in corrupt/", lambda: self.flush() >= 0 and os.listdir(self.path("corrupt")))
        self.assertEqual(self.mailq(), {})

    def test_damaged_header_stays(self):
        """What is damaged and cannot be moved to corrupt/ is nobody's until it can."""
        self.damaged(40)

    def test_damaged_content_stays(self):
        self.damaged(-1)
        self.assertEqual(self.agent.deliveries[1:], [])

    def test_slot_not_removed(self):
        """A slot that must not be used again and cannot be removed is removed as soon as that is possible."""
        queue_id = self.queued()
        slot = self.slot_of(queue_id)
        os.chmod(os.path.dirname(slot), 0o500)
        self.addCleanup(os.chmod, os.path.dirname(slot), 0o700)
        self.armed("qmgr", "sync", "EIO", 1, inject.FOREVER)
        self.order(DELETE, queue_id)
        self.shim.disarm()
        self.log("remove: Permission denied: tried again later")
        self.assertEqual(self.mailq(), {})
        os.chmod(os.path.dirname(slot), 0o700)
        self.wait_for("the slot to go", lambda: not os.path.exists(slot))

    def test_last_mark_fails(self):
        """Delivered, but the slot cannot be marked free: it goes, so that no restart delivers again."""
        self.start(None)
        self.agent = Agent(self.daemons, lambda d, c: self.shim.arm("qmgr", "write", "EIO", 1, 1) or deliver(d, c))
        queue_id = ipc.submit(self.net(), CONTENT)
        self.log(f"{queue_id}: removed")
        self.assertEqual(self.failed(), 1)
        self.shim.disarm()
        self.assertIsNone(self.slot_of(queue_id))
        self.restart()
        time.sleep(1.5)
        self.assertEqual(self.mailq(), {})
        self.assertEqual(len(self.agent.deliveries), 1)

    def order(self, verb, queue_id):
        channel = ipc.Channel(self.path("private/qmgr-admin"))
        channel.send("admin", verb=verb, id=queue_id, state="")
        done = channel.expect("admin_done")
        channel.close()
        return done

    def test_order_not_written(self):
        """An administrator's order whose mark cannot be written: said so, and not half done."""
        queue_id = self.queued()
        for verb in (HOLD, DELETE):
            self.armed("qmgr", "write", "EIO", 1, 1)
            done = self.order(verb, queue_id)
            self.shim.disarm()
            self.assertEqual(done["count"], 0)
            self.assertIn("Input/output error", done["why"])
            self.assertEqual(self.mailq()[queue_id]["state"], "deferred")
        self.assertEqual(self.order(DELETE, queue_id)["count"], 1)

    def test_order_not_synced(self):
        """An order that may not survive a power cut is reported as failed, and takes effect."""
        queue_id = self.queued()
        self.armed("qmgr", "sync", "EIO", 1, inject.FOREVER)
        done = self.order(DELETE, queue_id)
        self.shim.disarm()
        self.assertEqual(done["count"], 0)
        self.assertIn("Input/output error", done["why"])
        self.assertEqual(self.mailq(), {})
        self.assertIsNone(self.slot_of(queue_id))

    def test_no_descriptors(self):
        """Without descriptors a submission is refused for now; free slots are not thrown away."""
        self.start(deliver)
        ipc.submit(self.net(), CONTENT)
        self.wait_empty()
        self.restart()
        before = self.slots()
        channel = self.net()
        self.armed("qmgr", "open", "EMFILE", 1, 5)
        for _ in range(5):
            channel.send("submit_begin", size=10)
            self.assertEqual(channel.expect("submit_no")["code"], 451)
        self.assertEqual(self.failed(), 5)
        ipc.submit(channel, CONTENT)
        self.assertGreaterEqual(self.slots(), before)

    def slots(self):
        return len(glob.glob(self.path("slots/*/*")))


class Local(Failing):
    def test_file_stays_in_maildrop(self):
        """pickup cannot remove a file whose message is queued: queued once, removed when that is possible."""
        self.start(deliver)
        name = os.path.join(self.path("maildrop"), "0600000000000abc")
        with open(name, "wb") as f:
            f.write(b"V1:1\nS1:a\nR3:bob\nD7:hello\r\n\nZ1:7\n")
        os.chmod(name, 0o744)
        if os.getuid() == 0:
            os.chown(name, daemons.NOBODY, daemons.NOBODY)
        self.armed("pickup", "unlink", "EIO", 1, 2)
        self.daemons.start("pickup")
        for _ in range(3):
            self.daemons.processes["pickup"][1].send(b"W")
            self.agent.wait(1)
            time.sleep(0.3)
        self.assertEqual(self.failed(), 2)
        self.assertEqual(os.listdir(self.path("maildrop")), [])
        self.assertEqual(len(self.agent.deliveries), 1)


@unittest.skipUnless(possible(), "no shim, or a sanitized build")
class Whole(unittest.TestCase):
    def test_suite(self):
        """A whole suite: what has found something once, and some more."""
        result = subprocess.run([sys.executable, FAILING, "--known", "--no-start", "--seconds", "12", "--seed", "check"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
