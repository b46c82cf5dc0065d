"""Mail servers of Debian's that this project did not write, as next hops for tests: their packages are fetched and
unpacked, not installed, and each server runs in mount and process namespaces of its own, where /usr has the unpacked
packages on top, and /etc, /var and /run are a temporary directory's. Nothing of the system is changed. Needs root
and apt-get; where something is missing, Missing says what, and the tests are skipped. Python's standard library only.

    tests/system/hops/box.py --fetch     fetches and unpacks what all tests need (tools/check does)
"""
import contextlib
import fcntl
import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from ports import free_port  # noqa: E402

PACKAGES = {
    "postfix": ("postfix", "libsasl2-2", "libsasl2-modules", "libsasl2-modules-db", "sasl2-bin"),
    "exim": ("exim4-base", "exim4-daemon-light"),
    "opensmtpd": ("opensmtpd",),
    "dovecot": ("dovecot-core", "dovecot-lmtpd"),
    "submission": ("dovecot-core", "dovecot-submissiond"),
}
USERS = ("postfix", "postdrop", "Debian-exim", "opensmtpd", "opensmtpq", "dovecot", "dovenull", "vmail")
FIRST_UID = 61200
DEPENDS = ("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
           "--no-replaces", "--no-enhances")


class Missing(Exception):
    """A next hop cannot be had here; the text says why."""


def run(argv, **more):
    done = subprocess.run(argv, capture_output=True, **more)
    if done.returncode != 0:
        raise Missing(f"{' '.join(argv)}: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return done.stdout.decode()


def cache():
    """Where packages are unpacked: HOPS_DIR, or the build folder when it may be written to."""
    build = os.environ.get("POSTKEEP_BUILD") or "/tmp"
    return os.environ.get("HOPS_DIR") or os.path.join(build, "hops")


@contextlib.contextmanager
def locked(path):
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True)
    return b"ok installed" in done.stdout


def libraries(packages):
    """The shared libraries' packages that PACKAGES need, directly or not, and that are not installed."""
    found, todo = set(), list(packages)
    while todo:
        lines = run([*DEPENDS, todo.pop()]).splitlines()
        for line in lines:
            # "|Depends:" has an alternative, which is the next line.
            name = re.match(r"  (?:Pre)?Depends: (lib[a-z0-9.+-]+)$", line)
            if name and name[1] not in found and not installed(name[1]):
                found.add(name[1])
                todo.append(name[1])
    return found


def fetch(hop):
    """The directory below which the packages of HOP are unpacked."""
    base = cache()
    root = os.path.join(base, hop)
    if os.path.exists(root):
        return root
    try:
        os.makedirs(base, exist_ok=True)
        with locked(base + "/.lock"):
            if not os.path.exists(root):
                unpack(hop, root)
    except OSError as e:
        raise Missing(f"{base}: {e.strerror}") from e
    return root


def download(hop, work):
    names = sorted(set(PACKAGES[hop]) | libraries(PACKAGES[hop]))
    run(["apt-get", "download", "-q", *names], cwd=work, timeout=120)


def unpack(hop, root):
    with tempfile.TemporaryDirectory(prefix="hop-", dir=os.path.dirname(root)) as work:
        try:
            download(hop, work)
        except Missing:
            # Lists of packages may be old, or not there at all.
            run(["apt-get", "update", "-qq"], timeout=120)
            download(hop, work)
        except subprocess.TimeoutExpired as e:
            raise Missing("apt-get download took too long") from e
        for package in glob.glob(work + "/*.deb"):
            run(["dpkg", "-x", package, work + "/root"])
        # /lib is /usr/lib.
        if os.path.isdir(work + "/root/lib"):
            shutil.copytree(work + "/root/lib", work + "/root/usr/lib", symlinks=True, dirs_exist_ok=True)
        os.rename(work + "/root", root)


# The namespace: $1 is the box's directory, $2 what was unpacked; the rest is run. The shell stays, since a server that
# changes its user loses the order to end with its parent; with the shell, the first process of the namespace, all end.
ENTER = """set -e
mount -t overlay overlay -o lowerdir="$2/usr":/usr /usr
for d in etc var run; do mount --bind "$1/$d" /$d; done
shift 2
exec 3<&0
"$@" <&3 3<&- &
wait $!
"""


