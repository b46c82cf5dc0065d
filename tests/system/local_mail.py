#!/usr/bin/env python3
"""Local mail from sendmail to the queue, and the queue's tools: with the daemons up and down.

The real qmgr and pickup, without master and without delivery agents: what is queued stays there.
Runs on a build folder (the working directory, or $BUILDDIR). Exit status 77: skipped.
"""
import email
import json
import os
import re
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import daemons  # noqa: E402

BUILD = os.path.abspath(os.environ.get("BUILDDIR", os.getcwd()))
daemons.UNIX_ENDPOINTS.setdefault("pickup", ["public/pickup"])
UID = daemons.NOBODY if os.getuid() == 0 else os.getuid()
NAME = "nobody" if os.getuid() == 0 else None


def program(folder, name):
    real = os.path.join(BUILD, folder, ".libs", name)
    return real if os.path.exists(real) else os.path.join(BUILD, folder, name)


class Case(unittest.TestCase):
    up = ("qmgr", "pickup")
    as_root = False  # are tools run by root, beside a suite of an ordinary user's?

    def setUp(self):
        self.suite = daemons.Daemons(BUILD)
        self.addCleanup(self.suite.__exit__)
        self.suite.configure("trigger_timeout = 3s\nmessage_size_limit = 0\nmailbox_size_limit = 0\n")
        for name in self.up:
            self.suite.start(name)

    def environment(self):
        return {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": self.suite.conf, "NAME": "Full Name",
                "LD_LIBRARY_PATH": os.path.join(BUILD, ".libs")}

    def demote(self):
        if os.getuid() == 0 and not self.as_root:
            os.setgroups([])
            os.setgid(daemons.NOBODY)
            os.setuid(daemons.NOBODY)

    def popen(self, folder, name, *args):
        return subprocess.Popen([program(folder, name), *args], env=self.environment(),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, preexec_fn=self.demote)

    def run_tool(self, folder, name, *args, data=b"", status=0):
        with self.popen(folder, name, *args) as p:
            out, err = p.communicate(data, timeout=60)
        self.assertEqual(p.returncode, status, (name, args, out, err))
        return out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "replace")

    def sendmail(self, *args, data=b"Subject: x\n\nhello\n", status=0):
        return self.run_tool("sendmail", "sendmail", *args, data=data, status=status)

    def postqueue(self, *args, **kw):
        return self.run_tool("admin", "postqueue", *args, **kw)[0]

    def postsuper(self, *args, **kw):
        return self.run_tool("admin", "postsuper", *args, **kw)[1]

    def postcat(self, *args, **kw):
        return self.run_tool("admin", "postcat", *args, **kw)[0]

    def queue(self):
        """The queue as postqueue -j tells it, oldest first."""
        entries = [json.loads(line) for line in self.postqueue("-j").splitlines()]
        return sorted(entries, key=lambda e: e["queue_id"])

    def wait_queue(self, n):
        """Until N messages are in the queue and none is being worked on."""
        for _ in range(100):
            entries = self.queue()
            if len(entries) == n and all(e["queue_name"] in ("deferred", "hold") for e in entries):
                return entries
            time.sleep(0.1)
        self.fail(f"the queue: {entries}")

    def maildrop(self):
        return sorted(os.listdir(os.path.join(self.suite.spool, "maildrop")))

    def drop_file(self, name, data, mode=0o744):
        path = os.path.join(self.suite.spool, "maildrop", name)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        if os.getuid() == 0:
            os.chown(path, daemons.NOBODY, daemons.NOBODY)
        return path

    def wake(self, name="pickup"):
        self.suite.processes[name][1].send(b"W")

    def wait_for(self, condition, seconds=10):
        for _ in range(seconds * 20):
            if condition():
                return True
            time.sleep(0.05)
        return False


