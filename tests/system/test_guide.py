#!/usr/bin/python3
"""doc/relay.md does what it says: its blocks are pasted, with the server of a provider in the place of the names there
(Debian's Postfix, with certificates and logins; Dovecot's submission server, with tokens)."""
import http.server
import json
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
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from box import Missing  # noqa: E402
from certificates import HOST, Authority  # noqa: E402
import hostile  # noqa: E402
from ports import free_port  # noqa: E402
from relay import STATUS, Status  # noqa: E402
from servers import PASSWORD, Postfix, Submission  # noqa: E402
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
GUIDE = os.path.join(HERE, "..", "..", "doc", "relay.md")
LOGIN = f"relay@hop.example:{PASSWORD}"


def sections():
    """Heading -> its blocks: (what stands before, text)."""
    found, heading, before = {}, None, ""
    with open(GUIDE, encoding="utf-8") as f:
        for part in re.split(r"\n\n+", f.read()):
            if part.startswith("## "):
                heading = part[3:]
            elif part.startswith("    "):
                text = "\n".join(line[4:] for line in part.split("\n")) + "\n"
                found.setdefault(heading, []).append((before, text))
                continue
            before = part
    return found


class Names:
    """A name server that knows one host: this machine."""

    def __init__(self):
        self.port = free_port()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            end = question.index(b"\0", 12) + 5
            name, kind = question[12:end - 4], struct.unpack(">H", question[end - 4:end - 2])[0]
            known = name.lower() == b"".join(bytes([len(p)]) + p.encode() for p in HOST.split(".")) + b"\0"
            answer = known and kind == 1
            head = question[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, int(answer), 0, 0)
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
            self.socket.sendto(head + question[12:end] + (record if answer else b""), peer)

    def stop(self):
        self.socket.close()


