"""The load of a torture run: messages that can be told apart and checked byte by byte, the clients that
send them, and the ledger of what was promised to whom. Python's standard library only."""
import hashlib
import os
import pwd
import random
import signal
import smtplib
import subprocess
import threading
import time

EX_TEMPFAIL = 75
UNKNOWN = "no-such-user"


def body_of(token, size):
    """The body of message TOKEN, LF line ends: about SIZE bytes, with everything in it that a mailbox or
    a dialogue could take for something else."""
    rng = random.Random(token)
    traps = [b"From the beginning of a line", b".", b"..", b".leading dot", b"", b"\tindented", b"trailing ",
             b"X-Torture: not-a-header", b"\xc3\xa4\xc3\xb6\xc3\xbc", b"x" * 900]
    block = b""
    while len(block) < min(size, 16384):
        if rng.random() < 0.2:
            block += rng.choice(traps) + b"\n"
        else:
            block += b"%016x " * 4 % tuple(rng.getrandbits(64) for _ in range(4)) + b"\n"
    pieces, length = [block], len(block)
    while length < size:
        piece = b"-- %d of %s\n" % (length, token.encode()) + block
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces) + b"END " + token.encode() + b"\n"


class Message:
    """One message. RCPTS: its recipients' addresses; those whose local part begins with UNKNOWN bounce."""

    def __init__(self, token, sender, rcpts, size):
        self.token, self.sender, self.rcpts = token, sender, list(rcpts)
        self.body = body_of(token, size)
        self.hash = hashlib.sha256(self.body).digest()
        self.acknowledged = None  # time

    def text(self, line_end):
        head = (f"From: <{self.sender}>\nTo: {', '.join(self.rcpts)}\nSubject: torture {self.token}\n"
                f"X-Torture: {self.token}\n\n").encode()
        return (head + self.body).replace(b"\n", line_end)

    def forget_body(self):
        self.body = None


class Ledger:
    """What the clients were told. Every line also goes to a file, for whoever looks at a failure."""

    def __init__(self, path, seed):
        self.seed = seed
        self.lock = threading.Lock()
        self.messages = {}  # token -> Message
        self.wrong = []     # answers that nobody may give
        self.answers = {}   # what the refusals were, with their number
        self.file = open(path, "w")

    def token(self, client, number):
        return f"t{self.seed}-{client}-{number}".lower()

    def note(self, line):
        self.file.write(f"{time.time():.3f} {line}\n")
        self.file.flush()

    def add(self, message):
        with self.lock:
            self.messages[message.token] = message
            self.note(f"begin {message.token} from={message.sender} to={','.join(message.rcpts)}")

    def acknowledge(self, message):
        with self.lock:
            message.acknowledged = time.time()
            self.note(f"acknowledged {message.token} to={','.join(message.rcpts)}")
        message.forget_body()

    def refused(self, message, answer):
        with self.lock:
            self.answers[answer] = self.answers.get(answer, 0) + 1
            self.note(f"refused {message.token}: {answer}")
        message.forget_body()

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)
            self.note(f"WRONG {text}")

    def count(self):
        with self.lock:
            return sum(1 for m in self.messages.values() if m.acknowledged)


class Client(threading.Thread):
    """Sends until STOP is set. BOXES: addresses that exist; SENDERS: those with a mailbox for notices."""

    def __init__(self, name, suite, ledger, stop, boxes, senders):
        super().__init__(name=name, daemon=True)
        self.suite, self.ledger, self.stop = suite, ledger, stop
        self.boxes, self.senders = boxes, senders
        self.rng = random.Random(f"{ledger.seed}/{name}")
        self.number = 0

    def message(self, unknown):
        """The next message; UNKNOWN: how often one recipient does not exist."""
        rng = self.rng
        self.number += 1
        token = self.ledger.token(self.name, self.number)
        rcpts = rng.sample(self.boxes, min(len(self.boxes), rng.choice([1, 1, 1, 1, 2, 3])))
        if rng.random() < unknown:
            rcpts = (rcpts if rng.random() < 0.5 else []) + [f"{UNKNOWN}-{token}@example.org"]
        size = rng.choice([200, 500, 2000, 4000, 9000, 30000])
        if rng.random() < 0.015:
            size = rng.randrange(1 << 20, 3 << 20)
        elif rng.random() < 0.02:
            size = rng.randrange(200000, 400000)
        message = Message(token, rng.choice(self.senders), rcpts, size)
        self.ledger.add(message)
        return message

    def run(self):
        while not self.stop.is_set():
            self.some()
            time.sleep(self.rng.uniform(0, 0.08))


