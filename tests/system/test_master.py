#!/usr/bin/python3
"""master: start on demand, stop, reload, crashes, limits."""
import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest

from master_suite import BUILD, ROOT, MasterTest, alive, free_port, main, wait_for


class StartStop(MasterTest):
    def test_start_on_demand_and_stop(self):
        self.start()
        pid = self.suite.pid()
        self.assertTrue(alive(pid))
        status, text = self.suite.postkeep("status")
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"running: process %d, since \d{4}-.* configuration %s" %
                         (pid, self.suite.etc))
        self.assertRegex(text, r"(?m)^qmgr +unix +qmgr +processes 1")
        self.assertRegex(text, r"(?m)^%d +inet +smtpd +processes 0" % self.suite.port)
        client, child, flags, _ = self.suite.connect()
        self.assertEqual(flags, "-j-u" if ROOT else "-")
        again, same, _, _ = self.suite.connect()
        self.assertEqual(child, same, "an event-driven program runs once")
        client.close()
        again.close()
        status, text = self.suite.postkeep("stop")
        self.assertEqual(status, 0, text)
        self.assertFalse(alive(pid))
        self.assertEqual(self.suite.children(), [])
        self.assertRegex(self.suite.log(), r"postkeep/master\[%d\]: daemon started -- version \S+, "
                         r"configuration %s" % (pid, self.suite.etc))
        self.assertIn("terminating on signal 15", self.suite.log())
        orders = [(name, order) for name, _, order in self.suite.orders()]
        self.assertLess(orders.index((str(self.suite.port), "D")), orders.index(("qmgr", "D")))
        self.assertEqual(orders[-1], ("postlog", "D"))
        self.assertEqual(os.listdir(os.path.join(self.suite.queue, "private")), [])
        status, text = self.suite.postkeep("status")
        self.assertEqual(status, 1)
        self.assertIn("is not running", text)
        self.assertEqual(self.suite.postkeep("stop")[0], 1)

    def test_started_where_sigchld_is_ignored(self):
        """Whoever starts it may ignore what becomes of children; master must not."""
        r = subprocess.run([os.path.join(BUILD, "admin/postkeep"), "-c", self.suite.etc, "start"],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                           preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(r.returncode, 0, r.stderr)
        pickup = int(wait_for("orders", lambda: [o for o in self.suite.orders() if o[0] == "pickup"])[0][1])
        os.kill(pickup, signal.SIGKILL)
        self.wait_log(r"pickup pid %d was killed by signal 9" % pickup)
        status, text = self.suite.postkeep("stop")
        self.assertEqual(status, 0, text)

    def test_limits_of_the_shell(self):
        """Of file sizes and processor time are not the suite's: they are raised as far as may be."""
        kinds = (resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)
        hard = {kind: resource.getrlimit(kind)[1] for kind in kinds}

        def limit():
            for kind in kinds:
                resource.setrlimit(kind, (100000, hard[kind]))
        r = subprocess.run([os.path.join(BUILD, "admin/postkeep"), "-c", self.suite.etc, "start"],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=60, preexec_fn=limit)
        self.assertEqual(r.returncode, 0, r.stderr)
        pickup = int(wait_for("orders", lambda: [o for o in self.suite.orders() if o[0] == "pickup"])[0][1])
        for pid in (self.suite.pid(), pickup):
            for kind in kinds:
                self.assertEqual(resource.prlimit(pid, kind)[0], hard[kind])

    def test_second_instance(self):
        self.start()
        self.fails("already running: process %d" % self.suite.pid())
        r = subprocess.run([os.path.join(self.suite.programs, "master"), "-c", self.suite.etc],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        self.assertEqual(r.returncode, 1)
        self.assertIn("already running: process %d" % self.suite.pid(), r.stderr)
        self.suite.connect()[0].close()

    def test_foreground_and_abort(self):
        p = subprocess.Popen([os.path.join(BUILD, "admin/postkeep"), "-c", self.suite.etc, "start-fg"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for("the pid file", lambda: self.suite.pid() == p.pid)
        wait_for("orders", lambda: self.suite.orders())
        client = self.suite.connect()[0]
        begin = time.time()
        self.assertEqual(self.suite.postkeep("abort")[0], 0)
        self.assertLess(time.time() - begin, 5)
        self.assertEqual(p.wait(10), 0)
        self.assertEqual(client.recv(10), b"")

    def test_foreground_writes_log_to_stdout(self):
        with open(os.path.join(self.suite.programs, "postlogd"), "w") as f:
            f.write("#!/bin/sh\nprintf '%s ' \"$@\"; echo\nsleep 30\n")
        p = subprocess.Popen([os.path.join(BUILD, "admin/postkeep"), "-c", self.suite.etc, "start-fg"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = p.stdout.readline()
        p.kill()
        p.wait()
        p.stdout.close()
        for pid in self.suite.children():
            os.kill(pid, signal.SIGKILL)
        self.assertIn("-o maillog_file=/dev/stdout", line)

    def test_stop_waits_for_deliveries(self):
        self.start()
        path = os.path.join(self.suite.queue, "private/local")
        delivery = socket.socket(socket.AF_UNIX)
        delivery.connect(path)
        self.assertIn(b"local ", delivery.recv(100))
        result = []
        stop = threading.Thread(target=lambda: result.append(self.suite.postkeep("stop")))
        stop.start()
        wait_for("the drain", lambda: any(o[0] == "local" and o[2] == "D" for o in self.suite.orders()))
        time.sleep(0.5)
        self.assertEqual(result, [])
        delivery.sendall(b"x")
        self.assertEqual(delivery.recv(1), b"x")
        delivery.close()
        stop.join(20)
        self.assertEqual(result[0][0], 0)

    def test_start_reports_a_program_that_fails(self):
        self.suite.master(self.suite.lines().replace("qmgr\n", "qmgr crash\n"))
        self.fails("qmgr did not come up", "was not started")
        self.assertEqual(self.suite.children(), [])

    def test_start_after_master_was_killed(self):
        self.start()
        self.suite.connect()[0].close()
        pid = self.suite.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for("master to be gone", lambda: not alive(pid))
        self.start()
        self.suite.connect()[0].close()
        wait_for("the old children to end", lambda: len(self.suite.children()) <= 4)

    def test_environment_is_clean(self):
        os.environ["PK_TEST_SECRET"] = "1"
        self.addCleanup(os.environ.pop, "PK_TEST_SECRET")
        self.start()
        for pid in self.suite.children():
            with open("/proc/%d/environ" % pid) as f:
                text = f.read()
            self.assertNotIn("PK_TEST_SECRET", text)
            self.assertIn("MAIL_CONFIG=" + self.suite.etc, text)

    @unittest.skipUnless(ROOT, "needs root")
    def test_status_for_everybody(self):
        tool = [os.path.join(BUILD, "admin/postkeep"), "-c", self.suite.etc, "status"]
        ask = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/", "text": True,
               "capture_output": True}
        if subprocess.run(["test", "-r", tool[0]], **ask).returncode != 0:
            self.skipTest("nobody cannot read the build folder")
        self.assertIn("is not running", subprocess.run(tool, **ask).stdout)
        self.start()
        r = subprocess.run(tool, **ask)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("is running: process %d" % self.suite.pid(), r.stdout)
        for command in ("stop", "reload", "flush"):
            r = subprocess.run(tool[:-1] + [command], **ask)
            self.assertEqual(r.returncode, 1)
            self.assertIn("belongs to root", r.stderr)
        self.assertEqual(self.suite.postkeep("status")[0], 0)

    def test_postkeep_usage(self):
        for command in ((), ("no-such",), ("-x", "start"), ("start", "stop")):
            status, text = self.suite.postkeep(*command)
            self.assertEqual(status, 64, text)
            self.assertIn("usage: postkeep", text)
        self.assertRegex(self.suite.postkeep("version")[1], r"^postkeep \d")


class Processes(MasterTest):
    def test_crash_is_told_and_tried_again(self):
        self.suite.master(smtpd="kill")
        self.start()
        client, pid, _, _ = self.suite.connect()
        other = self.suite.connect()[0]
        client.sendall(b"die\n")
        self.wait_log(r"warning: process %s/smtpd pid %d was killed by signal 11 \(Segmentation fault\)"
                      r"[^;]*; service %d is started again in 1 s" %
                      (self.suite.programs, pid, self.suite.port))
        self.assertEqual(other.recv(10), b"")
        begin = time.time()
        client, again, _, _ = self.suite.connect()
        self.assertNotEqual(pid, again)
        self.assertGreater(time.time() - begin, 0.5, "there is a pause")
        client.close()
        other.close()

    def test_growing_delay_and_others_go_on(self):
        bad = free_port()
        self.suite.master(self.suite.lines() + "%d inet n - n - - smtpd crash\n" % bad)
        self.start()
        knocks = [socket.create_connection(("127.0.0.1", bad)) for _ in range(3)]
        for seconds in (1, 2, 4):
            self.wait_log(r"ended with exit status 3 before it was ready|"
                          r"ended with exit status 3; service %d is started again in %d s" %
                          (bad, seconds))
            self.suite.connect()[0].close()
        self.wait_log(r"service %d is started again in 4 s" % bad)
        self.assertNotRegex(self.suite.log(), r"service %d is started again" % self.suite.port)
        status, text = self.suite.postkeep("status")
        self.assertRegex(text, r"(?m)^%d .*failing" % bad)
        self.assertNotRegex(text, r"(?m)^%d .*failing" % self.suite.port)
        for s in knocks:
            s.close()

    def test_program_that_ends_at_once_is_throttled(self):
        with open(os.path.join(self.suite.programs, "probe"), "w") as f:
            f.write("#!/bin/sh\nexit 0\n")
        bad = free_port()
        self.suite.master(self.suite.lines() + "%d inet n n n - - probe\n" % bad)
        self.start()
        s = socket.create_connection(("127.0.0.1", bad))
        self.wait_log(r"exit status 0 before it was ready; service %d is started again in 2 s" % bad)
        s.close()

    def test_bad_status_packet(self):
        bad = free_port()
        self.suite.master(self.suite.lines() + "%d inet n - n - - smtpd garbage\n" % bad)
        self.start()
        s = socket.create_connection(("127.0.0.1", bad))
        self.wait_log(r"process %d\[\d+\] sent a bad status packet; it is let go" % bad)
        self.suite.connect()[0].close()
        s.close()

    def test_nonsense(self):
        """Numbers that cannot be and bytes that are no truth values, more of them than master hears at once."""
        odd = free_port()
        self.suite.master(self.suite.lines() + "%d inet n - n - - smtpd nonsense\n" % odd)
        self.start()
        s, _, _, _ = self.suite.connect(odd)
        self.suite.connect()[0].close()
        self.assertEqual(self.suite.postkeep("status")[0], 0)
        s.close()

    def test_process_limit(self):
        port = free_port()
        self.suite.master(self.suite.lines() + "%d inet n n n - 2 probe single\n" % port)
        self.start()
        a, pid_a, _, _ = self.suite.connect(port)
        b, pid_b, _, _ = self.suite.connect(port)
        self.assertNotEqual(pid_a, pid_b)
        c = socket.create_connection(("127.0.0.1", port))
        c.settimeout(0.7)
        self.assertRaises(socket.timeout, c.recv, 10)
        a.close()
        c.settimeout(10)
        self.assertIn(str(pid_a), c.recv(100).decode())
        b.close()
        c.close()

    def test_busy_service_gets_processes_for_cores(self):
        cores = os.sysconf("SC_NPROCESSORS_ONLN")
        self.suite.master(smtpd="load=90")
        self.start()
        self.suite.connect()[0].close()
        name = "-n\0%d\0" % self.suite.port

        def count():
            n = 0
            for pid in self.suite.children():
                try:
                    with open("/proc/%d/cmdline" % pid) as f:
                        n += name in f.read()
                except OSError:
                    pass
            return n
        wait_for("a process per core", lambda: count() == cores)
        time.sleep(0.5)
        self.assertEqual(count(), cores)

    def test_single_program_is_restarted(self):
        self.start()
        qmgr = next(int(pid) for name, pid, order in
                    wait_for("wakeup", lambda: [o for o in self.suite.orders() if o[0] == "qmgr"]))
        os.kill(qmgr, signal.SIGKILL)
        self.wait_log(r"qmgr pid %d was killed by signal 9 \(Killed\); service qmgr is started "
                      r"again in 1 s" % qmgr)
        wait_for("a new qmgr", lambda: self.suite.postkeep("flush")[0] == 0)
        wait_for("its orders", lambda: any(o[0] == "qmgr" and int(o[1]) != qmgr and o[2] == "F"
                                           for o in self.suite.orders()))

    def test_log_writer_is_restarted_and_loses_nothing(self):
        self.start()
        logger = next(pid for pid in self.suite.children()
                      if "postlogd" in open("/proc/%d/cmdline" % pid).read())
        os.kill(logger, signal.SIGKILL)
        self.wait_log(r"postlogd pid %d was killed by signal 9" % logger)

    def test_wakeups(self):
        self.suite.master(self.suite.lines().replace("n - y 60 1 pickup", "n - y 1 1 pickup")
                          + "idle unix n n n 1? - probe\n")
        self.start()
        wait_for("three wakeups", lambda: len([o for o in self.suite.orders()
                                               if o[0] == "pickup" and o[2] == "W"]) >= 3)
        self.assertFalse([o for o in self.suite.orders() if o[0] == "idle"])
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(self.suite.queue, "public/idle"))
        s.recv(100)
        wait_for("a wakeup once used", lambda: [o for o in self.suite.orders() if o[0] == "idle"])
        s.close()

    def test_flush(self):
        self.start()
        self.assertEqual(self.suite.postkeep("flush")[0], 0)
        wait_for("the order", lambda: [o for o in self.suite.orders() if o[0] == "qmgr" and o[2] == "F"])
        self.suite.postkeep("stop")
        self.assertEqual(self.suite.postkeep("flush")[0], 1)

    def test_fifo_and_datagram_services(self):
        self.suite.master(self.suite.lines() + "f fifo n n n - 1 probe slow\n"
                          + "d unix-dgram n n n - 1 probe slow\n")
        self.start()
        with open(os.path.join(self.suite.queue, "public/f"), "wb", buffering=0) as f:
            f.write(b"x")
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.connect(os.path.join(self.suite.queue, "public/d"))
        s.send(b"x")

        def started():
            return {w for pid in self.suite.children()
                    for w in open("/proc/%d/cmdline" % pid).read().split("\0")
                    if w in ("fifo:public/f", "unix-dgram:public/d")}
        wait_for("both", lambda: len(started()) == 2)
        s.close()

    @unittest.skipUnless(ROOT, "needs root")
    def test_chroot_links_and_socket_rights(self):
        self.start()
        q = self.suite.queue
        for path in ("private/qmgr-net", "private/proxymap-net", "private/anvil"):
            jail = os.path.join(q, "jail/smtpd", path)
            self.assertTrue(os.path.samefile(jail, os.path.join(q, path)), path)
        self.assertEqual(sorted(os.listdir(os.path.join(q, "jail/smtpd/private"))),
                         ["anvil", "proxymap-net", "qmgr-net"])
        self.assertEqual(os.listdir(os.path.join(q, "jail/anvil/private")), [])
        for path, user, mode in (("private/qmgr-net", "games", 0o600),
                                 ("private/qmgr-bounce", "bin", 0o600),
                                 ("private/local", "daemon", 0o600),
                                 ("private/qmgr-admin", "root", 0o600),
                                 ("private/master", "root", 0o600),
                                 ("public/showq", "root", 0o666),
                                 ("public/pickup", "bin", 0o660)):
            st = os.stat(os.path.join(q, path))
            self.assertEqual((pwd.getpwuid(st.st_uid).pw_name, st.st_mode & 0o777), (user, mode), path)
        # A program that is not of the suite is not started as root.
        port = free_port()
        self.suite.master(self.suite.lines() + "%d inet n - n - - probe\n" % port)
        os.chown(q, 0, 0)
        self.assertEqual(self.suite.postkeep("reload")[0], 0)
        s = socket.create_connection(("127.0.0.1", port))
        wait_for("the probe", lambda: [p for p in self.suite.children()
                                       if os.stat("/proc/%d" % p).st_uid == pwd.getpwnam("bin").pw_uid])
        s.close()


class Reload(MasterTest):
    def reload(self):
        status, text = self.suite.postkeep("reload")
        self.assertEqual(status, 0, text)

    def test_sessions_and_sockets_survive(self):
        self.start()
        session, pid, _, _ = self.suite.connect()
        stop = threading.Event()
        failures, connections = [], []

        def knock():
            while not stop.is_set():
                try:
                    self.suite.connect()[0].close()
                    connections.append(1)
                except (OSError, AssertionError) as e:
                    failures.append(repr(e))
        thread = threading.Thread(target=knock)
        thread.start()
        qmgr = {o[1] for o in wait_for("wakeup", self.suite.orders) if o[0] == "qmgr"}
        for i in range(4):
            self.suite.master(smtpd="-o smtpd_timeout=%d" % (i + 10))
            self.reload()
            time.sleep(0.3)
        stop.set()
        thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(len(connections), 10)
        session.sendall(b"still here\n")
        self.assertEqual(session.recv(100), b"still here\n")
        client, new, _, overrides = self.suite.connect()
        self.assertNotEqual(pid, new)
        self.assertEqual(overrides, "smtpd_timeout=13")
        session.close()
        wait_for("the old process to end", lambda: not alive(pid))
        reloads = [o for o in self.suite.orders() if o[0] == "qmgr" and o[2] == "R"]
        self.assertEqual(len(reloads), 4)
        self.assertEqual({o[1] for o in reloads}, qmgr, "a single program reloads in place")
        self.assertIn("reload -- version", self.suite.log())
        client.close()

    def test_broken_configuration_changes_nothing(self):
        self.start()
        session, pid, _, _ = self.suite.connect()
        self.suite.main("smtpd_recipient_limit = many\n")
        self.suite.master("x%d inet n - y - - smtpd\n" % self.suite.port)
        text = self.fails(r"error: \S+/main.cf, line 11: .*smtpd_recipient_limit",
                          r"error: \S+/master.cf, line 1: ", "nothing was changed",
                          command="reload")
        self.wait_log("reload: nothing was changed")
        session.sendall(b"x")
        self.assertEqual(session.recv(10), b"x")
        self.assertEqual(self.suite.connect()[1], pid, text)
        os.kill(self.suite.pid(), signal.SIGHUP)
        wait_for("the second try", lambda: self.suite.log().count("reload: nothing was changed") == 2)

    def test_what_anvil_counted_survives(self):
        """It would lose it by a restart, and is only restarted for what concerns it."""
        self.start()
        anvil = socket.socket(socket.AF_UNIX)
        anvil.connect(os.path.join(self.suite.queue, "private/anvil"))
        pid = anvil.recv(100).split()[1].decode()

        def reloads(name):
            return [o[1] for o in self.suite.orders() if o[0] == name and o[2] == "R"]
        qmgrs = len(reloads("qmgr"))
        for n, more in enumerate(("", "relay_domains = example.net\n", "relay_domains = $mydestination\n"), 1):
            self.suite.main(more)
            self.reload()
            wait_for("qmgr's reload", lambda: len(reloads("qmgr")) == qmgrs + n)
        self.assertEqual(reloads("anvil"), [])
        for n, more in enumerate(("anvil_rate_time_unit = 30s\n", "max_use = 7\n"), 1):
            self.suite.main(more)
            self.reload()
            wait_for("anvil's reload", lambda: reloads("anvil") == [pid] * n)
        anvil.close()

    def test_services_come_and_go(self):
        new = free_port()
        self.start()
        old, pid, _, _ = self.suite.connect()
        self.suite.master(self.suite.lines().replace("%d inet" % self.suite.port, "%d inet" % new))
        self.reload()
        self.suite.connect(new)[0].close()
        self.assertRaises(ConnectionRefusedError, socket.create_connection,
                          ("127.0.0.1", self.suite.port))
        old.sendall(b"x")
        self.assertEqual(old.recv(10), b"x")
        old.close()
        wait_for("the old process to end", lambda: not alive(pid))

    def test_address_in_use_changes_nothing(self):
        self.start()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.suite.master(self.suite.lines() + "%d inet n - y - - smtpd\n" % port)
            self.fails("line 9: .*%d: the address is in use" % port, command="reload")
        self.suite.connect()[0].close()

    def test_single_program_with_a_new_line_never_beside_its_successor(self):
        self.start()
        path = os.path.join(self.suite.queue, "public/pickup")
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        pid = int(s.recv(100).split()[1])
        self.suite.master(self.suite.lines().replace("1 pickup", "1 pickup -o max_idle=7"))
        self.reload()
        t = socket.socket(socket.AF_UNIX)
        t.connect(path)
        t.settimeout(0.7)
        self.assertRaises(socket.timeout, t.recv, 100)
        self.assertTrue(alive(pid))
        s.close()
        t.settimeout(10)
        text = t.recv(100).decode()
        self.assertFalse(alive(pid))
        self.assertIn("max_idle=7", text)
        t.close()

    def test_queue_directory_is_fixed(self):
        self.start()
        self.suite.queue, queue = self.suite.dir + "/other", self.suite.queue
        self.suite.main()
        self.suite.queue = queue
        r = os.kill(self.suite.pid(), signal.SIGHUP)
        self.wait_log("queue_directory cannot change")


if __name__ == "__main__":
    main()
