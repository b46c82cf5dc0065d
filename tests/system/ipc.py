"""The suite's internal protocol, spoken by a program that is not part of it: for tests that play a
peer, well-behaved or hostile. Written from lib/ipc/schema.h, frame.h and messages.c."""
import socket
import struct

CONTENT = 0xFFFF
HELLO = 0xFFFE

U, I, B, S = "u", "i", "b", "s"


def L(*fields):
    return ("l", fields)


RCPT = L(("address", S), ("orig", S), ("orcpt", S), ("notify", U))
ATTR = L(("name", S), ("value", S))
MESSAGES = {
    "hello": (HELLO, [("version", U), ("name", S)]),
    "submit_begin": (1, [("size", U)]),
    "submit_id": (2, [("id", S)]),
    "submit_no": (3, [("code", U), ("dsn", S), ("text", S)]),
    "submit_envelope": (4, [("sender", S), ("ret", U), ("envid", S), ("smtputf8", B), ("body_8bit", B),
                            ("verify_only", B), ("verbose", B), ("hold", B), ("attrs", ATTR)]),
    "submit_rcpts": (5, [("rcpts", RCPT)]),
    "submit_commit": (6, [("size", U)]),
    "submit_cancel": (7, [("reserved", U)]),
    "submit_ok": (8, [("id", S)]),
    "agent_open": (16, [("recipient", S)]),
    "agent_ready": (17, [("window", U)]),
    "agent_close": (22, [("reserved", U)]),
    "agent_connected": (23, [("attempt", U)]),
    "agent_again": (25, [("attempt", U)]),
    "agent_no": (18, [("dsn", S), ("text", S), ("busy", B)]),
    "deliver": (19, [("id", S), ("attempt", U), ("nexthop", S), ("sender", S), ("size", U),
                     ("arrival_us", I), ("smtputf8", B), ("body_8bit", B),
                     ("header_has_8bit", B), ("body_has_8bit", B), ("probe", B), ("tell_connected", B),
                     ("ret", U),
                     ("envid", S), ("attrs", ATTR),
                     ("rcpts", L(("index", U), ("address", S), ("orig", S), ("orcpt", S), ("notify", U),
                                 ("ticket", S)))]),
    "result": (20, [("id", S), ("attempt", U), ("index", U), ("status", U), ("dsn", S), ("text", S),
                    ("relay", S), ("diagnostic", S), ("remote_mta", S), ("connect_us", I),
                    ("transmit_us", I), ("unreachable", B), ("dsn_passed", B), ("conn_use", U), ("own_mx", B),
                    ("tls", S)]),
    "report": (24, [("id", S), ("index", U), ("ticket", S), ("dsn", S), ("text", S), ("relay", S), ("remote_mta", S),
                    ("dsn_passed", B)]),
    "report_ok": (21, [("reserved", U)]),
    "notice": (32, [("kind", U), ("id", S), ("sender", S), ("class", S), ("double_bounce", B), ("ret", U), ("envid", S),
                    ("smtputf8", B), ("body_8bit", B), ("arrival_us", I), ("expire_at", I), ("size", U),
                    ("full_size", U), ("attrs", ATTR),
                    ("rcpts", L(("address", S), ("orig", S), ("orcpt", S), ("notify", U), ("status", U),
                                ("action", S), ("dsn", S), ("text", S), ("diagnostic", S),
                                ("remote_mta", S)))]),
    "notice_done": (33, [("accepted", B), ("id", S), ("why", S)]),
    "admin": (48, [("verb", U), ("id", S), ("state", S)]),
    "admin_done": (49, [("count", U), ("missing", B), ("why", S)]),
    "admin_cat": (50, [("id", S)]),
    "admin_slot": (51, [("found", B), ("size", U), ("text_size", U), ("why", S)]),
    "flush": (52, [("id", S), ("site", S), ("sender", S), ("recipient", S)]),
    "showq_ask": (53, [("id", S), ("routes", B)]),
    "showq_entry": (54, [("id", S), ("state", S), ("arrival", I), ("size", U), ("sender", S), ("next", I),
                         ("forced_expire", B), ("expires", I), ("tries", U), ("origin", S), ("more", B),
                         ("rcpts", L(("address", S), ("reason", S), ("dsn", S), ("fate", U),
                                     ("transport", S), ("nexthop", S)))]),
    "showq_end": (55, [("count", U), ("bytes", U), ("hidden", B)]),
    "lookup": (64, [("table", S), ("param", S), ("key", S)]),
    "lookup_answer": (65, [("status", U), ("value", S), ("why", S)]),
    "anvil": (66, [("event", U), ("service", S), ("client", S)]),
    "anvil_count": (67, [("count", U), ("rate", U)]),
    "tlsrpt_note": (70, [("domain", S), ("policy", U), ("strings", S), ("result", S), ("reason", S), ("host", S),
                         ("address", S), ("from", S)]),
    "tlsrpt_noted": (71, [("counted", B)]),
    "sts_ask": (68, [("domain", S), ("id", S)]),
    "sts_answer": (69, [("mode", U), ("mx", S), ("max_age", U), ("why", S), ("failure", S)]),
}
NAMES = {number: name for name, (number, _) in MESSAGES.items()}


