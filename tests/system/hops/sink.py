"""Postfix's smtp-sink as a next hop: in memory, and with the refusals that its options offer. Of Debian's package, which is
unpacked, not installed (box.py)."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from box import Missing, fetch, free_port  # noqa: E402


class Sink:
    """smtp-sink with OPTIONS; what it takes is dumped, one file a message."""

    def __init__(self, *options, backlog=200, dump=True):
        root, env = "", {"PATH": "/usr/sbin:/usr/bin:/bin"}
        try:
            root = fetch("postfix")
            env["LD_LIBRARY_PATH"] = root + "/usr/lib/postfix"
        except Missing:
            if not shutil.which("smtp-sink", path="/usr/sbin:/usr/bin"):
                raise
        self.port = free_port()
        self.dir = tempfile.mkdtemp(prefix="postkeep-sink.", dir="/tmp")
        where = ["-d", self.dir + "/%M."] if dump else []
        who = ["-u", "nobody"] if os.geteuid() == 0 else []
        if who:
            shutil.chown(self.dir, "nobody")
        self.process = subprocess.Popen(
            [root + "/usr/sbin/smtp-sink", *who, *where, *options, f"127.0.0.1:{self.port}", str(backlog)], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.dir)
        deadline = time.monotonic() + 20
        while not self.listens():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.remove()
                raise AssertionError("smtp-sink does not listen")
            time.sleep(0.05)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def arrived(self):
        """All that was taken, with the X- fields that smtp-sink adds, as bytes."""
        found = []
        for name in sorted(os.listdir(self.dir)):
            with open(os.path.join(self.dir, name), "rb") as f:
                found.append(f.read())
        return found

    def stop(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()
