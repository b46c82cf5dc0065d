"""Where the log goes: a file that is rotated, standard output, syslog that is restarted; and who may say
what in it."""
import os
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_port  # noqa: E402
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
SYSLOG = "/dev/log"


class Log(unittest.TestCase):
    def test_rotation(self):
        """A renamed file is left, a new one begun; no line is lost on the way."""
        with Suite(PREFIX) as suite:
            suite.run("postlog", "-t", "test", "before")
            suite.wait_log("before")
            os.rename(suite.log_path, suite.log_path + ".1")
            if suite.root:
                open(suite.log_path, "w").close()
                import pwd
                os.chown(suite.log_path, pwd.getpwnam("postwork").pw_uid, -1)
            time.sleep(1.2)
            suite.run("postlog", "-t", "test", "first after")
            suite.run("postlog", "-t", "test", "second after")
            suite.wait_log("second after")
            with open(suite.log_path + ".1") as f:
                self.assertIn("before", f.read())

    def test_another_file(self):
        """A reload takes up another maillog_file, in a directory of root's too; what cannot be one is an error."""
        with Suite(PREFIX) as suite:
            folder = os.path.join(suite.dir, "logs")
            os.mkdir(folder)
            suite.add_conf(f"maillog_file = {folder}/log\n")
            suite.run("postkeep", "-c", suite.conf, "reload")
            suite.log_path = os.path.join(folder, "log")
            suite.wait_log("configuration read again")
            suite.run("postlog", "-t", "test", "in the other file")
            suite.wait_log("in the other file")
            wrong = [(os.path.join(suite.dir, "nowhere/log"), "there is no such directory"), (folder, "not a plain file")]
            if suite.root:
                wrong.append(("/elsewhere/log", "not below one of maillog_file_prefixes"))
            for path, why in wrong:
                suite.add_conf(f"maillog_file = {path}\n")
                checked = suite.run("postkeep", "-c", suite.conf, "check", check=False)
                self.assertEqual(checked.returncode, 1)
                self.assertRegex((checked.stdout + checked.stderr).decode(),
                                 rf"error: \S*main.cf, line \d+: maillog_file = {path}: {why}")

    def test_logrotate(self):
        with Suite(PREFIX) as suite:
            suite.run("postlog", "-t", "test", "before")
            suite.wait_log("before")
            suite.run("postkeep", "-c", suite.conf, "logrotate")
            suite.run("postlog", "-t", "test", "after")
            suite.wait_log("after")
            self.assertNotIn("before", suite.log())

    def test_pflogsumm(self):
        """What a program that reads Postfix's log makes of ours: its totals are those of what was done."""
        reader = shutil.which("pflogsumm", path="/usr/sbin:/usr/bin")
        if not reader:
            self.skipTest("pflogsumm is not there")
        dead = free_port()
        # Debian's pflogsumm is older than Postfix 3.11, and overlooks lines with tls= in them.
        with Suite(PREFIX, extra="smtp_log_tls_feature_status = no\n"
                   "transport_maps = inline:{ { gone.example = error:5.1.1 nobody }\n"
                   "    { later.example = retry:4.3.0 not today }\n"
                   f"    {{ dead.example = smtp:[127.0.0.1]:{dead} }} }}\n") as suite:
            for rcpt in (suite.user + "@example.org", "x@gone.example", "y@later.example", "z@dead.example"):
                with suite.smtp() as smtp:
                    smtp.sendmail("", [rcpt], b"Subject: x\r\n\r\nhello\r\n")
            with suite.smtp() as smtp, self.assertRaises(smtplib.SMTPRecipientsRefused):
                smtp.sendmail("", ["no-such-user@example.org"], b"Subject: x\r\n\r\nhello\r\n")
            suite.run("sendmail", "-f", "alice@example.net", suite.user, input=b"hello\n")
            for word, count in (("sent", 2), ("bounced", 1), ("deferred", 2)):
                suite.wait_log(f"status={word}", count=count)
            suite.wait_log(r"smtp\[\d+\]: connect to 127\.0\.0\.1\[127\.0\.0\.1\]:%d: Connection refused" % dead)
            report = subprocess.run([reader, "--syslog-name=postkeep", suite.log_path], capture_output=True,
                                    timeout=60, check=True).stdout.decode()
            totals = {word: int(n) for n, word in re.findall(r"(?m)^ +(\d+) +([a-z]+)", report.split("Per-")[0])}
            for word, n in (("received", 5), ("delivered", 2), ("deferred", 2), ("bounced", 1), ("rejected", 1)):
                self.assertEqual(totals[word], n, word + report)

    def test_who_speaks(self):
        """An ordinary user's lines are marked as such; nobody speaks for another process."""
        with Suite(PREFIX) as suite:
            if not suite.root:
                self.skipTest("needs two users")
            suite.run("postlog", "-t", "postkeep/smtpd", "forged", user="nobody")
            line = suite.wait_log(r".*forged").group(0)
            self.assertRegex(line, r"uid=\d+")

    def test_syslog_restart(self):
        if os.geteuid() != 0 or os.path.lexists(SYSLOG):
            self.skipTest("needs root and a machine without a syslog of its own")
        extra = "maillog_file =\n"
        try:
            server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            server.bind(SYSLOG)
            os.chmod(SYSLOG, 0o666)
            server.settimeout(20)
            with Suite(PREFIX, extra=extra) as suite:
                self.expect(server, "daemon started")
                server.close()
                os.unlink(SYSLOG)
                with suite.smtp() as smtp:  # nobody hears of this one
                    smtp.noop()
                time.sleep(0.5)
                server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                server.bind(SYSLOG)
                os.chmod(SYSLOG, 0o666)
                server.settimeout(20)
                with suite.smtp() as smtp:
                    smtp.noop()
                self.expect(server, "connect from localhost[127.0.0.1]")
                self.expect(server, "log lines could not be written")
        finally:
            server.close()
            if os.path.lexists(SYSLOG):
                os.unlink(SYSLOG)

    def expect(self, server, text):
        seen = []
        for _ in range(50):
            line = server.recv(4096).decode()
            seen.append(line)
            if text in line:
                self.assertRegex(line, r"^<2\d>[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d \S+\[\d+\]: ")
                return
        self.fail(f"not in syslog: {text}: {seen}")

    def test_stdout(self):
        """start-fg shows the log on standard output."""
        with Suite(PREFIX, extra="maillog_file =\n", start=False) as suite:
            p = subprocess.Popen([suite.program("postkeep"), "-c", suite.conf, "start-fg"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/")
            try:
                lines = []
                for line in p.stdout:
                    lines.append(line.decode())
                    if "daemon started" in lines[-1]:
                        break
                self.assertIn("daemon started", lines[-1])
            finally:
                suite.run("postkeep", "-c", suite.conf, "stop", timeout=120)
                p.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
