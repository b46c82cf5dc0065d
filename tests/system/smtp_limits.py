#!/usr/bin/env python3
"""What an SMTP client may do before it is told to go: limits of a session, of a client, of the queue and the
disk, each just below and just above, and what the log says of them.

    smtp_limits.py [TEST…]
"""
import os
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemons import Client  # noqa: E402
from smtp_rig import STRANGER, bdat, deliver, envelope, main, quit, test  # noqa: E402


# ---- Limits of a session ----------------------------------------------------------------------------


@test("line_length_limit=1000")
def command_length(s):
    c = s.client()
    c.say("NOOP " + "x" * (1000 - 7), "250")
    c.say("NOOP " + "x" * (1000 - 6), "500 5.5.2 Error: line too long")
    c.say("NOOP " + "x" * 30000, "500 5.5.2 Error: line too long")
    c.say("NOOP", "250")
    c.send("NOOP " + "x" * 200000 + "\r\n")
    c.expect("500 5.5.2 Error: line too long")
    assert c.gone()


@test("smtpd_hard_error_limit=4", "smtpd_error_sleep_time=0")
def hard_errors(s):
    c = s.client()
    for _ in range(3):
        c.say("NONSENSE", "502")
    c.send("NONSENSE\r\n")
    c.expect("502")
    c.expect("421 4.7.0 mx.example.com Error: too many errors")
    assert c.gone()
    s.logged("too many errors after UNKNOWN from localhost[127.0.0.1]")
    s.logged("disconnect from localhost[127.0.0.1] ehlo=1 unknown=0/4 commands=1/5")
    c = s.client()
    for _ in range(3):
        c.say("NONSENSE", "502")
    deliver(c, b"\r\nx\r\n")  # forgives
    for _ in range(3):
        c.say("NONSENSE", "502")
    quit(c)


@test("smtpd_soft_error_limit=2", "smtpd_error_sleep_time=4s")
def soft_errors(s):
    c = s.client()
    start = time.monotonic()
    c.say("NONSENSE", "502")
    c.say("NONSENSE", "502")
    assert time.monotonic() - start < 3.5
    c.say("NOOP", "250")
    assert time.monotonic() - start >= 3.9


@test("smtpd_junk_command_limit=3", "smtpd_hard_error_limit=2", "smtpd_error_sleep_time=0")
def junk_commands(s):
    c = s.client()  # EHLO is the first
    for _ in range(3):
        c.say("NOOP", "250")
    c.send("RSET\r\n")
    c.expect("250")
    c.expect("421 4.7.0 mx.example.com Error: too many errors")
    c = s.client()
    for _ in range(2):
        c.say("NOOP", "250")
    deliver(c, b"\r\nx\r\n")
    for _ in range(3):
        c.say("NOOP", "250")
    quit(c)


@test("smtpd_recipient_limit=1000", "smtpd_recipient_overshoot_limit=1000", main="recipient_delimiter = +\n")
def long_lists_in_many_sessions(s):
    """All of them together have a limit in memory; who has few recipients does not notice."""
    lines = b"".join(b"RCPT TO:<smith+%d%s@example.com> ORCPT=rfc822;%s\r\n" % (i, b"x" * 800, b"y" * 450) for i in range(1000))
    clients, refused = [], 0
    for _ in range(25):
        c = s.client()
        c.say("MAIL FROM:<smith@bar.example>", "250 2.1.0 Ok")
        c.send(lines)
        replies = [c.reply() for _ in range(1000)]
        refused += sum(r.startswith("452 4.3.1 Error: too many recipients in all sessions") for r in replies)
        assert all(r.startswith(("250 2.1.5", "452 4.3.1")) for r in replies), replies
        clients.append(c)
    assert 25000 / 4 < refused < 25000 * 3 / 4, refused
    few = s.client()
    envelope(few, rcpts=["smith+%d@example.com" % i for i in range(40)])
    quit(few)
    for c in clients:
        c.say("RSET", "250")
    c.say("MAIL FROM:<smith@bar.example>", "250 2.1.0 Ok")
    c.send(lines)
    assert all(c.reply().startswith("250 2.1.5") for _ in range(1000))
    for c in clients:
        quit(c)


