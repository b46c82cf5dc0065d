"""A next hop that misbehaves on purpose. A Hop listens on a port of its own; it is an honest SMTP (or LMTP) server but
for what its behaviour does at some stage, until heal(). It keeps what it has accepted, so that a test can tell whether
a message was lost, or came twice. Python's standard library only.

A behaviour is a function of session, stage and the reply that an honest server would give; it may send what it likes,
returns what is to be sent instead, or raises Gone. Stages: connect ehlo starttls auth mail rcpt data bdat dot rset quit
other."""
import os
import socket
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from ports import free_port  # noqa: E402

KEYWORDS = ("SIZE 100000000", "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")
MOST_CONTENT = 64 << 20


class Gone(Exception):
    """The session ends here."""


class Transaction:
    def __init__(self, sender):
        self.sender = sender
        self.rcpts = []
        self.content = b""


class Session:
    """One connection."""

    def __init__(self, hop, conn):
        self.hop, self.conn = hop, conn
        self.input = b""
        self.transaction = None
        self.commands = []
        self.merged = None          # replies that wait for the end of what has come in
        self.split = False          # every byte a packet of its own
        self.stored = 0
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        if self.merged is not None:
            self.merged += data
        elif self.split:
            for i in range(len(data)):
                self.conn.sendall(data[i:i + 1])
                self.hop.over.wait(0.002)
        else:
            self.conn.sendall(data)

    def fill(self):
        if self.merged:
            self.conn.sendall(self.merged)
            self.merged = b""
        data = self.conn.recv(65536)
        if not data:
            raise Gone
        self.input += data

    def line(self):
        while b"\n" not in self.input:
            if len(self.input) > 1 << 20:
                raise Gone
            self.fill()
        line, _, self.input = self.input.partition(b"\n")
        line = line.rstrip(b"\r")
        self.commands.append(line)
        return line

    def content(self):
        """The lines up to the dot, dots undone."""
        data = bytearray(b"\r\n" + self.input)
        at = 0
        while (end := data.find(b"\r\n.\r\n", at)) < 0:
            at = max(0, len(data) - 4)
            if len(data) > MOST_CONTENT:
                raise Gone
            self.input = b""
            self.fill()
            data += self.input
        self.input = bytes(data[end + 5:])
        return bytes(data[:end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    def bytes(self, n):
        while len(self.input) < n:
            self.fill()
        data, self.input = self.input[:n], self.input[n:]
        return data

    def pause(self, seconds):
        """Waits, but not longer than until the hop is stopped."""
        if self.hop.over.wait(seconds):
            raise Gone

    # --- The honest server -------------------------------------------------------------------------------

    def answer(self, stage, reply):
        behave = None if self.hop.healed else self.hop.behave
        if behave:
            reply = behave(self, stage, reply)
        if reply:
            self.send(reply)
        return reply or b""

    def run(self):
        self.answer("connect", b"220 hop.example ESMTP\r\n")
        while True:
            line = self.line()
            verb = line.split(b" ")[0].upper().decode("latin-1")
            handler = getattr(self, "on_" + verb.lower(), None) if verb.isalpha() else None
            if handler:
                handler(line)
            else:
                self.answer("other", b"502 5.5.1 not here\r\n")

    def greet(self, esmtp):
        lines = ["hop.example"] + (list(self.hop.keywords) if esmtp else [])
        text = "".join(f"250{'-' if i < len(lines) - 1 else ' '}{text}\r\n" for i, text in enumerate(lines))
        self.answer("ehlo" if esmtp else "helo", text.encode())

    def on_ehlo(self, _):
        self.greet(True)

    on_lhlo = on_ehlo

    def on_helo(self, _):
        self.greet(False)

    def on_mail(self, line):
        if self.answer("mail", b"250 2.1.0 Ok\r\n")[:1] == b"2":
            self.transaction = Transaction(line.partition(b":")[2].split(b">")[0].strip(b" <").decode())

    def on_rcpt(self, line):
        rcpt = line.partition(b":")[2].split(b">")[0].strip(b" <").decode()
        self.rcpt = rcpt
        if not self.transaction:
            self.answer("rcpt", b"503 5.5.1 MAIL first\r\n")
        elif self.answer("rcpt", b"250 2.1.5 Ok\r\n")[:1] == b"2":
            self.transaction.rcpts.append(rcpt)

    def on_data(self, _):
        if not self.transaction or not self.transaction.rcpts:
            self.answer("data", b"554 5.5.1 no valid recipients\r\n")
        elif self.answer("data", b"354 go on\r\n")[:3] == b"354":
            self.transaction.content = self.content()
            self.finish()

    def on_bdat(self, line):
        words = line.split()
        chunk = self.bytes(int(words[1]))
        if not self.transaction or not self.transaction.rcpts:
            self.answer("bdat", b"554 5.5.1 no valid recipients\r\n")
            return
        self.transaction.content += chunk
        if len(words) > 2:
            self.finish()
        else:
            self.answer("bdat", b"250 2.0.0 Ok\r\n")

    def finish(self):
        t, self.transaction = self.transaction, None
        self.pending = t
        for rcpt in t.rcpts if self.hop.lmtp else [None]:
            self.rcpt = rcpt
            before = self.stored
            reply = self.answer("dot", b"250 2.0.0 Ok: kept\r\n")
            # A behaviour that has kept the message but lets nobody know calls keep() itself.
            if reply[:1] == b"2" and self.stored == before:
                self.keep(t, [rcpt] if rcpt else t.rcpts)

    def keep(self, t, rcpts):
        self.stored += 1
        self.hop.accepted.append((t.sender, list(rcpts), t.content))

    def on_rset(self, _):
        self.transaction = None
        self.answer("rset", b"250 2.0.0 Ok\r\n")

    def on_noop(self, _):
        self.answer("other", b"250 2.0.0 Ok\r\n")

    def on_quit(self, _):
        self.answer("quit", b"221 2.0.0 Bye\r\n")
        raise Gone


class Hop:
    """BEHAVE: a behaviour or None. `accepted`: (sender, [recipients], content) of all it said 2xx to. ADDRESS and PORT:
    where it listens. KIND: Session, or a class that is one."""

    def __init__(self, behave=None, keywords=KEYWORDS, lmtp=False, address="127.0.0.1", port=None, kind=Session):
        self.behave, self.keywords, self.lmtp, self.kind = behave, keywords, lmtp, kind
        self.accepted, self.sessions = [], []
        self.healed = False
        self.over = threading.Event()
        self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.address, self.port = address, port or free_port()
        self.listener.bind((address, self.port))
        self.listener.listen(100)
        self.open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            if self.over.is_set():
                conn.close()
                return
            self.open.add(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        session = self.kind(self, conn)
        self.sessions.append(session)
        try:
            session.run()
        except (Gone, OSError, ValueError):
            pass
        finally:
            # What it was before a handshake, and what it is now.
            for each in {conn, session.conn}:
                self.open.discard(each)
                each.close()

    def heal(self):
        """From now on it is honest, to connections that begin now; the others are closed."""
        self.healed = True
        self.over.set()
        for conn in list(self.open):
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.over = threading.Event()

    def stop(self):
        self.heal()
        self.over.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def copies(self, token):
        """How often each recipient was given the message whose content has TOKEN."""
        found = {}
        for _, rcpts, content in list(self.accepted):
            if token in content:
                for rcpt in rcpts:
                    found[rcpt] = found.get(rcpt, 0) + 1
        return found


# --- Behaviours --------------------------------------------------------------------------------------------------


def at(stages, action):
    """ACTION at STAGES (words), honest elsewhere."""
    wanted = stages.split()
    return lambda s, stage, reply: action(s, stage, reply) if stage in wanted else reply


def say(text):
    """TEXT instead of the reply."""
    data = text if isinstance(text, bytes) else text.encode()
    return lambda s, stage, reply: data


def close(s, stage, reply):
    raise Gone


def hang(s, stage, reply):
    s.pause(600)
    raise Gone


def drip(s, stage, reply):
    """A byte now and then, and never an end."""
    s.send(reply[:4])
    while True:
        s.pause(0.3)
        s.send(b"x")


def drip_lines(s, stage, reply):
    """A line of the reply now and then, each in time, and never the last one."""
    while True:
        s.send(reply[:3] + b"-more\r\n")
        s.pause(0.3)


def endless(piece):
    """PIECE again and again, as fast as it is taken."""
    def action(s, stage, reply):
        while not s.hop.over.is_set():
            s.send(piece)
        raise Gone
    return action


def once(first, later=None):
    """FIRST at the first time it is asked, honest (or LATER) from then on."""
    lock, state = threading.Lock(), {"done": False}

    def behave(s, stage, reply):
        with lock:
            done = state["done"]
            answer = None if done else first(s, stage, reply)
            if not done and answer != reply:
                state["done"] = True
        if done:
            return later(s, stage, reply) if later else reply
        return answer
    return behave


def keep_and_close(s, stage, reply):
    """Keeps the message and goes without a word: whoever sent it cannot know."""
    s.keep(s.pending, s.pending.rcpts)
    raise Gone
