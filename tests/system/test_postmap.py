"""postmap: databases beside Debian's Postfix's, queries, checks; a suite that looks up in a database without text."""
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
POSTMAP = os.path.join(PREFIX, "sbin/postmap")
THEIRS = "/usr/sbin/postmap"  # Debian's Postfix

TEXT = b"""# a comment
Alice@Example.org   one
bob\ttwo words
   and more
carol  "three"
bob   twice
nothing
\xc3\xa4\xff\xfe bytes
last  line without its end"""
ENTRIES = {b"alice@example.org": b"one", b"bob": b"two words   and more", b"carol": b'"three"',
           b"\xc3\xa4\xff\xfe": b"bytes", b"last": b"line without its end"}


class Postmap(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="postmap-")
        os.chmod(self.dir, 0o755)
        self.addCleanup(shutil.rmtree, self.dir)
        self.conf = os.path.join(self.dir, "conf")
        os.mkdir(self.conf)
        with open(os.path.join(self.conf, "main.cf"), "w") as f:
            f.write("myhostname = mx.example\ndefault_database_type = btree\n")
        self.text = self.file("table", TEXT)

    def file(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def postmap(self, *args, status=0, stdin=b"", tool=POSTMAP):
        done = subprocess.run([tool, "-c", self.conf, *args], input=stdin, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.words = done.stderr.decode(errors="replace")
        return done.stdout

    def entries(self, spec, tool=POSTMAP):
        lines = self.postmap("-s", spec, tool=tool).splitlines()
        found = dict(line.split(b"\t", 1) for line in lines)
        self.assertEqual(len(found), len(lines))
        return found

    def without_text(self):
        os.rename(self.text, self.text + ".away")

    def test_made(self):
        for kind in ("hash", "btree"):
            with self.subTest(kind):
                self.postmap(f"{kind}:{self.text}")
                self.assertIn(f'{self.text}, line 6: duplicate entry: "bob"; the first one counts', self.words)
                self.assertIn(f"{self.text}, line 7: expected format: key whitespace value", self.words)
                self.assertEqual(self.entries(f"{kind}:{self.text}"), ENTRIES)
                self.without_text()
                self.assertEqual(self.entries(f"{kind}:{self.text}"), ENTRIES)
                self.assertEqual(self.postmap("-q", "BOB", f"{kind}:{self.text}"), b"two words   and more\n")
                self.assertEqual(self.postmap("-q", "dave", f"{kind}:{self.text}", status=1), b"")
                os.rename(self.text + ".away", self.text)
                self.assertEqual(sorted(os.listdir(self.dir)), ["conf", "table", "table.db"])

    @unittest.skipUnless(os.access(THEIRS, os.X_OK), "Debian's Postfix is not installed")
    def test_read_both_ways(self):
        for kind in ("hash", "btree"):
            with self.subTest(kind):
                self.postmap(f"{kind}:{self.text}")
                self.assertEqual(self.entries(f"{kind}:{self.text}", tool=THEIRS), ENTRIES)
                self.assertEqual(self.postmap("-q", "carol", f"{kind}:{self.text}", tool=THEIRS), b'"three"\n')
                os.unlink(self.text + ".db")
                self.postmap(f"{kind}:{self.text}", tool=THEIRS)
                self.without_text()
                self.assertEqual(self.entries(f"{kind}:{self.text}"), ENTRIES)
                # Ours adds to theirs, and theirs to what ours has made.
                self.postmap("-i", f"{kind}:{self.text}", stdin=b"dave four\n")
                self.postmap("-i", f"{kind}:{self.text}", stdin=b"erin five\n", tool=THEIRS)
                both = {**ENTRIES, b"dave": b"four", b"erin": b"five"}
                self.assertEqual(self.entries(f"{kind}:{self.text}"), both)
                self.assertEqual(self.entries(f"{kind}:{self.text}", tool=THEIRS), both)
                for terminated in ("-n", "-N"):
                    os.rename(self.text + ".away", self.text)
                    self.postmap(terminated, f"{kind}:{self.text}")
                    self.without_text()
                    self.assertEqual(self.postmap("-q", "bob", f"{kind}:{self.text}", tool=THEIRS),
                                     b"two words   and more\n")
                os.rename(self.text + ".away", self.text)
                os.unlink(self.text + ".db")

    def test_changes(self):
        spec = f"hash:{self.text}"
        self.without_text()
        self.postmap("-i", spec, stdin=b"a 1\nB 2\n")
        self.assertEqual(self.entries(spec), {b"a": b"1", b"b": b"2"})
        self.postmap("-i", spec, stdin=b"a 3\nc 4\n")
        self.assertIn('duplicate entry: "a"', self.words)
        self.assertEqual(self.entries(spec), {b"a": b"1", b"b": b"2", b"c": b"4"})
        self.postmap("-ir", spec, stdin=b"a 3\n")
        self.assertEqual(self.words, "")
        self.assertEqual(self.entries(spec), {b"a": b"3", b"b": b"2", b"c": b"4"})
        self.postmap("-d", "A", spec)
        self.postmap("-d", "a", spec, status=1)
        self.postmap("-d", "-", spec, stdin=b"b\nnone\n")
        self.assertEqual(self.entries(spec), {b"c": b"4"})
        os.rename(self.text + ".away", self.text)
        self.postmap("-d", "c", spec)
        self.assertIn("which is what is looked up in: change it instead", self.words)

    def test_queries(self):
        spec = f"texthash:{self.text}"
        patterns = self.file("patterns", b"/^(.*)@example/ to $1\n")
        self.assertEqual(self.postmap("-q", "x@example.net", spec, f"regexp:{patterns}"), b"to x\n")
        self.assertEqual(self.postmap("-q", "-", spec, f"regexp:{patterns}", stdin=b"bob\nnobody\nx@example\n"),
                         b"bob\ttwo words   and more\nx@example\tto x\n")
        self.postmap("-q", "-", spec, stdin=b"nobody\n", status=1)
        self.assertEqual(self.postmap("-q", "a", "inline:{a=b}"), b"b\n")
        self.assertEqual(self.postmap("-q", "a", "static:c"), b"c\n")
        self.assertEqual(self.postmap("-q", "root", "unix:passwd.byname").split(b":")[0], b"root")

    def test_checked(self):
        self.postmap(f"texthash:{self.text}")
        self.assertIn("line 6: duplicate entry", self.words)
        self.postmap("-w", f"texthash:{self.text}")
        self.assertNotIn("duplicate", self.words)
        self.postmap(f"lmdb:{self.text}")
        self.assertIn("the text is what is looked up in", self.words)
        bad = self.file("bad", b"/a/ b\n/(/ c\n")
        self.postmap(f"regexp:{bad}", status=1)
        self.assertIn(f'{bad}, line 2: pattern "("', self.words)
        self.postmap("texthash:/nonexistent/x", status=1)
        self.assertIn("/nonexistent/x: No such file or directory", self.words)
        self.assertEqual([name for name in os.listdir(self.dir) if name.endswith(".db")], [])

    def test_settings_of_a_stranger(self):
        """Berkeley DB takes no settings from the directory that somebody happens to be in."""
        elsewhere = os.path.join(self.dir, "elsewhere")
        os.mkdir(elsewhere)
        with open(os.path.join(elsewhere, "DB_CONFIG"), "w") as f:
            f.write("set_data_dir /nonexistent\n")
        subprocess.run([POSTMAP, "-c", self.conf, "-w", f"hash:{self.text}"], cwd=elsewhere, capture_output=True, check=True,
                       timeout=60)
        self.assertEqual(os.listdir(elsewhere), ["DB_CONFIG"])
        self.without_text()
        self.assertEqual(self.entries(f"hash:{self.text}"), ENTRIES)

    def test_mode_and_type(self):
        os.chmod(self.text, 0o640)
        self.postmap("-w", self.text)  # default_database_type
        self.assertEqual(stat.S_IMODE(os.stat(self.text + ".db").st_mode), 0o640)
        self.postmap("-pw", self.text)
        self.assertEqual(stat.S_IMODE(os.stat(self.text + ".db").st_mode), 0o644)
        self.without_text()
        self.assertEqual(self.entries(f"btree:{self.text}"), ENTRIES)
        self.postmap("-q", "bob", f"hash:{self.text}", status=1)
        self.assertIn("not a database of the type hash", self.words)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_owner(self):
        nobody = pwd.getpwnam("nobody")
        os.chown(self.text, nobody.pw_uid, nobody.pw_gid)
        self.postmap(f"hash:{self.text}", status=1)  # not as root in root's directory
        self.assertIn("Permission denied", self.words)
        self.postmap("-o", f"hash:{self.text}")
        self.assertEqual(os.stat(self.text + ".db").st_uid, nobody.pw_uid)
        os.unlink(self.text + ".db")
        os.chown(self.dir, nobody.pw_uid, nobody.pw_gid)
        self.postmap(f"hash:{self.text}")
        self.assertEqual((os.stat(self.text + ".db").st_uid, os.stat(self.text + ".db").st_gid),
                         (nobody.pw_uid, nobody.pw_gid))

    def test_failures(self):
        self.postmap(f"hash:{self.text}")
        with open(self.text + ".db", "rb") as f:
            before = f.read()
        os.rename(self.text, self.text + ".away")
        os.mkdir(self.text)
        self.postmap(f"hash:{self.text}", status=1)
        self.assertIn("not a regular file", self.words)
        os.rmdir(self.text)
        self.postmap(f"hash:{self.text}", status=1)
        with open(self.text + ".db", "rb") as f:
            self.assertEqual(f.read(), before)
        broken = self.file("broken.db", b"no database at all")
        self.postmap("-i", f"hash:{broken[:-3]}", stdin=b"a b\n", status=1)
        self.assertIn("broken.db", self.words)
        with open(broken, "rb") as f:
            self.assertEqual(f.read(), b"no database at all")
        self.postmap("nosuch:x", status=64)
        self.assertIn('unsupported table type "nosuch"', self.words)
        for args in ([], ["-z", "x"], ["-q", "a", "-s", "x"]):
            self.postmap(*args, status=64)


class Databases(unittest.TestCase):
    """qmgr and proxymap read a database when that is all there is."""

    def test_patterns(self):
        with Suite(PREFIX, extra="transport_maps = pcre:{{/^.*@(relayed)\\.example$$/ retry:4.3.0 by $$1}}\n"
                   "relay_domains = relayed.example\n"
                   "relay_recipient_maps = pcre:$config_directory/relayed\n", start=False) as suite:
            suite.write_conf("relayed", "/^alice(?!x)/ ok\n")
            suite.start()
            with suite.smtp() as smtp:
                smtp.sendmail("a@example.net", ["alice@relayed.example"], b"Subject: x\r\n\r\nx\r\n")
                smtp.ehlo()
                smtp.mail("a@example.net")
                self.assertEqual(smtp.rcpt("alicex@relayed.example")[0], 550)
            suite.wait_log(r"to=<alice@relayed.example>.*4\.3\.0.*by relayed")

    def test_suite(self):
        with Suite(PREFIX, extra="transport_maps = hash:$config_directory/transport\n"
                   "relay_domains = relayed.example\n"
                   "relay_recipient_maps = btree:$config_directory/relayed\n", start=False) as suite:
            for kind, name, text in (("hash", "transport", "relayed.example retry:4.3.0 from the database\n"),
                                     ("btree", "relayed", "alice@relayed.example x\n")):
                suite.write_conf(name, text)
                path = os.path.join(suite.conf, name)
                subprocess.run([POSTMAP, f"{kind}:{path}"], check=True, timeout=60)
                os.unlink(path)
            suite.start()
            with suite.smtp() as smtp:
                smtp.sendmail("a@example.net", ["alice@relayed.example"], b"Subject: x\r\n\r\nx\r\n")
                smtp.ehlo()
                smtp.mail("a@example.net")
                self.assertEqual(smtp.rcpt("bob@relayed.example")[0], 550)
            suite.wait_log(r"to=<alice@relayed.example>.*4\.3\.0.*from the database")


if __name__ == "__main__":
    unittest.main()
