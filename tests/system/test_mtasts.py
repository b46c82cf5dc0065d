"""MTA-STS (RFC 8461): a whole suite, confined as it is, with nsd, a web server with policies, and servers with TLS."""
import http.server
import os
import shutil
import socketserver
import ssl
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import ipc  # noqa: E402
import name_servers  # noqa: E402
from ports import free_port  # noqa: E402
from relay import Relay, message  # noqa: E402
from test_tls import Certificates  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
ENFORCE = "version: STSv1\nmode: enforce\nmx: *.zone.example\nmax_age: 86400\n"
# Domain -> what its web server says; the certificates of mta-sts.DOMAIN and of the MX host come from the zone.
POLICIES = {
    "good": ENFORCE,
    "badcert": ENFORCE,
    "wrongmx": ENFORCE.replace("*.zone.example", "mx.elsewhere.example"),
    "testing": ENFORCE.replace("enforce", "testing").replace("*.zone.example", "mx.elsewhere.example"),
    "moved": None,
    "long": ENFORCE + "x: y\n" * 14000,
    "html": ENFORCE,
    "rubbish": "<html>not here</html>",
}
# Domain -> its TXT records, and its policy, which obeyed would let the mail go (True) or not.
REFUSES, LETS = ENFORCE.replace("*.zone.example", "mx.elsewhere.example"), ENFORCE
RECORD = ' TXT "v=STSv1; id=1;"\n'
ODD = {
    "split": ('{} TXT "v=STS" "v1; id=1;"\n', REFUSES, False),
    "alias": ("{} CNAME record\nrecord" + RECORD, REFUSES, False),
    "beside": ('{} TXT "v=spf1 -all"\n{}' + RECORD, REFUSES, False),
    "later": ('{} TXT "v=STSv10; id=2"\n{}' + RECORD, REFUSES, False),
    "blanks": ('{} TXT "v=STSv1 ; id=1 ; "\n', REFUSES, False),
    "more": ('{} TXT "v=STSv1; x=1; id=20160831085700Z; y=2"\n', REFUSES + "more: a:b\n\n", False),
    "twice": ('{} TXT "v=STSv1; id=2"\n{}' + RECORD, REFUSES, True),
    "no-id": ('{} TXT "v=STSv1;"\n', REFUSES, True),
    "long-id": ('{} TXT "v=STSv1; id=' + 33 * "a" + '"\n', REFUSES, True),
    "crlf": ("{}" + RECORD, REFUSES.replace("\n", "\r\n"), False),
    "no-end": ("{}" + RECORD, REFUSES.rstrip("\n"), False),
    "tight": ("{}" + RECORD, REFUSES.replace(": ", ":"), False),
    "two-labels": ("{}" + RECORD, LETS.replace("*.zone", "*"), False),
    "capitals": ("{}" + RECORD, LETS.replace("*.zone.example", "MX.Zone.Example."), True),
    "several": ("{}" + RECORD, LETS.replace("mx:", "mx: a.example\nmx:"), True),
}
POLICIES |= {domain: policy for domain, (_, policy, _) in ODD.items()}
SLOW = [f"slow{i}" for i in range(8)]  # as many as are fetched at the same time
DOMAINS = [*(domain for domain in POLICIES if domain not in ODD), "none", "mismatch"]
ZONE = """$ORIGIN zone.example.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 2
@ NS ns
ns A 127.0.0.1
mx A 127.0.0.1
bad A 127.0.0.2
""" + "".join(f"""{d} MX 10 {"bad" if d == "badcert" else "mx"}
mta-sts.{d} A 127.0.0.1
""" + (f'_mta-sts.{d} TXT "v=STSv1; id=1;"\n' if d != "none" else "") for d in DOMAINS) + "".join(f"mta-sts.{d} A 127.0.0.1\n" for d in [*SLOW, *ODD]) \
    + "".join(f"{d} MX 10 mx\n" + records.replace("{}", "_mta-sts." + d) for d, (records, _, _) in ODD.items()) + r"""a\@b MX 10 mx
mta-sts.a\@b A 127.0.0.1
_mta-sts.a\@b TXT "v=STSv1; id=1;"
"""
EXTRA = """
transport_maps =
disable_dns_lookups = no
dns_servers = 127.0.0.1:{dns}
smtp_tcp_port = {smtp}
smtp_tls_security_level = may
smtp_tls_mta_sts = yes
smtp_tls_CAfile = @etc/ca.pem
mta_sts_CAfile = @etc/ca.pem
mta_sts_https_port = {https}
"""


