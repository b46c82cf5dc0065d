"""Queue files of all times (tests/queue-files) are understood: the programs are started on copies of every edition,
and make of each file what its table says. What a table says never changes."""
import glob
import hashlib
import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import daemons  # noqa: E402
from queue_rig import RELEASE, Agent, Bounce, Rig, deliver, silent  # noqa: E402

CORPUS = os.path.join(HERE, "..", "queue-files")
EDITIONS = sorted(os.path.dirname(path) for path in glob.glob(CORPUS + "/*/table.json"))
# However old an edition is: a message expires only after a round that has left something to do, and the agent here
# never defers.
CONF = "delay_warning_time = 0\nminimal_backoff_time = 1000s\n"
STATE_MARK = slice(256, 384)
SLOTS_PER_DIR = 1024
daemons.UNIX_ENDPOINTS.setdefault("pickup", ["public/pickup"])


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Files(Rig):
    def own(self, path, mode):
        os.chmod(path, mode)
        if os.getuid() == 0:
            os.chown(path, daemons.NOBODY, daemons.NOBODY)

    def put(self, data, path, mode):
        if not os.path.isdir(os.path.dirname(path)):
            os.mkdir(os.path.dirname(path))
            self.own(os.path.dirname(path), 0o700)
        with open(path, "wb") as f:
            f.write(data)
        self.own(path, mode)

    def test_slots(self):
        self.assertNotEqual(EDITIONS, [])
        for number, edition in enumerate(EDITIONS):
            with self.subTest(os.path.basename(edition)):
                if number > 0:
                    self.doCleanups()
                    self.setUp()
                self.slots(edition)

    # --- Slots --------------------------------------------------------------------------------------

    def slots(self, edition):
        with open(edition + "/table.json") as f:
            self.rows = json.load(f)["slots"]
        for row in self.rows:
            row["data"] = read(f"{edition}/slots/{row['name']}")
            row["path"] = f"slots/{row['slot'] // SLOTS_PER_DIR:03}/{row['slot']}"
            self.put(row["data"], self.path(row["path"]), 0o600)
        self.messages = {r["id"]: r for r in self.rows if r["is"] == "message"}
        self.daemons.configure(CONF)
        self.agent = Agent(self.daemons, silent)
        self.bounce = Bounce(self.daemons)
        self.daemons.start("qmgr")
        self.damaged()
        held = [r for r in self.messages.values() if r["hold"]]
        for row in held:
            self.wait_for(f"{row['name']} on hold", lambda: self.listed(row["id"])["state"] == "hold")
        self.listing()
        self.free()
        self.delivered([r for r in self.messages.values() if not r["hold"]])
        for row in held:
            self.assertEqual(self.admin(RELEASE, row["id"]), 1, row["name"])
        self.delivered(self.messages.values())
        self.agent.answer_all()
        self.noticed()
        self.wait_empty(30)

    def listed(self, queue_id):
        self.flush()
        return self.mailq()[queue_id]

    def damaged(self):
        """What is damaged is in corrupt/ as it was (but for the count of attempts), and the log says why."""
        rows = [r for r in self.rows if r["is"] == "corrupt"]
        self.wait_for("all that is damaged in corrupt/",
                      lambda: self.flush() >= 0 and len(os.listdir(self.path("corrupt"))) >= len(rows))
        found = {name: read(self.path("corrupt/" + name)) for name in os.listdir(self.path("corrupt"))}
        self.assertEqual(len(found), len(rows))
        for row in rows:
            at_start = f"slot-{row['slot']}-"
            name = next((n for n in found if n == row["id"] or n.startswith(at_start)), None)
            self.assertIsNotNone(name, row["name"])
            self.assertEqual(self.but_mark(found[name]), self.but_mark(row["data"]), row["name"])
            if not name.startswith(at_start):
                self.log(f"{row['id']}: queue slot {row['slot']} is damaged, moved to corrupt/: ")
            self.assertTrue([line for line in self.daemons.lines if f"queue slot {row['slot']} is damaged" in line and
                             row["said"] in line], (row["name"], self.daemons.lines[-20:]))

    @staticmethod
    def but_mark(data):
        return data[:STATE_MARK.start] + data[STATE_MARK.stop:]

    def listing(self):
        """mailq has all messages, and nothing else."""
        entries = self.mailq()
        # What owes but a notice may be gone by now.
        brief = [r["id"] for r in self.messages.values() if not r["tried"] and not r["hold"]]
        self.assertEqual(sorted(set(entries) | set(brief)), sorted(self.messages))
        for queue_id, row in self.messages.items():
            if queue_id in brief:
                continue
            entry = entries[queue_id]
            name = row["name"]
            self.assertEqual((entry["sender"], entry["size"], entry["arrival"], entry["forced_expire"]),
                             (row["sender"], row["size"], row["arrival"] // 1000000, row["forced_expire"]), name)
            self.assertEqual(entry["state"] == "hold", row["hold"], name)
            shown = [[r["address"], r["reason"]] for r in entry["rcpts"]]
            self.assertEqual([a for a, _ in shown], [a for a, _ in row["listed"]], name)
            for (address, reason), (_, wanted) in zip(shown, row["listed"]):
                # None: a reason, or none; but never another one's.
                self.assertIn(reason, (wanted,) if wanted is not None else ("", "not now, " + address), name)

    def free(self):
        """What is free is neither lost nor set aside."""
        for row in self.rows:
            if row["is"] == "free":
                self.assertTrue(os.path.exists(self.path(row["path"])), row["name"])

    def delivered(self, rows):
        """The agent gets of ROWS the recipients that are left, with all that belongs to them, and no other."""
        wanted = {(r["id"], t["address"]): (r, t) for r in rows for t in r["tried"]}
        self.wait_for("all deliveries", lambda: self.flush() >= 0 and len(self.agent.deliveries) >= len(wanted), 20)
        found = {}
        for delivery, content in self.agent.deliveries:
            for rcpt in delivery["rcpts"]:
                key = (delivery["id"], rcpt["address"])
                self.assertNotIn(key, found)
                found[key] = (delivery, rcpt, content)
        self.assertEqual(sorted(found), sorted(wanted))
        for key, (row, target) in wanted.items():
            delivery, rcpt, content = found[key]
            name = row["name"]
            self.assertEqual({k: rcpt[k] for k in target}, target, name)
            self.assertEqual(hashlib.sha256(content).hexdigest(), row["sha256"], name)
            self.assertEqual([[a["name"], a["value"]] for a in delivery["attrs"]], row["attrs"], name)
            self.assertEqual(delivery["arrival_us"], row["arrival"], name)
            for field in ("sender", "size", "ret", "envid", "smtputf8", "body_8bit", "probe"):
                self.assertEqual(delivery[field], row[field], (name, field))

    def noticed(self):
        wanted = sorted([r["id"], kind, rcpts] for r in self.messages.values() for kind, rcpts in r["notices"])
        self.bounce.wait(len(wanted))
        found = sorted([n["id"], n["kind"], [r["address"] for r in n["rcpts"]]] for n, _ in self.bounce.notices)
        self.assertEqual(found, wanted)

    # --- maildrop -----------------------------------------------------------------------------------

    def test_maildrop(self):
        self.bounce = Bounce(self.daemons)
        self.start(deliver)
        self.daemons.start("pickup")
        for edition in EDITIONS:
            with open(edition + "/table.json") as f:
                rows = json.load(f)["maildrop"]
            for row in rows:
                with self.subTest(edition=os.path.basename(edition), file=row["name"]):
                    self.drop(row, read(f"{edition}/maildrop/{row['name']}"))

    def drop(self, row, data):
        folder = self.path("maildrop/")
        path = folder + row["name"]
        since = self.daemons.log_mark()
        self.agent.deliveries = []
        self.put(data, path + ".new", 0o600)
        os.chmod(path + ".new", row["mode"])
        os.rename(path + ".new", path)
        self.daemons.order("pickup", "W")
        if row["is"] == "unfinished":
            # Another one that is behind it shows that pickup has been there.
            self.put(b"no records\n", folder + "zz", 0o744)
            self.daemons.order("pickup", "W")
            self.wait_for("bad.zz", lambda: os.path.exists(folder + "bad.zz"))
            self.assertEqual(read(path), data)
            os.unlink(folder + "bad.zz")
        elif row["is"] == "bad":
            self.wait_for("a bad file", lambda: os.path.exists(folder + "bad." + row["name"]))
            self.assertEqual(read(folder + "bad." + row["name"]), data)
        else:
            self.wait_for("its removal", lambda: not os.path.exists(path))
            self.queued(row, since)
        for name in os.listdir(folder):
            os.unlink(folder + name)

    def queued(self, row, since):
        line = self.daemons.log_wait(": removed", since)
        self.assertIsNotNone(line, self.daemons.lines[since:])
        self.wait_empty()
        deliveries = self.agent.deliveries
        rcpts = [r for d, _ in deliveries for r in d["rcpts"]]
        self.assertEqual(sorted(r["address"] for r in rcpts), sorted(row["rcpts"]))
        for delivery, content in deliveries:
            self.assertTrue(content.endswith(row["tail"].encode()), content[-200:])
            self.assertIsNone(re.search(rb"(?im)^bcc:", content))
            self.assertEqual(delivery["envid"], row.get("envid", ""))
            if "sender" in row:
                self.assertEqual(delivery["sender"], row["sender"])
        self.assertEqual({r["notify"] for r in rcpts}, {row.get("notify", 0)})
        self.assertEqual({r["orcpt"] for r in rcpts}, {row.get("orcpt", "")})


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
