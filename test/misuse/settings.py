#!/usr/bin/env python3
"""settings.py BUILD: slab reads DMM_CONF, reports mistakes in it, and protects its settings from the program."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()


def run(conf, *command):
    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(BUILD / "libdmm.so"), "DMM_CONF": conf}
    return subprocess.run(command or ["/bin/echo", "hello"], env=env, capture_output=True, text=True)


class Settings(unittest.TestCase):
    def says(self, conf, *lines):
        done = run(conf)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), "the program runs on")
        self.assertEqual(done.stderr.splitlines(), list(lines))

    def test_nothing_is_said_without_a_reason(self):
        for conf in ("", ",", "hardened", "hardened:0", "canary:1", "quarantine:5000,random_order:1", "stats:0", "deepbind:1"):
            self.says(conf)

    def test_mistakes_are_said(self):
        self.says("canari:1", "dmm: DMM_CONF: unknown key 'canari'; did you mean 'canary'?")
        self.says("canary:2", "dmm: DMM_CONF: canary:2: 0 or 1")
        self.says("bin_spacing:exact", "dmm: DMM_CONF: unknown key 'bin_spacing'")
        self.says("canary", "dmm: DMM_CONF: 'canary': a setting is key:value")
        for value in ("many", "", "-1", "99999999999999999999999"):
            self.says(f"quarantine:{value}", f"dmm: DMM_CONF: quarantine:{value}: a number from 0 to 1048576")

    def test_a_file_is_read(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("# ours\nhardened:1\ncanari:1\n")
            file.flush()
            self.says(f"file:{file.name}", f"dmm: DMM_CONF: {file.name}:3: unknown key 'canari'; did you mean 'canary'?")
        self.says("file:/no/such", "dmm: DMM_CONF: file:/no/such: no such file")

    def readonly_pages(self, conf):
        """Pages of the library in memory that cannot be written."""
        maps = run(conf, "/bin/cat", "/proc/self/maps").stdout
        ranges = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r--p .*/libdmm\.so[.0-9]*$", maps, re.MULTILINE)
        return sum(int(end, 16) - int(start, 16) for start, end in ranges) // os.sysconf("SC_PAGE_SIZE")

    def test_the_settings_are_read_only_after_the_start(self):
        self.assertEqual(self.readonly_pages("canary:1") + 1, self.readonly_pages("canary:1,readonly_conf:1"))

    def test_random_order_is_another_in_every_process(self):
        program = BUILD / "test/trust_order"
        orders = {run("random_order:1", program).stdout for _ in range(8)}
        self.assertGreater(len(orders), 6)
        self.assertEqual(len({run("canary:1", program).stdout for _ in range(8)}), 1)

    def test_every_key_is_refused_out_of_its_range(self):
        for key, bad, may in (
                ("magazine_bytes", "17m", "a number from 0 to 16m"), ("magazine_bytes", "1t", "a number from 0 to 16m"),
                ("magazine_min_objects", "0", "a number from 1 to 255"), ("magazine_max_objects", "1152", "a number from 1 to 1151"),
                ("dirty_floor_bytes", "1025g", "a number from 0 to 1024g"), ("dirty_share_permille", "1001", "a number from 0 to 1000"),
                ("dirty_share_permille", "1k", "a number from 0 to 1000"), ("dirty_share_permille", "never", "a number from 0 to 1000"),
                ("purge_age_ms", "3600001", "a number from 0 to 3600000"), ("purge_tick_ms", "9", "a number from 10 to 60000"),
                ("huge_from_mib", "1", "never, or a number from 2 to 524288"), ("grow_ahead_percent", "1001", "a number from 0 to 1000"),
                ("grow_ahead_mib", "129", "a number from 0 to 128"), ("move_from_bytes", "1025g", "never, or a number from 0 to 1024g"),
                ("observe", "2", "0 or 1"), ("observe", "01", "0 or 1"), ("zero_on_free", "on", "0 or 1")):
            self.says(f"{key}:{bad}", f"dmm: DMM_CONF: {key}:{bad}: {may}")

    def test_a_near_miss_names_the_key(self):
        self.says("huge_from:never", "dmm: DMM_CONF: unknown key 'huge_from'; did you mean 'huge_from_mib'?")
        self.says("purge_age:1", "dmm: DMM_CONF: unknown key 'purge_age'; did you mean 'purge_age_ms'?")


def ask(conf, question, n=0):
    done = run(conf, BUILD / "test/trust_effect", question, str(n))
    assert (done.returncode, done.stderr) == (0, ""), (conf, done)
    return [int(word) for word in done.stdout.split()]


class Effects(unittest.TestCase):
    """Each constant changes what it says, as a program sees it."""

    def test_stacks_hold_what_they_are_allowed(self):
        self.assertEqual(ask("", "kept", 64), [255])
        self.assertEqual(ask("magazine_bytes:640", "kept", 64), [10])
        self.assertEqual(ask("magazine_bytes:0,magazine_min_objects:7", "kept", 64), [7])
        self.assertEqual(ask("magazine_max_objects:20", "kept", 64), [20])
        self.assertEqual(ask("magazine_min_objects:9,magazine_max_objects:1", "kept", 64), [1])

    def test_in_a_process_with_threads_what_is_too_dirty_goes_after_its_age(self):
        def later(conf, ms):
            return ask(conf, "later-with-a-thread", ms)[0]
        self.assertLess(ask("", "falls", 60000)[0], 30, "of 64 MiB, 16 are live")
        for conf in ("purge_age_ms:600000", "purge_tick_ms:60000"):
            self.assertGreater(later(conf, 1000), 60, conf)
            self.assertLess(later(conf + ",helper:0", 0), 30, "the calls themselves give back")
        self.assertLess(ask("purge_age_ms:0,purge_tick_ms:10", "falls", 60000)[0], 30, "sooner")
        for _ in range(20):
            mib, ms = ask("", "later-with-a-thread", 250)
            if ms < 350: # or another program had its turn meanwhile
                self.assertGreater(mib, 60)
                break
        else:
            self.skipTest("too busy to look in time")

    def test_alone_what_is_too_dirty_goes_at_once_until_it_was_wanted_again(self):
        self.assertLess(ask("", "later", 0)[0], 30, "of 64 MiB, 16 are live")
        self.assertLess(ask("", "again", 0)[0], 30)
        self.assertGreater(ask("", "again", 1)[0], 60)
        self.assertLess(ask("purge_again_ms:0", "again", 3)[0], 30, "nothing is learned")

    def test_what_may_stay_dirty_is_a_floor_and_a_share(self):
        self.assertGreater(ask("dirty_floor_bytes:1g", "later", 1000)[0], 60)
        self.assertGreater(ask("dirty_floor_bytes:49m", "later", 1000)[0], 60)
        some, = ask("dirty_share_permille:1000,huge_from_mib:never", "later", 1000)
        self.assertTrue(16 <= some < 60, f"as much again as the 16 MiB that are live at most: {some}")
        self.assertLessEqual(ask("dirty_floor_bytes:0,dirty_share_permille:0", "later", 1500)[0], 20)

    def test_huge_pages_do_not_begin_below_what_is_told(self):
        self.assertEqual(ask("huge_from_mib:never", "huge", 40), [0])
        mode = Path("/sys/kernel/mm/transparent_hugepage/enabled")
        if not mode.exists() or "[madvise]" not in mode.read_text():
            self.skipTest("transparent huge pages are not by advice here")
        self.assertEqual(ask("huge_from_mib:524288", "huge", 40), [0])
        # After a huge page that was dear, as on a machine that does other work, slab takes none for half a second,
        # in any run: so a wrong order proves nothing, and huge_test.c proves where huge pages begin.
        for _ in range(10):
            if 0 < ask("huge_from_mib:30", "huge", 40)[0] < ask("", "huge", 40)[0]:
                return
        self.skipTest("the kernel has no huge page to give, or only now and then")

    def test_growth_is_as_far_ahead_as_it_is_told(self):
        """At most to the end of the tables, which grow to a power of two: 36 MiB leave them room."""
        none = ask("grow_ahead_percent:0,grow_ahead_mib:0", "ahead", 36)[0]
        self.assertGreater(ask("grow_ahead_percent:0,grow_ahead_mib:64", "ahead", 36)[0], none + 25)
        self.assertGreater(ask("grow_ahead_percent:1000,grow_ahead_mib:0", "ahead", 36)[0], none + 2)

    def test_large_objects_of_one_size_lie_close(self):
        """Chunks whose rest was a little too short once hid all others: 1 MiB objects took 2 MiB each."""
        exact = "grow_ahead_percent:0,grow_ahead_mib:0"
        self.assertLessEqual(ask(exact, "ahead", 40)[0] - ask(exact, "ahead", 0)[0], 44)

    def test_a_large_object_moves_by_pages_or_by_copying(self):
        small = "huge_from_mib:never,"
        self.assertLess(ask(small, "moved")[0], 100)
        self.assertGreater(ask(small + "move_from_bytes:never", "moved")[0], 8000)
        self.assertGreater(ask(small + "move_from_bytes:64m", "moved")[0], 8000)

    def test_observers_are_let_in_also_of_a_child(self):
        self.assertEqual(ask("", "observed"), [0, 0])
        self.assertEqual(ask("observe:0", "observed"), [0, 0])
        self.assertEqual(ask("observe:1", "observed"), [1, 1])

    def test_a_child_takes_what_a_lost_thread_wrote_for_no_damage(self):
        for conf in ("canary:1", "hardened,check_on_reuse:0,zero_on_free:0", "hardened"):
            self.assertEqual(ask(conf, "heir"), [0], conf)


unittest.main()
