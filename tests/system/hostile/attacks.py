"""What strangers do to a mail server. Each attack takes a scene and a size, sees to it that the answers are as they
have to be, and returns them in a few words. Cost has to grow no faster than the size.

ATTACKS has for each: its name, a small size (tests), a large one (tests/system/hostile/run), and the size
from which on tests/system/hostile/curve doubles (None: its cost does not depend on a size). With CONNECTIONS the size
is a number of connections at the same time, each of which needs an open file here."""
import socket
import struct
import time
from collections import Counter, namedtuple

from scene import close_all, connections
from wire import FALSE_ENDS

Attack = namedtuple("Attack", "name run small large curve connections what")
ATTACKS = []
RUDE = struct.pack("ii", 1, 0)


def attack(small, large, curve=None, connections=False):
    def add(function):
        ATTACKS.append(Attack(function.__name__, function, small, large, curve, connections, function.__doc__))
        return function
    return add


def counted(replies):
    """["250 Ok", "250 Ok", "421 …"] as "2 x 250, 1 x 421"."""
    return ", ".join(f"{n} x {code}" for code, n in Counter(r[:3] for r in replies).items())


def check(condition, *what):
    if not condition:
        raise AssertionError(what)


def blocks(data, size, block=65536):
    """SIZE bytes of DATA repeated, in blocks."""
    chunk = data * (block // len(data) + 1)
    chunk = chunk[:len(chunk) // len(data) * len(data)]
    while size > 0:
        yield chunk[:size]
        size -= len(chunk)


# ---- Many, and slow -----------------------------------------------------------------------------------------

@attack(2000, 2000, connections=True)
def crowd(scene, n):
    """N connections at once, each has said EHLO; nothing more comes."""
    def hello(sock):
        sock.sendall(b"EHLO crowd.example.net\r\n")
    everybody = connections(scene, n, hello)
    try:
        for sock in everybody:
            check(sock.recv(4096).startswith(b"250-"), "EHLO is answered")
        scene.deliver_one()  # who comes now is served
        for sock in everybody:
            sock.sendall(b"QUIT\r\n")
        replies = [sock.recv(1000).decode() for sock in everybody]
        check(all(r.startswith("221 ") for r in replies), counted(replies))
    finally:
        close_all(everybody)
    return counted(replies)


def begin_content(scene, sock):
    for line, code in ((b"HELO x\r\n", b"250"), (b"MAIL FROM:<>\r\n", b"250"),
                       (f"RCPT TO:<{scene.rcpt}>\r\n".encode(), b"250"), (b"DATA\r\n", b"354")):
        sock.sendall(line)
        reply = sock.recv(1000)
        check(reply.startswith(code), line, reply)


@attack(200, 1000, connections=True)
def burst(scene, n):
    """N messages end in the same moment, again and again."""
    for _ in range(5):
        everybody = connections(scene, n, lambda sock: begin_content(scene, sock))
        try:
            for sock in everybody:
                sock.sendall(b"Subject: burst\r\n\r\nx\r\n")
            for sock in everybody:
                sock.sendall(b".\r\n")
            replies = [sock.recv(1000).decode() for sock in everybody]
            check(all(r.startswith("250 2.0.0 Ok") for r in replies), counted(replies))
        finally:
            close_all(everybody)
        scene.accepted += n
    return f"5 x {counted(replies)}"


@attack(200, 1500, connections=True)
def half_messages(scene, n):
    """N messages of 200 KB at the same time, none of which comes to its end."""
    def begin(sock):
        begin_content(scene, sock)
        sock.sendall(b"Subject: half\r\n\r\n" + b"half a message\r\n" * 13_000)
    everybody = connections(scene, n, begin)
    try:
        scene.deliver_one()
    finally:
        close_all(everybody)
    return f"{n} x gone"


@attack(300, 1500, connections=True)
def drip(scene, n):
    """N senders of a byte a second: a command, and the content of a message."""
    everybody = connections(scene, n)
    try:
        half = everybody[:n // 2]
        for sock in half:
            begin_content(scene, sock)
        for byte in b"NOOP\r\n":
            for sock in everybody:
                sock.sendall(bytes([byte]))
            time.sleep(1)
        for sock in half:
            sock.sendall(b".\r\n")
        scene.accepted += len(half)
        replies = [sock.recv(1000).decode() for sock in everybody]
        check(all(r.startswith("250 2.0.0 Ok") for r in replies), counted(replies))
    finally:
        close_all(everybody)
    return counted(replies)


@attack(200, 4000, 500)
def hang_ups(scene, n):
    """N clients go away, one after each thing there is to say, politely or with a reset: the last after the final dot,
    before its answer."""
    mail = [b"EHLO x\r\n", b"MAIL FROM:<alice@example.net>\r\n", f"RCPT TO:<{scene.rcpt}>\r\n".encode()]
    data = mail + [b"DATA\r\n", b"Subject: gone\r\n\r\n" + b"x" * 5000, b"\r\n", b".", b"\r\n"]
    chunks = mail + [b"BDAT 100\r\n", b"x" * 50, b"y" * 50, b"BDAT 20000 LAST\r\n", b"z" * 19999, b"z"]
    half_way = mail + [b"NOOP\r\nRSET", b"\r\nQUIT\r"]
    scripts = [script[:i] for script in (data, chunks, half_way) for i in range(len(script) + 1)]
    for i in range(n):
        script = scripts[i % len(scripts)]
        with scene.wire(greet=False) as c:
            for part in script:
                c.expect("220") if part is script[0] else None
                c.send(part)
                if part in mail or part == b"DATA\r\n":
                    c.reply()
            if i % 3 == 0:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RUDE)
    return f"{n} x gone"


# ---- Lines and commands -------------------------------------------------------------------------------------

@attack(1 << 20, 64 << 20, 1 << 20)
def endless_command(scene, n):
    """A command of N bytes."""
    with scene.wire() as c:
        try:
            for block in blocks(b"NOOP ", n):
                c.send(block)
            c.send(b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        replies = c.rest()
    check(len(replies) <= 1 and all(r[:3] in ("500", "421") for r in replies), replies)
    return counted(replies) or "hung up"


@attack(1 << 18, 16 << 20, 1 << 18)
def nul_commands(scene, n):
    """N NULs where a command should stand."""
    with scene.wire() as c:
        try:
            for block in blocks(b"\0", n):
                c.send(block)
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:  # hung up on
            pass
        replies = c.rest()
    check(len(replies) <= 1, replies)
    return counted(replies) or "hung up"


@attack(40, 400, 40)
def commands_64k(scene, n):
    """N commands of 64 KiB."""
    replies = []
    while len(replies) < n:
        with scene.wire() as c:
            for _ in range(min(10, n - len(replies))):
                c.send(b"NOOP " + b"x" * (65536 - 7) + b"\r\n")
                replies.append(c.expect("500"))
    return counted(replies)


@attack(20, 200)
def early_talk(scene, n):
    """N clients say their second sentence before they may."""
    replies = []
    for i in range(n):
        with scene.wire(greet=False) as c:
            c.expect("220")
            c.send((b"EHLO x\r\nMAIL FROM:<>\r\n", b"EHLO x\r\nEHLO x\r\n", b"HELO x\r\nNOOP\r\nQUIT\r\n")[i % 3])
            replies += c.rest()
    check(all(r.startswith("554 ") for r in replies), counted(replies))
    return counted(replies)


@attack(500, 20000, 2000)
def empty_talk(scene, n):
    """N commands that do nothing, as many at once as may be."""
    replies = []
    while len(replies) < n:
        with scene.wire() as c:
            c.send(b"RSET\r\n" * 400)
            got = c.rest()
            check(got[-1].startswith("421 "), got[-1])
            replies += got
    return counted(replies)


@attack(60, 2000, 250)
def mail_parameters(scene, n):
    """N MAIL commands, each with as many parameters as a line holds."""
    bad = [b"X%d=%d" % (i, i) for i in range(180)]
    flood = [b"SIZE=1 " * 280, b" ".join(bad), b"ENVID=" + b"+41" * 600, b"SMTPUTF8 " * 200, b"=" * 1900]
    replies = []
    while len(replies) < n:
        with scene.wire() as c:
            for i in range(15):
                c.send(b"MAIL FROM:<a@example.net> " + flood[i % len(flood)] + b"\r\n")
                replies.append(c.reply())
    check(all(r[:3] in ("501", "555", "500") for r in replies), counted(replies))
    return counted(replies)


@attack(3000, 20000, 2000)
def recipients(scene, n):
    """N times the same recipient, with parameters."""
    replies = []
    while n > 0:
        now = min(n, 1500)
        with scene.wire() as c:
            c.say("MAIL FROM:<a@example.net>", "250")
            for _ in range(0, now, 100):
                c.send(f"RCPT TO:<{scene.rcpt}> NOTIFY=DELAY,FAILURE ORCPT=rfc822;{'+41' * 100}\r\n" * min(100, now))
                replies += [c.reply() for _ in range(min(100, now))]
            c.send(b"RSET\r\n")
            c.reply()
        n -= now
    check(all(r[:3] in ("250", "452") for r in replies), counted(replies))
    return counted(replies)


# ---- Content ------------------------------------------------------------------------------------------------

@attack(1 << 20, 9 << 20, 1 << 20)
def endless_line(scene, n):
    """A line of N bytes in the body."""
    return scene.content([scene.head() + b"\r\n", *blocks(b"endless ", n)])[:9]


@attack(1 << 20, 9 << 20, 1 << 20)
def nul_content(scene, n):
    """N NULs, in header and body."""
    return scene.content([scene.head() + b"X-Nul: ", *blocks(b"\0", n // 2), b"\r\n\r\n", *blocks(b"\0", n // 2)])[:9]


@attack(1 << 20, 4 << 20, 1 << 19)
def stray_cr(scene, n):
    """N CRs that end no line, in header and body."""
    return scene.content([scene.head() + b"X-Cr: ", *blocks(b"\r", n // 2), b"\r\n\r\n", *blocks(b"\rx", n // 2)])[:9]


@attack(1 << 20, 4 << 20, 1 << 19)
def bare_lf(scene, n):
    """N bytes of lines that end in LF alone."""
    return scene.content([scene.head() + b"\r\n", *blocks(b"x\n", n)])[:9]


@attack(1 << 20, 8 << 20, 1 << 20)
def false_ends(scene, n):
    """N bytes of ends that are none, each with a message behind it."""
    smuggled = f"MAIL FROM:<evil@example.net>\r\nRCPT TO:<{scene.rcpt}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx".encode()
    evil = b"".join(b"text" + end + smuggled for end in FALSE_ENDS)
    with scene.wire() as c:
        scene.envelope(c)
        c.say("DATA", "354")
        c.send(scene.head() + b"\r\n")
        for _ in range(n // len(evil) + 1):
            c.send(evil)
        c.send(b"\r\n.\r\nQUIT\r\n")
        replies = c.rest()
    check([r[:3] for r in replies] == ["250", "221"], replies)
    scene.accepted += 1
    check("evil@example.net" not in scene.suite.log(), "a smuggled envelope")
    return counted(replies)


@attack(1 << 20, 8 << 20, 1 << 20)
def false_ends_in_chunks(scene, n):
    """The same in chunks, cut in the middle of each end: what is a dot on a line of its own there is content too."""
    smuggled = f"MAIL FROM:<evil@example.net>\r\nRCPT TO:<{scene.rcpt}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx".encode()
    with scene.wire() as c:
        scene.envelope(c)
        rest = scene.head() + b"\r\n"
        for i in range(n // 120):
            end = (FALSE_ENDS + [b"\r\n.\r\n", b"\r\n..\r\n", b"\r\n.\r\nQUIT\r\n"])[i % (len(FALSE_ENDS) + 3)]
            text = rest + end[:len(end) // 2]
            rest = end[len(end) // 2:] + smuggled
            c.send(b"BDAT %d\r\n" % len(text) + text)
            c.expect("250")
        c.send(b"BDAT %d LAST\r\n" % len(rest) + rest + b"QUIT\r\n")
        replies = c.rest()
    check([r[:3] for r in replies] == ["250", "221"], replies)
    scene.accepted += 1
    check("evil@example.net" not in scene.suite.log(), "a smuggled envelope")
    return counted(replies)


@attack(1 << 18, 8 << 20, 1 << 19)
def dots_and_from(scene, n):
    """N bytes of lines that begin with dots or with "From ", after empty lines too."""
    return scene.content([scene.head() + b"\r\n", *blocks(b"..\r\n\r\nFrom x@y Sun Nov 22 06:07:42 2026\r\n>From \r\nFrom\r\n", n)])[:9]


@attack(50_000, 50_000, 12_500)
def header_fields(scene, n):
    """N header fields."""
    return scene.content([scene.head(), *(b"X-Field-%d: y\r\n" % i for i in range(n)), b"\r\nbody"])[:9]


@attack(9_900_000, 9_900_000, 1_200_000)
def big_header(scene, n):
    """One header field of N bytes; half of it folded."""
    return scene.content([scene.head() + b"X-Big: ", *blocks(b"a", n // 2), b"\r\n ", *blocks(b"a b\r\n ", n // 2),
                          b"\r\n\r\nbody"])[:9]


@attack(500_000, 500_000, 60_000)
def addresses(scene, n):
    """N addresses in one field, of a client whose header is completed."""
    return scene.content([scene.head() + b"To: ", *blocks(b"a@b, c,\r\n d, e,", n * 4), b"\r\n\r\nbody"], local=True)[:9]


@attack(100_000, 500_000, 60_000)
def address_fields(scene, n):
    """N addresses in fields that are looked into to their end."""
    field = b"Cc: " + b"a, " * 20_000 + b"z\r\n"
    return scene.content([scene.head(), *[field] * (n // 20_000), b"\r\nbody"], local=True)[:9]


@attack(1 << 20, 4 << 20, 1 << 19)
def nesting(scene, n):
    """N bytes of comments and quotes within each other."""
    pieces = [b"(", b"((a)", b'"', b"<", b'"a" <', b"@a:", b"a;:", b"\\(", b"(\\", b"[", b"a.", b"=?utf-8?q?"]
    fields = [b"To: " + (piece * 100_000)[:100_000] + b"\r\n" for piece in pieces]
    return scene.content([scene.head(), *(fields[i % len(fields)] for i in range(n // 100_000)), b"\r\nbody"],
                         local=True)[:9]


@attack(5000, 200_000, 25_000)
def hops(scene, n):
    """N Received: fields."""
    return scene.content([b"Received: from a by b; Sun, 22 Nov 2026 06:07:42 +0000\r\n" * n, b"\r\nbody"], code="554")[:9]


# ---- Chunks -------------------------------------------------------------------------------------------------

@attack(2000, 40_000, 5000)
def tiny_chunks(scene, n):
    """A message in N chunks of one byte."""
    head = scene.head() + b"\r\n"
    with scene.wire() as c:
        scene.envelope(c)
        c.send(b"BDAT %d\r\n" % len(head) + head)
        c.expect("250")
        for i in range(0, n, 500):
            c.send(b"BDAT 1\r\nx" * min(500, n - i))
            for _ in range(min(500, n - i)):
                c.expect("250")
        c.say("BDAT 0 LAST", "250")
    scene.accepted += 1
    return f"{n} x 250"


@attack(60, 600)
def lying_chunks(scene, n):
    """N times a chunk that is announced larger than it is, than anything is, or than may be."""
    replies = []
    for i in range(n):
        size = ("18446744073709551615", "9223372036854775807", "18446744073709551616", "99999999999", "-1", "10240001")[i % 6]
        with scene.wire() as c:
            scene.envelope(c)
            c.send(f"BDAT {size} LAST\r\n" + "x" * 5000)
            c.sock.shutdown(socket.SHUT_WR)
            replies += c.rest() or ["gone without an answer"]
    check(all(r[:3] in ("501", "552", "gon") for r in replies), counted(replies))
    return counted(replies)
