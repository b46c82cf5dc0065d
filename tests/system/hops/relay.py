"""A suite that relays to the hops of a test: one domain for each, and what became of each recipient, from the log."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from suite import Suite  # noqa: E402

CONF = """
transport_maps = texthash:{dir}/etc/transport
disable_dns_lookups = yes
smtp_connect_timeout = {patience}
smtp_helo_timeout = {patience}
smtp_mail_timeout = {patience}
smtp_rcpt_timeout = {patience}
smtp_data_init_timeout = {patience}
smtp_data_xfer_timeout = {patience}
smtp_data_done_timeout = {patience}
smtp_rset_timeout = {patience}
smtp_quit_timeout = {patience}
smtp_starttls_timeout = {patience}
lmtp_data_done_timeout = {patience}
minimal_backoff_time = {backoff}
maximal_backoff_time = {backoff}
queue_run_delay = {run_delay}
message_size_limit = 100000000
mailbox_size_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions =
"""
STATUS = re.compile(r"(?m)^.*?\[\d+\]: (\w+): to=<([^>]*)>,(?: orig_to=<[^>]*>,)? relay=([^,]*(?:, [^,]*)?), delay=.*?"
                    r"dsn=([0-9.]+), status=(\w+) \((.*?)\)?$")


class Status:
    def __init__(self, match):
        self.id, self.rcpt, self.relay, self.dsn, self.word, self.why = match.groups()

    def __repr__(self):
        return f"{self.rcpt}: {self.word} {self.dsn} ({self.why})"


class Relay(Suite):
    """ROUTES: domain -> "smtp:[127.0.0.1]:port" and the like. EXTRA, SERVICES: more lines of main.cf and master.cf, FILES: of
    name -> text, in the configuration directory, which they call @etc. PATIENCE, BACKOFF: values of the timeouts. A short
    patience is for hops that hang: on a busy machine the others can be slow."""

    def __init__(self, prefix, routes, extra="", services="", files=None, patience="60s", backoff="1000s",
                 run_delay="300s", **more):
        start = more.pop("start", True)
        super().__init__(prefix, start=False, edit_master=lambda text: text + services.replace("@etc", self.conf), **more)
        self.add_conf(CONF.format(dir=self.dir, patience=patience, backoff=backoff, run_delay=run_delay)
                      + extra.replace("@etc", self.conf))
        for name, text in (files or {}).items():
            self.write_conf(name, text)
        self.route(routes)
        if start:
            self.start()

    def route(self, routes):
        self.write_conf("transport", "".join(f"{d} {t}\n" for d, t in routes.items()))

    def set_conf(self, *settings):
        self.run("postconf", "-c", self.conf, "-e", *settings)

    def submit(self, rcpts, content, sender=None):
        """By SMTP; the bytes go as they are. RCPTS: one or several addresses. The queue ID."""
        with self.smtp() as smtp:
            smtp.ehlo()
            rcpts = [rcpts] if isinstance(rcpts, str) else rcpts
            utf8 = not all(r.isascii() for r in rcpts)
            options = ["BODY=8BITMIME"] + (["SMTPUTF8"] if utf8 else [])
            if utf8:
                smtp.command_encoding = "utf-8"
            code, words = smtp.mail(sender or f"{self.user}@example.org", options)
            assert code == 250, words
            for rcpt in rcpts:
                code, words = smtp.rcpt(rcpt)
                assert code == 250, words
            code, words = smtp.docmd("DATA")
            assert code == 354, words
            smtp.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            code, words = smtp.getreply()
            assert code == 250, words
            return words.decode().split()[-1]

    def statuses(self):
        """What the log says of every recipient, in order."""
        return [Status(m) for m in STATUS.finditer(self.log())]

    def wait_status(self, rcpt, words=("sent", "deferred", "bounced"), timeout=120, count=1):
        """The last of COUNT log lines that give RCPT one of WORDS."""
        wanted = (words,) if isinstance(words, str) else words
        deadline = time.monotonic() + timeout
        while True:
            found = [s for s in self.statuses() if s.rcpt == rcpt and s.word in wanted]
            if len(found) >= count:
                return found[-1]
            if time.monotonic() > deadline:
                of_it = [s for s in self.statuses() if s.rcpt == rcpt]
                raise AssertionError(f"{rcpt} is not {wanted} but {of_it}\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def wait_left(self, domain, rcpts, timeout=120):
        """Until RCPTS are those of DOMAIN that the queue has. Who is bounced is there until there is a notice."""
        deadline = time.monotonic() + timeout
        while True:
            left = sorted(r["address"] for q in self.queue() for r in q["recipients"] if r["address"].endswith("@" + domain))
            if left == sorted(rcpts):
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"left are {left}, not {rcpts}\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def flush(self):
        self.run("postqueue", "-f")

    def memory(self, program="smtp"):
        """The most that any process of PROGRAM has had resident, in bytes."""
        most = 0
        for pid in self.pids(program):
            try:
                text = open(f"/proc/{pid}/status").read()
            except OSError:
                continue
            found = re.search(r"VmHWM:\s+(\d+) kB", text)
            most = max(most, int(found[1]) * 1024 if found else 0)
        return most


def message(token, body=b"", extra=b""):
    """A message that nobody has to complete."""
    return (b"From: Alice <alice@example.org>\r\nTo: you@example.org\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
            b"Message-Id: <%s@example.org>\r\nSubject: %s\r\n%s\r\n" % (token, token, extra)) + body
