"""postkeep probe: each way in which mail cannot go somewhere is told apart, by servers that the test plays."""
import ctypes
import fcntl
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_port  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
OK, UNWILLING, NO_CONNECTION, NO_ADDRESS, USAGE = 0, 1, 2, 3, 64


class Server:
    """Listens on a loopback port; each connection is TALK's, on a thread."""

    def __init__(self, talk, port=0):
        self.talk = talk
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.hop = f"[127.0.0.1]:{self.port}"
        self.heard = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.talk(self, connection)
        except OSError:
            pass
        connection.close()

    def dialogue(self, connection, answers):
        """Reads lines, and answers those whose first word is known."""
        file = connection.makefile("rwb", buffering=0)
        for line in file:
            self.heard.append(line)
            answer = answers.get(line.split()[0].upper())
            if answer is None:
                return None
            file.write(answer)
            if answer.startswith(b"220 go"):
                return "TLS"
        return None


def deaf(port=0):
    """A port that does not answer: its queue is full, and what comes is dropped."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    fill = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
        fill.append(s)
    return listener, fill


class Probe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="postkeep-probe.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        os.chmod(cls.dir, 0o755)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=mx.example.org", "-keyout", cls.dir + "/key",
                        "-out", cls.dir + "/cert"], check=True, capture_output=True)
        cls.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.context.load_cert_chain(cls.dir + "/cert", cls.dir + "/key")

    def configure(self, text=""):
        with open(self.dir + "/main.cf", "w") as f:
            f.write("compatibility_level = 3.11\nmyhostname = probe.example.org\ninet_protocols = ipv4\n"
                    f"daemon_directory = {PREFIX}/libexec/postkeep\n" + text)

    def probe(self, *target, conf="", user=None):
        self.configure(conf)
        began = time.monotonic()
        done = subprocess.run([PREFIX + "/sbin/postkeep", "-c", self.dir, "probe", *target], capture_output=True,
                              timeout=90, text=True, user=user)
        self.assertLess(time.monotonic() - began, 60)
        return done.returncode, done.stdout + done.stderr

    def expect(self, result, status, *parts):
        got, text = result
        self.assertEqual(got, status, text)
        for part in parts:
            self.assertRegex(text, part)
        self.assertRegex(text, r"(?m)^Result: ")

    # --- What works -------------------------------------------------------------------------------------------

    def plain(self, server, connection):
        connection.sendall(b"220 mx.example.org ESMTP\r\n")
        server.dialogue(connection, {b"EHLO": b"250-mx.example.org\r\n250-SIZE 1000\r\n250-XODD\r\n250 DSN\r\n"})

    def starttls(self, server, connection):
        connection.sendall(b"220-mx.example.org\r\n220 ESMTP\r\n")
        if server.dialogue(connection, {b"EHLO": b"250-mx.example.org\r\n250 STARTTLS\r\n",
                                        b"STARTTLS": b"220 go\r\n"}) == "TLS":
            with self.context.wrap_socket(connection, server_side=True) as tls:
                server.dialogue(tls, {b"EHLO": b"250-mx.example.org\r\n250 AUTH PLAIN LOGIN\r\n", b"QUIT": b"221 x\r\n"})

    def test_plain(self):
        server = Server(self.plain)
        self.expect(self.probe(server.hop), OK, r"connect +\d+ ms  ok", r"greeting +\d+ ms  ok: 220 mx\.example\.org",
                    r"EHLO +\d+ ms  ok: SIZE 1000, DSN\n", r"Result: mail can go to \[127")
        self.assertEqual(server.heard[0], b"EHLO probe.example.org\r\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs two users")
    def test_for_everybody(self):
        self.expect(self.probe(Server(self.starttls).hop, user="nobody"), OK, "the certificate is not trusted")

    def test_relayhost(self):
        """Without an argument: what relayhost says; without that, nobody is bothered."""
        server = Server(self.plain)
        self.expect(self.probe(conf=f"relayhost = {server.hop}\n"), OK, re.escape(server.hop))
        status, text = self.probe()
        self.assertEqual(status, USAGE)
        self.assertIn("name a domain", text)
        self.assertEqual(self.probe("a", "b")[0], USAGE)

    def test_starttls(self):
        self.expect(self.probe(Server(self.starttls).hop), OK, r"STARTTLS +\d+ ms  ok: 220 go",
                    r"TLS +\d+ ms  ok: TLSv1\.3 with TLS_\w+; the certificate is not trusted",
                    r"EHLO +\d+ ms  ok: AUTH PLAIN LOGIN")

    def test_wrapped(self):
        """TLS from the start, as on port 465."""
        def talk(server, connection):
            with self.context.wrap_socket(connection, server_side=True) as tls:
                tls.sendall(b"220 mx.example.org ESMTP\r\n")
                server.dialogue(tls, {b"EHLO": b"250 mx.example.org\r\n"})
        server = Server(talk)
        self.expect(self.probe(conf=f"relayhost = {server.hop}\nsmtp_tls_wrappermode = yes\n"), OK,
                    r"TLS +\d+ ms  ok: TLSv1\.3[^\n]*\n  greeting")
        # Asked as a server of the usual kind it says nothing.
        self.expect(self.probe(server.hop), UNWILLING, r"greeting +\d+ ms  FAILED: lost connection",
                    "smtp_tls_wrappermode = yes")

    # --- What does not ------------------------------------------------------------------------------------------

    def test_refused(self):
        self.expect(self.probe(f"[127.0.0.1]:{free_port()}"), NO_CONNECTION,
                    r"connect +\d+ ms  FAILED: connect to \S+: Connection refused", "nothing listens on that port")

    def test_deaf(self):
        listener, fill = deaf()
        self.expect(self.probe(f"[127.0.0.1]:{listener.getsockname()[1]}"), NO_CONNECTION,
                    r"connect +[45]\d\d\d ms  FAILED: connect to \S+: Connection timed out", "The server does not answer")
        for s in fill + [listener]:
            s.close()

    @unittest.skipUnless(os.geteuid() == 0, "needs root: a port 25 of its own")
    def test_blocked(self):
        """Port 25 does not answer, the machine does on another one: the port is blocked. In a network of its
        own, which has nothing but a loopback interface."""
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if ctypes.CDLL(None).unshare(0x40000000) != 0:  # CLONE_NEWNET
                    os._exit(77)
                up = struct.pack("16sh", b"lo", 0x41)  # IFF_UP | IFF_RUNNING
                with socket.socket() as s:
                    fcntl.ioctl(s, 0x8914, up)  # SIOCSIFFLAGS
                keep = deaf(25)  # noqa: F841
                self.expect(self.probe("[127.0.0.1]"), NO_CONNECTION, "Connection timed out",
                            "port 587 .* the same machine answers there", "Result: port 25 is blocked on the way",
                            r"relayhost = \[host\]:587")
                keep587 = deaf(587)  # noqa: F841
                self.expect(self.probe("[127.0.0.1]"), NO_CONNECTION, "Result: nothing answers")
                status = 0
            except (AssertionError, OSError) as e:
                print(repr(e), file=sys.stderr)
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 77:
            self.skipTest("no network of its own to be had")
        self.assertEqual(status, 0)

    def test_no_dns(self):
        """A name server that says nothing is told from a name that there is not."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            self.expect(self.probe("example.org", conf=f"dns_servers = 127.0.0.1:{silent.getsockname()[1]}\n"),
                        NO_ADDRESS, r"DNS +\d+ ms  FAILED: .*try again", "DNS gives no answer at present",
                        "Result: .*mail waits")

    def test_bad_target(self):
        self.expect(self.probe("[127.0.0.1"), NO_ADDRESS, "DNS .* FAILED")

    def test_unwilling(self):
        """A server that refuses, hangs up, says nothing, or speaks another language."""
        def say(text):
            def talk(server, connection):
                connection.sendall(text)
                connection.recv(1000)
            return talk
        for text, part in ((b"554 5.7.1 blocked using zen.spamhaus.org\r\n", "DNS block list"),
                           (b"", r"greeting .*FAILED: lost connection"),
                           (b"SSH-2.0-OpenSSH_9\r\n", 'no reply of SMTP: "SSH-2.0-OpenSSH_9"'),
                           (b"x" * 5000 + b"\n", "FAILED: lost connection"),
                           (b"220 \x1b[31mred\r\n", r"ok: 220 \?\[31mred")):
            status, output = self.probe(Server(say(text)).hop)
            self.assertEqual(status, UNWILLING, output)
            self.assertRegex(output, part)
            self.assertNotIn("\x1b", output)

        def closing(server, connection):
            connection.close()
        self.expect(self.probe(Server(closing).hop), UNWILLING, "FAILED: lost connection")

    def test_tls_trouble(self):
        """TLS that is demanded and not offered; offered and not to be had; of one who is not trusted."""
        self.expect(self.probe(Server(self.plain).hop, conf="smtp_tls_security_level = encrypt\n"), UNWILLING,
                    "TLS is required, but was not offered")
        self.expect(self.probe(Server(self.starttls).hop, conf="smtp_tls_security_level = verify\n"), UNWILLING,
                    r"TLS +\d+ ms  FAILED: .*[Cc]ertificate", "smtp_tls_policy_maps")

        def broken(server, connection):
            connection.sendall(b"220 x\r\n")
            server.dialogue(connection, {b"EHLO": b"250-x\r\n250 STARTTLS\r\n", b"STARTTLS": b"220 go\r\n"})
            connection.sendall(b"not TLS at all\r\n")
        self.expect(self.probe(Server(broken).hop), UNWILLING, r"TLS +\d+ ms  FAILED")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
