"""The fixed work that tests/torture/failing has a suite do while its calls fail, and what must come of it:
a few messages by SMTP and by sendmail to an mbox, a Maildir and a next hop, a look at the queue, a bounce. Python's
standard library only."""
import glob
import os
import re
import smtplib
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]
import ipc  # noqa: E402

EX_TEMPFAIL = 75
UNKNOWN = "no-such-user"
HOP = "hop.example"  # the domain of a next hop
LARGE = b"".join(b"%06d %s\r\n" % (i, b"all work and no play " * 4) for i in range(3200))[:300000 - 2] + b"\r\n"
CLIENT_SECONDS = 40


class Work:
    """One pass of the work on SUITE. TAG is in every message's token. PATIENCE: seconds that a client waits, if
    that may happen at all."""

    def __init__(self, suite, tag, command_environment=None, patience=None):
        self.suite, self.tag, self.patience = suite, tag, patience
        self.environment = command_environment or {}
        self.promised = {}   # token -> body it must arrive with, or None: a notice must name it
        self.refused = 0
        self.wrong = []      # what no failure excuses
        self.tokens = set()

    def token(self, name):
        token = f"{self.tag}-{name}"
        self.tokens.add(token)
        return token

    # --- SMTP --------------------------------------------------------------------------------------

    def check(self, what, answer):
        """A reply of the server; true when it is a yes."""
        code, text = answer
        if 500 <= code <= 599:
            self.wrong.append(f"{what}: {code} {text.decode(errors='replace')}")
        if code < 200:
            raise smtplib.SMTPServerDisconnected(what)
        if not 200 <= code <= 399:
            self.refused += 1
        return 200 <= code <= 299

    def impatient(self, what):
        """A client has waited for too long."""
        self.refused += 1
        if not self.patience:
            self.wrong.append(f"{what}: no answer within {CLIENT_SECONDS} s")

    def one(self, smtp, name, body, rcpt):
        token = self.token(name)
        text = b"Subject: %s\r\n\r\n%s" % (token.encode(), body)
        if not (self.check("MAIL", smtp.mail(f"{self.suite.user}@example.org")) and
                self.check("RCPT", smtp.rcpt(rcpt))):
            smtp.rset()
            return
        try:
            answer = smtp.data(text)
        except smtplib.SMTPDataError as e:
            answer = e.smtp_code, e.smtp_error
        if self.check("DATA", answer):
            self.promised[token] = body
        else:
            smtp.rset()

    def smtp(self):
        """One session, three messages: small ones for the mbox and the Maildir, a large one."""
        user = self.suite.user
        try:
            with smtplib.SMTP("127.0.0.1", self.suite.port, local_hostname="client.example.net",
                              timeout=self.patience or CLIENT_SECONDS) as smtp:
                self.check("EHLO", smtp.ehlo())
                self.one(smtp, "mbox", b"hello\r\n.\r\n\r\nFrom here\r\n", f"{user}@example.org")
                self.one(smtp, "maildir", b"hello\r\n", f"{user}@maildir.example.org")
                self.one(smtp, "large", LARGE, f"{user}@maildir.example.org")
        except smtplib.SMTPConnectError as e:
            self.check("greeting", (e.smtp_code, e.smtp_error))
        except TimeoutError:
            self.impatient("SMTP")
        except (OSError, smtplib.SMTPException) as e:
            # smtplib makes a lost connection of a reply that does not come.
            if "timed out" in str(e):
                self.impatient("SMTP")
            else:
                self.refused += 1

    # --- Commands ----------------------------------------------------------------------------------

    def command(self, name, *args, input=None):
        try:
            result = self.suite.run(name, *args, check=False, input=input, env=self.environment,
                                    timeout=self.patience or CLIENT_SECONDS)
        except subprocess.TimeoutExpired:
            self.impatient(name)
            return None
        if result.returncode < 0:
            self.wrong.append(f"{name} was killed by signal {-result.returncode}")
        return result

    def sendmail(self, name, rcpt):
        token = self.token(name)
        result = self.command("sendmail", "-i", "-f", f"{self.suite.user}@example.org", rcpt,
                              input=b"Subject: %s\n\nhello\n" % token.encode())
        if not result:
            return
        if result.returncode == 0:
            self.promised[token] = b"hello\r\n" if not rcpt.startswith(UNKNOWN) else None
        else:
            self.refused += 1
            if result.returncode != EX_TEMPFAIL:
                self.wrong.append(f"sendmail: exit status {result.returncode}: {result.stderr.decode().strip()}")

    def mailq(self):
        result = self.command("mailq")
        if result and result.returncode == 0 and not re.search(rb"Mail queue is empty|in \d+ Request", result.stdout):
            self.wrong.append(f"mailq: exit status 0, but {result.stdout[-200:]!r}")

    def do(self):
        self.smtp()
        self.sendmail("sendmail", f"{self.suite.user}@example.org")
        self.sendmail("bounce", f"{UNKNOWN}@example.org")
        self.sendmail("relayed", f"{self.suite.user}@{HOP}")
        self.mailq()

    def one_each(self):
        """A message by SMTP, one by sendmail; as a sign of life."""
        try:
            with smtplib.SMTP("127.0.0.1", self.suite.port, timeout=CLIENT_SECONDS) as smtp:
                self.one(smtp, "smtp", b"hello\r\n", f"{self.suite.user}@example.org")
        except (OSError, smtplib.SMTPException):
            self.refused += 1
        self.sendmail("sendmail", f"{self.suite.user}@maildir.example.org")

    # --- What came of it -----------------------------------------------------------------------------

    def missing(self, mail):
        """The tokens that were promised and have not come. MAIL: what the mailboxes hold."""
        return [t for t, body in self.promised.items() if not mail.has(t, body)]


