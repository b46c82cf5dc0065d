"""Relaying over a bad network, in network namespaces of this test's own: packets are lost, a host is silent, IPv6 does not
work where IPv4 does. The mail arrives all the same. Needs root; skipped without."""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE_DIR, "hops"), HERE_DIR]
import netns  # noqa: E402
from hostile import Hop, at  # noqa: E402
from name_servers import TYPES, question_of  # noqa: E402
from netns import HERE, SILENT, SILENT6, THERE, THERE6  # noqa: E402
from ports import free_port  # noqa: E402
from relay import Relay, message  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
NOBODY6 = "fd00:77::1"  # no way there
HOSTS = f"""127.0.0.1 localhost
{THERE} silent6.example refused6.example unreachable6.example fine.example
{SILENT6} silent6.example
{THERE6} refused6.example fine.example
{NOBODY6} unreachable6.example
"""
DEADLINE = 150


class BadNetwork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = netns.Network()
        cls.hosts = tempfile.NamedTemporaryFile("w", prefix="postkeep-hosts.", dir="/tmp")
        cls.hosts.write(HOSTS)
        cls.hosts.flush()
        os.chmod(cls.hosts.name, 0o644)
        # In this mount namespace only.
        subprocess.run(["mount", "--bind", cls.hosts.name, "/etc/hosts"], check=True)

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["umount", "/etc/hosts"], check=True)
        cls.hosts.close()
        cls.net.end()

    def hop(self, behave=None, address=THERE):
        with self.net.at_far_end():
            hop = Hop(behave, address=address)
        self.addCleanup(hop.stop)
        return hop

    def test_loss(self):
        hop = self.hop()
        big = b"".join(b"%076d\r\n" % i for i in range(40000))
        with Relay(PREFIX, {"hop.example": f"smtp:[{THERE}]:{hop.port}"}, patience="100s", backoff="5s",
                   run_delay="5s") as relay, self.net.losing(5):
            relay.submit("big@hop.example", message(b"big", big))
            for i in range(100):
                relay.submit(f"r{i}@hop.example", message(b"small", b"x" * 70 + b"\r\n"))
            for i in range(100):
                relay.wait_status(f"r{i}@hop.example", "sent", timeout=DEADLINE)
            relay.wait_status("big@hop.example", "sent", timeout=DEADLINE)
            self.assertEqual(set(hop.copies(b"small")), {f"r{i}@hop.example" for i in range(100)})
            self.assertIn(big, [content.partition(b"\r\n\r\n")[2] for _, _, content in hop.accepted])

    def test_own_address(self):
        """Who has one address of several in inet_interfaces comes from it."""
        second = "10.99.0.77"
        subprocess.run(["ip", "addr", "add", second + "/24", "dev", "near0"], check=True)
        peers = []
        hop = self.hop(at("connect", lambda s, stage, reply: peers.append(s.conn.getpeername()[0]) or reply))
        routes = {"hop.example": f"smtp:[{THERE}]:{hop.port}"}
        for interfaces in (second, "all", f"{second} {HERE}"):
            with Relay(PREFIX, routes, extra=f"inet_interfaces = {interfaces}\n") as relay:
                relay.submit("one@hop.example", message(b"own"))
                relay.wait_status("one@hop.example", "sent", timeout=DEADLINE)
        self.assertEqual(peers, [second, HERE, HERE])

    def test_silent_host(self):
        """The next host is asked when one is silent; mail for a host that stays silent waits, and says why."""
        hop = self.hop()
        routes = {"two.example": f"smtp:[{SILENT}]:{hop.port}, [{THERE}]:{hop.port}",
                  "silent.example": f"smtp:[{SILENT}]:{hop.port}", "calm.example": f"smtp:[{THERE}]:{hop.port}"}
        with Relay(PREFIX, routes, patience="8s") as relay:
            for domain in routes:
                relay.submit(f"one@{domain}", message(b"silent"))
            self.assertEqual(relay.wait_status("one@calm.example", timeout=DEADLINE).word, "sent")
            self.assertEqual(relay.wait_status("one@two.example", timeout=DEADLINE).word, "sent")
            status = relay.wait_status("one@silent.example", timeout=DEADLINE)
            self.assertEqual(status.word, "deferred")
            self.assertIn("timed out", status.why)

    def test_broken_ipv6(self):
        hop = self.hop()
        six = self.hop(address=THERE6)
        hosts = ("silent6", "refused6", "unreachable6")
        routes = {f"{h}.hop.example": f"smtp:[{h}.example]:{hop.port}" for h in hosts}
        for preference in ("any", "ipv6", "ipv4"):
            extra = f"inet_protocols = all\nsmtp_host_lookup = native\nsmtp_address_preference = {preference}\n"
            with self.subTest(preference), Relay(PREFIX, routes, extra=extra, patience="8s") as relay:
                for host in hosts:
                    relay.submit(f"one@{host}.hop.example", message(preference.encode()))
                for host in hosts:
                    status = relay.wait_status(f"one@{host}.hop.example", timeout=DEADLINE)
                    self.assertEqual(status.word, "sent", status)
                self.assertEqual(hop.copies(preference.encode()), {f"one@{h}.hop.example": 1 for h in hosts})
        with Relay(PREFIX, {"hop.example": f"smtp:[fine.example]:{six.port}"}, extra="inet_protocols = all\n"
                   "smtp_host_lookup = native\nsmtp_address_preference = ipv6\n") as relay:
            relay.submit("one@hop.example", message(b"six"))
            self.assertIn(THERE6, relay.wait_status("one@hop.example", "sent", timeout=DEADLINE).relay)

    def test_name_server_of_the_link(self):
        """A router that names itself as the name server by its address on the link: fe80::53%near0."""
        self.net.there("ip", "-6", "addr", "add", "fe80::53/64", "dev", "far0", "nodad")
        hop, port = self.hop(), free_port()
        with self.net.at_far_end():
            server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            server.bind(("::", port))

        def serve():
            while True:
                packet, client = server.recvfrom(4096)
                if not packet:
                    return
                _, kind, end = question_of(packet)
                found = [b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + socket.inet_aton(THERE)] if kind == TYPES["A"] else []
                head = packet[:2] + b"\x85\x80\0\1" + struct.pack(">HHH", len(found), 0, 0)
                server.sendto(head + packet[12:end] + b"".join(found), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Relay(PREFIX, {"hop.example": f"smtp:mx.hop.example:{hop.port}"},
                   extra=f"disable_dns_lookups = no\ndns_servers = [fe80::53%near0]:{port}\n") as relay:
            relay.submit("one@hop.example", message(b"link"))
            relay.wait_status("one@hop.example", "sent", timeout=DEADLINE)
        with self.net.at_far_end(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("::1", port))
        thread.join(20)
        server.close()

    def test_cut_in_the_middle(self):
        """The network goes away after MAIL, and comes back: the message waits, and arrives once."""
        asked = []

        def note(s, stage, reply):
            asked.append(stage)
            s.pause(600)

        hop = self.hop(at("mail", note))
        with Relay(PREFIX, {"hop.example": f"smtp:[{THERE}]:{hop.port}"}, patience="8s") as relay:
            relay.submit("one@hop.example", message(b"cut"))
            deadline = time.monotonic() + DEADLINE
            while not asked:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            with self.net.losing(100):
                hop.heal()
                status = relay.wait_status("one@hop.example", timeout=DEADLINE)
                self.assertEqual(status.word, "deferred")
                relay.flush()
                relay.wait_status("one@hop.example", "deferred", timeout=DEADLINE, count=2)
            relay.flush()
            relay.wait_status("one@hop.example", "sent", timeout=DEADLINE)
            self.assertEqual(hop.copies(b"cut"), {"one@hop.example": 1})


if __name__ == "__main__":
    netns.main()
