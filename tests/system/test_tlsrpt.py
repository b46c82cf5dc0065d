"""TLSRPT (RFC 8460): a whole suite that sends to domains with MTA-STS, DANE, neither and no TLS; what its reports say."""
import datetime
import json
import os
import re
import shutil
import stat
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import name_servers  # noqa: E402
import test_mtasts  # noqa: E402
from ports import free_port  # noqa: E402
from relay import Relay, message  # noqa: E402
from test_tls import Certificates  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
TESTING = "version: STSv1\nmode: testing\nmx: bad.plain.example\nmax_age: 3600\n"
STS = ["good", "badcert", "wrongmx", "testing", "testcert", "testclear", "testname", "moved", "rubbish", "mismatch"]
HOST = {"badcert": "bad", "testcert": "bad", "clear": "clear", "testclear": "clear", "testname": "named"}
# Where a report is wanted; one record is wrong, one domain has two.
RUA = {"good": 'TXT "v=TLSRPTv1; rua=mailto:tls@good.plain.example,https://good.plain.example/tls"',
       "clear": 'TXT "v=TLSRPTv1;" " rua=mailto:tls@clear.plain.example"',
       "badcert": 'TXT "v=TLSRPTv1; rua=tls@badcert.plain.example"',
       "testing": 'TXT "v=TLSRPTv1; rua=mailto:a@b.example"\n_smtp._tls.testing TXT "v=TLSRPTv1; rua=mailto:b@b.example"'}
HEAD = "$ORIGIN {}.example.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 2\n@ NS ns\nns A 127.0.0.1\n"
PLAIN = HEAD.format("plain") + "mx A 127.0.0.1\nbad A 127.0.0.2\nclear A 127.0.0.3\nnamed A 127.0.0.4\n" \
    + "".join(f"{d} MX 10 {HOST.get(d, 'mx')}\n" for d in [*STS, "none", "clear"]) \
    + "".join(f'mta-sts.{d} A 127.0.0.1\n_mta-sts.{d} TXT "v=STSv1; id=1;"\n' for d in STS) \
    + "".join(f"_smtp._tls.{d} {record}\n" for d, record in RUA.items())
EXTRA = """
transport_maps =
disable_dns_lookups = no
dns_servers = 127.0.0.1:{dns}
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tcp_port = {smtp}
smtp_tls_security_level = dane
smtp_tls_mta_sts = yes
smtp_tls_CAfile = @etc/ca.pem
mta_sts_CAfile = @etc/ca.pem
mta_sts_https_port = {https}
smtp_tlsrpt_enable = yes
tlsrpt_organization = The "Test" Company
mydomain = sender.example
"""


class Clear(test_mtasts.Mail):
    """Knows no STARTTLS."""

    def __init__(self, address, port, cert):
        super().__init__(address, port, cert)
        handle = self.RequestHandlerClass.handle

        def without(handler):
            class Socket:
                def __init__(self, sock):
                    self.sock = sock

                def sendall(self, data):
                    self.sock.sendall(data.replace(b"250-mx.zone.example\r\n250 STARTTLS", b"250 mx.zone.example"))

                def __getattr__(self, name):
                    return getattr(self.sock, name)
            handler.request = Socket(handler.request)
            handle(handler)
        self.RequestHandlerClass.handle = without


