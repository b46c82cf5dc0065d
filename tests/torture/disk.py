"""What may stand on a disk after a power cut: the log that record.c has written, replayed up to a point in
time under the rules of a file system that keeps only what was synced.

Bytes: between two syncs of a file any sector of 512 bytes may hold what stood there at the first or after any
write since. Sizes and modes the same. Names: "strict" (POSIX) lets each entry of a directory be as it was at the
directory's last sync, or as after any change since, each for itself; "ordered" (ext4, xfs) keeps a prefix of
all changes of names, and a sync of any file keeps all before it. A rename is never found half done.
Python's standard library only."""
import bisect
import os
import signal
import struct
import time

SECTOR = 512
WRITE, SYNC, SYNCFS, CREATE, MKDIR, RENAME, LINK, UNLINK, TRUNCATE, CHMOD = range(1, 11)
HEAD = struct.Struct("<IHHIIqqQQQQQ256s256s")
LOG_HEAD = 16
ENOUGH = 32 << 20  # a workload ends when so much was recorded, however fast the machine is: each state costs as much
MAGIC = 0x31676f6c64636572


class Record:
    __slots__ = ("op", "pid", "begin", "end", "ino", "dir", "dir2", "offset", "name", "name2", "data", "safe")


class Gap(Exception):
    """A record whose place is taken and that is not begun: its writer is just at it."""


def log_size(path):
    """Bytes of the log so far."""
    with open(path, "rb") as f:
        return struct.unpack("<QQ", f.read(LOG_HEAD))[1]


def entries(path):
    """Every record of the log, unpacked, with the bytes behind it."""
    with open(path, "rb") as f:
        magic, used = struct.unpack("<QQ", f.read(LOG_HEAD))
        log = f.read(used)
    assert magic == MAGIC, "not a log"
    at = 0
    while at < len(log):
        head = HEAD.unpack_from(log, at)
        if head[0] == 0:
            raise Gap()
        yield head, log[at + HEAD.size:at + HEAD.size + head[4]]
        at += head[0]


def read_log(path):
    """All records of calls that went well, by the time they began."""
    records = []
    for head, data in entries(path):
        _, op, done, pid, _, begin, end, _, ino, dir_, dir2, offset, name, name2 = head
        if done != 1:
            continue
        r = Record()
        r.op, r.pid, r.begin, r.end, r.ino, r.dir, r.dir2, r.offset = op, pid, begin, end, ino, dir_, dir2, offset
        r.name, r.name2 = (x.split(b"\0", 1)[0].decode() for x in (name, name2))
        r.data = data
        records.append(r)
    records.sort(key=lambda r: r.begin)
    return records


def stopped(pid):
    """Has every thread of PID come to a halt?"""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/stat") as f:
                state = f.read().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended since
        if state not in ("T", "Z", "X"):
            return False
    return True


def in_the_middle(pid, log):
    try:
        return any(head[3] == pid and head[2] == 0 and head[1] not in (SYNC, SYNCFS) for head, _ in entries(log))
    except Gap:
        return True


