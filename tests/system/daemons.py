"""Runs programs of the suite without master: each with the descriptors that master would give it, all as
one ordinary user, in a temporary directory. For tests of one program beside the real ones it talks to.
Python's standard library only."""
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

NOBODY = 65534
FOLDERS = {"lmtp": "smtp"}
UNIX_ENDPOINTS = {
    "qmgr": ["public/qmgr", "private/qmgr-net", "private/qmgr-local", "private/qmgr-bounce",
             "private/qmgr-report", "private/qmgr-admin", "public/showq", "public/flush"],
    "proxymap": ["private/proxymap", "private/proxymap-net", "private/proxymap-smtp"],
    "anvil": ["private/anvil"],
    "bounce": ["private/bounce"],
    "smtp": ["private/smtp"],
    "lmtp": ["private/lmtp"],
}
MAIN_CF = """compatibility_level = 3.11
myhostname = mx.example.com
mydomain = example.com
mydestination = $myhostname, example.com, localhost
mynetworks = 127.0.0.1/32
alias_maps =
"""


class Daemons:
    """build: the build folder; environment: of the programs, besides our own. Use as a context manager: the
    directory goes with it."""

    def __init__(self, build, environment=None):
        self.build = os.path.abspath(build)
        self.environment = {**os.environ, **environment} if environment else None
        self.dir = tempfile.mkdtemp(prefix="postkeep-test.")
        self.spool = os.path.join(self.dir, "spool")
        self.conf = os.path.join(self.dir, "conf")
        self.processes = {}
        self.listeners = {}
        self.lines = []
        self.files = None  # limit on descriptors of programs started from now on
        self.condition = threading.Condition()
        for name in ("conf", "data", "spool", "spool/private", "spool/public", "spool/pid",
                     "spool/maildrop", "spool/slots", "spool/corrupt"):
            os.mkdir(os.path.join(self.dir, name))
        self.configure("")
        self._own()
        self.log_read, self.log_write = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=self._gather, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for name in list(self.processes):
            self.stop(name)
        for listener in self.listeners.values():
            listener.close()
        self.log_write.close()
        self.log_read.close()
        shutil.rmtree(self.dir)

    def _own(self):
        os.chmod(self.dir, 0o755)
        if os.getuid() == 0:
            for root, dirs, files in os.walk(self.dir):
                for name in [root] + [os.path.join(root, f) for f in files]:
                    os.chown(name, NOBODY, NOBODY)

    def configure(self, text):
        """main.cf: what all tests have, then TEXT. For programs started from now on."""
        with open(os.path.join(self.conf, "main.cf"), "w") as f:
            f.write(MAIN_CF)
            f.write("queue_directory = %s\ndata_directory = %s/data\n" % (self.spool, self.dir))
            f.write("command_directory = %s/sendmail\n" % self.build)
            f.write(text)
        self._own()

    def _gather(self):
        while True:
            try:
                data = self.log_read.recv(65536)
            except OSError:
                return
            if not data:
                return
            with self.condition:
                for line in data.decode("utf-8", "replace").splitlines():
                    self.lines.append(line[1:])
                self.condition.notify_all()

    def log_mark(self):
        with self.condition:
            return len(self.lines)

    def log_wait(self, text, since=0, timeout=30):
        """The first line from SINCE on that has TEXT; None if there is none in time."""
        end = time.monotonic() + timeout
        with self.condition:
            while True:
                for line in self.lines[since:]:
                    if text in line:
                        return line
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.condition.wait(left)

    def _listen(self, program, addresses):
        sockets = []
        for path in UNIX_ENDPOINTS.get(program, []):
            if path not in self.listeners:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                here = os.getcwd()
                os.chdir(self.spool)
                s.bind(path)
                os.chmod(path, 0o666)
                os.chdir(here)
                s.listen(100)
                self.listeners[path] = s
            sockets.append(("unix:" + path, self.listeners[path]))
        for address in addresses:
            if address not in self.listeners:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                s = socket.socket(family, socket.SOCK_STREAM)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((address, 0))
                s.listen(100)
                self.listeners[address] = s
            sockets.append(("inet:%s:%d" % (address, self.port(address)), self.listeners[address]))
        return sockets

    def port(self, address="127.0.0.1"):
        return self.listeners[address].getsockname()[1]

    def start(self, program, addresses=(), options=(), service=None):
        """Starts it and waits until it says that it is ready."""
        sockets = self._listen(program, addresses)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = [theirs.fileno(), self.log_write.fileno()] + [s.fileno() for _, s in sockets]
        argv = [os.path.join(self.build, FOLDERS.get(program, program), program), "-n", service or program,
                "-t", "inet" if addresses else "unix", "-c", self.conf]
        for option in options:
            argv += ["-o", option]
        for name, _ in sockets:
            argv += ["-L", name]

        def child():
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in wanted]
            for at, fd in enumerate(high):
                os.dup2(fd, 3 + at)
            if self.files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)

        # Popen's own pipe must lie above the descriptors that child() puts in place.
        fillers = [os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC) for _ in range(len(wanted) + 8)]
        self.processes[program] = (subprocess.Popen(
            argv, cwd=self.spool, stdin=subprocess.DEVNULL, preexec_fn=child,
            close_fds=False, env=self.environment), ours)
        for fd in fillers:
            os.close(fd)
        theirs.close()
        ours.settimeout(60)
        if not ours.recv(1000):
            raise RuntimeError("%s did not start: %s" % (program, self.lines[-5:]))
        return self.processes[program][0].pid

    def kill(self, program, signo=signal.SIGKILL):
        """Ends it; its listening sockets stay open, so that callers wait for the next one."""
        process, status = self.processes.pop(program)
        process.send_signal(signo)
        process.wait()
        status.close()

    def stop(self, program):
        self.kill(program)
        for path in UNIX_ENDPOINTS.get(program, []):
            self.listeners.pop(path).close()
            os.unlink(os.path.join(self.spool, path))

    def order(self, program, letter):
        """What master would say: D drain, R reload, F flush."""
        self.processes[program][1].send(letter.encode())

    def wait_end(self, program, timeout=20):
        """Waits until it ends by itself; its exit status."""
        process, status = self.processes.pop(program)
        try:
            return process.wait(timeout)
        finally:
            process.kill()
            process.wait()
            status.close()

    def pid(self, program):
        return self.processes[program][0].pid

    def alive(self, program):
        return self.processes[program][0].poll() is None

    def queued(self, queue_id):
        """The slot file of the message up to the end of its content, as bytes; None if there is none."""
        for root, _, files in os.walk(self.spool):
            for name in files:
                if not os.path.isfile(os.path.join(root, name)):
                    continue
                with open(os.path.join(root, name), "rb") as f:
                    data = f.read()
                if queue_id.encode() in data[:512]:
                    size = int(re.search(rb"\ncontent (\d+)\n", data).group(1))
                    return data[:re.search(rb"\n(Received|From): ", data).start() + 1 + size]
        return None


class Client:
    """A raw SMTP client: says what it is told, reads whole replies."""

    def __init__(self, port, host="127.0.0.1", source=None, greeting=True):
        self.socket = socket.create_connection((host, port), timeout=60,
                                               source_address=(source, 0) if source else None)
        self.buffer = b""
        if greeting:
            self.expect("220")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode("utf-8", "replace") + "\n"

    def reply(self):
        """A whole reply; '' when the server has hung up."""
        text = ""
        while True:
            try:
                line = self.line()
            except ConnectionResetError:
                line = None
            if line is None:
                return text
            text += line
            if line[3:4] != "-":
                return text

    def expect(self, start):
        got = self.reply()
        if not got.startswith(start):
            raise AssertionError("expected %r, got %r" % (start, got))
        return got

    def say(self, command, start):
        """Sends a command line and checks how the reply begins."""
        self.send(command + "\r\n" if isinstance(command, str) else command + b"\r\n")
        try:
            return self.expect(start)
        except AssertionError as e:
            raise AssertionError("%s (after %.80r)" % (e, command)) from None

    def gone(self):
        """Has the server hung up?"""
        return self.reply() == ""

    def close(self):
        self.socket.close()
