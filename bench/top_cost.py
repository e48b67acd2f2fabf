#!/usr/bin/env python3
"""What dmm top costs a redis-server that works: CPU time of both, with and without it, in turn.

usage: bench/top_cost.py BUILD [ROUNDS [INTERVAL]]
"""
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(sys.argv[1])
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
INTERVAL = sys.argv[3] if len(sys.argv) > 3 else "1"
PORT = "7397"
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """Of all threads, in ns: the scheduler's own sum, finer than clock ticks."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[0])
    return total / 1e9


def drive(requests):
    subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", PORT, "-t", "set,lpush,hset", "-r", "200000", "-n",
                    str(requests), "-d", "200", "-P", "16", "-c", "8", "-q"], check=True, stdout=subprocess.DEVNULL)


class Top:
    """dmm top on a terminal, as a user has it."""

    def __init__(self, pid):
        self.pid, fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execv(BUILD + "/dmm", ["dmm", "top", str(pid), "--interval=" + INTERVAL, "--width=100"])
        self.bytes = 0
        self.fd = fd
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        try:
            while chunk := os.read(self.fd, 65536):
                self.bytes += len(chunk)
        except OSError:
            pass

    def end(self):
        os.write(self.fd, b"q")
        _, status, usage = os.wait4(self.pid, 0)
        assert status == 0, status
        return usage.ru_utime + usage.ru_stime


def measure(pid, requests, watched):
    top = Top(pid) if watched else None
    time.sleep(0.2)
    before, start = cpu(pid), time.monotonic()
    drive(requests)
    wall, used = time.monotonic() - start, cpu(pid) - before
    return used, wall, top.end() if top else 0.0


def main():
    env = dict(os.environ, LD_PRELOAD=BUILD + "/libdmm.so")
    with tempfile.TemporaryDirectory() as d:
        server = subprocess.Popen(["redis-server", "--port", PORT, "--bind", "127.0.0.1", "--save", "", "--dir", d],
                                  env=env, stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            drive(100000)
            rows = {"without": [], "with": [], "without again": []}
            for _ in range(ROUNDS):
                for name in rows:
                    rows[name].append(measure(server.pid, 100000, name == "with"))
        finally:
            server.terminate()
            server.wait()
    print(f"{'':14} {'redis cpu s':>12} {'wall s':>8} {'dmm top cpu s':>14}   medians of {ROUNDS} rounds")
    median = {}
    for name, runs in rows.items():
        median[name] = [statistics.median(column) for column in zip(*runs)]
        print(f"{name:14} {median[name][0]:12.3f} {median[name][1]:8.2f} {median[name][2]:14.4f}")
    least = {name: min(run[0] for run in runs) for name, runs in rows.items()}
    pairs = [(a[0] + c[0]) / 2 for a, c in zip(rows["without"], rows["without again"])]
    added = [b[0] / p - 1 for b, p in zip(rows["with"], pairs)]
    noise = [c[0] / a[0] - 1 for a, c in zip(rows["without"], rows["without again"])]
    print(f"redis-server's cpu: {100 * statistics.median(added):+.1f} % with dmm top; "
          f"{100 * statistics.median(noise):+.1f} % between two runs without (noise, from "
          f"{100 * min(noise):+.1f} to {100 * max(noise):+.1f} %)")
    print(f"least of the rounds: {least['without']:.3f} s and {least['without again']:.3f} s without, "
          f"{least['with']:.3f} s with")
    print(f"dmm top's own: {100 * median['with'][2] / median['with'][1]:.2f} % of one processor, a look every "
          f"{INTERVAL} s")


main()
