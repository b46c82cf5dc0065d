#!/usr/bin/python3
"""lib/mail/downgrade: 8-bit messages made 7-bit, and what another reader of MIME makes of them before and after."""
import email
import email.policy
import os
import random
import subprocess
import unittest

BUILD = os.environ.get("POSTKEEP_BUILD", ".")
FILTER = os.path.join(BUILD, "tests", "system", "downgrade")
WORDS = ["Grüße", "naïve", "plain", "words", "日本語のテキスト", "Привет", "=", "a=b", ".", "From here", "x " * 30, "\t", " "]


def downgrade(message, piece=65536):
    """The message made 7-bit; None with the reason when it cannot be."""
    done = subprocess.run([FILTER, str(piece)], input=message, capture_output=True, check=False)
    return (done.stdout, "") if done.returncode == 0 else (None, done.stderr.decode())


def leaves(message):
    """Type and decoded content of every part that has content."""
    for part in message.walk():
        if not part.is_multipart():
            yield part.get_content_type(), part.get_payload(decode=True)


def headers(message):
    """All fields of all parts but those that say how bodies are encoded."""
    for part in message.walk():
        yield [(name, str(value)) for name, value in part.items()
               if name.lower() not in ("content-transfer-encoding", "mime-version", "content-type")]


class Generator:
    """Messages of any structure, with 8-bit text, data, and what else there may be in them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0

    def line(self):
        """One line, without its end, of at most 900 bytes."""
        text = " ".join(self.random.choice(WORDS) for _ in range(self.random.randrange(12)))
        return text.encode(self.random.choice(["utf-8", "utf-8", "utf-16-be"]))[:900].replace(b"\r", b"").replace(b"\n", b"")

    def text(self):
        """Some lines; now and then more than the look-ahead."""
        lines = self.random.choice([0, 1, 3, 10, 40]) if self.random.random() < 0.95 else 3000
        return b"".join(self.line() + b"\r\n" for _ in range(lines))

    def ascii(self):
        """Lines that are 7-bit already."""
        return b"".join(b"some plain = text \t\r\n" for _ in range(self.random.randrange(5)))

    def data(self):
        """Bytes without line ends but for the last."""
        length = self.random.choice([0, 1, 2, 3, 100, 900])
        return bytes(self.random.choice([0xff, 0x41, 0x80, 0x20]) for _ in range(length)) + b"\r\n"

    def leaf(self):
        """A part that holds no others."""
        kind = self.random.randrange(6)
        if kind == 0:
            return b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + self.text()
        if kind == 1:
            return b"Content-Type: image/x-test\r\nContent-Transfer-Encoding: binary\r\n\r\n" + self.data()
        if kind == 2:
            return b"Content-Transfer-Encoding: base64\r\nContent-Type: image/x-test\r\n\r\nYWJjZGVm\r\nZ2hpag==\r\n"
        if kind == 3:
            return b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=C3=A4=\r\nb\r\n"
        if kind == 4:
            return b"Content-Disposition: inline\r\n\r\n" + self.text()
        return b"Content-Transfer-Encoding: 7bit\r\nContent-Type: text/plain\r\n\r\n" + self.ascii()

    def part(self, depth):
        """A part of any kind: header, empty line, body."""
        kind = self.random.random() if depth > 0 else 1
        if kind < 0.35:
            return self.multipart(depth)
        if kind < 0.5:
            return (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\n"
                    + self.part(depth - 1))
        return self.leaf()

    def multipart(self, depth):
        """A multipart, with boundaries that begin alike."""
        self.count += 1
        boundary = b"=_b%d" % self.count
        body = self.random.choice([b"", b"preamble\r\n"])
        for _ in range(self.random.randrange(1, 4)):
            body += b"--" + boundary + b"\r\n" + self.part(depth - 1)
        label = self.random.choice([b"", b"Content-Transfer-Encoding: 8bit\r\n"])
        return (b"Content-Type: multipart/mixed;\r\n boundary=\"" + boundary + b"\"\r\n" + label + b"\r\n"
                + body + b"--" + boundary + b"--\r\n" + self.random.choice([b"", b"epilogue\r\n"]))

    def message(self):
        """A whole message."""
        head = b"From: alice@example.org\r\nSubject: " + self.random.choice([b"test", "Prüfung".encode()]) + b"\r\n"
        return head + self.random.choice([b"", b"MIME-Version: 1.0\r\n"]) + self.part(4)


class Downgrade(unittest.TestCase):
    """What was 8-bit is 7-bit, and says the same."""

    def same(self, before):
        """Converts, in several ways, and compares."""
        after, why = downgrade(before)
        self.assertIsNotNone(after, why)
        self.assertEqual(downgrade(before, 1)[0] if len(before) < 5000 else downgrade(before, 97)[0], after)
        old, new = email.message_from_bytes(before), email.message_from_bytes(after)
        self.assertEqual(list(leaves(old)), list(leaves(new)))
        self.assertEqual(list(headers(old)), list(headers(new)))
        for part in new.walk():
            if part.is_multipart():
                self.assertIn(part.get("Content-Transfer-Encoding", "7bit"), ("7bit", "base64", "quoted-printable"))
            else:
                self.assertTrue(part.get_payload().isascii())
                self.assertFalse([d for d in part.defects if "Base64" in type(d).__name__])
        # Nothing is left to do.
        self.assertEqual(downgrade(after)[0], after)
        self.assertTrue(all(len(line) <= 998 for line in after.split(b"\r\n")))

    def test_generated(self):
        """Messages of any structure."""
        for seed in range(300):
            with self.subTest(seed=seed):
                self.same(Generator(seed).message())

    def test_queued_shapes(self):
        """What mail programs send."""
        for policy in (email.policy.SMTP, email.policy.SMTPUTF8):
            message = email.message.EmailMessage(policy=policy)
            message["Subject"] = "Grüße"
            message.set_content("Grüße\naus der Ferne\n" * 200, cte="8bit")
            message.add_alternative("<p>Grüße</p>\n", subtype="html", cte="8bit")
            message.add_attachment(bytes(range(256)) * 50, maintype="image", subtype="png", filename="ü.png")
            inner = email.message.EmailMessage(policy=policy)
            inner["Subject"] = "inner"
            inner.set_content("ÄÖÜ " * 20 + "\n", cte="8bit")
            message.add_attachment(inner)
            self.same(message.as_bytes())

    def test_refused(self):
        """What cannot be converted says so."""
        after, why = downgrade(b"Content-Type: message/partial; id=1\r\n\r\n\xff\r\n")
        self.assertIsNone(after)
        self.assertTrue(why.startswith("5.6.3 "), why)


if __name__ == "__main__":
    unittest.main()