class Mail:
    """What the two mailboxes of SUITE hold, and what HOP has accepted."""

    def __init__(self, suite, hop):
        self.suite, self.hop = suite, hop
        self.mbox = f"{suite.mail}/{suite.user}"
        self.maildir = f"{suite.dir}/maildirs/{suite.user}"
        self.messages, self.files = [], {}

    def look(self):
        messages = []
        if os.path.exists(self.mbox):
            with open(self.mbox, "rb") as f:
                messages = [re.sub(rb"(?m)^>From ", b"From ", m) for m in
                            re.split(rb"(?m)^From .*\n", f.read())[1:]]
        names = set(glob.glob(self.maildir + "/new/*"))
        self.files = {n: t for n, t in self.files.items() if n in names}
        for name in names - set(self.files):
            with open(name, "rb") as f:
                self.files[name] = f.read()
        messages += [content.replace(b"\r\n", b"\n") for _, _, content in list(self.hop.accepted)]
        self.messages = [(m.partition(b"\n\n")) for m in messages + list(self.files.values())]

    def has(self, token, body):
        """Is there a message TOKEN with BODY; or with no BODY a notice that names it?"""
        token = token.encode()
        if body is None:
            return any(b"multipart/report" in head and token in text for head, _, text in self.messages)
        body = body.replace(b"\r\n", b"\n")
        return any(b"\nSubject: %s" % token in head and text in (body, body + b"\n")
                   for head, _, text in self.messages)

    def copies(self, token):
        return sum(1 for head, _, _ in self.messages if b"\nSubject: %s" % token.encode() in head + b"\n")

    def returned(self, token):
        """Is there a notice about a message that had to be delivered?"""
        return any(b"multipart/report" in head and token.encode() in text for head, _, text in self.messages)

    def forget(self):
        """Removes everything: between passes, when the queue is empty."""
        for name in self.mbox, self.mbox + ".lock":
            if os.path.exists(name):
                os.unlink(name)
        for name in glob.glob(self.maildir + "/new/*"):
            os.unlink(name)
        self.hop.accepted.clear()
        self.messages, self.files = [], {}


def queued(suite):
    """What is in the queue (but for what is on hold) and in maildrop; None: it cannot be told now."""
    try:
        entries = ipc.mailq(suite.spool + "/public/showq")
    except (OSError, ipc.Closed):
        return None
    drop = [n for n in os.listdir(suite.spool + "/maildrop") if not n.startswith(".")]
    return [e["id"] for e in entries.values() if e["state"] != "hold"] + drop


def wait(condition, seconds, pause=0.02):
    """Waits for CONDITION to hold; how long that took, or None when it did not."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(pause)
    return time.monotonic() - began
