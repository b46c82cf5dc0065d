#!/usr/bin/env python3
"""Content that is too large to be kept by the program smtp, and several servers for it."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "hops"), HERE]
from hostile import KEYWORDS, Gone, at, close, say  # noqa: E402
from test_smtp_client import CHUNKING, DEFERRED, LARGE, SENT, Case  # noqa: E402


class LargeContent(Case):
    def test_breaks(self):
        """The next server gets what the one before has broken off, or has refused at the end."""
        def short(s, stage, reply):
            s.send(reply)
            s.bytes(10000)
            raise Gone
        later = say("451 4.3.0 later\r\n")
        for behave in (at("data bdat", short), at("dot", later), at("dot", close)):
            for keywords in (KEYWORDS, CHUNKING):
                hop, other = self.hop(behave, keywords), self.hop(keywords=keywords)
                hops = f"[127.0.0.1]:{hop.port}, [127.0.0.1]:{other.port}"
                before = self.client.again
                self.result(self.client.deliver(None, nexthop=hops, content=LARGE)[0], SENT, "2.0.0", "250")
                self.assertTrue(self.accepted(other)[0][2] == LARGE)
                self.assertEqual(self.client.again - before, 1)
                self.assertEqual(hop.accepted, [])

    def test_for_some(self):
        """Who was not taken by the first server is by the second; a third that wants no content gets none."""
        def later(who):
            return at("rcpt", lambda s, stage, reply: b"450 4.2.0 later\r\n" if s.rcpt[0] in who else reply)
        hops = [self.hop(later("bc")), self.hop(later("c")), self.hop(later("c"))]
        before = self.client.again
        results = self.client.deliver(None, nexthop=" ".join(f"[127.0.0.1]:{h.port}" for h in hops), content=LARGE,
                                      rcpts=["a@hop.example", "b@hop.example", "c@hop.example"])
        self.assertEqual([r["status"] for r in results], [SENT, SENT, DEFERRED])
        self.assertEqual([self.accepted(h)[0][1] for h in hops[:2]], [["a@hop.example"], ["b@hop.example"]])
        self.assertTrue(all(h.accepted[0][2] == LARGE for h in hops[:2]))
        self.assertEqual(hops[2].accepted, [])
        self.assertEqual(self.client.again - before, 1)


if __name__ == "__main__":
    unittest.main()
