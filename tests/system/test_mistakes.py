"""Mistakes that people make in the configuration of outgoing mail: `postkeep check` names them, and the mail waits with a
reason that says what is wrong; it neither bounces nor goes out with less protection than was meant."""
import base64
import os
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
import hostile  # noqa: E402
from relay import Relay, message  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
LOGIN = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_security_options": "noanonymous"}


def refuses(code):
    return hostile.at("rcpt", lambda s, stage, reply: code + b" relaying is for customers\r\n")


class Mistake:
    """What is done at a server, KIND of `hops`, with SETTINGS of a service of its own; FILES of that service, in its
    texts @hop. WHY: the reason in the queue; CHECK: what `postkeep check` says, or None, when it cannot know."""

    def __init__(self, name, kind, settings, why, check=None, **files):
        self.name, self.kind, self.settings, self.why, self.check, self.files = name, kind, settings, why, check, files


def policy(name, text, why):
    return Mistake(name, "plain", {"smtp_tls_policy_maps": "texthash:@etc/policy." + name}, why, why, policy=text)


def passwords(name, text, why, check=None, kind="customers"):
    return Mistake(name, kind, {**LOGIN, "smtp_sasl_password_maps": "texthash:@etc/passwords." + name}, why, check,
                   passwords=text)


NO_ENTRY = r"554 5.7.1 relaying .*no login was made: smtp_sasl_password_maps has no entry for 127.0.0.1, nor for \[127"
MISTAKES = (
    policy("level", "@hop encript", '"encript" is no TLS level'),
    policy("nothing", "@hop", r'policy.nothing(?:, line 1)?: "\[127.0.0.1\]:\d+" has no value'),
    policy("grade", "@hop encrypt ciphers=hgih", '"hgih" is no grade of ciphers'),
    policy("match", "@hop encrypt match=x", "match= has no meaning at the level encrypt"),
    Mistake("notype", "plain", {"smtp_tls_policy_maps": "@etc/policy.notype"}, r'"/\S+/policy.notype" is no table',
            r'smtp_tls_policy_maps: "/\S+/policy.notype" is no table', policy="@hop encrypt"),
    Mistake("type", "plain", {"smtp_tls_policy_maps": "texhash:@etc/policy.type"}, 'unsupported table type "texhash"',
            'no tables of the type "texhash"', policy="@hop encrypt"),
    Mistake("missing", "plain", {"smtp_tls_policy_maps": "texthash:@etc/nowhere"}, "nowhere: No such file", "cannot read .*nowhere"),
    Mistake("pattern", "plain", {"smtp_tls_policy_maps": "regexp:@etc/policy.pattern"}, "line 1: .*closing",
            "policy.pattern, line 1: .*closing", policy="/(127 encrypt"),
    Mistake("cafile", "tls", {"smtp_tls_CAfile": "@etc/nowhere", "smtp_tls_security_level": "verify"},
            "smtp_tls_CAfile: cannot read .*nowhere", "smtp_tls_CAfile: cannot read .*nowhere"),
    Mistake("nocert", "tls", {"smtp_tls_CAfile": "@etc/junk.nocert", "smtp_tls_security_level": "verify"},
            r"smtp_tls_CAfile: there is no certificate in \S+/junk.nocert$",
            r"(?m)smtp_tls_CAfile: there is no certificate in \S+/junk.nocert$", junk="hello"),
    Mistake("fingerprint", "tls", {"smtp_tls_security_level": "fingerprint"}, "TLS is required, but was not offered",
            "smtp_tls_security_level: fingerprint: smtp_tls_fingerprint_cert_match has none"),
    passwords("noentry", "127.0.0.1:25 user:password", NO_ENTRY),
    passwords("empty", "", NO_ENTRY),
    Mistake("notable", "customers", LOGIN, NO_ENTRY, "smtp_sasl_auth_enable = yes.*smtp_sasl_password_maps"),
    passwords("nocolon", "@hop user", 'the entry for .* has no password: "user:password" is needed',
              r'passwords.nocolon, line 1: .*"user:password"'),
    passwords("space", "@hop user password", None, r'passwords.space, line 1: .*"user:password"'),
    passwords("nouser", "@hop :password", 'the entry for .* has no user: "user:password" is needed',
              r'passwords.nouser, line 1: .*"user:password"'),
    passwords("novalue", "@hop", r'passwords.novalue: "\[127.0.0.1\]:\d+" has no value', "line 1: .* has no value"),
    Mistake("noauth", "login", {}, "530 5.7.0 relaying .*no login was made: smtp_sasl_auth_enable = no", None),
    Mistake("notls", "tls first", {}, "530 5.7.0 relaying", None),
)
# Transport, reason, and what check says.
ROUTES = {
    "unknown": ("smpt:@hop", "mail transport unavailable: .*smpt", '"smpt:.*no line of master.cf'),
    "bracket": ("smtp:[127.0.0.1", r'the next hop "\[127.0.0.1" is none of', 'the "]" is missing'),
    "port": ("smtp:[127.0.0.1]:submision", "unknown port: submision", "there is no such port"),
    "novalue": ("", 'transport: "novalue.example" has no value', 'line .*"novalue.example" has no value'),
}


