"""The attacks of tests/system/hostile, small ones, on a whole suite with an honest client beside: the answers are right,
nobody of the suite ends of it or needs much memory, the honest client is served all the while, and the mailbox holds
what was delivered. (Full sizes: tests/system/hostile/run; that cost is linear: tests/system/hostile/curve.)"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "hostile"))
from attacks import ATTACKS  # noqa: E402
from scene import Scene, raise_descriptors  # noqa: E402

PREFIX = os.environ.get("POSTKEEP_PREFIX", "/usr/local")
CONNECTIONS = 2000
# The largest process of each program, in KiB, shared pages included: 2,000 sessions at 10 KiB beside what it has anyway.
MEMORY_MAX = {"smtpd": 40_000, "qmgr": 40_000, "local": 20_000, "proxymap": 20_000, "anvil": 20_000}


class Strangers(unittest.TestCase):
    def play(self, scene, attack, most):
        row = scene.play(attack, min(attack.small, most) if attack.connections else attack.small)
        self.assertEqual(row["failures"], [], "the honest client was turned away")
        self.assertEqual(row["missing"], {}, "a process has ended")
        for program, limit in MEMORY_MAX.items():
            self.assertLess(row["peaks"].get(program, 0), limit, program)
        return row["served"]

    def all_attacks(self, maildir):
        most = raise_descriptors(CONNECTIONS)
        with Scene(PREFIX, maildir=maildir) as scene:
            served = 0
            for attack in ATTACKS:
                with self.subTest(attack=attack.name):
                    served += self.play(scene, attack, most)
            scene.settle()
            self.assertGreater(served, 0)
            self.assertGreater(scene.check_mailbox(), scene.accepted)
            self.assertEqual(scene.crashes(), [])

    def test_mailbox_file(self):
        self.all_attacks(False)

    def test_maildir(self):
        self.all_attacks(True)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