def _pack_field(kind, value):
    if kind == U:
        return struct.pack("<Q", value)
    if kind == I:
        return struct.pack("<q", value)
    if kind == B:
        return b"\1" if value else b"\0"
    if kind == S:
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogateescape")
        return struct.pack("<I", len(value)) + value
    items = value or []
    return struct.pack("<I", len(items)) + b"".join(pack_fields(kind[1], item) for item in items)


def pack_fields(fields, values):
    empty = {U: 0, I: 0, B: False, S: ""}
    return b"".join(_pack_field(kind, values.get(name, empty.get(kind, []) if isinstance(kind, str) else []))
                    for name, kind in fields)


def pack(what, /, **values):
    number, fields = MESSAGES[what]
    body = pack_fields(fields, values)
    return struct.pack("<IHH", len(body), number, 0) + body


def _unpack_field(kind, data, at):
    if kind == U:
        return struct.unpack_from("<Q", data, at)[0], at + 8
    if kind == I:
        return struct.unpack_from("<q", data, at)[0], at + 8
    if kind == B:
        return data[at] == 1, at + 1
    if kind == S:
        n = struct.unpack_from("<I", data, at)[0]
        return data[at + 4:at + 4 + n].decode("utf-8", "surrogateescape"), at + 4 + n
    n = struct.unpack_from("<I", data, at)[0]
    at += 4
    items = []
    for _ in range(n):
        item, at = unpack_fields(kind[1], data, at)
        items.append(item)
    return items, at


def unpack_fields(fields, data, at=0):
    values = {}
    for name, kind in fields:
        values[name], at = _unpack_field(kind, data, at)
    return values, at


class Closed(Exception):
    """The peer has closed the channel."""


class Channel:
    """A channel to PATH, or over a socket that is connected already."""

    def __init__(self, path=None, sock=None, name="test", hello=True, timeout=20):
        self.sock = sock or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if not sock:
            self.sock.connect(path)
        self.data = bytearray()
        self.heard = False
        if hello:
            self.sock.sendall(pack("hello", version=1, name=name))

    def send(self, what, /, **values):
        self.sock.sendall(pack(what, **values))

    def content(self, data):
        for i in range(0, len(data), 65536):
            piece = data[i:i + 65536]
            self.sock.sendall(struct.pack("<IHH", len(piece), CONTENT, 0) + piece)

    def take_content(self, size):
        """SIZE bytes of content."""
        pieces = []
        while size > 0:
            name, piece = self.recv()
            if name != "content" or len(piece) > size:
                raise AssertionError(f"{size} bytes of content expected, got {name}")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _need(self, n):
        while len(self.data) < n:
            try:
                more = self.sock.recv(262144)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed()
            self.data += more

    def recv(self):
        """The next message as (name, values); content as ("content", bytes)."""
        while True:
            self._need(8)
            length, number, _ = struct.unpack_from("<IHH", self.data)
            self._need(8 + length)
            body = bytes(self.data[8:8 + length])
            del self.data[:8 + length]
            if number == HELLO:
                self.heard = True
                continue
            if number == CONTENT:
                return "content", body
            name = NAMES[number]
            return name, unpack_fields(MESSAGES[name][1], body)[0]

    def expect(self, name):
        got, values = self.recv()
        if got != name:
            raise AssertionError(f"expected {name}, got {got} {values}")
        return values

    def close(self):
        self.sock.close()


def submit(channel, content, sender="alice@example.org", rcpts=("bob@example.com",), attrs=(), batch=50,
           **more):
    """One message; returns its ID, or raises AssertionError with qmgr's refusal. RCPTS: addresses, or
    dictionaries. MORE: further fields of the envelope."""
    channel.send("submit_begin", size=len(content))
    queue_id = channel.expect("submit_id")["id"]
    channel.send("submit_envelope", sender=sender, attrs=list(attrs), **more)
    rcpts = [r if isinstance(r, dict) else {"address": r, "orig": r} for r in rcpts]
    for i in range(0, len(rcpts), batch):
        channel.send("submit_rcpts", rcpts=rcpts[i:i + batch])
    if content:
        channel.content(content)
    channel.send("submit_commit", size=len(content))
    assert channel.expect("submit_ok")["id"] == queue_id
    return queue_id


def mailq(path):
    """Every message in the queue, as the showq socket tells it."""
    channel = Channel(path)
    channel.send("showq_ask")
    entries = {}
    while True:
        name, values = channel.recv()
        if name == "showq_end":
            channel.close()
            return entries
        entry = entries.setdefault(values["id"], values)
        if entry is not values:
            entry["rcpts"] += values["rcpts"]