class Mistakes(unittest.TestCase):
    def setUp(self):
        keywords = hostile.KEYWORDS + ("AUTH PLAIN LOGIN",)
        self.hops = {"plain": hostile.Hop(), "tls": hostile.Hop(),
                     "customers": hostile.Hop(refuses(b"554 5.7.1"), keywords=keywords),
                     "login": hostile.Hop(refuses(b"530 5.7.0"), keywords=keywords),
                     "tls first": hostile.Hop(refuses(b"530 5.7.0"))}
        self.addCleanup(lambda: [hop.stop() for hop in self.hops.values()])

    def address(self, kind):
        return f"[127.0.0.1]:{self.hops[kind].port}"

    def suite(self):
        services, files, routes = "", {}, {}
        for m in MISTAKES:
            services += f"x{m.name} unix - - - - - smtp\n" + "".join(f"  -o {n}={v}\n" for n, v in m.settings.items())
            files.update({f"{n}.{m.name}": t.replace("@hop", self.address(m.kind)) + "\n" for n, t in m.files.items()})
            routes[f"{m.name}@hop.example"] = f"x{m.name}:{self.address(m.kind)}"
        for name, (transport, _, _) in ROUTES.items():
            routes[name + ".example"] = transport.replace("@hop", self.address("plain"))
        return Relay(PREFIX, routes, services=services, files=files, start=False)

    def test_all(self):
        with self.suite() as suite:
            checked = suite.run("postkeep", "-c", suite.conf, "check", check=False)
            words = (checked.stdout + checked.stderr).decode()
            self.assertEqual(checked.returncode, 1)
            suite.start()
            rcpts = {f"{m.name}@hop.example": (m.why, m.check) for m in MISTAKES}
            rcpts.update({f"u@{name}.example": (why, check) for name, (_, why, check) in ROUTES.items()})
            for rcpt in rcpts:
                suite.submit(rcpt, message(rcpt.encode()))
            for rcpt, (why, check) in rcpts.items():
                with self.subTest(rcpt):
                    status = suite.wait_status(rcpt)
                    self.assertEqual(status.word, "deferred", status)
                    if why:
                        self.assertRegex(status.why, why)
                    if check:
                        self.assertRegex(words, check)
            self.assertEqual([to for hop in self.hops.values() for _, to, _ in hop.accepted], [])

    def test_dane_without_dnssec(self):
        for level, words in (("dane", 'nothing more is asked than by "may"'), ("dane-only", "mail waits")):
            with Relay(PREFIX, {}, extra=f"smtp_tls_security_level = {level}\n", start=False) as suite:
                checked = suite.run("postkeep", "-c", suite.conf, "check", check=False)
                self.assertRegex((checked.stdout + checked.stderr).decode(),
                                 "smtp_tls_security_level: DANE needs smtp_dns_support_level = dnssec: without it " + words)
                suite.set_conf("smtp_dns_support_level = dnssec")
                checked = suite.run("postkeep", "-c", suite.conf, "check", check=False)
                self.assertNotIn("DANE needs", (checked.stdout + checked.stderr).decode())

    def test_of_the_message(self):
        """A refusal that has nothing to do with logins is the message's, and so is one by a recipient's own server."""
        late = hostile.Hop(hostile.at("dot", lambda s, stage, reply: b"554 5.7.1 spam\r\n"), keywords=hostile.KEYWORDS
                           + ("AUTH PLAIN",))
        unknown = hostile.Hop(refuses(b"550 5.1.1"), keywords=hostile.KEYWORDS + ("AUTH PLAIN",))
        extra = "".join(f"{n} = {v}\n" for n, v in LOGIN.items()) + "smtp_sasl_password_maps = inline:{x=user:password}\n"
        routes = {"late.example": f"smtp:[127.0.0.1]:{late.port}", "unknown.example": f"smtp:[127.0.0.1]:{unknown.port}"}
        try:
            with Relay(PREFIX, routes, extra=extra) as suite:
                for domain in routes:
                    suite.submit(f"u@{domain}", message(b"refused"))
                for domain in routes:
                    status = suite.wait_status(f"u@{domain}")
                    self.assertEqual(status.word, "bounced", status)
        finally:
            late.stop()
            unknown.stop()

    def test_one_wrong_password(self):
        """Of many sessions one tries a password that is not known to be right; with the right one all go on."""
        logins, lock = [], threading.Lock()

        def auth(s, stage, reply):
            if not s.commands[-1].upper().startswith(b"AUTH PLAIN "):
                return reply
            password = base64.b64decode(s.commands[-1].split()[2]).split(b"\0")[2]
            with lock:
                logins.append(password)
            s.pause(0.3)
            return b"235 2.7.0 welcome\r\n" if password == b"right" else b"535 5.7.8 who are you\r\n"

        hop = hostile.Hop(hostile.at("other", auth), keywords=hostile.KEYWORDS + ("AUTH PLAIN",))
        extra = "".join(f"{n} = {v}\n" for n, v in LOGIN.items()) + "smtp_sasl_password_maps = texthash:@etc/passwords\n"
        entry = f"[127.0.0.1]:{hop.port} user:"
        try:
            with Relay(PREFIX, {"hop.example": f"smtp:[127.0.0.1]:{hop.port}"}, extra=extra,
                       files={"passwords": entry + "wrong\n"}) as suite:
                rcpts = [f"u{i}@hop.example" for i in range(20)]
                for rcpt in rcpts:
                    suite.submit(rcpt, message(b"wrong"))
                for rcpt in rcpts:
                    self.assertEqual(suite.wait_status(rcpt).word, "deferred")
                self.assertEqual(logins, [b"wrong"])
                suite.write_conf("passwords.new", entry + "right\n")
                os.rename(os.path.join(suite.conf, "passwords.new"), os.path.join(suite.conf, "passwords"))
                suite.wait_log("passwords has changed")
                suite.flush()
                for rcpt in rcpts:
                    suite.wait_status(rcpt, "sent")
                self.assertEqual(set(logins[1:]), {b"right"})
        finally:
            hop.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
