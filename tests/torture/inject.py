"""The other side of fail.c: arms and disarms the shim in running programs. Python's standard library only."""
import errno
import mmap
import os
import re
import struct
import subprocess

KINDS = ("write", "send", "read", "recv", "sync", "open", "rename", "unlink", "truncate", "accept", "socket",
         "connect", "fork", "mkdir", "stat", "close", "lock", "own", "list", "pipe")
FAIL, SHORT, TORN = 1, 2, 3
FOREVER = 1 << 60

# struct fail_control
PROGRAM, ON, WHAT, FIRST, SEEN, FAILED, REPORTING, REPORT = 0, 32, 36, 48, 64, 224, 232, 236
SIZE = REPORT + 980

# What each kind of call can end with. "short": half is done, and said so; "torn": half is done, then EIO.
ERRORS = {
    "write": ("EIO", "ENOSPC", "EDQUOT", "EINTR", "short", "torn"),
    "send": ("EIO", "ENOMEM", "EINTR", "short"),
    "read": ("EIO", "ENOMEM", "EINTR", "short"),
    "recv": ("EIO", "ENOMEM", "EINTR", "short"),
    "sync": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "open": ("EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EINTR"),
    "rename": ("EIO", "ENOSPC", "EDQUOT", "ENOMEM"),
    "unlink": ("EIO", "ENOMEM"),
    "truncate": ("EIO", "ENOSPC", "EINTR"),
    "accept": ("EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EINTR"),
    "socket": ("EMFILE", "ENFILE", "ENOMEM"),
    "connect": ("ENOMEM", "ECONNREFUSED", "EINTR", "EIO"),
    "fork": ("EAGAIN", "ENOMEM"),
    "mkdir": ("EIO", "ENOSPC", "EDQUOT"),
    "stat": ("EIO", "ENOMEM"),
    "close": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "lock": ("ENOLCK", "EINTR", "EIO"),
    "own": ("EIO", "EPERM"),
    "list": ("EIO", "ENOMEM"),
    "pipe": ("EIO", "EINTR", "short"),
}


class Shim:
    """The control file at PATH, and the library that reads it."""

    def __init__(self, path, library):
        self.path, self.library = path, os.path.abspath(library)
        with open(path, "wb") as f:
            f.write(bytes(SIZE))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), SIZE)

    def environment(self):
        return {"LD_PRELOAD": self.library, "FAIL_CONTROL": self.path}

    def _number(self, at, value):
        struct.pack_into("<I", self.map, at, value)

    def arm(self, program, kind, error, first=1, count=1):
        """From now on call FIRST of KIND in PROGRAM, and COUNT - 1 that follow, end with ERROR."""
        self.disarm()
        verdict = {"short": SHORT, "torn": TORN}.get(error, FAIL)
        number = getattr(errno, error, errno.EIO)
        self.map[PROGRAM:PROGRAM + 32] = program.encode().ljust(32, b"\0")
        struct.pack_into("<III", self.map, WHAT, KINDS.index(kind), verdict, number)
        struct.pack_into("<QQ", self.map, FIRST, first, count)
        self.map[SEEN:REPORTING] = bytes(REPORTING - SEEN)
        self._number(REPORTING, 0)
        self.map[REPORT:SIZE] = bytes(SIZE - REPORT)
        self._number(ON, 1)

    def disarm(self):
        self._number(ON, 0)

    def counts(self):
        """kind -> calls seen; and calls failed."""
        numbers = struct.unpack_from(f"<{len(KINDS) + 1}Q", self.map, SEEN)
        return dict(zip(KINDS, numbers)), numbers[-1]

    def report(self):
        """The first call that failed: its name and process, and the way to it as source lines."""
        lines = self.map[REPORT:SIZE].split(b"\0")[0].decode(errors="replace").splitlines()
        if not lines:
            return "nothing failed"
        return " < ".join([lines[0]] + [w for line in lines[1:] for w in where(line)])


def where(line):
    """file+offset as "function file:line"; of the C library nothing."""
    found = re.fullmatch(r"(.*)\+(0x[0-9a-f]+)", line)
    if not found or re.search(r"/(libc|ld-|libuv|fail)[^/]*$", found.group(1)):
        return []
    try:
        out = subprocess.run(["addr2line", "-fse", found.group(1), found.group(2)], capture_output=True,
                             timeout=20).stdout.decode().split("\n")
    except (OSError, subprocess.TimeoutExpired):
        return [os.path.basename(line)]
    return [f"{out[0]} {out[1]}"] if len(out) > 1 and out[0] != "??" else [os.path.basename(line)]
