#!/usr/bin/env python3
"""Every command in bounds: it shows how far it is, and its memory does not grow with the recording.

usage: bounded_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
"""
import os
import pty
import re
import resource
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import BUILD, DMM, SOURCE, main, run

CC = SOURCE + "/test/recordings/cc.dmm"
LIVE = 20000
# of each call that is more: the file of calls made ready, 16 bytes, is mapped in windows; an index has 40 bytes a
# block of about 4,000 calls
A_CALL = 4
READERS = ("info", "advise", "replay --model --systems=gnu,slab", "report --runs=0 -o p.html", "export --to=folded")


def generate(name, count, threads=4):
    subprocess.run([BUILD + "/test/make_recording", str(count), name, str(threads), str(LIVE)], check=True)


def on_a_terminal(*command):
    """What a command writes to a terminal, standard output and all."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    text = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    assert os.waitpid(pid, 0)[1] == 0, (command, text[-500:])
    return text.decode(errors="replace")


def most_kib(*command):
    """The most memory that a process of a command had, in KiB."""
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    assert status == 0, (command, errors)
    return usage.ru_maxrss


def line(words, trace):
    command, *options = words.split()
    return [DMM, command, *options, trace]


def test_each_command_shows_on_a_terminal_how_far_it_is_and_wipes_the_line():
    generate("T", 1000000)
    for words in READERS + ("check --max-peak=9G", "diff T", "replay --runs=1 --systems=slab --peers=none --warm=0"):
        text = on_a_terminal(*line(words, "T"))
        parts = text.split("\r\x1b[K")
        assert parts[0] == "" and len(parts) > 2, (words, text[:300])
        assert re.search(r": \d+ %, about \d+ s left$", "\n".join(parts), re.M), (words, parts[:9])
        assert "%, about" not in parts[-1], (words, parts[-1][:200])


def test_programs_that_are_run_are_counted_on_a_terminal():
    text = on_a_terminal(DMM, "compare", "--runs=1", "--systems=slab", "--peers=none", "--warm=0", "--", "/bin/true")
    assert "\r\x1b[Krehearsal: /bin/true" in text and "\r\x1b[Kround 1 of 1: slab" in text, text
    text = on_a_terminal(DMM, "torture", "--ops=50000", "--system=bins")
    assert "\r\x1b[Kbins: random operations" in text, text


def test_nothing_of_it_is_written_where_stderr_is_no_terminal():
    for words in READERS:
        r = run(*line(words, CC))
        assert r.returncode == 0 and "\r" not in r.stderr + r.stdout and "%, about" not in r.stderr, (words, r.stderr)


def test_memory_does_not_grow_with_the_calls():
    few, many = 300000, 2300000
    generate("few", few)
    generate("many", many)
    for words in READERS:
        more = most_kib(*line(words, "many")) - most_kib(*line(words, "few"))
        assert more * 1024 < A_CALL * (many - few), (words, more)


def test_each_command_works_in_4_million_kib_of_addresses():
    generate("T", 300000)
    for words in READERS:
        r = run(*line(words, "T"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4000000 << 10,) * 2))
        assert r.returncode == 0, (words, r.stderr)
        assert "no address space" not in r.stdout + r.stderr, (words, r.stderr)


main(globals())
