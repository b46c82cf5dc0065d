#!/usr/bin/python3
"""The first things that people try: mail(1), telnet, swaks, against a whole suite."""
import email
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX")


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Suite(PREFIX)
        cls.addClassCleanup(cls.suite.__exit__, None, None, None)
        cls.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": cls.suite.conf, "LC_ALL": "C.UTF-8",
                           "HOME": cls.suite.dir, "MAILRC": "/dev/null"}

    def client(self, *argv, data=b""):
        self.assertIsNotNone(shutil.which(argv[0]), argv[0] + " is not installed; tools/packages has it")
        done = subprocess.run(argv, input=data, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        return done.stdout.decode()

    def arrived(self, needle):
        message = self.suite.wait_mail(self.suite.user, needle)
        self.suite.wait_empty()
        return message

    def test_mail(self):
        self.client("s-nail", "-n", "-S", "mta=" + self.suite.program("sendmail"), "-s", "from mail(1)",
                    self.suite.user, data=b"typed in a shell: \xc3\xa4\n.\nnot the end\n")
        message = self.arrived(b"typed in a shell")
        self.assertIn(b"Subject: from mail(1)\n", message)
        text = email.message_from_bytes(message).get_payload(decode=True).decode()
        self.assertEqual(text, "typed in a shell: \u00e4\n.\nnot the end\n")

    def test_mail_with_sender_and_copies(self):
        self.client("s-nail", "-n", "-S", "mta=" + self.suite.program("sendmail"), "-r", "alice@example.net",
                    "-s", "copies", "-c", self.suite.user, "-b", self.suite.user, self.suite.user + "@example.org",
                    data=b"body of copies\n")
        message = self.arrived(b"body of copies")
        self.assertTrue(message.startswith(b"Return-Path: <alice@example.net>\n"), message)
        self.assertNotIn(b"\nBcc:", message)

    def test_sendmail_in_a_shell(self):
        """As the first page of the manual has it."""
        subprocess.run(["sh", "-c", f"echo hello from a shell | {self.suite.program('sendmail')} -f alice@example.org "
                        + self.suite.user], env=self.environment, check=True, timeout=60)
        self.assertIn(b"Return-Path: <alice@example.org>", self.arrived(b"hello from a shell"))
        mailq = self.client(self.suite.program("mailq"))
        self.assertEqual(mailq, "Mail queue is empty\n")

    def test_swaks(self):
        out = self.client("swaks", "--server", f"127.0.0.1:{self.suite.port}", "--from", "alice@example.net", "--to",
                          self.suite.user + "@example.org", "--body", "swaks was here", "--pipeline")
        queue_id = re.search(r"250 2\.0\.0 Ok: queued as (\S+)", out).group(1)
        self.assertIn(queue_id.encode(), self.arrived(b"swaks was here"))
        self.suite.wait_log(rf"local\[\d+\]: {queue_id}: to=<{self.suite.user}@example\.org>,.* dsn=2\.0\.0, "
                            r"status=sent \(delivered to mailbox\)")

    def test_telnet(self):
        """A message typed by hand, each line after the answer to the one before."""
        lines = ["EHLO me.example.net", "MAIL FROM:<alice@example.net>", f"RCPT TO:<{self.suite.user}@example.org>",
                 "DATA", "Subject: by hand\n\nTyped in telnet.\n.", "QUIT"]
        self.assertIsNotNone(shutil.which("telnet"), "telnet is not installed; tools/packages has it")
        telnet = subprocess.Popen(["telnet", "127.0.0.1", str(self.suite.port)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        answers = []
        with telnet:
            for line in telnet.stdout:
                if not re.match(rb"\d{3} ", line):
                    continue
                answers.append(line[:3].decode())
                if lines:
                    telnet.stdin.write(lines.pop(0).encode() + b"\n")
                    telnet.stdin.flush()
        self.assertEqual(answers, ["220", "250", "250", "250", "354", "250", "221"])
        self.assertIn(b"Subject: by hand\n", self.arrived(b"Typed in telnet."))


if __name__ == "__main__":
    unittest.main()