class Submission(Case):
    def test_through_pickup(self):
        mark = self.suite.log_mark()
        self.sendmail("-f", "alice@sender.example", "bob", "carol@else.example")
        self.assertEqual(self.maildrop(), [])
        (entry,) = self.wait_queue(1)
        self.assertEqual(entry["sender"], "alice@sender.example")
        self.assertEqual([r["address"] for r in entry["recipients"]],
                         ["bob@mx.example.com", "carol@else.example"])
        queue_id = entry["queue_id"]
        self.assertIsNotNone(
            self.suite.log_wait(f"{queue_id}: uid={UID} from=<alice@sender.example>", mark))
        self.assertIsNotNone(self.suite.log_wait(f"cleanup[{self.suite.pid('pickup')}]: {queue_id}: "
                                                 "message-id=<", mark))

    def test_header(self):
        self.sendmail("-t", data=b"To: bob\nBcc: carol\nReturn-Path: <x>\nX: y\n\nbody\n.\n")
        (entry,) = self.wait_queue(1)
        text = self.postcat("-bh", "-q", entry["queue_id"])
        m = email.message_from_string(text)
        self.assertEqual(m.get_payload(), "body\n")
        self.assertIsNone(m["Bcc"])
        self.assertIsNone(m["Return-Path"])
        self.assertEqual(m["X"], "y")
        self.assertIn("bob", m["To"])
        self.assertRegex(m["From"], r"^Full Name <[^>]+@mx\.example\.com>$")
        self.assertRegex(m["Message-Id"], rf"^<\d{{14}}\.{entry['queue_id']}@mx\.example\.com>$")
        self.assertIsNotNone(email.utils.parsedate_to_datetime(m["Date"]))
        self.assertRegex(m["Received"], rf"^by mx\.example\.com \([^ ]+, from userid {UID}\)\s+id "
                                        rf"{entry['queue_id']}; ")
        self.assertEqual(sorted(r["address"] for r in entry["recipients"]),
                         ["bob@mx.example.com", "carol@mx.example.com"])

    def test_null_sender(self):
        self.sendmail("-f", "", "bob")
        (entry,) = self.wait_queue(1)
        self.assertEqual(entry["sender"], "")

    def test_large(self):
        data = b"Subject: large\n\n" + b"0123456789abcdef" * 6 + b"\n"
        data += (b"%063d\n" % 7) * 80000
        self.sendmail("bob", data=data)
        (entry,) = self.wait_queue(1)
        body = self.postcat("-b", "-q", entry["queue_id"])
        self.assertEqual(body, data.decode().split("\n\n", 1)[1].join(["\n", ""]))

    def test_many_recipients(self):
        many = [f"user{i}@example.org" for i in range(3000)]
        self.sendmail(*many)
        (entry,) = self.wait_queue(1)
        self.assertEqual([r["address"] for r in entry["recipients"]], many)

    def test_sender_vanishes(self):
        """sendmail is killed in the middle of a large message: nothing is queued."""
        p = self.popen("sendmail", "sendmail", "-i", "bob")
        p.stdin.write(b"x" * 70 + b"\n")
        p.stdin.write((b"y" * 70 + b"\n") * 20000)
        p.stdin.flush()
        time.sleep(0.5)
        p.kill()
        p.communicate()
        time.sleep(0.5)
        self.assertEqual(self.queue(), [])
        self.assertEqual(self.maildrop(), [])

    def test_pickup_killed(self):
        """pickup dies in the middle of a large message: status 75, and nowhere a message."""
        p = self.popen("sendmail", "sendmail", "-i", "bob")
        p.stdin.write((b"y" * 70 + b"\n") * 20000)
        p.stdin.flush()
        time.sleep(0.5)
        self.suite.kill("pickup")
        try:
            p.communicate((b"z" * 70 + b"\n") * 20000, timeout=60)
        except BrokenPipeError:
            p.wait(60)
        self.assertEqual(p.returncode, 75)
        self.assertEqual(self.maildrop(), [])
        self.suite.start("pickup")
        time.sleep(0.5)
        self.assertEqual(self.queue(), [])

    def test_pickup_starts_later(self):
        """The socket is there, nobody answers: the message is stored, and found at start."""
        self.suite.kill("pickup")
        self.sendmail("bob")
        self.assertEqual(len(self.maildrop()), 1)
        self.suite.start("pickup")
        self.wait_queue(1)
        self.assertEqual(self.maildrop(), [])

    def test_too_many_hops(self):
        loop = b"".join(b"Received: by x%d; Thu, 1 Jan 2026 00:00:00 +0000\n" % i for i in range(60))
        _, err = self.sendmail("bob", data=loop + b"\nbody\n", status=69)
        self.assertIn("5.4.0", err)
        self.assertEqual(self.queue(), [])
        self.assertEqual(self.maildrop(), [])


