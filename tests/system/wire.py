"""An SMTP client that is not polite, and what stranger ones have sent to mail servers."""
import re
import socket

HEAD = (b"From: alice@example.net\r\nTo: you@example.org\r\nDate: Sun, 22 Nov 2026 06:07:42 +0000\r\n"
        b"Message-Id: <%s@example.net>\r\nSubject: %s\r\n")
# The ends of a message that some server, somewhere, takes for one.
FALSE_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n ..\r\n", b"\r\n\x0b.\r\n", b"\n\r.\n\r",
    b"\r\n\xe2\x80\xa8.\r\n", b"\r\n.\x1a\r\n", b"\r\0\n.\r\0\n", b"\r\n.\r\0\n", b"\n.\r", b"\r.\n", b"\0.\0\n",
    b"\r\n.\x85\x0a", b"\r\n.=0D=0A", b"\x0d\x8a.\x0d\x8a"]


def content_as_stored(data):
    """What a mailbox holds of DATA's content: only CRLF and LF end lines (the latter normalised), one dot
    at the start of a line is undone, a CR that ends no line is a blank."""
    data = re.sub(rb"(?<!\r)\n", b"\r\n", data)
    lines = [line[1:] if line.startswith(b".") else line for line in data.split(b"\r\n")]
    return b"\n".join(lines).replace(b"\r", b" ")


class Wire:
    """A client that is not polite."""
    def __init__(self, port, source="127.0.0.2", greet=True, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))
        self.data = b""
        if greet:
            self.expect("220")
            self.say("EHLO client.example.net", "250")

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.data:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(self.data)
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1].decode("ascii")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return lines[-1]

    def expect(self, code):
        reply = self.reply()
        assert reply.startswith(code), (code, reply)
        return reply

    def say(self, command, code):
        self.send(command + b"\r\n" if isinstance(command, bytes) else command + "\r\n")
        return self.expect(code)

    def rest(self):
        """All replies until the server closes the connection."""
        while True:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                break
            if not more:
                break
            self.data += more
        lines, self.data = self.data.decode("ascii").split("\r\n"), b""
        return [line for line in lines if line and line[3:4] != "-"]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