class TlsRpt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not all(shutil.which(p, path="/usr/sbin:/usr/bin") for p in ("nsd", "unbound", "ldns-signzone")):
            raise unittest.SkipTest("no nsd, unbound, or ldns-signzone")
        cls.certs = certs = Certificates()
        cls.addClassCleanup(shutil.rmtree, certs.dir)
        certs.issue("web", "web", "root", SAN=",".join(f"DNS:mta-sts.{d}.plain.example" for d in STS))
        certs.issue("mx", "mx", "root", SAN="DNS:mx.plain.example")
        loose = TESTING.replace("bad.", "*.")
        test_mtasts.POLICIES.update(testing=TESTING, testcert=TESTING, testclear=loose, testname=loose, **{
            d: test_mtasts.POLICIES[d].replace("*.zone.example", "*.plain.example") for d in ("good", "badcert", "wrongmx")})
        cls.port = free_port()
        right, wrong = certs.tlsa("mx", 3, 1, 1)[5:], certs.tlsa("other", 3, 1, 1)[5:]
        zone, anchor = name_servers.signed("signed.example", HEAD.format("signed") + "".join(
            f"{d} MX 10 mx.{d}\nmx.{d} A 127.0.0.1\n_{cls.port}._tcp.mx.{d} TLSA {tlsa}\n" for d, tlsa in
            (("right", right), ("wrong", wrong), ("unusable", "0 0 1 " + "ab" * 32))))
        cls.right = right.upper()
        cls.nsd = cls.enter(name_servers.Nsd({"plain.example": PLAIN, "signed.example": zone}))
        cls.unbound = cls.enter(name_servers.Unbound(
            {z: cls.nsd.port for z in ("plain.example", "signed.example")}, [anchor]))

    @classmethod
    def enter(cls, context):
        cls.addClassCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def serve(self, server):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def setUp(self):
        path = self.certs.path
        self.web = self.serve(test_mtasts.Web(self.certs))
        self.serve(test_mtasts.Mail("127.0.0.1", self.port, (path("mx.pem"), path("mx.key"))))
        self.serve(test_mtasts.Mail("127.0.0.2", self.port, (path("self.pem"), path("self.key"))))
        self.serve(test_mtasts.Mail("127.0.0.4", self.port, (path("elsewhere.pem"), path("elsewhere.key"))))
        self.serve(Clear("127.0.0.3", self.port, (path("self.pem"), path("self.key"))))
        self.today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")

    def suite(self, more="", **options):
        extra = EXTRA.format(dns=self.unbound.port, smtp=self.port, https=self.web.server_port)
        with open(self.certs.path("root.pem")) as f:
            return Relay(PREFIX, {}, extra=extra + more, files={"ca.pem": f.read()}, **options)

    def send(self, suite, words, *domains):
        """One message to each domain, of which WORDS is to become."""
        ids = {d: suite.submit(f"you@{d}", message(b"tlsrpt", b"hello\r\n")) for d in domains}
        for domain, queue_id in ids.items():
            suite.wait_log(re.escape(queue_id) + r": to=<you@" + re.escape(domain) + rf">.*status={words} ")

    def lines(self, suite, *options):
        if datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d") != self.today:
            self.skipTest("it is another day")
        done = suite.run("postkeep", "-c", suite.conf, "tlsrpt", "--date", self.today, *options)
        return {line["domain"]: line for line in map(json.loads, done.stdout.splitlines())}

    def counted(self, suite, *options):
        """{domain: {policy type: (successes, failures, {result types})}}."""
        found = {}
        for name, line in self.lines(suite, *options).items():
            for policy in line["report"]["policies"]:
                counts = policy["summary"]
                details = policy["failure-details"]
                self.assertEqual(counts["total-failure-session-count"], sum(d["failed-session-count"] for d in details))
                found.setdefault(name.replace(".example", ""), {})[policy["policy"]["policy-type"]] = (
                    counts["total-successful-session-count"], counts["total-failure-session-count"],
                    sorted(d["result-type"] for d in details))
        return found

    def test_reports(self):
        with self.suite() as suite:
            self.send(suite, "sent", *(f"{d}.plain.example" for d in
                                       ("good", "testing", "testcert", "testclear", "testname", "moved", "rubbish", "mismatch", "none", "clear")),
                      "right.signed.example", "unusable.signed.example")
            self.send(suite, "deferred", "badcert.plain.example", "wrongmx.plain.example", "wrong.signed.example")
            log = suite.log()
            for words in ("the MTA-STS policy of testing.plain.example, which is being tested, would refuse the host "
                          "mx.plain.example[127.0.0.1]: the policy does not have it",
                          "the MTA-STS policy of testcert.plain.example, which is being tested, would refuse the host "
                          "bad.plain.example[127.0.0.2]: Server certificate not trusted: self-signed certificate",
                          "the MTA-STS policy of testname.plain.example, which is being tested, would refuse the host "
                          "named.plain.example[127.0.0.4]: Server certificate not verified: it does not match",
                          "the MTA-STS policy of testclear.plain.example, which is being tested, would refuse the host "
                          "clear.plain.example[127.0.0.3]: STARTTLS was not offered"):
                self.assertEqual(log.count(words), 1)
            # The log says of each delivery how TLS was used (smtp_log_tls_feature_status).
            lines = dict(re.findall(r"to=<you@(\S+)\.example>.*, delays=[0-9./]+, tls=(\S+), dsn=", log))
            self.assertEqual(lines, {
                "good.plain": "verify", "testing.plain": "may", "testcert.plain": "may", "testclear.plain": "may:none",
                "testname.plain": "may", "moved.plain": "may",
                "rubbish.plain": "may", "mismatch.plain": "may", "none.plain": "may", "clear.plain": "may:none",
                "right.signed": "dane", "unusable.signed": "encrypt", "wrong.signed": "!dane",
                "badcert.plain": "!verify", "wrongmx.plain": "!verify"})
            # What was counted is on disk when the suite has ended, for nobody else.
            suite.stop()
            path = os.path.join(suite.dir, "data", "tlsrpt")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700)
            self.assertEqual(os.listdir(path), [self.today])
            none = {"no-policy-found": (1, 0, [])}
            self.assertEqual(self.counted(suite, "--all"), {
                "good.plain": {"sts": (1, 0, [])},
                "badcert.plain": {"sts": (0, 1, ["certificate-not-trusted"])},
                "wrongmx.plain": {"sts": (0, 1, ["validation-failure"])},
                "testing.plain": {"sts": (0, 1, ["validation-failure"])},
                "testcert.plain": {"sts": (0, 1, ["certificate-not-trusted"])},
                "testclear.plain": {"sts": (0, 1, ["starttls-not-supported"])},
                "testname.plain": {"sts": (0, 1, ["certificate-host-mismatch"])},
                "moved.plain": {"sts": (0, 1, ["sts-policy-fetch-error"]), **none},
                "rubbish.plain": {"sts": (0, 1, ["sts-policy-invalid"]), **none},
                "mismatch.plain": {"sts": (0, 1, ["sts-webpki-invalid"]), **none},
                "none.plain": none,
                "clear.plain": {"no-policy-found": (0, 1, ["starttls-not-supported"])},
                "right.signed": {"tlsa": (1, 0, [])},
                "wrong.signed": {"tlsa": (0, 1, ["validation-failure"])},
                "unusable.signed": {"tlsa": (0, 1, ["tlsa-invalid"])}})
            self.look_at_report(suite)
            self.look_at_options(suite)
            # The next process goes on where the last one ended; a resumed session counts.
            suite.start()
            self.send(suite, "sent", "good.plain.example")
            self.send(suite, "sent", "good.plain.example")
            suite.stop()
            self.assertEqual(self.counted(suite, "--domain", "GOOD.plain.example"), {"good.plain": {"sts": (3, 0, [])}})
            self.assertNotRegex(suite.log(), r"(killed|signal) 31|panic|SIGSYS|tlsrpt\[\d+\]: warning")

    def wait_counted(self, suite, expected):
        """A reload has tlsrpt write down what it has."""
        deadline = time.monotonic() + 30
        while True:
            suite.run("postkeep", "-c", suite.conf, "reload")
            if self.counted(suite, "--all") == expected or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.assertEqual(self.counted(suite, "--all"), expected)

    def look_at_report(self, suite):
        """The fields of appendix B of RFC 8460."""
        lines = self.lines(suite, "--all")
        report = lines["badcert.plain.example"]["report"]
        self.assertEqual(set(report), {"organization-name", "date-range", "contact-info", "report-id", "policies"})
        self.assertEqual(report["organization-name"], 'The "Test" Company')
        self.assertEqual(report["contact-info"], "postmaster@sender.example")
        self.assertEqual(report["date-range"], {"start-datetime": f"{self.today}T00:00:00Z",
                                                "end-datetime": f"{self.today}T23:59:59Z"})
        self.assertEqual(len({line["report"]["report-id"] for line in lines.values()}), len(lines))
        self.assertEqual(report["policies"], [{
            "policy": {"policy-type": "sts", "policy-domain": "badcert.plain.example", "mx-host": ["*.plain.example"],
                       "policy-string": ["version: STSv1", "mode: enforce", "mx: *.plain.example", "max_age: 86400"]},
            "summary": {"total-successful-session-count": 0, "total-failure-session-count": 1},
            "failure-details": [{
                "result-type": "certificate-not-trusted", "sending-mta-ip": "127.0.0.1",
                "receiving-mx-hostname": "bad.plain.example", "receiving-ip": "127.0.0.2",
                "failure-reason-code": "Server certificate not trusted: self-signed certificate",
                "failed-session-count": 1}]}])
        self.assertEqual(lines["right.signed.example"]["report"]["policies"][0]["policy"],
                         {"policy-type": "tlsa", "policy-domain": "right.signed.example", "policy-string": [self.right]})
        midnight = int(time.mktime(time.strptime(self.today + " UTC", "%Y-%m-%d %Z"))) - time.timezone
        self.assertEqual(lines["none.plain.example"]["file-name"],
                         f"sender.example!none.plain.example!{midnight}!{midnight + 86399}.json")

    def look_at_options(self, suite):
        # Only who wants a report gets one, and nobody is asked with --all.
        self.assertEqual({d: line["rua"] for d, line in self.lines(suite).items()},
                         {"good.plain.example": ["mailto:tls@good.plain.example", "https://good.plain.example/tls"],
                          "clear.plain.example": ["mailto:tls@clear.plain.example"]})
        self.assertEqual(self.lines(suite, "--all")["good.plain.example"]["rua"], [])
        self.assertEqual(list(self.lines(suite, "--domain", "none.plain.example")), [])
        done = suite.run("postkeep", "-c", suite.conf, "tlsrpt", "--all")
        self.assertEqual((done.stdout, done.returncode), (b"", 0), "yesterday there was nothing")
        for wrong in (["--date", "2026-02-30"], ["--domain"], ["yesterday"], ["--send"]):
            self.assertEqual(suite.run("postkeep", "-c", suite.conf, "tlsrpt", *wrong, check=False).returncode, 64)

    def test_skip_reused(self):
        """smtp_tlsrpt_skip_reused_handshakes: only handshakes that were whole."""
        with self.suite("smtp_tlsrpt_skip_reused_handshakes = yes\nsmtp_log_tls_feature_status = no\n") as suite:
            for _ in range(3):
                self.send(suite, "sent", "good.plain.example")
            suite.stop()
            self.assertEqual(self.counted(suite, "--all"), {"good.plain": {"sts": (1, 0, [])}})
            self.assertNotIn("tls=", suite.log())

    def test_without_collector(self):
        """Mail waits for no tlsrpt; the log says that something is missing."""
        with self.suite(start=False) as suite:
            suite.remove_service("tlsrpt")
            suite.start()
            for _ in range(3):
                self.send(suite, "sent", "none.plain.example")
            suite.wait_log(r"smtp\[\d+\]: warning: 1 connections are missing in the TLS reports: tlsrpt does not answer")
            done = suite.run("postkeep", "-c", suite.conf, "check", check=False)
            self.assertRegex((done.stderr + done.stdout).decode(), r"smtp_tlsrpt_enable: nothing would be counted")

    def test_killed(self):
        """A new tlsrpt has what the last one had written."""
        with self.suite() as suite:
            self.send(suite, "sent", "none.plain.example")
            self.wait_counted(suite, {"none.plain": {"no-policy-found": (1, 0, [])}})
            suite.kill("tlsrpt")
            self.send(suite, "sent", "none.plain.example")
            self.wait_counted(suite, {"none.plain": {"no-policy-found": (2, 0, [])}})


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
