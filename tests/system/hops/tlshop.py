"""A next hop with TLS: hostile.Hop, but that it knows STARTTLS or, WRAPPED, begins with a handshake; and AUTH, which is
always right and is remembered. Python's own ssl."""
import ssl

import hostile


class TlsSession(hostile.Session):
    """`tls`: the handshake went well; `logins`: the AUTH commands, each with whether they came in TLS."""

    def __init__(self, hop, conn):
        super().__init__(hop, conn)
        self.tls, self.logins = False, []

    def handshake(self):
        self.conn = self.hop.context.wrap_socket(self.conn, server_side=True)
        self.hop.open.add(self.conn)
        self.tls, self.input = True, b""
        self.answer("secured", b"")

    def run(self):
        if self.hop.wrapped:
            self.handshake()
        super().run()

    def greet(self, esmtp):
        offered = () if self.tls or self.hop.wrapped else ("STARTTLS",)
        self.hop.keywords = tuple(k for k in self.hop.keywords if k != "STARTTLS") + offered
        super().greet(esmtp)

    def on_starttls(self, _):
        if self.answer("starttls", b"220 2.0.0 go on\r\n")[:1] == b"2":
            self.handshake()

    def on_auth(self, line):
        self.logins.append((line, self.tls))
        self.answer("auth", b"235 2.7.0 Ok\r\n")

    def keep(self, t, rcpts):
        super().keep(t, rcpts)
        self.hop.by_tls.append((t.content, self.tls, isinstance(self.conn, ssl.SSLSocket) and self.conn.version()))


class TlsHop(hostile.Hop):
    """CHAIN: a file with key and certificates. `by_tls`: (content, whether it came in TLS, its version)."""

    def __init__(self, chain, behave=None, wrapped=False, **more):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        self.wrapped, self.by_tls = wrapped, []
        super().__init__(behave, kind=TlsSession, **more)

    def came(self, token):
        """Of the copies of the message with TOKEN, whether each came in TLS."""
        return [tls for content, tls, _ in list(self.by_tls) if token in content]

    def logins(self):
        return [login for session in list(self.sessions) for login in session.logins]