@test("smtpd_timeout=3s")
def timeouts(s):
    c = s.client()
    start = time.monotonic()
    c.expect("421 4.4.2 mx.example.com Error: timeout exceeded")
    assert 2.8 <= time.monotonic() - start < 30
    assert c.gone()
    s.logged("timeout after EHLO from localhost[127.0.0.1]")
    c = s.client()  # a byte now and then does not make a command
    for _ in range(200):
        c.send("N")
        if select.select([c.socket], [], [], 0.2)[0]:
            break
    else:
        raise AssertionError("it is still waited for more")
    assert "421 4.4.2" in c.reply()
    c = s.client()
    envelope(c)
    c.say("DATA", "354")
    c.expect("421 4.4.2")
    s.logged("timeout after DATA (0 bytes) from localhost[127.0.0.1]")


@test("smtpd_timeout=3s", "smtpd_minimum_rate=1000")
def minimum_rate(s):
    c = s.client()
    envelope(c)
    c.say("DATA", "354")
    start = time.monotonic()
    for _ in range(40):  # 2,000 bytes a second is fast enough
        c.send(b"x" * 198 + b"\r\n")
        time.sleep(0.1)
    assert time.monotonic() - start > 3.5
    c.say(".", "250 2.0.0 Ok: queued as")
    envelope(c)
    c.say("DATA", "354")
    try:
        for _ in range(400):  # 50 bytes a second is not
            c.send(b"xxx\r\n")
            time.sleep(0.1)
        raise AssertionError("it is still waited for more")
    except OSError:
        pass
    s.logged("timeout after DATA (")


@test()
def lost_connections(s):
    Client(s.daemons.port()).close()
    s.logged("lost connection after CONNECT from localhost[127.0.0.1]")
    c = s.client()
    c.close()
    s.logged("lost connection after EHLO from localhost[127.0.0.1]")
    c = s.client()
    envelope(c)
    c.say("DATA", "354")
    c.send("Subject: lost\r\n\r\nbody\r\n")
    line = s.logged(": client=localhost")
    c.close()
    s.logged("lost connection after DATA (23 bytes) from localhost[127.0.0.1]")
    s.not_logged(line.split("]: ")[1].split(":")[0] + ": from=<")
    c = s.client()
    envelope(c)
    bdat(c, b"Subject: x\r\n\r\n")
    c.send("BDAT 100\r\nabc")
    c.close()
    s.logged("lost connection after BDAT (17 bytes) from localhost[127.0.0.1]")


@test("smtpd_session_limit=5")
def stress(s):
    sessions = [s.client() for _ in range(3)]
    sessions[0].say("NONSENSE", "502")
    sessions.append(s.client())
    s.logged("warning: 4 sessions: the settings for stress hold")
    sessions[1].send("NONSENSE\r\n")
    sessions[1].expect("502")
    sessions[1].expect("421 4.7.0")
    assert sessions[1].gone()
    s.logged("3 sessions: the settings for stress hold no more")
    sessions[2].say("NONSENSE", "502")
    sessions[2].say("NOOP", "250")


# ---- anvil --------------------------------------------------------------------------------------------


@test("smtpd_client_connection_count_limit=2", "smtpd_client_event_limit_exceptions=")
def connection_count(s):
    a, b = s.client(), s.client()
    c = Client(s.daemons.port(), greeting=False)
    c.expect("421 4.7.0 mx.example.com Error: too many connections from 127.0.0.1")
    assert c.gone()
    s.logged("warning: Connection concurrency limit exceeded: 3 from localhost[127.0.0.1] for service smtp")
    other = s.client(source=STRANGER)  # another client is not concerned
    quit(a)
    s.logged("disconnect from localhost[127.0.0.1] ehlo=1 quit=1")
    time.sleep(0.2)
    a = s.client()
    # A killed smtpd leaves no counts behind.
    s.daemons.kill("smtpd")
    s.daemons.start("smtpd", ["127.0.0.1"], s.options, service="smtp")
    a, b = s.client(), s.client()
    Client(s.daemons.port(), greeting=False).expect("421")
    for x in (a, b, other):
        x.close()