def kill_between(pid, log):
    """kill -9, but not in the middle of a call that changes a file: the record could not tell whether it
    happened."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        while not stopped(pid):
            time.sleep(0.001)
        if not in_the_middle(pid, log):
            os.kill(pid, signal.SIGKILL)
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.001)


class File:
    """One file, from its creation on: its writes in order, and the times that its syncs began and ended."""

    def __init__(self):
        self.changes = []  # records of WRITE and TRUNCATE
        self.modes = []    # records of CHMOD
        self.syncs = []    # (begin, end)


class Change:
    """An entry of a directory gets another meaning: FILE, or None."""
    __slots__ = ("record", "dir", "name", "file", "with_", "safe")

    def __init__(self, record, dir_, name, file, with_=None):
        self.record, self.dir, self.name, self.file = record, dir_, name, file
        self.with_ = with_  # of a rename: the new name's change, without which the old name stays


class History:
    """All that happened below ROOTS (inode -> path of the directories that were there before)."""

    def __init__(self, records, roots):
        self.records = records
        self.roots = roots
        self.objects = {}  # inode -> File, at the moment of reading
        self.files = []
        self.changes = []
        self.dir_syncs = {}  # inode -> [(begin, end)]
        self.all_syncs = []
        for ino in roots:
            self.dir_syncs[ino] = []
        for r in records:
            self.take(r)
        for file in self.files:
            set_safe(file.changes, [r.end for r in file.changes], file.syncs)
            set_safe(file.modes, [r.end for r in file.modes], file.syncs)
        by_dir = {}
        for c in self.changes:
            by_dir.setdefault(c.dir, []).append(c)
        for ino, changes in by_dir.items():
            set_safe(changes, [c.record.end for c in changes], self.dir_syncs.get(ino, ()))

    def new(self, ino):
        self.objects[ino] = File()
        self.files.append(self.objects[ino])
        return self.objects[ino]

    def take(self, r):
        if r.op in (WRITE, TRUNCATE):
            (self.objects.get(r.ino) or self.new(r.ino)).changes.append(r)
        elif r.op == CHMOD:
            (self.objects.get(r.ino) or self.new(r.ino)).modes.append(r)
        elif r.op == SYNC:
            self.all_syncs.append((r.begin, r.end))
            if r.ino in self.dir_syncs:
                self.dir_syncs[r.ino].append((r.begin, r.end))
            elif r.ino in self.objects:
                self.objects[r.ino].syncs.append((r.begin, r.end))
        elif r.op == SYNCFS:
            self.all_syncs.append((r.begin, r.end))
            for syncs in self.dir_syncs.values():
                syncs.append((r.begin, r.end))
            for file in self.files:
                file.syncs.append((r.begin, r.end))
        elif r.op == CREATE:
            self.changes.append(Change(r, r.dir, r.name, self.new(r.ino)))
        elif r.op == MKDIR:
            self.dir_syncs[r.ino] = []
            self.changes.append(Change(r, r.dir, r.name, r.ino))
        elif r.op in (RENAME, LINK):
            file = self.objects.get(r.ino)
            to = Change(r, r.dir2, r.name2, file)
            self.changes.append(to)
            if r.op == RENAME:
                self.changes.append(Change(r, r.dir, r.name, None, to))
        elif r.op == UNLINK:
            self.changes.append(Change(r, r.dir, r.name, None))

    def times(self):
        """Moments at which a power cut finds something new."""
        times = set()
        for r in self.records:
            times.update((r.begin + 1, r.end + 1))
        return sorted(times)

    def sync_times(self):
        """Moments in the middle of a sync: most has been written then, and nothing of it is sure."""
        return sorted({(r.begin + r.end) // 2 for r in self.records if r.op in (SYNC, SYNCFS)})


def set_safe(items, ends, syncs):
    """When each of ITEMS, whose calls ended at ENDS, was kept for good: at the first end of a sync that had
    begun after that."""
    syncs = sorted(syncs)
    begins = [begin for begin, _ in syncs]
    first = [float("inf")] * (len(syncs) + 1)
    for i in range(len(syncs) - 1, -1, -1):
        first[i] = min(syncs[i][1], first[i + 1])
    for item, end in zip(items, ends):
        item.safe = first[bisect.bisect_left(begins, end)]


class Cut:
    """The disk after a power cut at TIME. KEEP: how what was not synced is chosen: "none", "all", or "some",
    with RNG."""

    def __init__(self, history, time, rng, keep="some", order="strict"):
        self.history, self.time, self.rng, self.keep, self.order = history, time, rng, keep, order
        self.bias = rng.choice([0.05, 0.3, 0.5, 0.7, 0.95])

    def version(self, n):
        """Which of the versions 0 to N stands there."""
        if self.keep == "none":
            return 0
        if self.keep == "all":
            return n
        if n == 1:
            return int(self.rng.random() < self.bias)
        return self.rng.randrange(n + 1)

    # --- Bytes ---------------------------------------------------------------------------------------

    def mode(self, file):
        """None: as it was made."""
        changes = [r for r in file.modes if r.begin < self.time]
        safe = sum(1 for r in changes if r.safe < self.time)
        kept = safe + self.version(len(changes) - safe)
        return changes[kept - 1].offset if kept else None

    def content(self, file):
        changes = [r for r in file.changes if r.begin < self.time]
        image = bytearray()
        for r in changes:
            if r.safe < self.time:
                self.apply(image, r)
        loose = [r for r in changes if r.safe >= self.time]
        return self.with_loose(image, loose) if loose else bytes(image)

    @staticmethod
    def apply(image, r):
        if r.op == TRUNCATE:
            del image[r.offset:]
            image.extend(b"\0" * (r.offset - len(image)))
            return
        end = r.offset + len(r.data)
        if len(image) < end:
            image.extend(b"\0" * (end - len(image)))
        image[r.offset:end] = r.data

    def with_loose(self, image, loose):
        """Each sector that LOOSE changes touch gets one of its versions; the size, too."""
        sizes, full, touched = [len(image)], bytearray(image), {}
        for r in loose:
            before = len(full)
            self.apply(full, r)
            sizes.append(len(full))
            end = r.offset + len(r.data) if r.op == WRITE else max(before, r.offset)
            for sector in range(r.offset // SECTOR, (end + SECTOR - 1) // SECTOR):
                touched.setdefault(sector, []).append(r)
        size = sizes[self.version(len(sizes) - 1)]
        out = bytearray(image[:size]) + b"\0" * (size - len(image))
        for sector, records in touched.items():
            at = sector * SECTOR
            if at >= size:
                continue
            n = self.version(len(records))
            piece = bytearray(image[at:at + SECTOR].ljust(SECTOR, b"\0"))
            for r in records[:n]:
                self.apply_to_sector(piece, at, r)
            out[at:at + SECTOR] = piece[:min(SECTOR, size - at)]
        return bytes(out)

    @staticmethod
    def apply_to_sector(piece, at, r):
        if r.op == TRUNCATE:
            start = max(r.offset - at, 0)
            piece[start:] = b"\0" * (SECTOR - start)
            return
        first, last = max(r.offset, at), min(r.offset + len(r.data), at + SECTOR)
        piece[first - at:last - at] = r.data[first - r.offset:last - r.offset]

    # --- Names ---------------------------------------------------------------------------------------

    def kept_strict(self, changes):
        """Each entry for itself."""
        by_entry = {}
        for c in changes:
            by_entry.setdefault((c.dir, c.name), []).append(c)
        kept = set()
        for entry in by_entry.values():
            safe = max((i + 1 for i, c in enumerate(entry) if c.safe < self.time), default=0)
            kept.update(map(id, entry[:safe + self.version(len(entry) - safe)]))
        return kept

    def kept_ordered(self, changes):
        """A prefix of all."""
        last = 0
        for begin, end in self.history.all_syncs:
            if end < self.time:
                last = max(last, begin)
        ends = [c.record.end for c in changes]
        safe = 0
        while safe < len(ends) and ends[safe] <= last:
            safe += 1
        if self.keep == "some":
            n = safe + self.rng.randrange(len(changes) - safe + 1)
        else:
            n = safe if self.keep == "none" else len(changes)
        return set(map(id, changes[:n]))

    def directories(self):
        """inode of a directory -> {name: File or inode}."""
        changes = [c for c in self.history.changes if c.record.begin < self.time]
        kept = self.kept_strict(changes) if self.order == "strict" else self.kept_ordered(changes)
        entries = {}
        for c in changes:
            if id(c) not in kept or (c.with_ and id(c.with_) not in kept):
                continue
            directory = entries.setdefault(c.dir, {})
            if c.file is None:
                directory.pop(c.name, None)
            else:
                directory[c.name] = c.file
        return entries

    def tree(self):
        """path -> content of every file that can be reached from the roots; .modes has their modes."""
        entries = self.directories()
        found, self.modes = {}, {}

        def walk(ino, path):
            for name, what in entries.get(ino, {}).items():
                if isinstance(what, File):
                    found[f"{path}/{name}"] = self.content(what)
                    self.modes[f"{path}/{name}"] = self.mode(what)
                else:
                    walk(what, f"{path}/{name}")
        for ino, path in self.history.roots.items():
            walk(ino, path)
        return found


def sample(times, rng, n):
    """N of TIMES, spread over all, in order."""
    if len(times) <= n:
        return list(times)
    return sorted(rng.sample(times, n))

