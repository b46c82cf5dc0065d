"""A file system that is really full: the spool, or the mailboxes, on a small tmpfs in a mount namespace of the
test's own. What is refused is refused with 452 for now, nothing acknowledged is lost, nothing is left over, and
mail flows again by itself as soon as there is room. As root."""
import os
import re
import shutil
import smtplib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
INSIDE = "POSTKEEP_TEST_IN_NAMESPACE"
SPOOL_SIZE, MAIL_SIZE = 32 << 20, 1 << 20
CONF = """
message_size_limit = 4000000
queue_slots_ahead = 40
queue_slots_reserved = 10
minimal_backoff_time = 1s
maximal_backoff_time = 2s
mailbox_size_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 10000
smtpd_hard_error_limit = 10000
"""
LARGE = b"".join(b"%06d %s\r\n" % (i, b"all work and no play " * 4) for i in range(30000))  # 2.8 MB
FULL = re.compile(rb"4\.3\.1 ")


def possible():
    """Why not, or None."""
    if os.geteuid() != 0:
        return "needs root, to mount a file system"
    probe = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c",
                            "mount -t tmpfs -o size=1m tmpfs /mnt"], capture_output=True)
    return None if probe.returncode == 0 else "mounting is not allowed here: " + probe.stderr.decode().strip()


def mount(path, size):
    """A tmpfs on PATH with the owner and mode that the directory had."""
    st = os.stat(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},uid={st.st_uid},gid={st.st_gid},mode={st.st_mode & 0o7777:o}",
                    "tmpfs", path], check=True)


