#!/usr/bin/env python3
"""SMTP as its clients see it: the dialogues of RFC 5321 appendix D, order, policy, envelope,
pipelining, every refusal, and what the log says of them. smtp_content.py has the content.

    smtp_dialogues.py [TEST…]
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemons import Client, NOBODY  # noqa: E402
from smtp_rig import STRANGER, deliver, envelope, main, queued_content, quit, test  # noqa: E402


# ---- RFC 5321 appendix D ----------------------------------------------------------------------


@test()
def d1_typical(s):
    c = s.client(ehlo="bar.example")
    c.say("MAIL FROM:<Smith@bar.example>", "250")
    c.say("RCPT TO:<Jones@example.com>", "250")
    c.say("RCPT TO:<Green@example.com>", "550")
    c.say("RCPT TO:<Brown@example.com>", "250")
    c.say("DATA", "354")
    c.send("Blah blah blah...\r\n....etc. etc. etc.\r\n")
    queue_id = c.say(".", "250 2.0.0 Ok: queued as ").split()[-1]
    quit(c)
    data = queued_content(s, queue_id)
    assert b"Blah blah blah...\r\n...etc. etc. etc.\r\n" in data
    assert b"Received: from bar.example (localhost [127.0.0.1])\r\n" in data
    s.logged("%s: client=localhost[127.0.0.1]" % queue_id)
    s.logged("postkeep/cleanup[")
    s.logged("disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=2/3 data=1 quit=1 commands=6/7")


@test()
def d2_aborted(s):
    c = s.client(ehlo="bar.example")
    c.say("MAIL FROM:<Smith@bar.example>", "250")
    c.say("RCPT TO:<Jones@example.com>", "250")
    c.say("RCPT TO:<Green@example.com>", "550")
    c.say("RSET", "250 2.0.0 Ok")
    c.say("DATA", "503 5.5.1 Error: need RCPT command")
    quit(c)


@test()
def d3_relayed(s):
    """Mail for elsewhere from our own network, the path in the old form with a source route."""
    c = s.client(ehlo="bar.example")
    c.say("MAIL FROM:<JQP@bar.example>", "250")
    c.say("RCPT TO:<@foo.example:Jones@XYZ.example>", "250")
    c.say("DATA", "354")
    c.send("Date: Thu, 21 May 1998 05:33:29 -0700\r\nFrom: John Q. Public <JQP@bar.example>\r\n"
           "Subject: The Next Meeting of the Board\r\nTo: Jones@xyz.example\r\n\r\nBill:\r\n"
           "The next meeting of the board of directors will be\r\non Tuesday.\r\n"
           "                         John.\r\n")
    queue_id = c.say(".", "250").split()[-1]
    quit(c)
    assert b"Jones@XYZ.example" in queued_content(s, queue_id)


@test()
def d4_verifying(s):
    c = s.client(ehlo="bar.example")
    c.say("VRFY jones@example.com", "252 2.0.0 jones@example.com")
    c.say("VRFY <jones>", "252 2.0.0 jones")
    c.say("VRFY Crispin@example.com", "550 5.1.1 <Crispin@example.com>: Recipient address rejected")
    c.say("VRFY", "501 5.5.4 Syntax: VRFY address")
    c.say("MAIL FROM:<EAK@bar.example>", "250")
    c.say("RCPT TO:<jones@example.com>", "250")
    quit(c)


@test("disable_vrfy_command=yes")
def vrfy_disabled(s):
    c = Client(s.daemons.port())
    c.send("EHLO me\r\n")
    assert "VRFY" not in c.expect("250")
    c.say("VRFY jones", "502 5.5.1 VRFY command is disabled")


# ---- Greeting -----------------------------------------------------------------------------------


@test(main="relay_domains = customer.example\nfast_flush_domains = $relay_domains, other.example\n")
def etrn(s):
    """RFC 1985, for domains in fast_flush_domains."""
    c = s.client(STRANGER)
    c.say("ETRN customer.example", "250 2.0.0 Queuing started")
    s.logged("flush of customer.example by ETRN: 0 messages")
    c.say("etrn  Sub.Customer.example", "250 2.0.0")
    c.say("ETRN other.example", "250 2.0.0")
    c.say("ETRN example.com", "459 4.7.1 <example.com>: service unavailable")
    for bad in ("@customer.example", "#queue", "a b", "customer.example\x00", "x" * 256, ".", "<customer.example>"):
        c.say("ETRN " + bad, "50")
    c.say("ETRN", "501 5.5.4 Syntax: ETRN domain")
    c.say("MAIL FROM:<smith@bar.example>", "250")
    c.say("ETRN customer.example", "503 5.5.1 Error: MAIL transaction in progress")
    quit(c)


@test(main="fast_flush_domains = hash:/does/not/exist\n")
def etrn_without_list(s):
    c = s.client(STRANGER)
    c.say("ETRN customer.example", "458 4.3.0 Error: unable to queue messages")


@test()
def keywords(s):
    c = Client(s.daemons.port())
    c.send("EHLO client.example\r\n")
    assert c.expect("250") == (
        "250-mx.example.com\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n"
        "250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n")
    c.send("HELO client.example\r\n")
    assert c.expect("250") == "250 mx.example.com\r\n"
    c.say("HELO", "501 Syntax: HELO hostname")
    c.say("EHLO", "501 Syntax: EHLO hostname")
    c.say("EHLO " + "x" * 512, "250")
    c.say("EHLO " + "x" * 513, "501 Syntax: EHLO hostname")


@test("smtpd_discard_ehlo_keywords=chunking, dsn smtputf8, silent-discard")
def keywords_discarded(s):
    c = Client(s.daemons.port())
    c.send("EHLO client.example\r\n")
    text = c.expect("250")
    assert "CHUNKING" not in text and "DSN" not in text and "SMTPUTF8" not in text and "SIZE" in text
    c.say("MAIL FROM:<a@b.example> RET=FULL", "555 5.5.4 Unsupported option: RET")
    c.say("MAIL FROM:<a@b.example> SIZE=1", "250")


@test("smtpd_helo_required=yes", "smtpd_banner=$myhostname ESMTP hello")
def helo_required(s):
    c = Client(s.daemons.port(), greeting=False)
    assert c.reply() == "220 mx.example.com ESMTP hello\r\n"
    c.say("MAIL FROM:<a@b.example>", "503 5.5.1 Error: send HELO/EHLO first")
    c.say("HELO me", "250")
    c.say("MAIL FROM:<a@b.example>", "250")


@test()
def without_helo(s):
    c = Client(s.daemons.port())
    queue_id = deliver(c, b"\r\nx\r\n")
    assert b"with SMTP id" in queued_content(s, queue_id)


# ---- Order and syntax ---------------------------------------------------------------------------


@test("smtpd_soft_error_limit=1000", "smtpd_hard_error_limit=1000")
def order(s):
    c = s.client()
    c.say("RCPT TO:<jones@example.com>", "503 5.5.1 Error: need MAIL command")
    c.say("DATA", "503 5.5.1 Error: need RCPT command")
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("MAIL FROM:<a@b.example>", "503 5.5.1 Error: nested MAIL command")
    c.say("DATA", "554 5.5.1 Error: no valid recipients")
    c.say("RCPT TO:<jones@example.com>", "250")
    c.say("EHLO again", "250")  # ends the transaction
    c.say("RCPT TO:<jones@example.com>", "503 5.5.1 Error: need MAIL command")


@test("smtpd_soft_error_limit=1000", "smtpd_hard_error_limit=1000")
def syntax(s):
    c = s.client()
    for line, start in [
            ("", "500 5.5.2 Error: bad syntax"),
            ("   ", "500 5.5.2 Error: bad syntax"),
            (b"NOOP \0", "500 5.5.2 Error: bad syntax"),
            (b"NO\0OP", "500 5.5.2 Error: bad syntax"),
            (b"NOOP a\rb", "500 5.5.2 Error: bad syntax"),
            (b"NOOP \x7f", "500 5.5.2 Error: bad syntax"),
            (b"NOOP \xff\xfe", "500 5.5.2 Error: bad UTF-8 syntax"),
            ("NOOP \u00e9", "250"),
            ("EXPN list", "502 5.5.2 Error: command not recognized"),
            ("TURN", "502 5.5.2 Error: command not recognized"),
            ("ETRN example.com", "459 4.7.1 <example.com>: service unavailable"),
            ("STARTTLS", "502 5.5.1"),
            ("AUTH PLAIN AAAA", "503 5.5.1 Error: authentication not enabled"),
            ("RSET now", "501 5.5.4 Syntax: RSET"),
            ("noop anything", "250 2.0.0 Ok"),
            ("  noop  ", "250 2.0.0 Ok"),
            ("HELP", "214 2.0.0 "),
            ("DATA x", "503"),
            ("QUIT now", "501 5.5.4 Syntax: QUIT"),
            ("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"),
            ("MAIL TO:<a@b.example>", "501 5.5.4 Syntax: MAIL FROM:<address>"),
            ("MAIL FROM:<a b@c.example>", "501 5.1.7 Bad sender address syntax"),
            ("MAIL FROM:<@>", "501 5.1.7 Bad sender address syntax"),
            ("MAIL FROM:<a@b..example>", "501 5.1.7 Bad sender address syntax"),
            ("MAIL FROM:<a@b.example", "501 5.1.7 Bad sender address syntax"),
            ("MAIL FROM:<a@[300.1.1.1]>", "501 5.1.7 Bad sender address syntax")]:
        c.say(line, start)
    s.logged("warning: Illegal address syntax from localhost[127.0.0.1] in MAIL command: <a b@c.example>")
    c.say("mail from: a@b.example", "250 2.1.0 Ok")  # as Postfix takes it unless it is told to be strict
    for line, start in [
            ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
            ("RCPT TO:", "501 5.1.3 Bad recipient address syntax"),
            ("RCPT FROM:<a@b.example>", "501 5.5.4 Syntax: RCPT TO:<address>"),
            ("RCPT TO:<a@b@c@>", "501 5.1.3 Bad recipient address syntax"),
            ("RCPT TO:<jones@example.com> X=1", "555 5.5.4 Unsupported option: X")]:
        c.say(line, start)
    quit(c)


@test("strict_rfc821_envelopes=yes")
def strict_envelopes(s):
    c = s.client()
    c.say("MAIL FROM:a@b.example", "501 5.1.7")
    c.say("MAIL FROM: <a@b.example>", "501")
    c.say("MAIL FROM:<a@b.example>", "250")


@test("smtpd_soft_error_limit=1000", "smtpd_hard_error_limit=1000")
def parameters(s):
    c = s.client()
    for parameters, start in [
            ("SIZE=0", "250"), ("SIZE=10240000", "250"), ("SIZE=10240001", "552 5.3.4"),
            ("SIZE=99999999999999999999", "5"), ("SIZE=999999999999999999999", "501 5.5.4"),
            ("SIZE", "501 5.5.4"), ("SIZE=", "501 5.5.4"), ("SIZE=-1", "501 5.5.4"),
            ("SIZE=1 SIZE=1", "501 5.5.4"),
            ("BODY=8BITMIME", "250"), ("body=7bit", "250"), ("BODY=BINARYMIME", "501 5.5.4"),
            ("SMTPUTF8", "250"), ("SMTPUTF8=1", "501 5.5.4"),
            ("RET=HDRS", "250"), ("RET=full", "250"), ("RET=ALL", "501 5.5.4"),
            ("ENVID=a+2Bb", "250"), ("ENVID=a+2", "501 5.5.4"), ("ENVID=", "501 5.5.4"),
            ("ENVID=" + "x" * 100, "250"), ("ENVID=" + "x" * 101, "501 5.5.4"),
            ("AUTH=<>", "555 5.5.4 Unsupported option: AUTH"),
            ("NOTIFY=NEVER", "555 5.5.4 Unsupported option: NOTIFY"),
            ("=x", "501 5.5.4"), ("-X", "501 5.5.4")]:
        c.say("MAIL FROM:<a@b.example> " + parameters, start)
        c.say("RSET", "250")
    c.say("MAIL FROM:<a@b.example>", "250")
    for parameters, start in [
            ("NOTIFY=NEVER", "250"), ("NOTIFY=SUCCESS,FAILURE,DELAY", "250"),
            ("NOTIFY=NEVER,SUCCESS", "501 5.5.4"), ("NOTIFY=", "501 5.5.4"), ("NOTIFY=x", "501 5.5.4"),
            ("ORCPT=rfc822;jones+40example.com", "250"), ("ORCPT=jones", "501 5.5.4"),
            ("ORCPT=rfc822;a=b", "501 5.5.4"), ("RET=FULL", "555 5.5.4 Unsupported option: RET"),
            ("SIZE=1", "555 5.5.4 Unsupported option: SIZE")]:
        c.say("RCPT TO:<jones@example.com> " + parameters, start)


# ---- Policy ---------------------------------------------------------------------------------------


@test()
def relaying(s):
    c = s.client(source=STRANGER, ehlo="evil.example")
    c.say("MAIL FROM:<a@b.example>", "250")
    assert c.say("RCPT TO:<x@elsewhere.example>", "554") == \
        "554 5.7.1 <x@elsewhere.example>: Relay access denied\r\n"
    s.logged(": NOQUEUE: reject: RCPT from localhost[127.0.0.2]: 554 5.7.1 <x@elsewhere.example>: "
             "Relay access denied; from=<a@b.example> to=<x@elsewhere.example> proto=ESMTP "
             "helo=<evil.example>")
    for address in ["x@example.com.", "x@sub.example.com", "\"x@elsewhere.example\"@other.example",
                    "x%elsewhere.example@other.example", "x@[192.0.2.1]", "x@example.com@other.example"]:
        c.say("RCPT TO:<%s>" % address, "5")
    # A way that the sender gives, through us or through a server behind us.
    for address in ["jones%elsewhere.example@example.com", "elsewhere.example!jones@example.com",
                    "\"jones@elsewhere.example\"@example.com", "elsewhere.example!jones", "jones%elsewhere.example"]:
        c.say("RCPT TO:<%s>" % address, "554 5.7.1")
    c.say("RCPT TO:<@example.com:x@elsewhere.example>", "554 5.7.1")
    c.say("RCPT TO:<jones@EXAMPLE.COM>", "250")
    c.say("RCPT TO:<jones@localhost>", "250")
    c.close()
    c = s.client()  # in mynetworks
    envelope(c, rcpts=["x@elsewhere.example", "jones@example.com"])


@test()
def unknown_users(s):
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<>", "250")
    assert c.say("RCPT TO:<nobody-here@example.com>", "550") == \
        ("550 5.1.1 <nobody-here@example.com>: Recipient address rejected: "
         "User unknown in local recipient table\r\n")
    s.logged("NOQUEUE: reject: RCPT from localhost[127.0.0.2]: 550 5.1.1 <nobody-here@example.com>: "
             "Recipient address rejected: User unknown in local recipient table; from=<> "
             "to=<nobody-here@example.com> proto=ESMTP helo=<client.example>")
    c.say("RCPT TO:<nobody-here>", "550 5.1.1 <nobody-here>")
    for address in ["JONES@example.com", "jones", "postmaster", "Postmaster", "PostMaster@example.com",
                    "\"jones\"@example.com"]:
        c.say("RCPT TO:<%s>" % address, "250")


@test(main="local_recipient_maps = proxy:unix:passwd.byname $alias_maps\nrecipient_delimiter = +\n")
def system_users(s):
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("RCPT TO:<root@example.com>", "250")
    c.say("RCPT TO:<root+tag@example.com>", "250")
    c.say("RCPT TO:<Root@localhost>", "250")
    c.say("RCPT TO:<no-such-user-here@example.com>", "550 5.1.1")


@test(main="local_recipient_maps = proxy:unix:passwd.byname\n")
def look_up_fails(s):
    """proxymap away: nobody hears a 5xx, and it heals itself."""
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("RCPT TO:<root@example.com>", "250")
    s.daemons.stop("proxymap")
    c.say("RCPT TO:<root@example.com>", "250")  # found a moment ago
    assert c.say("RCPT TO:<daemon@example.com>", "451") == \
        "451 4.3.0 <daemon@example.com>: Temporary lookup failure\r\n"
    s.logged("NOQUEUE: reject: RCPT from localhost[127.0.0.2]: 451 4.3.0 <daemon@example.com>: "
             "Temporary lookup failure; from=<a@b.example>")
    s.daemons.start("proxymap")
    c.say("RCPT TO:<daemon@example.com>", "250")
    c.say("RCPT TO:<no-such-user-here@example.com>", "550")


@test(main="mynetworks = cidr:/etc/networks\nrelay_domains = customer.example\nrelay_recipient_maps = mysql:/etc/x\n")
def types_that_there_are_not(s):
    """A table of a type that is not there keeps no other mail from being taken."""
    for param, kind in (("mynetworks", "cidr"), ("relay_recipient_maps", "mysql")):
        assert s.daemons.log_wait(f'error: {param}: unsupported table type "{kind}"', 0, 30)
    c = s.client()
    c.say("MAIL FROM:<smith@bar.example>", "250")
    c.say("RCPT TO:<x@elsewhere.example>", "451 4.3.0")
    c.say("RCPT TO:<x@customer.example>", "451 4.3.0")
    c.say("RCPT TO:<jones@example.com>", "250")
    quit(c)


@test("mydestination=example.com", "virtual_mailbox_domains=example.com")
def ambiguous_class(s):
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("RCPT TO:<jones@example.com>", "250")
    answer = c.say("RCPT TO:<green@example.com>", "451 4.3.5 <green@example.com>")
    assert "mydestination" in answer and "virtual_mailbox_domains" in answer, answer


@test("soft_bounce=yes")
def soft_bounce(s):
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("RCPT TO:<green@example.com>", "450 4.1.1 <green@example.com>")
    c.say("RCPT TO:<x@elsewhere.example>", "454 4.7.1 <x@elsewhere.example>")
    c.say("NONSENSE", "402 4.5.2")


@test("unknown_local_recipient_reject_code=450", "show_user_unknown_table_name=no")
def unknown_user_code(s):
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<a@b.example>", "250")
    assert c.say("RCPT TO:<green@example.com>", "450 4.1.1").endswith("rejected: User unknown\r\n")


@test("smtpd_noop_commands=XHELLO, vrfy")
def noop_commands(s):
    c = s.client()
    c.say("xhello there", "250 2.0.0 Ok")
    c.say("VRFY nobody-here", "250 2.0.0 Ok")
    c.say("XOTHER", "502")


@test()
def address_length(s):
    c = s.client()
    domain = ".".join(["d" * 60] * 4) + ".example"
    c.say("MAIL FROM:<%s@%s>" % ("x" * (1024 - 3 - len(domain)), domain), "250")
    c.say("RSET", "250")
    c.say("MAIL FROM:<%s@%s>" % ("x" * (1024 - 2 - len(domain)), domain), "501 5.1.7")
    c.say("MAIL FROM:<a@%s>" % ".".join(["d" * 60] * 5), "501 5.1.7")
    c.say("MAIL FROM:<\"%s\"@b.example>" % ("\\\"" * 450), "250")
    c.say("RCPT TO:<\"%s\"@elsewhere.example>" % ("\\\"" * 450), "250")
    c.say("RCPT TO:<%s>" % ("y" * 1022), "550-5.1.1")
    c.say("DATA", "354")
    c.say(".", "250")


@test("notify_classes=policy, protocol", "error_notice_recipient=errors@example.com")
def trouble(s):
    """Errors of wanted classes are told to the postmaster when the session ends, ten times an hour at most."""
    for n in range(12):
        c = s.client(source=STRANGER)
        c.say("MAIL FROM:<a@b.example>", "250")
        c.say("RCPT TO:<x@elsewhere.example>", "554 5.7.1")
        c.say("WHAT", "502 5.5.2") if n == 0 else None
        c.say("RSET", "250")
        quit(c)
        if n == 0:
            queue_id = s.logged("postmaster notice of trouble with").split()[-1]
            data = queued_content(s, queue_id)
            for part in (b"Subject: Postmaster notice: policy, protocol trouble with client ", b"To: <errors@example.com>",
                         b"RCPT: 554 5.7.1 <x@elsewhere.example>: Relay access denied\r\n", b"502 5.5.2 "):
                assert part in data, data
    quiet = s.client()
    quit(quiet)

    def notices():
        return [line for line in s.daemons.lines[s.mark:] if "postmaster notice of trouble with" in line]
    deadline = time.monotonic() + 60
    while len(notices()) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    assert len(notices()) == 10, notices()


@test("notify_classes=resource")
def trouble_not_wanted(s):
    c = s.client(source=STRANGER)
    c.say("MAIL FROM:<a@b.example>", "250")
    c.say("RCPT TO:<x@elsewhere.example>", "554 5.7.1")
    quit(c)
    s.logged("disconnect from")
    s.not_logged("postmaster notice")


# ---- Envelope -------------------------------------------------------------------------------------


@test()
def duplicates(s):
    c = s.client()
    rcpts = ["jones@example.com", "jones@EXAMPLE.com", "brown@example.com", "jones@example.com"]
    queue_id = deliver(c, b"\r\nx\r\n", rcpts=rcpts)
    s.logged("%s: from=<smith@bar.example>, size=" % queue_id)
    assert "nrcpt=2 " in s.logged(queue_id + ": from=")
    many = ["user%d@elsewhere.example" % (i % 20) for i in range(60)]
    queue_id = deliver(c, b"\r\nx\r\n", rcpts=many)
    assert "nrcpt=20 " in s.logged(queue_id + ": from=")


@test("smtpd_recipient_limit=3", "smtpd_recipient_overshoot_limit=2")
def recipient_limit(s):
    c = s.client()
    envelope(c, rcpts=["jones@example.com", "brown@example.com", "jones@example.com"])
    for _ in range(4):
        assert c.say("RCPT TO:<smith@example.com>", "452") == "452 4.5.3 Error: too many recipients\r\n"
    c.say("DATA", "354")
    c.say("\r\nx\r\n.", "250")
    quit(c)
    # Two were within the overshoot, the other two are errors.
    s.logged("ehlo=1 mail=1 rcpt=5/7 data=1 quit=1 commands=9/11")


@test()
def utf8(s):
    c = s.client()
    c.say("MAIL FROM:<\u00e9@b.example> SMTPUTF8", "250")
    c.say("RCPT TO:<jones@example.com>", "250")
    c.say("DATA", "354")
    queue_id = c.say("Subject: \u00e9\r\n\r\n\u00e9\r\n.".encode(), "250").split()[-1]
    data = queued_content(s, queue_id)
    assert "sender \u00e9@b.example".encode() in data and b"with UTF8SMTP id" in data


@test("strict_smtputf8=yes")
def utf8_strict(s):
    c = s.client()
    c.say("MAIL FROM:<\u00e9@b.example>", "553 5.6.7")
    c.say("MAIL FROM:<\u00e9@b.example> SMTPUTF8", "250")
    c.say("RCPT TO:<\u00e9@elsewhere.example>", "250")


@test("smtputf8_enable=no")
def utf8_off(s):
    c = Client(s.daemons.port())
    c.send("EHLO me\r\n")
    assert "SMTPUTF8" not in c.expect("250")
    c.say("MAIL FROM:<\u00e9@b.example>", "5")
    c.say("MAIL FROM:<a@b.example> SMTPUTF8", "555")


@test("smtpd_authorized_verp_clients=127.0.0.1")
def verp(s):
    """Who may ask for variable return paths, with which delimiters, for whom."""
    c = s.client(ehlo=None)
    c.send("EHLO x\r\n")
    assert "XVERP" in c.reply()
    for parameter, answer in (("XVERP", "250"), ("XVERP=+=", "250"), ("xverp=-+", "250"),
                              ("XVERP=", "501 5.5.4"), ("XVERP=+", "501 5.5.4"), ("XVERP=ab", "501 5.5.4"),
                              ("XVERP=+=+", "501 5.5.4"), ("XVERP XVERP", "501 5.5.4"),
                              ("SIZE=1=1", "501 5.5.4")):
        c.say("MAIL FROM:<a@b.example> " + parameter, answer)
        c.say("RSET", "250")
    c.say("MAIL FROM:<> XVERP", "501 5.5.4 Error: bad XVERP parameter")
    c.say("MAIL FROM:<a@b.example> XVERP=-=", "250")
    c.say("RCPT TO:<jones@example.com>", "250")
    c.say("DATA", "354")
    c.send("Subject: x\r\n\r\nx\r\n")
    queue_id = c.say(".", "250 2.0.0 Ok: queued as ").split()[-1]
    assert b"verp" in queued_content(s, queue_id) and b"-=" in queued_content(s, queue_id)
    stranger = s.client(source=STRANGER, ehlo=None)
    stranger.send("EHLO x\r\n")
    assert "XVERP" not in stranger.reply()
    stranger.say("MAIL FROM:<a@b.example> XVERP", "555 5.5.4 Unsupported option: XVERP")


@test()
def verp_for_nobody(s):
    c = s.client()
    c.say("MAIL FROM:<a@b.example> XVERP", "555 5.5.4")


# ---- Pipelining -------------------------------------------------------------------------------------


@test()
def pipelined(s):
    c = s.client()
    c.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<jones@example.com>\r\nRCPT TO:<green@example.com>\r\nDATA\r\n")
    replies = b""
    while replies.count(b"\r\n") < 4:
        more = c.socket.recv(65536)
        assert more, replies
        replies += more
    assert replies.count(b"\r\n") == 4, replies
    c.send("Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<a@b.example>\r\nRSET\r\nQUIT\r\n")
    for start in ["250 2.0.0 Ok: queued", "250 2.1.0", "250 2.0.0", "221"]:
        c.expect(start)


@test()
def pipelined_against_the_rules(s):
    c = s.client()
    c.send("DATA\r\nx\r\n")
    c.expect("554 5.5.0 Error: SMTP protocol synchronization")
    assert c.gone()
    s.logged("improper command pipelining after DATA from localhost[127.0.0.1]: x\\r\\n")
    c = Client(s.daemons.port())
    c.send("HELO me\r\nMAIL FROM:<a@b.example>\r\n")
    c.expect("554 5.5.0 Error: SMTP protocol synchronization")
    assert c.gone()
    c = Client(s.daemons.port())
    c.say("HELO me", "250")
    c.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<jones@example.com>\r\n")  # only EHLO allows it
    c.expect("554 5.5.0")
    c = s.client()
    c.send("NOOP\r\nNOOP\r\n")
    c.expect("554 5.5.0")


@test("smtpd_forbid_unauth_pipelining=no")
def pipelining_allowed(s):
    c = Client(s.daemons.port())
    c.send("HELO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<jones@example.com>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n")
    for start in ["250", "250", "250", "354", "250 2.0.0 Ok: queued as", "221"]:
        c.expect(start)
    s.logged("improper command pipelining after HELO from localhost[127.0.0.1]: MAIL FROM")


@test()
def speaks_first(s):
    """A client that has sent something before the greeting."""
    s.daemons.kill("smtpd")
    c = Client(s.daemons.port(), greeting=False)  # the kernel takes the connection and the bytes
    c.send("EHLO early\r\n")
    s.daemons.start("smtpd", ["127.0.0.1"], s.options, service="smtp")
    c.expect("554 5.5.0 Error: SMTP protocol synchronization")
    assert c.gone()
    s.logged("improper command pipelining after CONNECT from localhost[127.0.0.1]: EHLO early\\r\\n")


@test()
def forbidden_commands(s):
    for line in [b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"connect x:25 HTTP/1.0", b"\x16\x03\x01\x02\x00",
                 b": x"]:
        c = Client(s.daemons.port())
        c.send(line + b"\r\n")
        c.expect("221 2.7.0 Error: I can break rules, too. Goodbye.")
        assert c.gone()
    s.logged("warning: non-SMTP command from localhost[127.0.0.1]: GET / HTTP/1.1")


# ---- Without a queue manager ---------------------------------------------------------------------------


@test()
def stand_alone(s):
    """smtpd -S, as sendmail -bs runs it: no policy, and postdrop takes the mail."""
    def user():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    talk = ("EHLO me\r\nMAIL FROM:<a@b.example> RET=HDRS\r\nRCPT TO:<x@elsewhere.example>\r\n"
            "RCPT TO:<y@elsewhere.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.example\r\n"
            "RCPT TO:<z@elsewhere.example> NOTIFY=NEVER\r\nDATA\r\n"
            "Subject: bs\n\n..dot\r\nbare\rcr\r\n.\r\nQUIT\r\n")
    p = subprocess.run([os.path.join(s.daemons.build, "smtpd", "smtpd"), "-S"], input=talk.encode(),
                       capture_output=True, timeout=30, preexec_fn=user,
                       env=dict(os.environ, MAIL_CONFIG=s.daemons.conf))
    assert p.returncode == 0, p
    answers = [line[:4] for line in p.stdout.decode().splitlines() if line[3:4] != "-"]
    assert answers == ["220 "] + ["250 "] * 5 + ["354 ", "250 ", "221 "], p
    drop = os.path.join(s.daemons.spool, "maildrop")
    files = os.listdir(drop)
    assert len(files) == 1, files
    with open(os.path.join(drop, files[0]), "rb") as f:
        data = f.read()
    assert b"S11:a@b.example\n" in data and b"T4:hdrs\n" in data
    assert (b"R19:x@elsewhere.example\nO20:rfc822;a+b@c.example\nP13:success,delay\nR19:y@elsewhere.example\n"
            b"P5:never\nR19:z@elsewhere.example\n") in data, data
    assert b"Subject: bs\r\n\r\n.dot\r\nbare cr\r\n" in data
    os.unlink(os.path.join(drop, files[0]))


if __name__ == "__main__":
    main()