@test("smtpd_client_connection_rate_limit=2", "smtpd_client_event_limit_exceptions=127.0.0.1")
def connection_rate(s):
    for _ in range(2):
        quit(s.client(source="127.0.0.4"))
    Client(s.daemons.port(), source="127.0.0.4", greeting=False).expect("421 4.7.0")
    s.logged("warning: Connection rate limit exceeded: 3 from localhost[127.0.0.4] for service smtp")
    for _ in range(4):
        quit(s.client())  # excepted
    # A new anvil begins anew, but it counts from the first client on.
    s.daemons.kill("anvil")
    s.daemons.start("anvil")
    for _ in range(2):
        quit(s.client(source="127.0.0.4"))
    Client(s.daemons.port(), source="127.0.0.4", greeting=False).expect("421 4.7.0")


@test("smtpd_client_message_rate_limit=2", "smtpd_client_recipient_rate_limit=3",
      "smtpd_client_event_limit_exceptions=")
def message_rate(s):
    c = s.client(source="127.0.0.3")
    envelope(c, rcpts=["jones@example.com"])
    c.say("RSET", "250")
    envelope(c, rcpts=["jones@example.com", "brown@example.com"])
    c.say("RCPT TO:<smith@example.com>", "450 4.7.1 Error: too many recipients from 127.0.0.3")
    s.logged("warning: Recipient address rate limit exceeded: 4 from localhost[127.0.0.3] for service smtp")
    c.say("RSET", "250")
    c.say("MAIL FROM:<a@b.example>", "450 4.7.1 Error: too much mail from 127.0.0.3")
    s.logged("warning: Message delivery request rate limit exceeded: 3 from localhost[127.0.0.3]")


@test("smtpd_client_connection_count_limit=1", "smtpd_client_event_limit_exceptions=")
def anvil_away(s):
    s.daemons.stop("anvil")
    a, b, c = s.client(), s.client(), s.client()
    s.logged("private/anvil")
    time.sleep(0.3)
    lines = [line for line in s.daemons.lines[s.mark:] if "private/anvil" in line]
    assert len(lines) == 1, lines
    for x in (a, b, c):
        quit(x)


# ---- qmgr ---------------------------------------------------------------------------------------------


@test()
def qmgr_away(s):
    """451, and the session lives on; another message goes through when qmgr is back."""
    c = s.client()
    envelope(c)
    c.say("DATA", "354")
    c.send("Subject: x\r\n\r\n" + "x" * 100000)
    time.sleep(0.3)
    s.daemons.kill("qmgr")
    c.send("y" * 300000 + "\r\n")
    c.say(".", "451 4.3.0")
    c.say("NOOP", "250")
    s.daemons.start("qmgr")
    deliver(c, b"Subject: x\r\n\r\nx\r\n")
    s.daemons.kill("qmgr")
    envelope(c)
    c.send("DATA\r\n")  # the socket is there, nobody answers yet
    time.sleep(0.5)
    s.daemons.start("qmgr")
    c.expect("354")
    c.say("x\r\n.", "250")
    s.daemons.stop("qmgr")
    envelope(c)
    c.socket.settimeout(60)
    start = time.monotonic()
    c.say("DATA", "451 4.3.0")
    assert 10 < time.monotonic() - start < 40
    s.daemons.start("qmgr")
    c.say("DATA", "354")
    c.say("x\r\n.", "250")
    quit(c)


@test(main="queue_minfree = 100000000000000000\n")
def no_space(s):
    c = s.client()
    envelope(c)
    c.say("DATA", "452 4.3.1")
    c.say("NOOP", "250")


if __name__ == "__main__":
    main()
