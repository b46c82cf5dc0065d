"""postqueue for a queue that cannot drain: what is stuck where (--by), the story of one message (--why), for root
and for ordinary users, with the suite up and down."""
import os
import pwd
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipc  # noqa: E402
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
GREYLISTED = "450 4.2.0 Greylisted, see http://postgrey.example/"
TIMEOUT = "4.4.1 connect to mx.slow.example[192.0.2.1]:25: Connection timed out"
CONTENT = b"Subject: x\r\n\r\nhello\r\n"


class Postqueue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite(PREFIX, extra="minimal_backoff_time = 1h\nmaximal_backoff_time = 2h\n"
                          "transport_maps = texthash:$config_directory/transport\n", start=False)
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.suite.write_conf("transport", f"grey.example retry:{GREYLISTED}\nslow.example retry:{TIMEOUT}\n"
                             "gone.example error:5.1.1 no such user here\n")
        cls.suite.start()
        cls.ids = []
        for n, rcpts in enumerate((["a@grey.example", "b@grey.example"], ["c@slow.example", "d@grey.example"])):
            with cls.suite.smtp() as smtp:
                smtp.sendmail(f"alice{n}@example.net", rcpts, CONTENT)
            cls.ids.append(cls.suite.wait_log(r"queue active\)", count=n + 1) and
                           re.findall(r"qmgr\[\d+\]: (\w+): from=<alice", cls.suite.log())[n])
        cls.suite.wait_log("status=deferred", count=4)
        while any(m["queue_name"] != "deferred" for m in cls.suite.queue()):
            time.sleep(0.05)

    def postqueue(self, *args, status=0, **more):
        done = self.suite.run("postqueue", "-c", self.suite.conf, *args, check=False, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout.decode()

    def test_by_destination(self):
        text = self.postqueue("--by", "destination")
        self.assertRegex(text, r"(?m)^ +2 +3 +\d+  \d+ s +(5\d min|1 h \d min) +grey\.example$")
        self.assertRegex(text, r"(?m)^ +1 +1 +\d+  \d+ s +(5\d min|1 h \d min) +slow\.example$")
        self.assertLess(text.index("grey.example"), text.index("slow.example"))
        self.assertIn("in 2 Requests, 4 recipients.", text)
        self.assertEqual(self.postqueue("-p", "--by", "destination").splitlines()[0], text.splitlines()[0])

    def test_by_reason(self):
        text = self.postqueue("--by", "reason")
        self.assertRegex(text, r"(?m)^ +2 +3 +.*Greylisted, see")
        self.assertIn("What it means: Greylisting:", text)
        self.assertIn("the provider blocks outgoing port 25", text)
        for args in (["--by", "size"], ["--by"], ["--by", "reason", "-j"], ["-p", "--log", "x"], ["--why"]):
            self.postqueue(*args, status=64)

    def test_json(self):
        messages = {m["queue_id"]: m for m in self.suite.queue()}
        m = messages[self.ids[1]]
        self.assertEqual(set(m), {"queue_name", "queue_id", "arrival_time", "message_size", "forced_expire",
                                  "sender", "next_attempt", "expires", "attempts", "recipients"})
        self.assertEqual(m["expires"] - m["arrival_time"], 5 * 86400)
        self.assertGreater(m["next_attempt"], m["arrival_time"] + 3000)
        self.assertEqual(m["attempts"], 1)
        rcpts = {r["address"]: r for r in m["recipients"]}
        self.assertEqual(rcpts["c@slow.example"]["status"], "4.4.1")
        self.assertIn("Connection timed out", rcpts["c@slow.example"]["delay_reason"])
        self.assertEqual({(r["transport"], r["nexthop"]) for r in m["recipients"]},
                         {("retry", TIMEOUT), ("retry", GREYLISTED)})

    def test_mailq(self):
        """As Postfix's readers expect it; with -v also when each is tried next."""
        text = self.postqueue("-p")
        self.assertRegex(text, rf"(?m)^{self.ids[0]} {{1,9}} +\d+ \w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d alice0@example.net$")
        self.assertNotIn("next attempt", text)
        self.assertRegex(self.postqueue("-p", "-v"), r"\(next attempt \w{3} \w{3} .*, in (5\d min|1 h \d min)\)")

    def test_why(self):
        text = self.postqueue("--why", self.ids[1])
        for part in (f"What the log says ({self.suite.log_path})", "came by SMTP from localhost[127.0.0.1]",
                     "its Message-ID is <", "<c@slow.example>: not yet", "What it means: Nothing answers on port 25.",
                     "from <alice1@example.net>", "from client localhost[127.0.0.1]",
                     "state: deferred, after 1 attempt\n", "<d@grey.example>: waits",
                     "last answer: 450 4.2.0 Greylisted, see", "goes by retry\n", "It is tried again at ",
                     "); then its sender is told", f"postqueue -i {self.ids[1]}"):
            self.assertIn(part, text)
        self.assertNotIn(self.ids[0], text)

    def test_why_of_the_past(self):
        """A message that has left the queue: only the log knows it."""
        with self.suite.smtp() as smtp:
            smtp.sendmail("alice@example.net", ["x@gone.example"], CONTENT)
        gone = self.suite.wait_log(r"(\w+): to=<x@gone\.example>.*status=bounced").group(1)
        self.suite.wait_log(f"{gone}: removed")
        text = self.postqueue("--why", gone)
        for part in ("<x@gone.example>: refused for good", "What it means: The recipient's server knows no such",
                     "its sender is told of the failure by message", "all was done for it"):
            self.assertIn(part, text)
        self.assertIn("not for you to see", self.postqueue("--why", "4jXKcV6sGYz8", status=69))
        self.postqueue("--why", "x/../y", status=64)

    def test_why_from_another_log(self):
        line = f"Nov 22 07:00:00 mx postfix/smtp[1]: {self.ids[0]}: to=<z@y>, relay=none, dsn=4.0.0, " \
            "status=deferred (strange)\n"
        text = self.postqueue("--why", self.ids[0], "--log", "-", input=line.encode())
        self.assertIn("What the log says (-)", text)
        self.assertIn("<z@y>: not yet: strange", text)
        self.assertNotIn("came by SMTP", text)
        self.postqueue("--why", self.ids[0], "--log", "/nonexistent/log", status=66)

    def test_users(self):
        """Who is not root is told of their own messages only."""
        if not self.suite.root:
            self.skipTest("needs root")
        os.chmod(self.suite.log_path, 0o600)
        uid = pwd.getpwnam("nobody").pw_uid
        channel = ipc.Channel(self.suite.spool + "/private/qmgr-local")
        own = ipc.submit(channel, CONTENT, sender="nobody@example.org", rcpts=["own@grey.example"],
                         attrs=[{"name": "local_uid", "value": str(uid)}])
        self.suite.wait_log(f"{own}: to=<own@grey.example>.*deferred")
        try:
            text = self.postqueue("--why", own, user="nobody")
            for part in (f"from local user {uid}", "<own@grey.example>: waits", "No log that you may read"):
                self.assertIn(part, text)
            text = self.postqueue("--why", self.ids[0], user="nobody", status=69)
            self.assertNotIn("grey.example", text)
            self.assertIn("in 1 Request, 1 recipient.", self.postqueue("--by", "destination", user="nobody"))
        finally:
            os.chmod(self.suite.log_path, 0o644)
            self.suite.run("postsuper", "-c", self.suite.conf, "-d", own)

    def test_nothing_to_see(self):
        """A queue of others' mail is not an empty one."""
        if not self.suite.root:
            self.skipTest("needs root")
        for args in (["-p"], ["--by", "reason"]):
            self.assertEqual(self.postqueue(*args, user="nobody"), "No mail of yours is in the queue\n")
        done = self.suite.run("postqueue", "-j", user="nobody")
        self.assertEqual((done.stdout, done.stderr), (b"", b"postqueue: No mail of yours is in the queue\n"))

    def test_no_such_message(self):
        """Commands that are given an ID of a message that has left say so, and nothing else happens."""
        with self.suite.smtp() as smtp:
            smtp.sendmail("alice@example.net", ["y@gone.example"], CONTENT)
        gone = self.suite.wait_log(r"(\w+): to=<y@gone\.example>.*status=bounced").group(1)
        self.suite.wait_log(f"{gone}: removed")
        def rest():
            return [m for m in self.suite.queue() if m["queue_id"] in self.ids]

        before = rest()
        for argv in (["postqueue", "-i", gone], ["sendmail", "-qI" + gone],
                     *(["postsuper", f"-{c}", gone] for c in "dehHrR")):
            with self.subTest(argv):
                done = self.suite.run(*argv)
                self.assertRegex(done.stderr.decode(),
                                 rf"^(postqueue|postsuper): warning: {gone}: no (such )?message [^\n]*\n$")
        # Of a list some have always left.
        done = self.suite.run("postsuper", "-h", "-", input=gone.encode() + b"\n")
        self.assertEqual(done.stderr, b"")
        self.assertEqual(rest(), before)

    def test_flush_by_address(self):
        """From a part of the sender's address: by postqueue, and by sendmail -qS, for an ordinary user too."""
        with self.suite.smtp() as smtp:
            for i in range(2):
                smtp.sendmail(f"carol{i}@example.net", ["b@grey.example"], CONTENT)
        ids = [self.suite.wait_log(rf"(\w+): from=<carol{i}@").group(1) for i in range(2)]
        try:
            for queue_id in ids:
                self.suite.wait_log(f"{queue_id}: to=<b@grey.example>.*deferred")
            self.postqueue("-f", "--sender", "CAROL0@", "--recipient", "b@grey")
            self.suite.wait_log(f"{ids[0]}: to=<b@grey.example>.*deferred", count=2)
            done = self.suite.run("sendmail", "-C", self.suite.conf, "-qScarol1", check=False,
                                  **({"user": "nobody"} if self.suite.root else {}))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            self.suite.wait_log(f"{ids[1]}: to=<b@grey.example>.*deferred", count=2)
            self.assertEqual(len(re.findall(f"{ids[0]}: to=<b@grey", self.suite.log())), 2)
            for args in (["-p", "--sender", "x"], ["-i", ids[0], "--sender", "x"], ["-f", "--sender", ""],
                         ["--recipient", "x"]):
                self.postqueue(*args, status=64)
        finally:
            self.suite.run("postsuper", "-c", self.suite.conf, *[arg for i in ids for arg in ("-d", i)])

    def test_while_down(self):
        self.suite.stop()
        try:
            self.assertIn("grey.example", self.postqueue("--by", "destination"))
            text = self.postqueue("--why", self.ids[0])
            self.assertIn("<a@grey.example>: waits", text)
            self.assertIn("from client localhost[127.0.0.1]", text)
            done = self.suite.run("postsuper", "-h", "4jXKcV6sGYz8")
            self.assertEqual(done.stderr, b"postsuper: warning: 4jXKcV6sGYz8: no such message in the queue\n")
        finally:
            self.suite.start()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
