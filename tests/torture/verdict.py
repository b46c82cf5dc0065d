"""What became of every message of a torture run: mailboxes, notices, queue, leftovers and log, compared with
the ledger. Python's standard library only."""
import glob
import hashlib
import mmap
import os
import re
import subprocess
import time

from load import UNKNOWN

ALARM = re.compile(r"panic|fatal|assert|runtime error|Sanitizer|stack smashing|corrupted|"
                   r"signal (4|6|7|8|11|31) ", re.I)


def entries_of_mbox(path):
    """Every entry of a mailbox file, escaping undone; the empty line at its end left out."""
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        starts = [m.start() for m in re.finditer(rb"(?m)^From ", data)] + [len(data)]
        if starts[0] != 0:
            yield data[:starts[0]]
        for start, end in zip(starts, starts[1:]):
            entry = data[data.find(b"\n", start) + 1:end]
            yield re.sub(rb"(?m)^>From ", b"From ", entry[:-1] if entry.endswith(b"\n\n") else entry)


def field(head, name):
    found = re.search(rb"(?mi)^" + name + rb":[ \t]*(.*)$", head)
    return found.group(1).strip().decode(errors="replace") if found else None


class Verdict:
    def __init__(self, suite, ledger, mboxes, maildirs):
        """MBOXES, MAILDIRS: address -> path."""
        self.suite, self.ledger = suite, ledger
        self.mboxes, self.maildirs = mboxes, maildirs
        self.copies = {}    # (token, address) -> whole copies
        self.torn = []      # (where, token or None): an entry of an mbox that is not whole
        self.noticed = {}   # token -> notices that name it
        self.failures = []
        self.facts = {}

    def fail(self, text):
        self.failures.append(text)

    # --- Mailboxes -----------------------------------------------------------------------------------

    def take(self, text, where, mbox):
        head, _, body = text.partition(b"\n\n")
        token = field(head, b"X-Torture")
        message = self.ledger.messages.get(token)
        if message:
            if hashlib.sha256(body).digest() == message.hash:
                key = token, field(head, b"Delivered-To")
                self.copies[key] = self.copies.get(key, 0) + 1
            elif mbox:
                self.torn.append((where, token))
            else:
                self.fail(f"{where}: {token} is not what was sent")
        elif (field(head, b"Content-Type") or "").startswith("multipart/report"):
            self.take_notice(body, where, mbox)
        elif mbox:
            self.torn.append((where, token))
        else:
            self.fail(f"{where}: a message that nobody sent")

    def take_notice(self, body, where, mbox):
        boundary = re.search(rb"(?m)^--(\S+)$", body)
        if not boundary or not body.endswith(b"\n--" + boundary.group(1) + b"--\n"):
            if mbox:
                self.torn.append((where, "a notice"))
            else:
                self.fail(f"{where}: a notice without an end")
            return
        report = body[:body.find(b"\nX-Torture:")]
        for rcpt, action in re.findall(rb"(?m)^Final-Recipient: rfc822; (\S+)\nAction: (\S+)$", report):
            local = rcpt.decode().partition("@")[0]
            if action != b"failed":
                continue  # the postmaster hears of an agent that was killed, and of a message that waits
            if local.startswith(UNKNOWN + "-"):
                token = local[len(UNKNOWN) + 1:]
                self.noticed[token] = self.noticed.get(token, 0) + 1
            else:
                self.fail(f"{where}: a notice says that {rcpt.decode()} is not deliverable")

    def read_mailboxes(self):
        for path in self.mboxes.values():
            for text in entries_of_mbox(path):
                self.take(text, path, True)
        for path in self.maildirs.values():
            for name in glob.glob(path + "/new/*"):
                with open(name, "rb") as f:
                    text = f.read()
                size = re.search(r",S=(\d+)", name)
                if not size or int(size.group(1)) != len(text):
                    self.fail(f"{name}: has {len(text)} bytes")
                self.take(text, name, False)

    # --- The queue -----------------------------------------------------------------------------------

    def drain(self, seconds):
        """Flushes until the queue and maildrop are empty, SECONDS at the most; what is left. Maildrop comes first:
        what pickup takes meanwhile is in the queue then. What comes into the queue behind the place where its list
        has got to, as a notice may, is seen by a second look."""
        end = time.monotonic() + seconds
        left, flushed, calm = None, 0, 0
        while time.monotonic() < end:
            try:
                left = self.waiting_in_maildrop() + self.suite.queue()
                calm = 0 if left and not all(self.held(e) for e in left) else calm + 1
                if calm == 2:
                    break
                if time.monotonic() - flushed > 3:
                    self.suite.run("postqueue", "-c", self.suite.conf, "-f", check=False)
                    flushed = time.monotonic()
            except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired):
                left = None
            time.sleep(0.3)
        if left is None:
            self.fail("the queue cannot be listed")
        return left or []

    @staticmethod
    def held(entry):
        return isinstance(entry, dict) and entry["queue_name"] == "hold"

    def maildrop(self):
        return [p for p in glob.glob(self.suite.spool + "/maildrop/*") if os.path.isfile(p)]

    @staticmethod
    def finished(path):
        """Has postdrop written all of it? Not, when pickup has just taken it away."""
        try:
            return bool(os.stat(path).st_mode & 0o100)
        except FileNotFoundError:
            return False

    def waiting_in_maildrop(self):
        return [p for p in self.maildrop() if self.finished(p) and not os.path.basename(p).startswith("bad.")]

    def release_held(self, left):
        """A message over which qmgr was killed twice while reading it is put on hold, by rule: the log says
        so, and an operator lets it go. Anything else on hold is a failure."""
        log = self.suite.log()
        ids = []
        for entry in left:
            if not self.held(entry):
                continue
            queue_id = entry["queue_id"]
            if re.search(queue_id + ": queue manager ended twice", log):
                ids.append(queue_id)
                self.suite.run("postsuper", "-c", self.suite.conf, "-H", queue_id)
            else:
                self.fail(f"{queue_id} is on hold, and the log does not say why")
        self.facts["held by rule, released"] = len(ids)
        return ids

    def token_of(self, queue_id):
        result = self.suite.run("postcat", "-c", self.suite.conf, "-q", queue_id, check=False)
        found = re.search(rb"(?m)^X-Torture: (\S+)", result.stdout)
        return found.group(1).decode() if found else None

    def name_left(self, left):
        for entry in left:
            if isinstance(entry, dict):
                token = self.token_of(entry["queue_id"])
                self.fail(f"still in the queue: {entry['queue_id']} ({entry['queue_name']}) {token} "
                          f"{[r.get('delay_reason') for r in entry['recipients']]}")
            else:
                self.fail(f"still in maildrop: {entry}")

    # --- What lies about -----------------------------------------------------------------------------

    def look_at_corrupt(self):
        paths = glob.glob(self.suite.spool + "/corrupt/*")
        log = self.suite.log()
        for path in paths:
            with open(path, "rb") as f:
                data = f.read()
            tokens = {t.decode() for t in re.findall(rb"X-Torture: (\S+)", data)}
            promised = [t for t in tokens if t in self.ledger.messages
                        and self.ledger.messages[t].acknowledged and not self.complete(t)]
            name = os.path.basename(path)
            if promised:
                self.fail(f"corrupt/{name} holds {promised}, acknowledged and not delivered")
            elif not re.search(re.escape(name) + r": queue slot .*probably never acknowledged", log):
                self.fail(f"corrupt/{name}: not explained in the log")
        self.facts["in corrupt/, never acknowledged"] = len(paths)

    def look_at_leftovers(self):
        unfinished = 0
        for path in self.maildrop():
            if os.path.basename(path).startswith("bad."):
                self.fail(f"{path} was not understood")
            elif not self.finished(path):
                unfinished += 1
        self.facts["unfinished files in maildrop/"] = unfinished
        self.facts["files in tmp/ of Maildirs"] = sum(
            len(glob.glob(p + "/tmp/*")) for p in self.maildirs.values())
        self.facts["lock files of mboxes"] = sum(os.path.exists(p + ".lock") for p in self.mboxes.values())

    def look_at_log(self):
        seen = {}
        for line in self.suite.log().splitlines():
            words = re.sub(r"[0-9A-Za-z]*\d[0-9A-Za-z]*", "N", line.partition("]: ")[2])
            if ALARM.search(line) and not re.search(r"signal 9|/sendmail\[\d+\]: fatal:", line):
                self.fail(f"log: {line}")
            elif "error: " in line or "warning: " in line:
                seen[words] = seen.get(words, 0) + 1
        self.facts["log"] = sorted(seen.items(), key=lambda item: -item[1])

    # --- The sum -------------------------------------------------------------------------------------

    def missing(self, token):
        """Recipients of TOKEN that have neither a copy nor a notice."""
        return [r for r in self.ledger.messages[token].rcpts
                if not (self.noticed.get(token) if r.startswith(UNKNOWN) else self.copies.get((token, r)))]

    def complete(self, token):
        return not self.missing(token)

    def sum_up(self):
        messages = self.ledger.messages
        acknowledged = [t for t, m in messages.items() if m.acknowledged]
        lost = {t: self.missing(t) for t in acknowledged if self.missing(t)}
        for token, rcpts in lost.items():
            self.fail(f"LOST: {token} for {', '.join(rcpts)}")
        whole_tokens = {token for token, _ in self.copies} | set(self.noticed)
        f = self.facts
        f["messages begun"] = len(messages)
        f["acknowledged"] = len(acknowledged)
        f["copies and notices owed"] = sum(len(messages[t].rcpts) for t in acknowledged)
        f["LOST"] = len(lost)
        f["copies delivered more than once"] = sum(n - 1 for n in self.copies.values())
        f["notices sent more than once"] = sum(n - 1 for n in self.noticed.values())
        f["notices"] = sum(self.noticed.values())
        f["not acknowledged, yet delivered"] = len([t for t in whole_tokens if not messages[t].acknowledged])
        f["torn entries in mboxes"] = len(self.torn)
        for key in self.copies:
            if key[1] not in messages[key[0]].rcpts and messages[key[0]].acknowledged:
                self.fail(f"{key[0]} was delivered to {key[1]}, who is not a recipient")
        self.failures += self.ledger.wrong
