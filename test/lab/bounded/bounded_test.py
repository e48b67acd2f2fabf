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
from from_outside import BUILD, DMM, SOURCE, compile_c, main, run
from runner import has_terminals

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


def shown_parts(words, calls):
    """What a command writes over a recording of that many calls, cut where it wipes its line."""
    name = f"{calls}.dmm"
    if not os.path.exists(name):
        generate(name, calls)
    text = on_a_terminal(*line(words.replace("EQUAL", name), name))
    return text.split("\r\x1b[K")


def test_each_command_shows_on_a_terminal_how_far_it_is_and_wipes_the_line():
    # the rest of the time is told from a tenth of a second on: a faster machine needs more calls
    for words in READERS + ("check --max-peak=9G", "diff EQUAL", "replay --runs=1 --systems=slab --peers=none --warm=0"):
        calls = 1000000
        while True:
            parts = shown_parts(words, calls)
            assert parts[0] == "" and len(parts) > 2, (words, parts[:9])
            assert "%, about" not in parts[-1], (words, parts[-1][:200])
            if re.search(r": \d+ %, about \d+ s left$", "\n".join(parts), re.M):
                break
            assert calls < 64000000, (words, parts[:9])
            calls *= 4


def test_programs_that_are_run_are_counted_on_a_terminal():
    text = on_a_terminal(DMM, "compare", "--runs=1", "--systems=slab", "--peers=none", "--warm=0", "--", "/bin/true")
    assert "\r\x1b[Krehearsal: /bin/true" in text and "\r\x1b[Kround 1 of 1: slab" in text, text
    text = on_a_terminal(DMM, "torture", "--ops=50000", "--system=bins")
    assert "\r\x1b[Kbins: random operations" in text, text


def test_commands_without_a_recording_to_decode_say_at_once_what_they_do():
    text = on_a_terminal(DMM, "record", "-o", "true.dmm", "--", "/bin/true")
    assert re.match(r"dmm: recording to \S+true.dmm for as long as the program runs", text), text
    text = on_a_terminal(DMM, "sweep", "--plan", "--systems=slab", "--peers=none", "--kind=space", CC)
    assert text.startswith(f"\r\x1b[Kplanning\r\x1b[Kplanning replays of {CC}"), text
    assert "\r\x1b[K'" + DMM in text, text
    job = text[text.index("'" + DMM):].split(" #")[0]
    subprocess.run(["/bin/sh", "-c", job], check=True, capture_output=True)
    text = on_a_terminal("/bin/sh", "-c", f"exec {DMM} merge results/*.json")
    assert text.startswith("\r\x1b[Kreading the results of 1 cell"), text


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


# ---- recordings that cannot tell everything ---------------------------------------------------------

LONG_ENOUGH = """
    #include <stdlib.h>
    #include <time.h>
    #include <unistd.h>
    int main(void) {
        struct timespec a, b;
        for (int i = 0; i < 20000; i++) free(malloc(100)); /* enough, however long a turn of another program is */
        clock_gettime(CLOCK_MONOTONIC, &a);
        do {
            for (int i = 0; i < 500; i++) free(malloc(100));
            clock_gettime(CLOCK_MONOTONIC, &b);
        } while ((b.tv_sec - a.tv_sec) * 1e9 + b.tv_nsec - a.tv_nsec < 40e6);
        IDLE
        return 0; }"""
ALL = ("info", "replay --model --systems=gnu", "replay --runs=1 --systems=none --peers=none --warm=0",
       "report --runs=0 --systems=gnu -o p.html", "advise", "tune -o c.conf", "check --max-peak=9G", "diff T")


def record(name, text, *options):
    assert run(DMM, "record", *options, "-o", "T", "--", compile_c(name, text)).returncode == 0


def said(words, trace="T"):
    r = run(*line(words, trace))
    assert r.returncode in (0, 1), (words, r)
    return r.stderr + (r.stdout if words == "advise" else "")  # its diagnosis is what says it


def test_a_recording_without_faults_is_said_to_have_none():
    record("idle", LONG_ENOUGH.replace("IDLE", "usleep(300000);"))
    for words in ALL:
        assert not re.search("too short|never idle|no times|pages of|of its own", said(words)), (words, said(words))


def test_a_recording_that_is_too_short_is_said_to_be():
    record("short", "#include <stdlib.h>\nint main(void) { free(malloc(9)); return 0; }")
    for words in ALL:
        assert re.search("too short to .*; record a longer run", said(words)), (words, said(words))


def test_a_program_that_never_idles_is_named_where_memory_over_time_is_told():
    for _ in range(30):  # the turn of another program may last 100 ms
        record("busy", LONG_ENOUGH.replace("IDLE", ""))
        if "never idle for 100 ms" in said(ALL[1]):
            break
    for words in ALL[1:6]:
        assert "never idle for 100 ms" in said(words), (words, said(words))


def test_a_program_with_a_malloc_of_its_own_is_named():
    record("own", LONG_ENOUGH.replace("#include <time.h>", "#include <string.h>\n#include <sys/mman.h>\n#include <time.h>")
           .replace("struct timespec a, b;", """struct timespec a, b;
               memset(mmap(0, 200 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 200 << 20);""")
           .replace("IDLE", "for (int i = 0; i < 20000; i++) free(malloc(100)); usleep(300000);"))
    for words in ALL:
        assert "takes the rest by a malloc of its own, or maps it" in said(words), (words, said(words))


def test_a_recording_that_is_cut_off_is_read_up_to_there_by_every_command():
    generate("whole", 200000)
    with open("whole", "rb") as f, open("T", "wb") as to:
        to.write(f.read()[:-5000])
    for words in ALL:
        text = said(words)
        assert re.search("is what comes before; record it again|is about what comes before; let", text), (words, text)


def test_a_recording_from_a_machine_with_other_pages_is_named():
    record("idle", LONG_ENOUGH.replace("IDLE", "usleep(300000);"))
    with open("T", "rb") as f:
        assert f"page_size={os.sysconf('SC_PAGESIZE')}\n".encode() in f.read()
    assert run(BUILD + "/test/other_pages", "T").returncode == 0
    for words in ALL:
        assert "pages of 64.0 KiB, here they have" in said(words), (words, said(words))


tests = dict(globals())
if not has_terminals():
    print("no pseudo-terminal (/dev/pts is not mounted): what commands show on a terminal is not tested")
    tests = {name: it for name, it in tests.items()
             if not {"on_a_terminal", "shown_parts"} & set(getattr(getattr(it, "__code__", None), "co_names", ()))}
main(tests)