class Maildrop(Case):
    HEAD = b"V1:1\nS1:a\nR3:bob\n"
    up = ("qmgr",)

    def test_in_order(self):
        for i in range(20):
            self.sendmail("-f", f"s{i}@x.example", "bob")
        self.assertEqual(len(self.maildrop()), 20)
        mark = self.suite.log_mark()
        self.suite.start("pickup")
        self.wait_queue(20)
        self.assertEqual(self.maildrop(), [])
        found = [re.search(r"from=<s(\d+)@", line) for line in self.suite.lines[mark:]
                 if "pickup" in line]
        self.assertEqual([int(m.group(1)) for m in found if m], list(range(20)))

    def test_wakeup(self):
        self.suite.start("pickup")
        self.drop_file("one", self.HEAD + b"D3:x\r\n\nZ1:3\n")
        self.wake()
        (entry,) = self.wait_queue(1)
        self.assertEqual(entry["sender"], "a@mx.example.com")

    def test_dsn_of_each_recipient(self):
        """ORCPT and NOTIFY are kept with their recipients, through a file of maildrop/ and through pickup's
        socket; what has no NOTIFY of its own has that for all."""
        stream = (b"V1:3\nS1:a\nQ7:failure\nO20:rfc822;a+b@c.example\nP13:success,delay\nR3:bob\n"
                  b"P5:never\nR5:carol\nR3:eve\nZ1:0\n")
        wanted = ["dsn_notify_flags=SUCCESS,DELAY", "dsn_orig_rcpt=rfc822;a+b@c.example", "bob",
                  "dsn_notify_flags=NEVER", "carol", "eve"]

        def shown(text, for_all=""):
            lines = [line.replace("named_attribute: ", "").strip() for line in text.split("\n")]
            lines = [line.replace("recipient: ", "").replace("@mx.example.com", "") for line in lines
                     if line.startswith(("dsn_", "recipient: "))]
            return [line for line in lines if line != for_all]
        self.run_tool("sendmail", "postdrop", data=stream)
        (name,) = self.maildrop()
        text = self.postcat(os.path.join(self.suite.spool, "maildrop", name))
        self.assertEqual(shown(text, "dsn_notify_flags=FAILURE"), wanted)
        self.suite.start("pickup")
        self.wait_queue(1)
        self.run_tool("sendmail", "postdrop", data=stream)
        for entry in self.wait_queue(2):
            text = self.postcat("-e", "-q", entry["queue_id"])
            self.assertEqual(shown(text), wanted[:-1] + ["dsn_notify_flags=FAILURE", "eve"])
        self.assertEqual(self.maildrop(), [])

    def test_date_of_submission(self):
        path = self.drop_file("old", self.HEAD + b"Z1:0\n")
        os.utime(path, (1000000000, 1000000000))
        self.suite.start("pickup")
        (entry,) = self.wait_queue(1)
        self.assertIn("Date: Sun,  9 Sep 2001",
                      self.postcat("-h", "-q", entry["queue_id"]).replace("Sun, 9", "Sun,  9"))

    def test_sum(self):
        """What a power cut has left of a message that was not acknowledged does not go half a way."""
        self.sendmail("bob", data=b"Subject: whole\n\n" + b"line of text\n" * 500)
        (name,) = self.maildrop()
        path = os.path.join(self.suite.spool, "maildrop", name)
        with open(path, "rb") as f:
            whole = f.read()
        self.drop_file("sector", whole[:512] + whole[512:1024].replace(b"text", b"TEXT") + whole[1024:])
        self.drop_file("no-sum", whole[:whole.rindex(b"K16:")])
        self.suite.start("pickup")
        self.wait_queue(1)
        self.assertTrue(self.wait_for(lambda: self.maildrop() == ["bad.no-sum", "bad.sector"]), self.maildrop())

    def test_bad_files(self):
        self.drop_file("garbage", b"hello\n" * 1000)
        self.drop_file("torn", self.HEAD + b"D3:x\r\n\n")
        self.drop_file("behind", self.HEAD + b"Z1:0\nV1:1\n")
        self.drop_file("address", b"V1:1\nS1:a\nR3:a@@\nZ1:0\n")
        linked = self.drop_file("linked", self.HEAD + b"Z1:0\n")
        os.link(linked, os.path.join(self.suite.dir, "other-name"))
        drop = os.path.join(self.suite.spool, "maildrop")
        os.symlink("/etc/passwd", os.path.join(drop, "symlink"))
        os.mkfifo(os.path.join(drop, "fifo"), 0o744)
        os.mkdir(os.path.join(drop, "directory"), 0o755)
        self.drop_file("zz-good", self.HEAD + b"Z1:0\n")
        self.drop_file("writing", self.HEAD, mode=0o600)
        stale = self.drop_file("stale", self.HEAD, mode=0o600)
        os.utime(stale, (time.time() - 90000,) * 2)
        mark = self.suite.log_mark()
        self.suite.start("pickup")
        self.wait_queue(1)
        bad = ["garbage", "torn", "behind", "address", "linked", "symlink", "fifo", "directory"]
        self.assertTrue(self.wait_for(lambda: self.maildrop() == sorted(["bad." + b for b in bad] + ["writing"])),
                        self.maildrop())
        for name in bad:
            self.assertIsNotNone(self.suite.log_wait(f"maildrop/{name}: uid=", mark), name)
        self.wake()  # what was set aside is not looked at again
        time.sleep(0.3)
        self.assertEqual(len(self.queue()), 1)

    def test_qmgr_away(self):
        """pickup is there, qmgr is not: stored at once, queued when qmgr is back."""
        self.suite.start("pickup")
        self.suite.stop("qmgr")
        self.sendmail("bob")
        self.assertEqual(len(self.maildrop()), 1)
        mark = self.suite.log_mark()
        self.suite.start("qmgr")
        self.wake()
        self.wait_queue(1)
        self.assertEqual(self.maildrop(), [])
        self.assertIsNone(self.suite.log_wait("bad.", mark, timeout=0.1))

    def test_kill_while_scanning(self):
        """Killed again and again: each message is queued at least once, and none twice without cause."""
        for i in range(60):
            self.sendmail("-f", f"s{i}@x.example", "bob")
        for _ in range(6):
            self.suite.start("pickup")
            time.sleep(0.03)
            self.suite.kill("pickup")
        self.suite.start("pickup")
        self.assertTrue(self.wait_for(lambda: self.maildrop() == []))
        time.sleep(0.3)
        senders = [e["sender"] for e in self.queue()]
        self.assertEqual(set(senders), {f"s{i}@x.example" for i in range(60)})
        self.assertLessEqual(len(senders), 60 + 6)


