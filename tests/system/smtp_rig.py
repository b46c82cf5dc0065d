"""What the dialogues with smtpd have in common: a test is a function; each has an smtpd of its own, beside
the real qmgr, proxymap and anvil.

A script of tests takes names of tests as arguments, and runs on a build folder (the working directory, or
$BUILDDIR).
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemons import Client, Daemons  # noqa: E402

STRANGER = "127.0.0.2"  # an address that is not in mynetworks
USERS = "inline:{smith=1, jones=1, brown=1, user=1}"
TESTS = []


def test(*options, main=""):
    """A test, and what main.cf says for its smtpd (options) and for all programs (main)."""
    def add(function):
        TESTS.append((function, options, main))
        return function
    return add


class Suite:
    """What a test gets: the programs, and clients of them."""

    def __init__(self, daemons):
        self.daemons = daemons
        self.mark = daemons.log_mark()

    def client(self, source=None, ehlo="client.example", **more):
        c = Client(self.daemons.port(), source=source, **more)
        if ehlo:
            c.say("EHLO " + ehlo, "250-mx.example.com")
        return c

    def logged(self, text, timeout=30):
        line = self.daemons.log_wait(text, self.mark, timeout)
        assert line, "not in the log: %r; there: %s" % (text, self.daemons.lines[self.mark:][-6:])
        return line

    def not_logged(self, text):
        assert not self.daemons.log_wait(text, self.mark, 0.3), "in the log: %r" % text


def envelope(c, sender="smith@bar.example", rcpts=("jones@example.com",)):
    c.say("MAIL FROM:<%s>" % sender, "250 2.1.0 Ok")
    for r in rcpts:
        c.say("RCPT TO:<%s>" % r, "250 2.1.5 Ok")


def deliver(c, content, **more):
    """A whole message by DATA; its queue ID."""
    envelope(c, **more)
    c.say("DATA", "354 End data with <CR><LF>.<CR><LF>")
    c.send(content)
    return c.say(b".", "250 2.0.0 Ok: queued as ").split()[-1]


def bdat(c, chunk, last=False, start="250 2.0.0 Ok: "):
    c.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk)
    return c.expect(start)


def queued_content(suite, queue_id):
    data = suite.daemons.queued(queue_id)
    assert data, "no slot holds %s" % queue_id
    return data


def quit(c):
    c.say("QUIT", "221 2.0.0 Bye")
    assert c.gone()


def run_one(daemons, function, options, main):
    daemons.configure("local_recipient_maps = %s\n" % USERS + main)
    options = list(options)
    for program in ("qmgr", "proxymap", "anvil"):
        if program in daemons.processes and (main or not daemons.alive(program)):
            daemons.kill(program)
        if program not in daemons.processes:
            daemons.start(program)
    if "smtpd" in daemons.processes:
        daemons.kill("smtpd")
    daemons.start("smtpd", ["127.0.0.1"], options, service="smtp")
    suite = Suite(daemons)
    suite.options = options
    function(suite)
    for program in ("qmgr", "smtpd"):
        assert daemons.alive(program), "%s died: %s" % (program, daemons.lines[-5:])
    if main:
        daemons.kill("qmgr")


def main():
    wanted = sys.argv[1:]
    failed = []
    with Daemons(os.environ.get("BUILDDIR", os.getcwd())) as daemons:
        for function, options, main_cf in TESTS:
            if wanted and function.__name__ not in wanted:
                continue
            start = time.monotonic()
            try:
                run_one(daemons, function, options, main_cf)
                print("ok   %-32s %.1f s" % (function.__name__, time.monotonic() - start), flush=True)
            except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as e:
                failed.append(function.__name__)
                at = e.__traceback__
                while at.tb_next and at.tb_next.tb_frame.f_code.co_filename == __file__:
                    at = at.tb_next
                print("FAIL %s (line %d): %s" % (function.__name__, at.tb_lineno, e), flush=True)
    print("%d failed%s" % (len(failed), ": " + " ".join(failed) if failed else ""))
    sys.exit(1 if failed else 0)

