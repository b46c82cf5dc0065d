"""Name servers for tests: nsd with zones, a validating unbound in front of it, and between a client and a server a
relay that counts, loses and forges. Each is a context that has answered once when it is entered."""
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from ports import free_port

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}


def question(name, kind):
    """A question as bytes."""
    head = struct.pack(">HHHHHH", random.randrange(65536), 0x0100, 1, 0, 0, 0)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label)
    return head + labels + b"\0" + struct.pack(">HH", TYPES[kind], 1)


def question_of(packet):
    """(name, type number, where the question ends) of a packet."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), struct.unpack(">H", packet[at + 1:at + 3])[0], at + 5


def ask(port, name, kind, timeout=1, family=socket.AF_INET):
    """The answer as bytes, or None."""
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        try:
            s.send(question(name, kind))
            return s.recv(65536)
        except OSError:
            return None


class Server:
    """A server program in a directory of its own."""

    def __init__(self, program, config):
        self.dir = tempfile.mkdtemp(prefix="postkeep-dns.", dir="/tmp")
        self.port = free_port()
        self.program = program
        self.config = config
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def __enter__(self):
        path = self.write("conf", self.config.format(dir=self.dir, port=self.port))
        self.log = open(self.path("log"), "w")
        self.process = subprocess.Popen([self.program[0], *self.program[1:], "-c", path], stdout=self.log,
                                        stderr=subprocess.STDOUT, cwd=self.dir)
        for _ in range(300):
            if ask(self.port, "version.server", "TXT", 0.2):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(f"{self.program[0]} does not start: {self.said}")

    @property
    def said(self):
        with open(self.path("log")) as f:
            return f.read()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.log.close()
        self.last = self.said
        shutil.rmtree(self.dir, ignore_errors=True)


class Nsd(Server):
    """Zones: {name: text of its records}. What signs a zone is in signed(); see there."""

    def __init__(self, zones):
        super().__init__(["/usr/sbin/nsd", "-d"], """
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    zonesdir: "{dir}"
    database: ""
    pidfile: "{dir}/pid"
    xfrdfile: "{dir}/xfrd"
    zonelistfile: "{dir}/zones"
    xfrdir: "{dir}"
    server-count: 1
    rrl-ratelimit: 0
remote-control:
    control-enable: no
""")
        for name, text in zones.items():
            self.write(name + ".zone", text)
            self.config += f'zone:\n    name: "{name}"\n    zonefile: "{name}.zone"\n'


class Unbound(Server):
    """Validates. STUBS: {zone: port of its server}; ANCHORS: DNSKEY records as text, of the zones that are signed."""

    def __init__(self, stubs, anchors=()):
        config = """
server:
    interface: 127.0.0.1
    port: {port}
    username: ""
    chroot: ""
    directory: "{dir}"
    pidfile: "{dir}/pid"
    use-syslog: no
    logfile: ""
    do-daemonize: no
    num-threads: 1
    do-not-query-localhost: no
    do-ip6: no
    module-config: "validator iterator"
    local-zone: "example." nodefault
    local-zone: "2.0.192.in-addr.arpa." nodefault
    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
    local-zone: "version.server." static
    local-zone: "dead.plain.example." nodefault
    domain-insecure: "plain.example."
    domain-insecure: "2.0.192.in-addr.arpa."
    root-hints: ""
"""
        config += "".join(f'    trust-anchor: "{anchor}"\n' for anchor in anchors)
        config += "remote-control:\n    control-enable: no\n"
        for zone, port in stubs.items():
            config += f'stub-zone:\n    name: "{zone}"\n    stub-addr: 127.0.0.1@{port}\n'
        super().__init__(["/usr/sbin/unbound", "-d"], config)


def signed(name, text, *options):
    """(the zone with its signatures, its DNSKEY as a trust anchor). OPTIONS: of ldns-signzone."""
    with tempfile.TemporaryDirectory(prefix="postkeep-sign.", dir="/tmp") as where:
        def run(*words):
            return subprocess.run(words, cwd=where, check=True, capture_output=True, timeout=60).stdout.decode()
        key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name).strip()
        with open(os.path.join(where, "zone"), "w") as f:
            f.write(text)
        run("ldns-signzone", *options, "-o", name, "zone", key)
        with open(os.path.join(where, "zone.signed")) as f, open(os.path.join(where, key + ".key")) as k:
            return f.read(), k.read().split(";")[0].strip().replace("\t", " ")


class Relay:
    """Stands before the server on a port and passes on, by UDP and TCP. COUNTS: {(name, type): datagrams that came};
    LOSE: so many datagrams are thrown away first; REPLY, a function, may answer instead: it gets the packet and whether
    it came by TCP, and gives bytes, a list of them, or None to pass on. Without a port nothing is ever answered but what
    REPLY does."""

    def __init__(self, port=None, lose=0, reply=None):
        self.behind, self.lose, self.reply = port, lose, reply
        self.counts = {}
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        self.by_tcp = 0
        self.ended = False

    def __enter__(self):
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join(20)
        self.udp.close()
        self.tcp.close()

    @property
    def total(self):
        return sum(self.counts.values())

    def asked(self, name, kind):
        return self.counts.get((name, TYPES[kind]), 0)

    def serve_udp(self):
        while True:
            packet, client = self.udp.recvfrom(65536)
            if self.ended:
                return
            name, kind, _ = question_of(packet)
            self.counts[name, kind] = self.counts.get((name, kind), 0) + 1
            if self.lose > 0:
                self.lose -= 1
                continue
            for answer in self.answers(packet, False):
                self.udp.sendto(answer, client)

    def answers(self, packet, tcp):
        made = self.reply(packet, tcp) if self.reply else None
        if made is not None:
            return made if isinstance(made, list) else [made]
        if not self.behind:
            return []
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.connect(("127.0.0.1", self.behind))
            try:
                s.sendall(struct.pack(">H", len(packet)) + packet if tcp else packet)
                return [self.read_tcp(s) if tcp else s.recv(65536)]
            except OSError:
                return []

    @staticmethod
    def read_tcp(s):
        with s.makefile("rb") as f:
            length = f.read(2)
            return f.read(struct.unpack(">H", length)[0]) if len(length) == 2 else b""

    def serve_tcp(self):
        while True:
            s, _ = self.tcp.accept()
            with s:
                if self.ended:
                    return
                s.settimeout(10)
                try:
                    packet = self.read_tcp(s)
                    if packet:
                        self.by_tcp += 1
                        for answer in self.answers(packet, True):
                            s.sendall(struct.pack(">H", len(answer)) + answer)
                        s.recv(1)
                except OSError:
                    pass
