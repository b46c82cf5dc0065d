"""bounce between a queue manager and itself: the test plays both ends, the one that asks for a notice and the
one that takes it."""
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from daemons import Daemons  # noqa: E402

BUILD = os.environ.get("POSTKEEP_BUILD") or os.environ.get("top_builddir") or os.getcwd()
ORIGINAL = b"Subject: test\r\nX-Token: 1\r\n\r\nhello\r\n"


class Bounce(unittest.TestCase):
    def setUp(self):
        self.daemons = Daemons(BUILD)
        self.addCleanup(self.daemons.__exit__)
        self.listener = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(self.daemons.spool)
        self.listener.bind("private/qmgr-bounce")
        os.chmod("private/qmgr-bounce", 0o666)
        os.chdir(here)
        self.listener.listen(10)
        self.listener.settimeout(20)
        self.addCleanup(self.listener.close)
        self.daemons.start("bounce")

    def ask(self):
        channel = ipc.Channel(os.path.join(self.daemons.spool, "private/bounce"), name="qmgr")
        channel.send("notice", kind=0, id="4jXLqz2YGKz18", sender="alice@example.org", size=len(ORIGINAL),
                     full_size=len(ORIGINAL), rcpts=[{
                         "address": "bob@example.com", "orig": "bob@example.com", "status": 2,
                         "action": "failed", "dsn": "5.1.1", "text": "unknown user"}])
        channel.content(ORIGINAL)
        return channel

    def accept(self):
        """The queue manager's end of a submission, up to its begin."""
        sock, _ = self.listener.accept()
        channel = ipc.Channel(sock=sock, name="qmgr")
        channel.expect("submit_begin")
        return channel

    def take(self, queue):
        """The rest of a submission: its envelope's sender and recipients, and the content."""
        queue.send("submit_id", id="4jXM1v0CXPz2f")
        sender = queue.expect("submit_envelope")["sender"]
        rcpts = [r["address"] for r in queue.expect("submit_rcpts")["rcpts"]]
        content = b""
        while True:
            name, values = queue.recv()
            if name != "content":
                break
            content += values
        self.assertEqual(name, "submit_commit")
        self.assertEqual(values["size"], len(content))
        queue.send("submit_ok", id="4jXM1v0CXPz2f")
        return sender, rcpts, content

    def test_notice(self):
        asker = self.ask()
        sender, rcpts, content = self.take(self.accept())
        self.assertEqual((sender, rcpts), ("", ["alice@example.org"]))
        self.assertIn(b"\r\nFinal-Recipient: rfc822; bob@example.com\r\n", content)
        self.assertIn(ORIGINAL, content)
        done = asker.expect("notice_done")
        self.assertEqual((done["accepted"], done["id"]), (True, "4jXM1v0CXPz2f"))

    def test_asker_gone(self):
        """A queue manager that was killed asks again when it is back: what it asked before is not sent."""
        asker = self.ask()
        queue = self.accept()
        asker.close()
        queue.send("submit_id", id="4jXM1v0CXPz2f")
        queue.expect("submit_cancel")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
