"""A network of a test's own: this process in one network namespace, another one at the far end of a cable, in which next
hops listen, and packets that get lost between them. Namespaces and everything in them go when the processes go."""
import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import unittest

HERE, THERE = "10.99.0.1", "10.99.0.2"
HERE6, THERE6 = "fd00:99::1", "fd00:99::2"
SILENT, SILENT6 = "10.99.0.3", "fd00:99::3"      # take every packet and never answer
INSIDE = "POSTKEEP_TEST_NETNS"
CLONE_NEWNET = 0x40000000


def run(*argv, check=True):
    done = subprocess.run(argv, capture_output=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stderr.decode()}")
    return done.returncode == 0


def main():
    """Runs the tests of the calling script inside new namespaces (network and mounts), or skips them all."""
    able = os.geteuid() == 0 and run("unshare", "--net", "--mount", "ip", "link", "set", "lo", "up", check=False)
    if not os.environ.get(INSIDE):
        if not able:
            print("skipped: no network namespaces for this user")
            return
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    unittest.main(verbosity=2, warnings="ignore")


class Network:
    """The cable, and what is at its far end."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.far = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; exec sleep 3600"], stdout=subprocess.PIPE,
                                    start_new_session=True)
        self.far.stdout.readline()
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", str(self.far.pid))
        self._end("near0", HERE, HERE6, run)
        self._end("far0", THERE, THERE6, self.there)
        mac = subprocess.run(self._there("ip", "-o", "link", "show", "far0"), capture_output=True).stdout.decode()
        mac = mac.partition("link/ether ")[2].split()[0]
        for address in (SILENT, SILENT6):
            run("ip", "neigh", "add", address, "lladdr", mac, "dev", "near0", "nud", "permanent")

    @staticmethod
    def _end(device, address, address6, order):
        order("ip", "link", "set", "lo", "up")
        order("ip", "link", "set", device, "up")
        order("ip", "addr", "add", address + "/24", "dev", device)
        order("ip", "-6", "addr", "add", address6 + "/64", "dev", device, "nodad")

    def _there(self, *argv):
        return ["nsenter", "-t", str(self.far.pid), "-n", *argv]

    def there(self, *argv, check=True):
        return run(*self._there(*argv), check=check)

    @contextlib.contextmanager
    def at_far_end(self):
        """Sockets that are made in here belong to the far end."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        far = os.open(f"/proc/{self.far.pid}/ns/net", os.O_RDONLY)
        try:
            self._enter(far)
            yield
        finally:
            self._enter(own)
            os.close(own)
            os.close(far)

    def _enter(self, fd):
        if self.libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    @contextlib.contextmanager
    def losing(self, percent):
        """So many of a hundred packets are lost, in each direction; unittest.SkipTest where nothing can do that."""
        device = (("near0", run), ("far0", self.there))
        if run("tc", "qdisc", "add", "dev", "near0", "root", "netem", "loss", f"{percent}%", check=False):
            self.there("tc", "qdisc", "add", "dev", "far0", "root", "netem", "loss", f"{percent}%")
            try:
                yield
            finally:
                for name, order in device:
                    order("tc", "qdisc", "del", "dev", name, "root")
            return
        rule = f"numgen random mod 100 < {percent} drop" if percent < 100 else "drop"
        text = "table inet loss {{\nchain c {{\ntype filter hook input priority 0\niifname {0} {1}\n}}\n}}"
        if not shutil.which("nft") or not run("nft", "list", "ruleset", check=False):
            raise unittest.SkipTest("neither netem nor nft here")
        for name, order in device:
            order("nft", text.format(name, rule))
        try:
            yield
        finally:
            for _, order in device:
                order("nft", "delete table inet loss")

    def end(self):
        self.far.kill()
        self.far.wait()
        run("ip", "link", "del", "near0", check=False)
