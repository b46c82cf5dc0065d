"""Where the relaying workloads send to: smtp-sink, which is fast and counts; and a server of our own on as many loopback
addresses as wanted, which says of each message for whom it was and when it came. It runs as a program of its own:

    sinks.py PORT LIVE DEAD      127.1.x.y for each of LIVE, 127.2.x.y for each of DEAD, which never answer"""
import asyncio
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time


def address(kind, i):
    return f"127.{kind}.{i // 250}.{i % 250 + 1}"


class Sink:
    """smtp-sink on PORT. `messages`: how many it has taken."""

    def __init__(self, program, environment, port):
        self.messages = 0
        self.process = subprocess.Popen([program, "-u", "nobody", "-c", f"127.0.0.1:{port}", "1000"], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("bench: smtp-sink does not start") from None
                time.sleep(0.02)

    def _read(self):
        rest = b""
        while data := os.read(self.process.stdout.fileno(), 65536):
            rest = (rest + data)[-200:]
            found = re.findall(rb"mesg=(\d+)\s*\r", rest)
            if found:
                self.messages = int(found[-1])

    def stop(self):
        self.process.kill()
        self.process.wait()


class Sinks:
    """The other one. `came`: (recipients, first of them, time) of each message."""

    def __init__(self, port, live, dead=0):
        self.came = []
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(port), str(live), str(dead)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "up\n":
            raise SystemExit("bench: the sinks do not start")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            n, rcpt, when = line.split()
            self.came.append((int(n), rcpt, float(when)))

    def recipients(self):
        return sum(n for n, _, _ in list(self.came))

    def stop(self):
        self.process.kill()
        self.process.wait()


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.input, self.rcpts, self.in_data = transport, b"", [], False
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data):
        self.input += data
        replies = b""
        while True:
            if self.in_data:
                end = self.input.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self.input = self.input[end + 5:]
                self.in_data = False
                print(len(self.rcpts), self.rcpts[0], time.monotonic())
                self.rcpts = []
                replies += b"250 2.0.0 Ok\r\n"
                continue
            line, found, rest = self.input.partition(b"\r\n")
            if not found:
                break
            self.input = rest
            replies += self.command(line)
        self.transport.write(replies)
        sys.stdout.flush()
        if replies.startswith(b"221"):
            self.transport.close()

    def command(self, line):
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if verb == b"RCPT":
            self.rcpts.append(line.partition(b"<")[2].partition(b">")[0].decode())
        if verb == b"DATA":
            self.in_data = True
            return b"354 go on\r\n"
        return b"221 Bye\r\n" if verb == b"QUIT" else b"250 2.0.0 Ok\r\n"


def dead(host, port):
    """A port whose queue of connections is full: what is sent there is dropped, as by a silent host."""
    s = socket.socket()
    s.bind((host, port))
    s.listen(0)
    fill = []
    for _ in range(3):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex((host, port))
        fill.append(c)
    return s, fill


async def serve(port, live, silent):
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Server, address(1, i), port, backlog=200) for i in range(live)]
    held = [dead(address(2, i), port) for i in range(silent)]
    print("up", flush=True)
    await asyncio.Event().wait()
    return servers, held


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 100000), hard))
    asyncio.run(serve(*map(int, sys.argv[1:4])))
