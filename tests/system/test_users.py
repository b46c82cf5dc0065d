"""authorized_submit_users, authorized_mailq_users and authorized_flush_users with real users: who is named may,
who is not may not, whatever way is tried; root may always look and flush, but submit only when named. Needs
root."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402
from test_hostile_local import ROOT, Attack, stream  # noqa: E402

TEMPFAIL, NOPERM = 75, 77


@unittest.skipUnless(ROOT, "needs root")
class Users(Attack):
    MAIN = "home_mailbox =\nrecipient_delimiter = +\n"

    def configure(self, text):
        """Main.cf is what it was, and TEXT; every program knows it."""
        self.assertIsInstance(self.suite, Suite)
        if not hasattr(type(self), "original"):
            with open(self.suite.conf + "/main.cf") as f:
                type(self).original = f.read()
        self.suite.write_conf("main.cf", self.original + text)
        before = self.suite.log().count("configuration read again")
        self.suite.run("postkeep", "-c", self.suite.conf, "reload")
        self.wait(lambda: self.suite.log().count("configuration read again") > before + 1)

    def wait(self, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, self.suite.log()[-3000:])
            time.sleep(0.05)

    def run_as(self, user, name, *args, data=b""):
        """A command of the suite: its exit status and what it said."""
        def command():
            done = subprocess.run([self.program(name), *args], input=data, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=60)
            return done.returncode, done.stdout.decode(errors="replace")
        if user is None:
            done = self.suite.run(name, *args, input=data, check=False)
            return done.returncode, (done.stdout + done.stderr).decode(errors="replace")
        return self.attack(command, user=user)

    def lists(self):
        """Lists that name the victim and not the attacker."""
        named, other = self.victim.pw_name, self.user.pw_name
        path = os.path.join(self.suite.dir, "users")
        with open(path, "w") as f:
            f.write(f"# {other}\nroot\nsomebody, {named}\n")
        os.chmod(path, 0o644)
        return [f"root, {named}", f"!{other}, static:anyone", f"nobody {path}", f"!nobody, !{other} root {named}"]

    def test_submit(self):
        """By sendmail, by postdrop itself, by SMTP on standard input."""
        for number, users in enumerate(self.lists()):
            self.configure(f"authorized_submit_users = {users}\n")
            message = f"Subject: submitted {number}\n\nbody\n".encode()
            status, said = self.run_as(self.user, "sendmail", "-i", self.victim.pw_name, data=message)
            self.assertEqual(status, NOPERM, (users, said))
            self.assertIn("may not submit mail (authorized_submit_users)", said)
            status, said = self.run_as(self.user, "postdrop", data=stream(self.victim.pw_name))
            self.assertEqual(status, NOPERM, (users, said))
            status, said = self.run_as(self.user, "sendmail", "-bs", data=b"QUIT\r\n")
            self.assertEqual(status, NOPERM, (users, said))
            self.assertEqual(self.maildrop(), [])
            for user in (self.victim, None):
                status, said = self.run_as(user, "sendmail", "-i", self.victim.pw_name, data=message)
                self.assertEqual(status, 0, (users, said))
            self.wait(lambda: self.mail().count(message.split(b"\n")[0]) == 2)
        self.configure(f"authorized_submit_users = {self.victim.pw_name}\n")
        self.assertEqual(self.run_as(None, "sendmail", "-i", "root", data=b"x\n")[0], NOPERM)
        self.configure("authorized_submit_users =\n")
        self.assertEqual(self.run_as(self.victim, "sendmail", "-i", "root", data=b"x\n")[0], NOPERM)
        # A list that cannot be read is no "no" for ever.
        self.configure("authorized_submit_users = /nowhere/at/all\n")
        status, said = self.run_as(self.victim, "sendmail", "-i", "root", data=b"x\n")
        self.assertEqual(status, TEMPFAIL, said)

    def mail(self):
        try:
            with open(f"{self.suite.mail}/{self.victim.pw_name}", "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def test_look_and_flush(self):
        """Of the queue everybody who may look sees what is theirs, and root all of it."""
        self.configure("local_transport = retry:4.0.0 not now\n")
        for user in (self.user, self.victim, None):
            sender = f"{user.pw_name if user else 'root'}@example.net"
            status, said = self.run_as(user, "sendmail", "-i", "-f", sender, "root", data=b"Subject: x\n\nx\n")
            self.assertEqual(status, 0, said)
        self.wait(lambda: self.suite.log().count("status=deferred (not now)") >= 3)
        own = self.victim.pw_name + "@example.net"
        for users in self.lists():
            self.configure("local_transport = retry:4.0.0 not now\n"
                           f"authorized_mailq_users = {users}\nauthorized_flush_users = {users}\n")
            for name, args in (("postqueue", ["-p"]), ("postqueue", ["-j"]), ("mailq", []), ("sendmail", ["-bp"]),
                               ("postqueue", ["-f"]), ("postqueue", ["-s", "example.org"]), ("sendmail", ["-q"])):
                status, said = self.run_as(self.user, name, *args)
                self.assertEqual(status, NOPERM, (users, name, args, said))
                self.assertNotIn("@example.net", said)
                for user, seen in ((self.victim, 1), (None, 3)):
                    status, said = self.run_as(user, name, *args)
                    self.assertEqual(status, 0, (users, name, args, said))
                    if args in (["-p"], ["-bp"], []):
                        self.assertEqual((said.count("@example.net"), own in said), (seen, True), said)
        # A flush that was refused makes nothing due; one that was granted does.
        tries = self.suite.log().count("status=deferred (not now)")
        self.run_as(self.user, "postqueue", "-f")
        self.assertEqual(self.run_as(self.victim, "postqueue", "-f")[0], 0)
        self.wait(lambda: self.suite.log().count("status=deferred (not now)") >= tries + 3)
        self.suite.run("postsuper", "-d", "ALL")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
