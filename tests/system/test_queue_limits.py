"""What the queue manager does when something is as large as it may be, or the disk fails between messages:
limits of an envelope and of memory for mail on its way in, slots that grew, marks that cannot be synced."""
import glob
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../torture")]
import ipc  # noqa: E402
from inject import FOREVER, Shim  # noqa: E402
from queue_rig import (BUILD, CONTENT, DEFERRED, DELETE, Rig, defer, deliver, silent)  # noqa: E402

RCPTS_MAX = 500000
ADDRESSES_MAX = 40 << 20
GATHERED_MAX = 16 << 20

with open(os.path.join(BUILD, "config.h")) as config:
    SANITIZED = "#define POSTKEEP_SANITIZED 1" in config.read()


class Limits(Rig):
    def begin(self, channel, **more):
        channel.send("submit_begin", size=0)
        queue_id = channel.expect("submit_id")["id"]
        channel.send("submit_envelope", sender="alice@example.org", **more)
        return queue_id

    def commit(self, channel, size):
        channel.send("submit_commit", size=size)
        return channel.recv()

    def memory(self):
        """Bytes that qmgr has in memory."""
        with open(f"/proc/{self.daemons.pid('qmgr')}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_recipients(self):
        """Half a million, each the shortest there is; one more is too many, and nothing stays of it."""
        self.start(silent)
        frame = ipc.pack("submit_rcpts", rcpts=[{"address": "a"}] * 100)
        for more in (0, 1):
            channel = self.net()
            queue_id = self.begin(channel, hold=True)
            for _ in range(RCPTS_MAX // 100):
                channel.sock.sendall(frame)
            if more:
                channel.send("submit_rcpts", rcpts=[{"address": "b"}])
            channel.content(CONTENT)
            name, values = self.commit(channel, len(CONTENT))
            self.assertEqual((name, values.get("code")), ("submit_no", 451) if more else ("submit_ok", None))
            channel.close()
            self.assertEqual(set(self.admin_states()), set() if more else {queue_id})
            self.assertEqual(self.admin(DELETE, queue_id), 1 - more)

    def admin_states(self):
        """The messages there are, without their half a million recipients."""
        ids = set()
        for path in glob.glob(self.path("slots/*/*")):
            with open(path, "rb") as f:
                head = f.read(512)
            if head[256:262] == b"state " and head[262:263] != b"F":
                ids.add(head[head.index(b"\nid ") + 4:].split()[0].decode())
        return ids

    def test_addresses(self):
        """Bytes of addresses of one message: exactly as many as may be, and one more."""
        self.start(silent)
        self.daemons.configure("message_size_limit = 0\nmailbox_size_limit = 0\n")
        full = {"address": "a" * 988 + "@example.com", "orig": "o" * 1000, "orcpt": "rfc822;" + "c" * 993}
        each = sum(len(v) for v in full.values())
        count, rest = divmod(ADDRESSES_MAX, each)
        frame = ipc.pack("submit_rcpts", rcpts=[full] * 20)
        for more in (0, 1):
            channel = self.net()
            queue_id = self.begin(channel, hold=True)
            for _ in range(count // 20):
                channel.sock.sendall(frame)
            last = [full] * (count % 20)
            last.append({"address": "a" * (rest + more)})
            channel.send("submit_rcpts", rcpts=last)
            name, values = self.commit(channel, 0)
            self.assertEqual((name, values.get("code")), ("submit_no", 452) if more else ("submit_ok", None))
            channel.close()
            self.assertEqual(self.admin(DELETE, queue_id), 1 - more)

    def test_addresses_of_all(self):
        """Long lists that are begun and never ended, one beside the other: no more than four of the largest are kept, and
        mail to few goes on meanwhile. What is over makes room."""
        self.start(silent)
        full = {"address": "a" * 988 + "@example.com", "orig": "o" * 1000, "orcpt": "rfc822;" + "c" * 993}
        frame = ipc.pack("submit_rcpts", rcpts=[full] * 20)
        frames = (ADDRESSES_MAX * 9 // 10) // (20 * sum(len(v) for v in full.values()))
        before, channels, answers = self.memory(), [], []
        for _ in range(8):
            channel = self.net()
            self.begin(channel, hold=True)
            for _ in range(frames):
                channel.sock.sendall(frame)
            channels.append(channel)
        for _ in range(5):
            ipc.submit(self.net(), CONTENT)
        for channel in reversed(channels):
            name, values = self.commit(channel, 0)
            answers.append((name, values.get("code")))
            channel.close()
        self.assertEqual(answers[:4], [("submit_no", 452)] * 4)
        self.assertEqual(answers[4:], [("submit_ok", None)] * 4)
        if not SANITIZED:
            self.assertLess(self.memory() - before, 5 * ADDRESSES_MAX)
        channel = self.net()
        self.begin(channel, hold=True)
        for _ in range(frames):
            channel.sock.sendall(frame)
        self.assertEqual(self.commit(channel, 0)[0], "submit_ok")
        channel.close()

    def test_memory_for_mail_on_its_way(self):
        """Messages that are not yet whole stay in memory up to a limit for all of them; beyond it they are written
        as they come. None is mixed up with another, and a receiver that goes away leaves nothing."""
        self.start(silent)
        ipc.submit(self.net(), CONTENT)
        self.agent.wait(1)

        def token(i):
            return b"token-%06d-of-this-message" % i

        def written(numbers):
            """Which of them stand in a slot's file already."""
            text = b""
            for path in glob.glob(self.path("slots/*/*")):
                with open(path, "rb") as f:
                    text += f.read()
            return {i for i in numbers if token(i) in text}
        size = 250 * 1024
        few, many = 40, 160
        before, channels = self.memory(), []
        for i in range(many):
            channel = self.net()
            queue_id = self.begin(channel)
            channel.send("submit_rcpts", rcpts=[{"address": "bob@example.com"}])
            channel.content((token(i) + b"\r\n").ljust(size, b"x"))
            channels.append((channel, queue_id))
            if i + 1 == few:
                self.wait_for("content in memory", lambda: self.memory() - before > few * size * 9 // 10,
                              timeout=60)
                self.assertEqual(written(range(few)), set())
        self.wait_for("content in slots", lambda: written(range(100, many)) == set(range(100, many)),
                      timeout=60)
        if not SANITIZED:  # AddressSanitizer keeps what was freed
            self.assertLess(self.memory() - before, GATHERED_MAX + many * 64 * 1024)
        for channel, _ in channels[::2]:
            channel.close()
        self.agent.decide = deliver
        kept = []
        for i, (channel, queue_id) in list(enumerate(channels))[1::2]:
            self.assertEqual(self.commit(channel, size)[0], "submit_ok")
            kept.append((queue_id, token(i)))
            channel.close()
        self.agent.answer_all()
        self.wait_empty(timeout=60)
        got = {d["id"]: content for d, content in self.agent.deliveries}
        for queue_id, mine in kept:
            self.assertEqual(got[queue_id], (mine + b"\r\n").ljust(size, b"x"))
        self.assertEqual(len(got), 1 + len(kept))

    def test_grown_slots(self):
        """A slot that a large message has made long gives its blocks back some time after that has left, and not
        before; it is used again."""
        self.daemons.configure("queue_slot_size = 8192\nqueue_slots_ahead = 2\nqueue_slots_reserved = 2\n"
                               "message_size_limit = 5000000\n")
        self.start(defer)
        large = [ipc.submit(self.net(), CONTENT + b"%d" % i * 1000000 + b"\r\n") for i in range(3)]
        for queue_id in large:
            self.wait_state(queue_id, "deferred")
        paths = {self.slot_of(queue_id) for queue_id in large}
        stays = self.slot_of(large[0])
        self.agent.decide = deliver
        for queue_id in large[1:]:
            channel = ipc.Channel(self.path("public/flush"))
            channel.send("flush", id=queue_id, site="")
            self.assertEqual(channel.expect("admin_done")["count"], 1)
            channel.close()
            self.log(f"{queue_id}: removed")
        cut = paths - {stays}
        self.assertTrue(all(os.path.getsize(p) > 1000000 for p in paths))
        self.wait_for("free slots to be cut back", lambda: {os.path.getsize(p) for p in cut} == {8192}, timeout=60)
        self.assertGreater(os.path.getsize(stays), 1000000)
        self.flush()
        self.log(f"{large[0]}: removed")
        again = [ipc.submit(self.net(), CONTENT + b"again\r\n" * 100000) for _ in range(4)]
        self.wait_empty()
        got = {d["id"]: content for d, content in self.agent.deliveries}
        self.assertEqual({got[i] for i in again}, {CONTENT + b"again\r\n" * 100000})

    def test_marks_that_cannot_be_synced(self):
        """Said in the log; the message goes on, its slot is not used again, and what comes later is taken."""
        shim = Shim(os.path.join(self.daemons.dir, "fail"), os.path.join(BUILD, "tests/torture/.libs/fail.so"))
        os.chmod(shim.path, 0o666)
        self.daemons.environment = {
            **os.environ, **shim.environment(),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.start(silent)
        queue_id = ipc.submit(self.net(), CONTENT, rcpts=["bob@example.com", "carol@example.com"])
        self.agent.wait(2)
        number = os.path.basename(self.slot_of(queue_id))
        slot = os.open(self.slot_of(queue_id), os.O_RDONLY)
        self.addCleanup(os.close, slot)
        shim.arm("qmgr", "sync", "EIO", count=FOREVER)
        self.agent.answer_all(DEFERRED, "4.2.2", "mailbox is away")
        self.log(f"queue slot {number}: sync marks: Input/output error")
        shim.disarm()
        self.assertEqual(self.wait_state(queue_id, "deferred")["id"], queue_id)
        self.agent.decide = deliver
        self.flush()
        self.log(f"{queue_id}: removed")
        self.wait_for("the slot's file to go", lambda: os.fstat(slot).st_nlink == 0)
        self.assertEqual(sorted(d["rcpts"][0]["address"] for d, _ in self.agent.deliveries[2:]),
                         ["bob@example.com", "carol@example.com"])
        channel = self.net()
        later = {ipc.submit(channel, CONTENT) for _ in range(50)}
        self.wait_empty()
        self.assertLessEqual(later, {d["id"] for d, _ in self.agent.deliveries})
        self.restart()
        self.assertEqual(self.mailq(), {})


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