class Tools(Case):
    """Each tool with qmgr up and down."""

    def submit(self, n):
        for i in range(n):
            self.sendmail("-f", f"s{i}@x.example", "bob", f"r{i}@y.example",
                          data=b"Subject: number %d\nFolded: a\n b\n\nbody %d\n" % (i, i))
        return self.wait_queue(n)

    def states(self):
        """Sender to queue name and mark."""
        return {e["sender"].split("@")[0]: e["queue_name"] + ("#" if e["forced_expire"] else "")
                for e in self.queue()}

    def both(self, check):
        """CHECK with qmgr, then without."""
        check()
        self.suite.stop("qmgr")
        check()

    def test_listing(self):
        entries = self.submit(2)

        def check():
            lines = self.postqueue("-p").split("\n")
            self.assertEqual(lines[0], "----Queue ID----- --Size-- ---Arrival Time---- "
                                       "--Sender/Recipient------")
            for i, e in enumerate(entries):
                at = lines.index(next(x for x in lines if x.startswith(e["queue_id"])))
                when = time.asctime(time.localtime(e["arrival_time"]))[:19]
                self.assertEqual(lines[at], f"{e['queue_id']:<17} {e['message_size']:>8} {when} "
                                            f"s{i}@x.example")
                reasons = [x for x in lines[at + 1:at + 4] if x.strip().startswith("(")]
                self.assertTrue(reasons and all(len(r) >= 78 for r in reasons))
                self.assertIn(" " * 47 + "bob@mx.example.com", lines)
            total = sum(e["message_size"] for e in entries) // 1024
            self.assertEqual(lines[-2:], [f"-- {total} Kbytes in 2 Requests.", ""])
            self.assertEqual([e["queue_id"] for e in self.queue()], [e["queue_id"] for e in entries])
        self.both(check)

    def test_empty(self):
        self.both(lambda: self.assertEqual(self.postqueue("-p"), "Mail queue is empty\n"))
        self.assertEqual(self.postqueue("-j"), "")

    def test_maildrop_is_listed(self):
        self.suite.stop("pickup")
        self.sendmail("-f", "a@b.example", "bob")

        def check():
            (entry,) = self.queue()
            self.assertEqual((entry["queue_name"], entry["sender"]), ("maildrop", "a@b.example"))
            self.assertIn("bob", self.postqueue("-p"))
        self.both(check)
        (name,) = self.maildrop()
        text = self.postcat(os.path.join(self.suite.spool, "maildrop", name))
        self.assertIn("sender: a@b.example\n", text)
        self.assertIn("recipient: bob\n", text)
        self.assertIn("\nhello\n", text)

    def orders(self):
        """The same orders, by qmgr or on the slots."""
        ids = {e["sender"].split("@")[0]: e["queue_id"] for e in self.queue()}
        said = self.postsuper("-h", ids["s0"])
        self.assertIn("postsuper: Placed on hold: 1 message\n", said)
        self.assertIn(f"{ids['s0']}: placed on hold", said)
        self.assertEqual(self.states()["s0"], "hold")
        self.assertNotIn("Placed", self.postsuper("-h", ids["s0"]))
        self.assertIn(f"{ids['s0']}!", self.postqueue("-p"))
        self.assertIn("Placed on hold: 3 messages", self.postsuper("-h", "ALL"))
        self.assertIn("Released from hold: 1 message\n", self.postsuper("-H", ids["s1"]))
        self.assertIn("Deleted: 1 message\n", self.postsuper("-d", ids["s3"], "hold"))
        self.assertNotIn("Deleted", self.postsuper("-d", ids["s0"], "deferred"))
        self.assertIn("Released from hold: 2 messages", self.postsuper("-H", "ALL"))
        self.assertIn("Placed on hold: 2 messages",
                      self.postsuper("-h", "-", data=f"{ids['s0']}*\n\n{ids['s2']}  x\nrubbish\n".encode()))
        self.assertIn("Expired: 1 message\n", self.postsuper("-e", ids["s0"]))
        self.assertEqual(self.states()["s0"], "hold#")
        self.assertIn(f"{ids['s0']}!#", self.postqueue("-p"))
        said = self.postsuper("-r", ids["s2"])
        self.assertIn("Requeued: 1 message\n", said)
        self.assertNotEqual(self.states()["s2"], "hold")
        self.assertIn("Placed on hold: 2 messages", self.postsuper("-h", "ALL", "incoming", "active", "deferred"))
        said = self.postsuper("-R", ids["s2"])
        self.assertIn("To be tried again: 1 message\n", said)
        self.assertNotEqual(self.states()["s2"], "hold")
        self.assertEqual(self.states()["s1"], "hold")
        # Several at once, one after the other; what is expired and held stays there, -f releases it.
        said = self.postsuper("-h", ids["s2"], "-H", ids["s1"], "-e", ids["s2"], "-h", ids["s1"])
        for line in ("Placed on hold: 2 messages", "Released from hold: 1 message", "Expired: 1 message"):
            self.assertIn(line + "\n", said)
        self.assertEqual((self.states()["s1"], self.states()["s2"]), ("hold", "hold#"))
        said = self.postsuper("-R", "ALL", "deferred", "active", "incoming")
        self.assertNotIn("tried", said)
        for option, line in (("-r", "Requeued: 2 messages"), ("-h", "Placed on hold: 2 messages"),
                             ("-H", "Released from hold: 2 messages"), ("-R", "To be tried again: 2 messages")):
            data = f"{ids['s1']}\n{ids['s2']}!\nALL\n".encode()
            said = self.postsuper(option, "-", data=data)
            self.assertIn(line + "\n", said)
            self.assertIn("not a queue ID: ALL", said)
        # It is gone when the second queue is looked at, or when it is released: that is no news.
        self.assertNotIn("no such message", self.postsuper("-d", ids["s1"], "hold", "deferred", "incoming", "active"))
        self.assertRegex(self.postsuper("-d", "4C0000000000z1"), "warning: 4C0000000000z1: no such message in the queue$")
        self.assertIn("Deleted: 1 message\n", self.postsuper("-d", ids["s0"]))
        self.assertIn("Deleted: 1 message\n", self.postsuper("-d", "ALL"))
        self.assertEqual(self.queue(), [])

    def test_orders_up(self):
        self.submit(4)
        self.orders()

    def test_orders_down(self):
        self.submit(4)
        self.suite.stop("qmgr")
        self.orders()
        self.suite.start("qmgr")
        time.sleep(1.5)
        self.assertEqual(self.queue(), [])

    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_root_leaves_nothing_of_its_own(self):
        """What root's tools make in the spool belongs to the spool's owner, as qmgr expects it."""
        (entry,) = self.submit(1)
        self.suite.stop("qmgr")
        lock = os.path.join(self.suite.spool, "slots", "lock")
        os.unlink(lock)
        self.as_root = True
        self.assertEqual([e["queue_id"] for e in self.queue()], [entry["queue_id"]])
        self.assertIn("Placed on hold: 1 message", self.postsuper("-h", "ALL"))
        self.assertIn("sender: s0@x.example", self.postcat("-q", entry["queue_id"]))
        self.assertEqual(os.stat(lock).st_uid, UID)
        self.suite.start("qmgr")
        self.assertEqual(self.states(), {"s0": "hold"})

    def test_purge_and_check(self):
        """-p and -s, alone, together, by themselves, and before other orders; with qmgr and without."""
        (entry,) = self.submit(1)
        drop = os.path.join(self.suite.spool, "maildrop")

        def unfinished():
            for name, age, mode in (("half", 90000, 0o600), ("fresh", 100, 0o600), ("whole", 90000, 0o700)):
                path = os.path.join(drop, name)
                with open(path, "wb"):
                    pass
                os.chmod(path, mode)
                os.chown(path, UID, -1)
                os.utime(path, (time.time() - age,) * 2)

        def check():
            for args in (["-p"], ["-ps"], [], ["-p", "-h", "ALL"]):
                unfinished()
                said = self.postsuper(*args)
                self.assertIn("Removed: 1 unfinished file from maildrop\n", said)
                self.assertEqual(set(os.listdir(drop)) & {"half", "fresh", "whole"}, {"fresh", "whole"})
            self.assertLess(said.index("Removed"), said.index("Placed on hold: 1 message"))
            self.assertNotIn("Removed", self.postsuper("-s"))
            self.assertIn("Released from hold: 1 message", self.postsuper("-H", entry["queue_id"]))
        self.suite.stop("pickup")
        self.both(check)

    def test_order_while_down_is_obeyed(self):
        (entry,) = self.submit(1)
        self.suite.stop("qmgr")
        self.postsuper("-h", entry["queue_id"])
        self.suite.start("qmgr")
        time.sleep(1.5)
        self.assertEqual(self.states(), {"s0": "hold"})

    def test_postcat(self):
        (entry,) = self.submit(1)
        queue_id = entry["queue_id"]

        def check():
            name = f"deferred/{queue_id}"
            text = self.postcat("-q", queue_id)
            lines = text.split("\n")
            self.assertEqual(lines[0], f"*** ENVELOPE RECORDS {name} ***")
            for line in ("sender: s0@x.example", "original_recipient: bob",
                         "recipient: bob@mx.example.com", "recipient: r0@y.example",
                         f"*** MESSAGE CONTENTS {name} ***", "Subject: number 0", " b", "", "body 0"):
                self.assertIn(line, lines)
            self.assertEqual(lines[-3:], [f"*** HEADER EXTRACTED {name} ***",
                                          f"*** MESSAGE FILE END {name} ***", ""])
            self.assertRegex(text, r"message_size: +%d " % entry["message_size"])
            self.assertIn("message_arrival_time: " +
                          time.asctime(time.localtime(entry["arrival_time"])), lines)
            head = self.postcat("-h", "-q", queue_id)
            body = self.postcat("-b", "-q", queue_id)
            self.assertTrue(head.startswith("Received: ") and head.endswith("\n"))
            self.assertNotIn("body 0", head)
            self.assertEqual(body, "\nbody 0\n")
            self.assertEqual(self.postcat("-bh", "-q", queue_id), head + body)
            envelope = self.postcat("-e", "-q", queue_id)
            self.assertNotIn("Subject", envelope)
            for line in self.postcat("-boq", queue_id).splitlines():
                self.assertRegex(line, r"^ *\d+ ")
            self.run_tool("admin", "postcat", "-q", "4C0000000000z1", status=70)
        self.both(check)

    def test_flush(self):
        (entry,) = self.submit(1)
        mark = self.suite.log_mark()
        for args in (["-f"], ["-i", entry["queue_id"]], ["-s", "y.example"]):
            self.postqueue(*args)
        self.assertIsNotNone(self.suite.log_wait(entry["queue_id"], mark))
        self.run_tool("admin", "postqueue", "-i", "../x", status=64)
        self.suite.stop("qmgr")
        _, err = self.run_tool("admin", "postqueue", "-f", status=69)
        self.assertIn("mail system is down", err)

    def test_usage(self):
        for name, args in (("postqueue", []), ("postqueue", ["-Z"]), ("postqueue", ["-p", "-j"]),
                           ("postqueue", ["-p", "x"]), ("postqueue", ["-s", ""]),
                           ("postsuper", ["-Z"]), ("postsuper", ["-d", "all"]),
                           ("postsuper", ["-d", "../../x"]), ("postsuper", ["-d", "ALL", "nowhere"]),
                           ("postcat", ["-Z"]), ("postcat", ["-q"]), ("postcat", ["-q", "x/y"]),
                           ("postlog", ["-Z"]), ("postlog", ["-p", "loud", "x"])):
            _, err = self.run_tool("admin", name, *args, status=64)
            self.assertNotEqual(err, "", (name, args))

    def test_mailq_users(self):
        self.submit(1)
        self.suite.configure("authorized_mailq_users = root\nauthorized_flush_users = !static:x\n")
        self.run_tool("admin", "postqueue", "-p", status=77)
        self.run_tool("admin", "postqueue", "-f", status=77)

    def test_damaged_slot(self):
        """postsuper -s with qmgr down: what is damaged is set aside, the rest stays."""
        entries = self.submit(3)
        self.suite.stop("qmgr")
        for root, _, files in os.walk(os.path.join(self.suite.spool, "slots")):
            for name in files:
                path = os.path.join(root, name)
                with open(path, "rb") as f:
                    data = f.read()
                at = data.find(b"body 1")
                if at > 0:
                    with open(path, "r+b") as f:
                        f.seek(at)
                        f.write(b"BODY")
        said = self.postsuper("-s")
        self.assertIn("Moved to corrupt: 1 message", said)
        self.assertEqual(len(os.listdir(os.path.join(self.suite.spool, "corrupt"))), 1)
        self.assertEqual([e["queue_id"] for e in self.queue()],
                         [entries[0]["queue_id"], entries[2]["queue_id"]])

    def test_concurrent(self):
        """Many at once: each is told the truth."""
        failures = []

        def submit(i):
            p = self.popen("sendmail", "sendmail", "-f", f"c{i}@x.example", "bob")
            _, err = p.communicate(b"x\n", timeout=60)
            if p.returncode != 0:
                failures.append((i, p.returncode, err))
        threads = [threading.Thread(target=submit, args=(i,)) for i in range(30)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.wake()
        self.wait_queue(30)
        self.assertEqual(sorted(e["sender"] for e in self.queue()),
                         sorted(f"c{i}@x.example" for i in range(30)))


if __name__ == "__main__":
    if not os.path.exists(os.path.join(BUILD, "pickup", "pickup")):
        print(f"{BUILD} is not a build folder")
        sys.exit(77)
    unittest.main(verbosity=1)