class Box:
    """A place for a server of HOP (a key of PACKAGES) on PORTS, each with a name. Use it as a context; subclasses say what
    is to be written and started. `netns`: the name of a network namespace it runs in."""
    hop = ""
    netns = None

    def __init__(self, **options):
        if os.geteuid() != 0:
            raise Missing("namespaces and other users' servers need root")
        self.options = options
        self.root = fetch(self.hop)
        self.dir = tempfile.mkdtemp(prefix=f"postkeep-{self.hop}.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.process = None
        self.address = options.get("address", "127.0.0.1")
        for name in ("etc", "var/empty", "var/spool", "var/lib", "var/log", "var/mail", "var/tmp", "run/lock"):
            os.makedirs(os.path.join(self.dir, name))
        os.symlink("/run", self.dir + "/var/run")
        os.chmod(self.dir + "/var/tmp", 0o1777)
        self._etc()

    def _etc(self):
        etc = self.dir + "/etc"
        for name in ("hosts", "host.conf", "nsswitch.conf", "services", "protocols", "ld.so.cache", "localtime",
                     "mime.types", "resolv.conf"):
            if os.path.exists("/etc/" + name):
                shutil.copy("/etc/" + name, etc)
        for name in ("alternatives", "pam.d"):
            if os.path.isdir("/etc/" + name):
                shutil.copytree("/etc/" + name, f"{etc}/{name}", symlinks=True)
        passwd = group = ""
        for kept in ("root", "daemon", "mail", "nobody", "nogroup"):
            for line in open("/etc/passwd"):
                passwd += line if line.startswith(kept + ":") else ""
            for line in open("/etc/group"):
                group += line if line.startswith(kept + ":") else ""
        for number, name in enumerate(USERS, FIRST_UID):
            passwd += f"{name}:x:{number}:{number}::/var/empty:/usr/sbin/nologin\n"
            group += f"{name}:x:{number}:\n"
        self.write("/etc/passwd", passwd)
        self.write("/etc/group", group)
        self.write("/etc/mailname", "hop.example\n")
        self.own("/var/mail", "vmail")

    def path(self, name):
        """NAME is a path as the server sees it; this is where we find it."""
        return self.dir + name

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    def own(self, name, user):
        number = FIRST_UID + USERS.index(user)
        os.makedirs(self.path(name), exist_ok=True)
        os.chown(self.path(name), number, number)

    def argv(self, *command):
        """COMMAND in the box; its processes end with the one that is started here."""
        enter = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
                 "--mount-proc", "--propagation", "private", "sh", "-c", ENTER, "sh", self.dir, self.root, *command]
        return ["ip", "netns", "exec", self.netns, *enter] if self.netns else enter

    def run(self, *command, input=None):
        done = subprocess.run(self.argv(*command), input=input, capture_output=True, timeout=60,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def start(self):
        """From a configuration to a greeting."""
        self.output = open(self.dir + "/output", "wb")
        self.process = subprocess.Popen(self.argv(*self.command()), stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, cwd="/",
                                        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
        deadline = time.monotonic() + 30
        while not self.greets():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"{self.hop} gives no greeting:\n{self.log()}")
            time.sleep(0.1)
        return self

    def greets(self):
        if self.netns:
            asked = subprocess.run(["ip", "netns", "exec", self.netns, "timeout", "3", "bash", "-c",
                                    f"read -r x </dev/tcp/{self.address}/{self.port}; echo $x"], capture_output=True)
            return asked.stdout[:3] == b"220"
        try:
            with socket.create_connection((self.address, self.port), timeout=10) as s:
                return s.recv(4)[:3] == b"220"
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.output.close()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            self.configure()
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, kind, value, trace):
        if kind:
            print(f"--- {self.hop} in {self.dir}\n{self.log()[-4000:]}")
        self.remove()

    def log(self):
        text = ""
        for path in [self.dir + "/output"] + sorted(glob.glob(self.dir + "/var/log/**", recursive=True)):
            if os.path.isfile(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text

    # --- What has arrived --------------------------------------------------------------------------------

    def arrived(self):
        """All messages of all Maildirs below /var/mail, as bytes; the oldest first."""
        paths = glob.glob(self.dir + "/var/mail/**/new/*", recursive=True)
        found = []
        for path in sorted(paths, key=lambda p: (os.stat(p).st_mtime_ns, p)):
            with open(path, "rb") as f:
                found.append(f.read())
        return found

    def wait(self, needle, timeout=40, count=1):
        """COUNT messages that contain NEEDLE, when they are there."""
        deadline = time.monotonic() + timeout
        while True:
            found = [m for m in self.arrived() if needle in m]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.hop} has {len(found)} of {count} with {needle!r}:\n{self.log()[-3000:]}")
            time.sleep(0.05)


TRACE = (b"return-path:", b"received:", b"delivered-to:", b"x-original-to:", b"envelope-to:", b"delivery-date:")


def without_trace(message):
    """MESSAGE (LF or CRLF line ends) with LF, without the trace fields it begins with."""
    lines = message.replace(b"\r\n", b"\n").split(b"\n")
    at = 0
    while at < len(lines) and lines[at].lower().startswith(TRACE):
        at += 1
        while at < len(lines) and lines[at].startswith((b" ", b"\t")):
            at += 1
    return b"\n".join(lines[at:])


if __name__ == "__main__":
    if sys.argv[1:] != ["--fetch"]:
        sys.exit(__doc__)
    for each in PACKAGES:
        try:
            print(fetch(each))
        except Missing as why:
            print(f"{each}: {why}")
