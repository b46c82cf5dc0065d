#!/usr/bin/python3
"""A stand-in for a program of the suite, for tests of master: speaks the process interface of
lib/service/endpoint.h and tells a client who it is.

What it does beside that is said by its arguments:
  single       one session at a time (the status says "full" while it lasts)
  crash        ends with exit status 3 as soon as it is started
  kill         kills itself with signal 11 when a client says "die"
  exit=N       ends with status N when it is ready
  slow         is not ready before half a second has gone by
  load=N       reports that load
  garbage      sends master a status packet of the wrong size
  nonsense     sends many of the right size that make no sense
Under the name of postlogd it writes the log, queue_directory/test.log.
"""
import getopt
import os
import select
import signal
import socket
import struct
import sys
import time

STATUS_FD, LOG_FD, LISTEN_FD = 3, 4, 5


class Probe:
    def __init__(self):
        opts, self.args = getopt.getopt(sys.argv[1:], "n:t:c:jum:vo:L:")
        self.name = os.path.basename(sys.argv[0])
        self.service = dict(opts)["-n"]
        self.overrides = [v for k, v in opts if k == "-o"]
        self.endpoints = [v for k, v in opts if k == "-L"]
        self.flags = "".join(sorted(k for k, v in opts if k in ("-j", "-u")))
        self.status = socket.socket(fileno=STATUS_FD)
        self.listeners = {LISTEN_FD + i: name for i, name in enumerate(self.endpoints)}
        self.clients = {}
        self.leaving = False
        self.limit = 1 if "single" in self.args else 100
        self.load = next((int(a[5:]) for a in self.args if a.startswith("load=")), 0)

    def report(self):
        busy = len(self.clients)
        free = 0 if self.leaving else max(0, self.limit - busy)
        try:
            self.status.send(struct.pack("III??xx", busy, free, self.load, True, self.leaving))
        except OSError:
            pass

    def log(self, text):
        try:
            os.write(LOG_FD, ("1postkeep/%s[%d]: %s\n" % (self.name, os.getpid(), text)).encode())
        except OSError:
            pass

    def note(self, text):
        with open("test.orders", "a") as f:
            f.write("%s %d %s\n" % (self.service, os.getpid(), text))

    def order(self):
        data = self.status.recv(16)
        if not data:
            os._exit(0)
        self.note(data.decode())
        if data == b"D":
            self.leaving = True
            for fd in self.listeners:
                os.close(fd)
            self.listeners = {}
            self.report()

    def accept(self, fd):
        if self.leaving or len(self.clients) >= self.limit:
            return
        listener = socket.socket(fileno=os.dup(fd))
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        client.setblocking(True)
        client.sendall(("%s %d %s %s\n" % (self.service, os.getpid(), self.flags or "-",
                                          ",".join(self.overrides) or "-")).encode())
        self.clients[client.fileno()] = client
        self.report()

    def datagram(self, fd, name):
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        with open("test.log", "ab") as f:
            f.write(b"".join(line[1:] + b"\n" for line in data.split(b"\n") if line))

    def client(self, fd):
        client = self.clients[fd]
        try:
            data = client.recv(4096)
            if b"die" in data:
                os.kill(os.getpid(), signal.SIGSEGV)
            if data:
                client.sendall(data)
                return
        except OSError:
            pass
        client.close()
        del self.clients[fd]
        self.report()

    def run(self):
        if "crash" in self.args:
            sys.exit(3)
        if "slow" in self.args:
            time.sleep(0.5)
        for fd in self.listeners:
            os.set_blocking(fd, False)
        if "garbage" in self.args:
            self.status.send(b"x" * 17)
        if "nonsense" in self.args:
            for _ in range(5000):
                self.status.send(b"\xff" * 16)
        self.report()
        for arg in self.args:
            if arg.startswith("exit="):
                sys.exit(int(arg[5:]))
        while not (self.leaving and not self.clients):
            listen = list(self.listeners) if len(self.clients) < self.limit else []
            ready, _, _ = select.select([STATUS_FD] + listen + list(self.clients), [], [])
            for fd in ready:
                if fd == STATUS_FD:
                    self.order()
                elif fd in self.clients:
                    self.client(fd)
                elif self.name == "postlogd":
                    self.datagram(fd, self.listeners.get(fd))
                elif fd in self.listeners:
                    self.accept(fd)


Probe().run()