class SmtpClient(Client):
    """Speaks SMTP: some messages on each connection."""

    def some(self):
        try:
            smtp = smtplib.SMTP("127.0.0.1", self.suite.port, local_hostname="client.example.net", timeout=90)
        except (OSError, smtplib.SMTPException):
            time.sleep(self.rng.uniform(0.05, 0.3))
            return
        try:
            smtp.ehlo()
            for _ in range(self.rng.choice([1, 2, 5, 20])):
                if self.stop.is_set() or not self.one(smtp):
                    break
                time.sleep(self.rng.uniform(0, 0.06))
            smtp.quit()
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            smtp.close()

    def step(self, message, what, answer, known=True):
        """Looks at one answer; true when it is a yes."""
        code, text = answer
        if 500 <= code <= 599 and known:
            self.ledger.complain(f"{message.token}: {what} got {code} {text!r}")
        if code < 0:  # smtplib's word for a connection that is gone
            raise smtplib.SMTPServerDisconnected(what)
        return 200 <= code <= 299

    def one(self, smtp):
        """One message. False: the connection is of no more use."""
        message = self.message(unknown=0)
        try:
            if not self.transaction(smtp, message):
                smtp.rset()
        except (OSError, smtplib.SMTPException) as e:
            if isinstance(e, smtplib.SMTPResponseException):
                self.step(message, "DATA", (e.smtp_code, e.smtp_error))
            if not message.acknowledged:
                self.ledger.refused(message, f"smtp: {type(e).__name__}")
            return False
        return True

    def transaction(self, smtp, message):
        answer = smtp.mail(message.sender)
        ok = self.step(message, "MAIL", answer)
        if ok:
            taken = []
            for rcpt in message.rcpts:
                answer = smtp.rcpt(rcpt)
                if self.step(message, f"RCPT {rcpt}", answer):
                    taken.append(rcpt)
            if self.rng.random() < 0.05:
                code, text = smtp.rcpt(f"{UNKNOWN}@example.org")
                if 200 <= code <= 299:
                    self.ledger.complain(f"{message.token}: unknown user accepted: {code} {text!r}")
            message.rcpts = taken
            ok = bool(taken)
        if ok:
            answer = smtp.data(message.text(b"\r\n"))
            ok = self.step(message, "end of data", answer)
        if ok:
            self.ledger.acknowledge(message)
        else:
            self.ledger.refused(message, f"smtp: {answer[0]} {answer[1].decode(errors='replace')}")
        return ok


class SendmailClient(Client):
    """Runs sendmail, one after another; now and then kills it, or its postdrop. ACCOUNTS: as whom (root
    only; else None)."""

    def __init__(self, *args, accounts=(None,)):
        super().__init__(*args)
        self.accounts = list(accounts)
        self.killed = 0

    def argv(self, message):
        argv = [self.suite.program("sendmail"), "-i", "-f", message.sender]
        if self.rng.random() < 0.2:
            return argv + ["-t"]
        return argv + ["--"] + message.rcpts

    def popen(self, argv):
        account = self.rng.choice(self.accounts)
        more = {}
        if account:
            user = pwd.getpwnam(account)
            more = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": self.suite.conf, "LC_ALL": "C"}
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=environment, cwd="/", **more)

    def kill_some(self, process):
        """kill -9 of the sendmail just started, or of its child."""
        time.sleep(self.rng.uniform(0, 0.03))
        pid = process.pid
        if self.rng.random() < 0.7:
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as f:
                    children = f.read().split()
            except OSError:
                return
            if not children:
                return
            pid = int(children[0])
        # The child of a process that has not been waited for keeps its number, unless it ended and its
        # parent has looked: then the number is some other's only after 32,768 more processes.
        try:
            os.kill(pid, signal.SIGKILL)
            self.killed += 1
        except ProcessLookupError:
            pass

    def some(self):
        message = self.message(unknown=0.15)
        process = self.popen(self.argv(message))
        killer = None
        if self.rng.random() < 0.04:
            killer = threading.Thread(target=self.kill_some, args=(process,), daemon=True)
            killer.start()
        try:
            _, error = process.communicate(message.text(b"\n"), timeout=400)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.ledger.complain(f"{message.token}: sendmail did not end within 400 s")
            return
        if killer:
            killer.join()
        if process.returncode == 0:
            self.ledger.acknowledge(message)
            return
        words = error.decode(errors="replace").strip().replace(message.token, "TOKEN")
        self.ledger.refused(message, f"sendmail: {process.returncode} {words}")
        if process.returncode > 0 and process.returncode != EX_TEMPFAIL and not killer:
            self.ledger.complain(f"{message.token}: sendmail ended with {process.returncode}: {words}")
