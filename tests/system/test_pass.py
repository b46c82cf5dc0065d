"""A service of type "pass": smtpd serves connections that another program has accepted."""
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import Suite  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")


class Pass(unittest.TestCase):
    def converse(self, suite, hand_over):
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname(), timeout=20)
        accepted, _ = listener.accept()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            here = os.getcwd()
            os.chdir(suite.spool)
            s.connect("private/smtpd")
            os.chdir(here)
            hand_over(s, accepted)
            accepted.close()
            greeting = client.recv(200)
            client.close()
            listener.close()
            return greeting

    def test_pass(self):
        with Suite(PREFIX, edit_master=lambda text: text + "smtpd pass - - y - - smtpd\n") as suite:
            greeting = self.converse(suite, lambda s, fd: socket.send_fds(s, [b"x"], [fd.fileno()]))
            self.assertTrue(greeting.startswith(b"220 mx.example.org"), greeting)
            suite.wait_log(r"smtpd\[\d+\]: connect from localhost\[127.0.0.1\]")
            # A caller that hands over nothing harms nobody.
            self.assertEqual(self.converse(suite, lambda s, fd: s.sendall(b"x")), b"")
            suite.wait_log("handed over no connection")
            self.assertTrue(self.converse(suite, lambda s, fd: socket.send_fds(s, [b"x"], [fd.fileno()])))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