class TokenGiver:
    """Where a provider's tokens are asked for: HTTPS on `port`. `asked`: the forms that came in; `good`: does it give any?"""

    def __init__(self, authority, user):
        giver, self.asked, self.good = self, [], True

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                giver.asked.append(dict(urllib.parse.parse_qsl(form)))
                answer = {"token_type": "Bearer", "expires_in": 3599, "access_token": Submission.token(user), "scope": "mail"}
                text = json.dumps(answer if giver.good else {"error": "invalid_grant"}, indent=2).encode()
                self.send_response(200 if giver.good else 400)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.port = free_port()
        self.server = http.server.HTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.chain("good"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Guide(unittest.TestCase):
    """Each test has a suite of its own; all have one provider."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="postkeep-ca.", dir="/tmp")
        os.chmod(cls.dir, 0o755)
        cls.authority = authority = Authority(cls.dir)
        os.chmod(authority.ca, 0o644)
        cls.names = Names()
        try:
            cls.hop = Postfix(authority=authority)
            cls.hop.__enter__()
        except Missing as why:
            cls.names.stop()
            shutil.rmtree(cls.dir)
            raise unittest.SkipTest(str(why))
        cls.conf = f"dns_servers = 127.0.0.1:{cls.names.port}\nsmtp_tls_CAfile = {authority.ca}\n"
        cls.guide = sections()

    @classmethod
    def tearDownClass(cls):
        cls.hop.__exit__(None, None, None)
        cls.names.stop()
        shutil.rmtree(cls.dir)

    def ours(self, suite, text, login=LOGIN):
        """TEXT with what a reader has to put in the place of the names, and where this suite is."""
        for old, new in (("[mail.provider.example]:587", f"[{HOST}]:{self.hop.submission}"),
                         ("[mail.provider.example]:465", f"[{HOST}]:{self.hop.wrapped}"), ("user:password", login),
                         ("/etc/postkeep", suite.conf)):
            text = text.replace(old, new)
        return text

    def shell(self, suite, script, status=0):
        env = {"PATH": f"{suite.commands}:/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": suite.conf,
               "CURL_CA_BUNDLE": self.authority.ca}
        done = subprocess.run(["/bin/bash", "-e", "-c", script], env=env, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, status, script + done.stderr.decode() + done.stdout.decode())
        return done.stdout.decode()

    def paste(self, suite, heading, login=LOGIN):
        """All of a section: commands are typed, the text of a file is put into the file named before it."""
        for before, block in self.guide[heading]:
            text = self.ours(suite, block, login)
            if re.match(r"postconf|touch|postkeep check", text):
                self.shell(suite, text)
            elif text.startswith("echo '["):
                self.shell(suite, text)
            elif "unix" in text:
                with open(os.path.join(suite.conf, "master.cf"), "a") as f:
                    f.write(text)
            elif "/etc/postkeep/" in before:
                name = re.findall(r"`/etc/postkeep/(\w+)`", before)[-1]
                suite.write_conf(name, text)

    def send(self, suite, rcpt, sender):
        suite.run("sendmail", "-f", sender, rcpt, input=f"Subject: guide\n\nto {rcpt}\n".encode())
        suite.wait_log(r"to=<%s>, .* status=" % re.escape(rcpt))
        return [Status(m) for m in STATUS.finditer(suite.log()) if m.group(2) == rcpt][-1]

    def sent(self, suite, rcpt, sender="alice@provider.example"):
        status = self.send(suite, rcpt, sender)
        self.assertEqual(status.word, "sent", status)
        return self.hop.wait(b"to " + rcpt.encode())[0]

    def test_587(self):
        with Suite(PREFIX, extra=self.conf) as suite:
            self.paste(suite, "On port 587: STARTTLS and a login")
            self.assertEqual(os.stat(suite.conf + "/sasl_passwd").st_mode & 0o777, 0o600)
            self.sent(suite, "by587@hop.example")
            self.assertIn("sasl_username=relay@hop.example", self.hop.log())
            suite.wait_empty()
            self.assertIn("queue is empty", self.shell(suite, "mailq"))
            # A name that the certificate does not have, and one that nobody has.
            for host, why in ((f"[127.0.0.2]:{self.hop.submission}", "connect to|not verified"),
                              ("[mail.nowhere.example]:587", "Host or domain name not found|Host not found")):
                self.shell(suite, f"postconf 'relayhost = {host}'; postkeep check && postkeep reload")
                status = self.send(suite, f"r{len(host)}@hop.example", "alice@provider.example")
                self.assertEqual(status.word, "deferred", status)
                self.assertRegex(status.why, why)

    def test_465(self):
        with Suite(PREFIX, extra=self.conf) as suite:
            self.paste(suite, "On port 587: STARTTLS and a login")
            self.shell(suite, "postconf 'relayhost ='")
            blocks = self.guide["On port 465: TLS from the first byte"]
            self.assertEqual(len(blocks), 5)
            for _, block in blocks[:3]:
                self.shell(suite, self.ours(suite, block))
            self.sent(suite, "by465@hop.example")
            # The other way: a service of its own.
            self.shell(suite, "postconf 'relayhost =' 'smtp_tls_wrappermode = no'")
            with open(os.path.join(suite.conf, "master.cf"), "a") as f:
                f.write(blocks[3][1])
            self.shell(suite, self.ours(suite, blocks[4][1]) + "postkeep check && postkeep reload\n")
            self.sent(suite, "bysmtps@hop.example")
            self.assertIn("smtps[", suite.log())

    def test_wrong_password(self):
        with Suite(PREFIX, extra=self.conf) as suite:
            self.paste(suite, "On port 587: STARTTLS and a login", login="relay@hop.example:wrong")
            status = self.send(suite, "wrong@hop.example", "alice@provider.example")
            self.assertEqual(status.word, "deferred", status)
            self.assertRegex(status.why, "SASL authentication failed; server .* said: 535")

    def test_token(self):
        user, last = "relay@hop.example", hostile.Hop()
        giver = TokenGiver(self.authority, user)
        try:
            with Submission(authority=self.authority, next=last.port) as hop, Suite(PREFIX, extra=self.conf) as suite:
                self.check_token(suite, hop, giver, user)
                self.assertEqual(sum(len(rcpts) for _, rcpts, _ in last.accepted), 2)
        except Missing as why:
            self.skipTest(str(why))
        finally:
            giver.stop()
            last.stop()

    def check_token(self, suite, hop, giver, user):
        def ours(block):
            for old, new in (("[mail.provider.example]:587", f"[{HOST}]:{hop.port}"), ("  user:", f"  {user}:"),
                             ("https://login.provider.example/", f"https://127.0.0.1:{giver.port}/")):
                block = block.replace(old, new)
            return block.replace("/etc/postkeep", suite.conf)

        self.shell(suite, ours(self.guide["On port 587: STARTTLS and a login"][0][1]))
        blocks = self.guide["A token instead of a password"]
        self.assertEqual(len(blocks), 5)
        self.shell(suite, ours(blocks[0][1]))
        for before, block in blocks[1:3]:
            suite.write_conf(re.findall(r"`/etc/postkeep/([\w.-]+)`", before)[-1], ours(block))
        self.shell(suite, ours(blocks[3][1]))
        self.assertEqual(giver.asked, [{"grant_type": "refresh_token", "client_id": "ID", "client_secret": "SECRET",
                                        "refresh_token": "REFRESH"}])
        self.assertEqual(os.stat(suite.conf + "/sasl_passwd").st_mode & 0o777, 0o600)
        status = self.send(suite, "token@hop.example", "alice@provider.example")
        self.assertEqual(status.word, "sent", status)
        self.assertRegex(hop.log(), f"Login: user=<{user}>, method=OAUTHBEARER")
        # What cron does: with an old token, with a provider that gives none, and then with a new one.
        renew = re.fullmatch(r"\*/20 \* \* \* \*  root  (\S+)\n", ours(blocks[4][1]))[1]
        suite.write_conf("sasl_passwd", f"[{HOST}]:{hop.port} {user}:{Submission.token(user, seconds=-60)}\n")
        suite.wait_log("sasl_passwd has changed")
        self.assertEqual(self.send(suite, "stale@hop.example", "alice@provider.example").word, "deferred")
        giver.good = False
        self.shell(suite, renew, status=1)
        giver.good = True
        self.shell(suite, renew)
        suite.wait_log("sasl_passwd has changed", count=2)
        suite.run("postqueue", "-f")
        suite.wait_log("to=<stale@hop.example>.*status=sent")

    def test_by_sender(self):
        with Suite(PREFIX, extra=self.conf) as suite:
            self.paste(suite, "On port 587: STARTTLS and a login", login="relay@hop.example:wrong")
            self.paste(suite, "Accounts by sender", login="relay@hop.example:wrong")
            with open(suite.conf + "/sasl_passwd") as f:
                text = f.read().replace("alice:password1", LOGIN)
            suite.write_conf("sasl_passwd", text)
            self.shell(suite, "postkeep check && postkeep reload")
            self.sent(suite, "alices@hop.example")
            self.assertEqual(self.send(suite, "others@hop.example", "dave@provider.example").word, "deferred")

    def test_generic(self):
        with Suite(PREFIX, extra=self.conf) as suite:
            self.paste(suite, "On port 587: STARTTLS and a login")
            self.paste(suite, "Addresses that are known here alone")
            self.shell(suite, "postkeep check && postkeep reload")
            arrived = self.sent(suite, "generic@hop.example", sender="somebody@laptop.localdomain")
            self.assertIn(b"Return-Path: <you@provider.example>", arrived)
            self.assertRegex(arrived, rb"(?m)^From: .*you@provider\.example")
            self.assertNotIn(b"laptop.localdomain", arrived)

    def test_every_command_is_known(self):
        """No block of the page has a command or a parameter that is not there."""
        with Suite(PREFIX, extra=self.conf) as suite:
            for blocks in self.guide.values():
                for _, block in blocks:
                    for name in re.findall(r"'(\w+) =", block):
                        self.assertNotIn("unknown", self.shell(suite, f"postconf {name} 2>&1"))
                    if block.startswith("postkeep probe"):
                        self.assertIn("probe", suite.run("postkeep", check=False).stderr.decode())


if __name__ == "__main__":
    unittest.main()
