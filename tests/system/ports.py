"""Ports for suites under test. Python's standard library only."""
import atexit
import random
import socket

claims = []  # held as long as this process lives
atexit.register(lambda: [claim.close() for claim in claims])


def free_port():
    """A TCP port that no other test is given while this process lives, and that is no client's by chance."""
    while True:
        port = random.randrange(10000, 32000)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0postkeep-test-port-{port}")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("", port))
        except OSError:
            claim.close()
            continue
        claims.append(claim)
        return port
