#!/usr/bin/env python3
"""Content as SMTP clients send it: dots, bytes, sizes, hops, headers, line ends that may be smuggled, chunks.

    smtp_content.py [TEST…]
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemons import Client  # noqa: E402
from smtp_rig import STRANGER, bdat, deliver, envelope, main, queued_content, quit, test  # noqa: E402


# ---- Content ---------------------------------------------------------------------------------------


@test()
def dots(s):
    c = s.client()
    queue_id = deliver(c, b"Subject: dots\r\n\r\n..\r\n...two\r\n.one\r\nmiddle.\r\n")
    assert b"\r\n\r\n.\r\n..two\r\none\r\nmiddle.\r\n" in queued_content(s, queue_id)
    queue_id = deliver(c, b"")  # no content at all
    assert b"for <jones@example.com>" in queued_content(s, queue_id)


@test()
def eight_bit_and_binary(s):
    every = bytes(b for b in range(1, 256) if b not in (10, 13))
    c = s.client()
    body = b"".join(b"x" + every + b"\r\n" for _ in range(20)) + b"\0nul\0\r\n"
    queue_id = deliver(c, b"Subject: x\r\n\r\n" + body)
    assert body in queued_content(s, queue_id)


@test()
def long_lines_of_content(s):
    c = s.client()
    line = b"x" * 100000
    queue_id = deliver(c, b"Subject: x\r\n\r\n" + line + b"\r\n")
    assert b"\r\n\r\n" + line + b"\r\n" in queued_content(s, queue_id)


def content_of(size):
    """A message of exactly SIZE bytes."""
    head = b"Subject: size\r\n\r\n"
    lines = (size - len(head)) // 64
    body = b"".join(b"%062d\r\n" % i for i in range(lines - 1))
    left = size - len(head) - len(body)
    return head + body + b"y" * (left - 2) + b"\r\n"


@test(main="message_size_limit = 50000\n")
def size_limit(s):
    c = Client(s.daemons.port())
    c.send("EHLO me\r\n")
    assert "250-SIZE 50000\r\n" in c.expect("250")
    c.say("MAIL FROM:<a@b.example> SIZE=50001", "552 5.3.4 Message size exceeds fixed limit")
    s.logged("NOQUEUE: reject: MAIL from localhost[127.0.0.1]: 552 5.3.4 Message size exceeds fixed limit;")
    c.say("MAIL FROM:<a@b.example> SIZE=50000", "250")
    c.say("RSET", "250")
    content = content_of(50000)
    assert len(content) == 50000
    queue_id = deliver(c, content)
    assert content[content.index(b"\r\n\r\n"):] in queued_content(s, queue_id)
    envelope(c)
    c.say("DATA", "354")
    c.send(b"Subject: size\r\n\r\n" + b"x" * 49981 + b"\r\n" + b"y" * 200000 + b"\r\n")
    c.say(".", "552 5.3.4 Error: message file too big")
    line = s.logged("552 5.3.4 Error: message file too big; from=<smith@bar.example>")
    refused = line.split("]: ")[1].split(":")[0]
    s.not_logged(refused + ": from=<")
    envelope(c)  # the session lives on
    c.say("RSET", "250")
    envelope(c)
    content = content_of(50001)
    c.say("DATA", "354")
    c.send(content)
    c.say(".", "552 5.3.4")
    quit(c)


@test(main="message_size_limit = 20000\n")
def size_limit_drain(s):
    """A client that sends on and on after the limit is heard out to a bound, then left."""
    c = s.client()
    envelope(c)
    c.say("DATA", "354")
    block = (b"z" * 1022 + b"\r\n") * 1024
    sent = 0
    try:
        while sent < 100 << 20:
            c.send(block)
            sent += len(block)
    except OSError:
        pass
    assert 64 << 20 <= sent < 90 << 20, sent
    s.logged("too much content after a refusal after END-OF-MESSAGE")


@test("hopcount_limit=5")
def hop_count(s):
    c = s.client()
    hop = b"Received: from a by b; Thu, 21 May 1998 05:33:29 -0700\r\n"
    deliver(c, hop * 5 + b"Subject: x\r\n\r\nx\r\n")
    envelope(c)
    c.say("DATA", "354")
    c.send(hop * 6 + b"Subject: x\r\n\r\nx\r\n")
    c.say(".", "554 5.4.0 Error: too many hops")
    s.logged(": reject: END-OF-MESSAGE from localhost[127.0.0.1]: 554 5.4.0 Error: too many hops; ")
    quit(c)


@test("header_size_limit=2000")
def header_size(s):
    c = s.client()
    field = b"X-Long: " + b"a" * (2000 - 10) + b"\r\n"
    queue_id = deliver(c, field + b"Subject: x\r\n\r\nbody\r\n")
    assert field in queued_content(s, queue_id)
    queue_id = deliver(c, b"X-Long: " + b"a" * 9000 + b"\r\nSubject: y\r\n\r\nbody\r\n")
    data = queued_content(s, queue_id)
    assert b"\r\nX-Long: " + b"a" * (2000 - 8) + b"\r\nSubject: y\r\n" in data and b"\r\n\r\nbody\r\n" in data
    s.logged(f"{queue_id}: header field X-Long is larger than header_size_limit")


# ---- Line ends --------------------------------------------------------------------------------------

SMUGGLED = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n\n.\r\n"]


def smuggle(s, c, between):
    """Content with a false end in it stays one message."""
    envelope(c, sender="honest@b.example")
    c.say("DATA", "354")
    c.send(b"Subject: x\r\n\r\nfirst" + between + b"MAIL FROM:<evil@b.example>\r\n"
           b"RCPT TO:<jones@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n")
    return c.say(b".", "")


@test("smtpd_forbid_bare_newline=normalize", "smtpd_forbid_bare_newline_exclusions=")
def newlines_normalized(s):
    c = s.client()
    for between in SMUGGLED:
        answer = smuggle(s, c, between)
        assert answer.startswith("250 2.0.0 Ok: queued as"), (between, answer)
        data = queued_content(s, answer.split()[-1])
        assert b"MAIL FROM:<evil@b.example>" in data, between
        c.say("NOOP", "250")
    s.not_logged("from=<evil@b.example>")
    queue_id = deliver(c, b"Subject: x\n\nlf\nonly\n\r\n")
    assert b"\r\n\r\nlf\r\nonly\r\n" in queued_content(s, queue_id)
    c.send("NOOP\n")  # a command may end so
    c.expect("250")


@test("smtpd_forbid_bare_newline=reject", "smtpd_forbid_bare_newline_exclusions=",
      "smtpd_forbid_bare_newline_reject_code=521")
def newlines_rejected(s):
    c = s.client()
    for between in SMUGGLED:
        answer = smuggle(s, c, between)
        assert answer.startswith("521 5.5.2 Error: bare <"), (between, answer)
        c.say("NOOP", "250")
    s.not_logged("from=<evil@b.example>")
    s.logged("521 5.5.2 Error: bare <LF> received; from=<honest@b.example>")
    deliver(c, b"Subject: x\r\n\r\nfine\r\n")
    c.send("NOOP\n")
    c.expect("521 5.5.2 mx.example.com Error: bare <LF> received")
    assert c.gone()
    s.logged("521 5.5.2 mx.example.com Error: bare <LF> received;")


@test("smtpd_forbid_bare_newline=reject")
def newlines_excepted(s):
    """mynetworks: LF ends a line as CRLF does, and the message."""
    c = s.client()
    envelope(c)
    c.send("DATA\n")
    c.expect("354")
    c.send("Subject: x\n\nlf\n.\n")
    c.expect("250 2.0.0 Ok: queued as")
    stranger = s.client(source=STRANGER)
    stranger.send("NOOP\n")
    stranger.expect("550 5.5.2 mx.example.com Error: bare <LF> received")


@test("smtpd_forbid_bare_newline=note", "smtpd_forbid_bare_newline_exclusions=")
def newlines_noted(s):
    c = s.client()
    c.send("NOOP\n")
    c.expect("250")
    s.logged("bare <LF> received after EHLO from localhost[127.0.0.1]")


# ---- Chunks -----------------------------------------------------------------------------------------


@test()
def chunks(s):
    c = s.client()
    envelope(c)
    assert bdat(c, b"Subject: chunks\r\n\r\nfirst\r\n.\r\n") == "250 2.0.0 Ok: 29 bytes\r\n"
    bdat(c, b"")
    bdat(c, b"..sec")
    answer = bdat(c, b"ond\r\n", last=True)
    assert " bytes queued as " in answer
    data = queued_content(s, answer.split()[-1])
    assert b"\r\n\r\nfirst\r\n.\r\n..second\r\n" in data
    envelope(c)
    bdat(c, b"\r\nx", last=True)  # the last line end is added
    envelope(c)
    bdat(c, b"x")
    bdat(c, b"", last=True)
    big = b"".join(b"%078d\r\n" % i for i in range(20000))
    envelope(c)
    for i in range(0, len(big), 50001):
        bdat(c, big[i:i + 50001])
    answer = bdat(c, b"", last=True)
    assert b"\r\n\r\n" + big[80:] in queued_content(s, answer.split()[-1]) or \
        big in queued_content(s, answer.split()[-1])
    quit(c)


@test(main="message_size_limit = 5000\n")
def chunks_refused(s):
    c = s.client()
    bdat(c, b"NOOP\r\n", start="503 5.5.1")
    c.say("MAIL FROM:<a@b.example>", "250")
    bdat(c, b"NOOP\r\n" * 1000, start="554 5.5.1")
    # The message has lost its beginning: what comes now is no message.
    c.say("RCPT TO:<jones@example.com>", "503 5.5.1 Error: RCPT after BDAT")
    bdat(c, b"x", start="551 5.0.0 Discarded 1 bytes after earlier error")
    bdat(c, b"x", last=True, start="554 5.5.1")
    envelope(c, sender="a@b.example")
    bdat(c, b"x")
    c.say("RCPT TO:<jones@example.com>", "503 5.5.1 Error: RCPT after BDAT")
    c.say("DATA", "503 5.5.1 Error: DATA after BDAT")
    c.say("MAIL FROM:<a@b.example>", "503 5.5.1 Error: nested MAIL command")
    c.say("NOOP", "250")
    bdat(c, b"x" * 4999)
    bdat(c, b"x", start="552 5.3.4")
    bdat(c, b"x", start="551 5.0.0 Discarded 1 bytes after earlier error")
    bdat(c, b"x", last=True, start="552 5.3.4")
    c.say("NOOP", "250")
    envelope(c)
    bdat(c, b"x")
    c.say("RSET", "250")
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("BDAT x", "501 5.5.4 Syntax: BDAT count [LAST]")
    assert c.gone()  # nobody knows where the next command begins


@test()
def chunks_pipelined(s):
    c = s.client()
    c.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<jones@example.com>\r\nBDAT 4\r\n\r\nabBDAT 6 LAST\r\ncd\r\nef"
           b"QUIT\r\n")
    for start in ["250 2.1.0", "250 2.1.5", "250 2.0.0 Ok: 4 bytes", "250 2.0.0 Ok: 10 bytes queued as",
                  "221"]:
        c.expect(start)


if __name__ == "__main__":
    main()
