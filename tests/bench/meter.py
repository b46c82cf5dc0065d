"""What the processes of a suite cost, from /proc: CPU time with the kernel's, context switches, bytes written,
memory; and system calls and syncs as perf counts them."""
import os
import shutil
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
COUNTED = {
    "raw_syscalls:sys_enter": "syscalls",
    "context-switches": "switches",
    "syscalls:sys_enter_fsync": "fsync",
    "syscalls:sys_enter_fdatasync": "fdatasync",
    "syscalls:sys_enter_futex": "futex",
}


def _stat(pid):
    """Parent, and CPU seconds of it and of its children that have ended; None when it is gone."""
    try:
        text = open(f"/proc/{pid}/stat").read()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK


def tree(root):
    """All processes from ROOT down, with what _stat() says."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            s = _stat(name)
            if s:
                stats[int(name)] = s
    children = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    found, todo = {}, [root]
    while todo:
        pid = todo.pop()
        if pid in stats:
            found[pid] = stats[pid]
            todo += children.get(pid, [])
    return found


def _numbers(path, keys):
    """KEY: number lines of a file of /proc; zeros when it is gone."""
    found = dict.fromkeys(keys, 0)
    try:
        for line in open(path):
            key, _, value = line.partition(":")
            if key in found:
                found[key] = int(value.split()[0])
    except OSError:
        pass
    return found


def _switches(pid):
    keys = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return {}
    return {(pid, t): sum(_numbers(f"/proc/{pid}/task/{t}/status", keys).values()) for t in tasks}


class Meter:
    """Begin, look now and then (so that little of what ends meanwhile is missed), end."""

    def __init__(self, suite):
        self.suite = suite
        self.switches = {}
        self.begun = self._take()

    def _take(self):
        processes = tree(self.suite.master)
        self.look(processes)
        return {
            "cpu": sum(cpu for _, cpu in processes.values()),
            "written": sum(_numbers(f"/proc/{p}/io", ("write_bytes",))["write_bytes"] for p in processes),
            "switches": sum(self.switches.values()),
        }

    def look(self, processes=None):
        for pid in processes or tree(self.suite.master):
            self.switches.update(_switches(pid))

    def end(self):
        now = self._take()
        return {key: now[key] - self.begun[key] for key in now}


def memory(suite):
    """Bytes: proportional share of all processes, private and dirty of all, and resident of each program."""
    pss = private = 0
    programs = {}
    for pid in tree(suite.master):
        m = _numbers(f"/proc/{pid}/smaps_rollup", ("Pss", "Private_Dirty", "Rss"))
        pss += m["Pss"] * 1024
        private += m["Private_Dirty"] * 1024
        try:
            name = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        programs[name] = programs.get(name, 0) + m["Rss"] * 1024
    return {"pss": pss, "private": private, "programs": programs}


class Counter:
    """Counts events of all processes of a suite, and of those they start, from here to end()."""

    def __init__(self, suite, path):
        self.path = path
        self.process = None
        if not shutil.which("perf"):
            return
        pids = ",".join(str(p) for p in tree(suite.master))
        self.process = subprocess.Popen(
            ["perf", "stat", "-x;", "-o", path, "-e", ",".join(COUNTED), "-p", pids],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(0.5)

    def end(self):
        """{"syscalls": n, …}; empty when perf is missing or not allowed to."""
        if not self.process:
            return {}
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        found = {}
        for line in open(self.path) if os.path.exists(self.path) else ():
            fields = line.split(";")
            if len(fields) > 2 and fields[2] in COUNTED and fields[0].isdigit():
                found[COUNTED[fields[2]]] = int(fields[0])
        return found