class Filler:
    """A file that takes what room there is."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "filler")

    def fill(self, leave=0):
        """Takes all but LEAVE bytes."""
        with open(self.path, "ab", buffering=0) as f:
            for piece in (1 << 16, 4096):
                try:
                    while free(self.path) > leave + piece or leave == 0:
                        f.write(b"x" * piece)
                except OSError:
                    pass

    def remove(self):
        if os.path.exists(self.path):
            os.unlink(self.path)


def free(path):
    fs = os.statvfs(path)
    return fs.f_bavail * fs.f_frsize


class Full(unittest.TestCase):
    def setUp(self):
        self.suite = Suite(PREFIX, CONF, user="nobody", start=False)
        self.addCleanup(self.end)
        self.promised = set()
        self.answers = []

    def end(self):
        failed = self._outcome and not self._outcome.success
        for path in (self.suite.spool, self.suite.mail):
            Filler(path).remove()
        self.suite.__exit__(failed or None, None, None)
        for path in (self.suite.spool, self.suite.mail):
            subprocess.run(["umount", path], capture_output=True)
        shutil.rmtree(self.suite.dir, ignore_errors=True)

    def start(self, spool=None, mail=None):
        if spool:
            mount(self.suite.spool, spool)
            self.suite.run("postkeep", "-c", self.suite.conf, "set-permissions")
        if mail:
            mount(self.suite.mail, mail)
        self.suite.start()

    # --- Clients -----------------------------------------------------------------------------------

    def one(self, smtp, token, body=b"hello\r\n"):
        """One message over a session that must outlive it; the first answer that is no yes, or the last."""
        text = b"Subject: %s\r\n\r\n%s" % (token.encode(), body)
        try:
            answer = smtp.mail("alice@example.net", [f"size={len(text)}"])
            if answer[0] == 250:
                answer = smtp.rcpt("nobody@example.org")
            if answer[0] == 250:
                answer = smtp.data(text)
        except smtplib.SMTPDataError as e:
            answer = e.smtp_code, e.smtp_error
        if answer[0] == 250:
            self.promised.add(token)
        else:
            self.assertEqual(smtp.rset()[0], 250)
        self.answers.append(answer)
        self.assertIn(answer[0], (250, 452, 451), answer)
        self.assertEqual(smtp.noop()[0], 250)
        return answer

    def until_taken(self, smtp, token, body=b"hello\r\n", seconds=20):
        end = time.monotonic() + seconds
        while self.one(smtp, token, body)[0] != 250:
            self.assertLess(time.monotonic(), end, "still refused, with room to spare")
            time.sleep(0.2)

    def sendmail(self, token):
        """By sendmail; its exit status."""
        status = self.suite.run("sendmail", "-f", "alice@example.net", "nobody@example.org", check=False,
                                input=b"Subject: %s\n\nhello\n" % token.encode()).returncode
        self.assertIn(status, (0, 75))
        if status == 0:
            self.promised.add(token)
        return status

    # --- What came of it -----------------------------------------------------------------------------

    def tokens(self):
        return [re.search(rb"\nSubject: (\S+)", m).group(1).decode() for m in self.suite.mbox("nobody")]

    def all_arrive(self, body=None):
        """Everything acknowledged is there, once; nothing is left over."""
        self.suite.wait_empty(60)
        self.suite.wait_mail("nobody", b"Subject: ", count=len(self.promised))
        found = self.tokens()
        self.assertEqual(sorted(found), sorted(self.promised))
        for m in self.suite.mbox("nobody"):
            text = m.partition(b"\n\n")[2]
            self.assertIn(text.rstrip(b"\n") + b"\n", (b"hello\n", LARGE.replace(b"\r\n", b"\n")))
        self.assertEqual(os.listdir(self.suite.spool + "/corrupt"), [])
        self.assertEqual(os.listdir(self.suite.spool + "/maildrop"), [])
        self.assertEqual(re.findall(r".*(?:panic|(?<!sendmail)\[\d+\]: fatal|killed by signal (?!9)|status=bounced).*", self.suite.log()), [])

    # --- The spool --------------------------------------------------------------------------------

    def test_spool(self):
        """Full between two messages, and in the middle of one; then room again, without a restart."""
        self.start(spool=SPOOL_SIZE)
        filler = Filler(self.suite.spool)
        with self.suite.smtp() as smtp:
            smtp.ehlo()
            self.one(smtp, "before")
            self.suite.wait_mail("nobody", b"Subject: before")
            filler.fill()
            time.sleep(1.1)  # qmgr asks for the room once a second
            for i in range(3):
                code, text = self.one(smtp, f"full-{i}")
                self.assertEqual(code, 452, text)
                self.assertRegex(text, FULL)
            self.assertEqual(self.sendmail("full-local"), 75)
            self.assertEqual(self.promised, {"before"})
            filler.remove()
            self.until_taken(smtp, "after")
            self.assertEqual(self.sendmail("after-local"), 0)
            self.all_arrive()
            self.in_the_middle(smtp, filler)
        self.all_arrive()

    def in_the_middle(self, smtp, filler):
        """There was room when the message began, and none when it was written."""
        filler.fill(leave=7 << 20)
        time.sleep(1.1)
        smtp.putcmd("MAIL", "FROM:<alice@example.net>")
        smtp.getreply()
        smtp.putcmd("RCPT", "TO:<nobody@example.org>")
        smtp.getreply()
        smtp.putcmd("DATA")
        self.assertEqual(smtp.getreply()[0], 354)
        smtp.send(b"Subject: middle\r\n\r\n" + LARGE[:1 << 20])
        time.sleep(0.5)
        filler.fill()
        smtp.send(LARGE[1 << 20:] + b".\r\n")
        code, text = smtp.getreply()
        self.assertEqual(code, 452, text)
        self.assertRegex(text, FULL)
        self.assertEqual(smtp.noop()[0], 250)
        filler.remove()
        self.until_taken(smtp, "middle-small")
        self.until_taken(smtp, "middle-large", LARGE)

    def test_load(self):
        """Many clients while the room comes and goes."""
        self.start(spool=SPOOL_SIZE)
        filler, over = Filler(self.suite.spool), threading.Event()
        wrong = []

        def client(number):
            try:
                with self.suite.smtp() as smtp:
                    smtp.ehlo()
                    for i in range(1000):
                        if over.is_set():
                            return
                        self.one(smtp, f"c{number}-{i}", LARGE if i % 20 == 9 and number == 0 else b"hello\r\n")
                        time.sleep(0.05)
            except Exception as e:  # whatever it was, the test fails
                wrong.append(repr(e))

        clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
        for c in clients:
            c.start()
        for i in range(3):
            time.sleep(0.7)
            filler.fill()
            self.sendmail(f"local-{i}")
            time.sleep(1.5)
            filler.remove()
        time.sleep(1.5)
        over.set()
        for c in clients:
            c.join()
        self.assertEqual(wrong, [])
        codes = {code for code, _ in self.answers}
        self.assertLessEqual({250, 452}, codes)
        self.all_arrive()

    def test_restart(self):
        """A queue manager that is killed and comes back on a full file system goes on with what it has."""
        self.start(spool=SPOOL_SIZE, mail=MAIL_SIZE)
        mail = Filler(self.suite.mail)
        mail.fill()
        with self.suite.smtp() as smtp:
            smtp.ehlo()
            for i in range(20):
                self.one(smtp, f"waiting-{i}")
        self.assertEqual(len(self.promised), 20)
        self.suite.wait_log("status=deferred", count=20)
        filler = Filler(self.suite.spool)
        filler.fill()
        self.suite.kill("qmgr")
        mail.remove()
        self.all_arrive()
        filler.remove()
        with self.suite.smtp() as smtp:
            smtp.ehlo()
            self.until_taken(smtp, "after")
        self.all_arrive()

    def test_read_only(self):
        """The kernel has made the file system read-only after an error: what is asked, and the stop, work."""
        self.start()
        spool = self.suite.spool
        for order, status in (("status", 0), ("stop", 0), ("status", 1)):
            result = subprocess.run(
                ["unshare", "-m", "--propagation", "private", "sh", "-c",
                 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"', "sh", spool,
                 self.suite.program("postkeep"), "-c", self.suite.conf, order], capture_output=True, text=True, timeout=120)
            self.assertEqual(result.returncode, status, order + ": " + result.stderr)
        self.suite.started = False

    # --- The mailboxes ----------------------------------------------------------------------------

    def test_mailboxes(self):
        """A mailbox that cannot grow: its mail waits in the queue, and no half message stays behind."""
        self.start(mail=MAIL_SIZE)
        filler = Filler(self.suite.mail)
        with self.suite.smtp() as smtp:
            smtp.ehlo()
            self.one(smtp, "first")
            self.suite.wait_mail("nobody", b"Subject: first")
            filler.fill()
            size = os.path.getsize(self.suite.mail + "/nobody")
            # Longer than what is left of the block that the file has.
            for i in range(3):
                self.one(smtp, f"waiting-{i}", LARGE)
            self.suite.wait_log(r"waits|status=deferred \(.*(No space left|full)", count=3)
            self.assertEqual(os.path.getsize(self.suite.mail + "/nobody"), size)
            self.assertEqual(len(self.promised), 4)
        filler.remove()
        subprocess.run(["mount", "-o", "remount,size=64m", self.suite.mail], check=True)
        self.all_arrive()


if __name__ == "__main__":
    reason = None if os.environ.get(INSIDE) else possible()
    if reason:
        print("skipped: " + reason)
        sys.exit(0)
    if not os.environ.get(INSIDE):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable] + sys.argv)
    unittest.main(verbosity=2, warnings="ignore")
