"""Starts a test program on slab, with settings, and waits until it holds its memory."""
import subprocess


class Programs:
    """Of BUILD/test.  `preloaded` gets libdmm.so; any other program is linked with slab, or is to run without it."""

    def __init__(self, build, preloaded):
        self.build, self.preloaded = build, preloaded

    def start(self, *words, conf="", program=None, **more):
        program = program or self.preloaded
        env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "DMM_CONF": conf}
        if program == self.preloaded:
            env["LD_PRELOAD"] = str(self.build / "libdmm.so")
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([self.build / "test" / program, *map(str, words)], env=env, text=True, **more)

    def start_held(self, *words, **more):
        """A program that has its memory, and its signal handler, when this returns."""
        p = self.start(*words, stdout=subprocess.PIPE, **more)
        assert p.stdout.readline() == "held\n"
        return p

    def run(self, *words, **more):
        """The program when it has ended, and what it said on stderr."""
        p = self.start(*words, stdout=subprocess.DEVNULL, **more)
        with p:
            said = p.communicate(timeout=90)[1]
        return p, said