class Web(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Policies by HTTPS; counts what is asked for."""
    daemon_threads = True

    def __init__(self, certs):
        web = self
        self.asked = []
        self.over = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.headers["Host"].split(":")[0].split(".")[1]
                web.asked.append((self.headers["Host"].split(":")[0], self.path))
                if name in SLOW:
                    web.over.wait(100)
                text = POLICIES.get(name)
                if text is None:
                    self.send_response(301)
                    self.send_header("Location", f"https://mta-sts.good.zone.example:{web.server_port}{self.path}")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if name == "html" else "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", free_port()), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs.path("web.pem"), certs.path("web.key"))
        mismatch = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        mismatch.load_cert_chain(certs.path("elsewhere.pem"), certs.path("elsewhere.key"))

        def choose(sock, name, _):
            if name and ".mismatch." in name:
                sock.context = mismatch
        context.sni_callback = choose
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_):
        pass


class Mail(socketserver.ThreadingTCPServer):
    """An SMTP server with STARTTLS; notes who came how."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, port, cert):
        mail = self
        self.got = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                s, tls = self.request, False
                s.sendall(b"220 mx.zone.example ESMTP\r\n")
                f = s.makefile("rb")
                while line := f.readline():
                    verb = line[:4].upper()
                    if verb == b"EHLO":
                        s.sendall(b"250-mx.zone.example\r\n250 STARTTLS\r\n" if not tls else b"250 mx.zone.example\r\n")
                    elif verb == b"STAR":
                        s.sendall(b"220 go\r\n")
                        s, tls = context.wrap_socket(s, server_side=True), True
                        f = s.makefile("rb")
                    elif verb == b"RCPT":
                        mail.got.append((line.split(b"<")[1].split(b">")[0].decode(), tls))
                        s.sendall(b"250 ok\r\n")
                    elif verb == b"DATA":
                        s.sendall(b"354 go\r\n")
                        while f.readline() not in (b".\r\n", b""):
                            pass
                        s.sendall(b"250 taken\r\n")
                    elif verb == b"QUIT":
                        s.sendall(b"221 bye\r\n")
                        return
                    else:
                        s.sendall(b"250 ok\r\n")

        super().__init__((address, port), Handler)

    def handle_error(self, *_):
        pass


class MtaSts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("nsd", path="/usr/sbin"):
            raise unittest.SkipTest("no nsd")
        cls.certs = Certificates()
        cls.addClassCleanup(shutil.rmtree, cls.certs.dir)
        cls.certs.issue("web", "web", "root", SAN=",".join(f"DNS:mta-sts.{d}.zone.example" for d in [*DOMAINS, *SLOW, *ODD]))
        cls.certs.issue("mx", "mx", "root", SAN="DNS:mx.zone.example")
        cls.nsd = name_servers.Nsd({"zone.example": ZONE})
        cls.nsd.__enter__()
        cls.addClassCleanup(cls.nsd.__exit__)

    def serve(self, server):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def setUp(self):
        path = self.certs.path
        self.web = self.serve(Web(self.certs))
        port = free_port()
        self.mx = self.serve(Mail("127.0.0.1", port, (path("mx.pem"), path("mx.key"))))
        self.bad = self.serve(Mail("127.0.0.2", port, (path("self.pem"), path("self.key"))))

    def suite(self, **more):
        extra = EXTRA.format(dns=self.nsd.port, smtp=self.mx.server_address[1], https=self.web.server_port)
        with open(self.certs.path("root.pem")) as f:
            return Relay(PREFIX, {}, extra=extra, files={"ca.pem": f.read()}, **more)

    def test_policies(self):
        with self.suite() as suite:
            for domain in DOMAINS:
                suite.submit(f"you@{domain}.zone.example", message(b"sts-" + domain.encode(), b"hello\r\n"))
            for domain in ("good", "testing", "moved", "long", "html", "rubbish", "none", "mismatch"):
                status = suite.wait_status(f"you@{domain}.zone.example")
                self.assertEqual(status.word, "sent", status.why)
            for domain, why in (
                    ("badcert", "Server certificate not trusted: self-signed certificate"),
                    ("wrongmx", "the MTA-STS policy of wrongmx.zone.example does not have the host mx.zone.example")):
                status = suite.wait_status(f"you@{domain}.zone.example")
                self.assertEqual((status.word, status.dsn), ("deferred", "4.7.5"), status.why)
                self.assertIn(why, status.why)
            self.assertEqual(self.bad.got, [])
            log = suite.log()
            for words in ("policy of good.zone.example: enforce, for 86400 seconds",
                          "the policy of moved.zone.example cannot be had: the server answers with status 301",
                          "the policy of long.zone.example cannot be had: it is longer than 65536 bytes",
                          "the policy of html.zone.example cannot be had: it is of type \"text/html\"",
                          "the policy of rubbish.zone.example cannot be had: a line of it is no",
                          "the MTA-STS policy of testing.zone.example, which is being tested, would refuse the host "
                          "mx.zone.example[127.0.0.1]: the policy does not have it"):
                self.assertIn(words, log)
            self.assertRegex(log, r"the policy of mismatch\.zone\.example cannot be had: SSL.*mta-sts\.mismatch")
            self.assertNotRegex(log, r"(killed|signal) 31|panic|SIGSYS")
            # The redirection was not followed, and nobody without a record was asked.
            self.assertEqual([h for h, _ in self.web.asked].count("mta-sts.good.zone.example"), 1)
            self.assertNotIn("mta-sts.none.zone.example", [h for h, _ in self.web.asked])
            self.assertEqual({p for _, p in self.web.asked}, {"/.well-known/mta-sts.txt"})
            # The web server goes away: what is known holds.
            self.web.shutdown()
            suite.submit("again@good.zone.example", message(b"sts-again", b"hello\r\n"))
            self.assertEqual(suite.wait_status("again@good.zone.example").word, "sent")
            # So it does after a restart.
            suite.stop()
            suite.start()
            suite.submit("later@wrongmx.zone.example", message(b"sts-later", b"hello\r\n"))
            self.assertIn("does not have the host mx.zone.example",
                          suite.wait_status("later@wrongmx.zone.example").why)
            self.assertEqual([h for h, _ in self.web.asked].count("mta-sts.wrongmx.zone.example"), 1)

    def test_odd_records(self):
        """What counts as a record and as a policy."""
        with self.suite() as suite:
            for domain in ODD:
                suite.submit(f"you@{domain}.zone.example", message(b"sts-" + domain.encode(), b"hello\r\n"))
            for domain, (_, _, goes) in ODD.items():
                with self.subTest(domain=domain):
                    status = suite.wait_status(f"you@{domain}.zone.example")
                    self.assertEqual((status.word, status.dsn), ("sent", "2.0.0") if goes else ("deferred", "4.7.5"),
                                     status.why)

    def test_odd_domains(self):
        """No domain of a stranger's leads elsewhere, or ends the program, of which all mail has need."""
        with self.suite() as suite:
            suite.submit("you@good.zone.example", message(b"sts-good", b"hello\r\n"))
            suite.wait_status("you@good.zone.example", "sent")
            before = suite.pids("mtasts")
            # IDNA makes of the first "a@b", of the second "a/c".
            for domain in ("ａ＠b", "℀"):
                suite.submit(f"you@{domain}.zone.example", message(b"sts-odd", b"hello\r\n"))
                self.assertEqual(suite.wait_status(f"you@{domain}.zone.example").word, "bounced")
            channel = ipc.Channel(os.path.join(suite.spool, "private", "mtasts"), name="smtp")
            for domain in ("a@b.zone.example", "a/b.zone.example", "good.zone.example.", "good.zone.example:1", "a b", "",
                           ".", "a..b", "a\r\nb", "good.zone.example#", "good%2ezone.example", "[::1]"):
                channel.send("sts_ask", domain=domain, id="1")
                self.assertEqual(channel.expect("sts_answer")["mode"], 0, domain)
            channel.close()
            self.assertEqual(suite.pids("mtasts"), before)
            self.assertEqual({h for h, _ in self.web.asked}, {"mta-sts.good.zone.example"})

    def test_slow_servers(self):
        """Servers that take their time keep policies of others from being fetched, but not the mail."""
        def ask(suite, domain):
            channel = ipc.Channel(os.path.join(suite.spool, "private", "mtasts"), name="smtp")
            channel.send("sts_ask", domain=f"{domain}.zone.example", id="1")
            return channel
        with self.suite() as suite:
            self.assertEqual(ask(suite, "wrongmx").expect("sts_answer")["mode"], 2)
            channels = [ask(suite, domain) for domain in SLOW]
            deadline = time.monotonic() + 60
            while len(self.web.asked) < 1 + len(SLOW):
                self.assertLess(time.monotonic(), deadline, self.web.asked)
                time.sleep(0.05)
            suite.submit("you@good.zone.example", message(b"sts-slow", b"hello\r\n"))
            self.assertEqual(suite.wait_status("you@good.zone.example", timeout=100).word, "sent")
            self.assertIn("good.zone.example cannot be had: too many others are being fetched", suite.log())
            # What is known is known.
            self.assertEqual(ask(suite, "wrongmx").expect("sts_answer")["mode"], 2)
            self.assertEqual({h.split(".")[1] for h, _ in self.web.asked}, {"wrongmx", *SLOW})
            self.web.over.set()
            for channel in channels:
                channel.expect("sts_answer")

    def test_files_change(self):
        """Authorities, and name servers, are read again when they change: another process takes over."""
        with self.suite() as suite:
            with open(self.certs.path("other.pem")) as f:
                suite.write_conf("authorities.pem", f.read())
            suite.set_conf(f"mta_sts_CAfile={suite.conf}/authorities.pem")
            suite.run("postkeep", "-c", suite.conf, "reload")
            suite.submit("you@good.zone.example", message(b"sts-file", b"hello\r\n"))
            self.assertEqual(suite.wait_status("you@good.zone.example").word, "sent")
            suite.wait_log(r"mtasts\[\d+\]: warning: the policy of good.zone.example cannot be had: SSL")
            with open(self.certs.path("root.pem")) as f:
                suite.write_conf("authorities.pem", f.read())
            suite.wait_log(r"mtasts\[\d+\]: \S*/authorities.pem has changed: another process takes over")
            suite.submit("again@good.zone.example", message(b"sts-again", b"hello\r\n"))
            suite.wait_log(r"mtasts\[\d+\]: policy of good.zone.example: enforce")

    def test_without_mtasts(self):
        """When the helper is not there, mail waits: what is demanded is not known."""
        with self.suite(start=False) as suite:
            suite.remove_service("mtasts")
            suite.start()
            suite.submit("you@good.zone.example", message(b"sts-without", b"hello\r\n"))
            status = suite.wait_status("you@good.zone.example")
            self.assertEqual((status.word, status.dsn), ("deferred", "4.7.5"))
            self.assertIn("mtasts does not answer", status.why)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
