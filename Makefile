# The front door.  `make demo` shows, `make test` proves, `make bench` measures.
PRESET ?= release
SYSTEMS := minimal pad list dlist bins vm gnu segdata segmeta slab
BUILD  := $(if $(filter release,$(PRESET)),build,build-$(PRESET))
JOBS   ?= $(shell nproc)

.PHONY: all packages configure demo test debug-checks torture torture-pairwise exhaustive fuzz fuzz-trace bounds info-long faults interleave mutate prove races soak trust storms bench install uninstall deb rpm clean

all: configure
	@cmake --build $(BUILD) -j $(JOBS)

packages:
	@tools/packages build

configure: packages
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET) $(CMAKE_ARGS)

# Tests are built where there is Python, which comes with what `make test` needs.
test: configure
	@tools/packages test
	@[ -f $(BUILD)/test/CTestTestfile.cmake ] || cmake $(BUILD) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@[ -d web/node_modules ] || ! command -v npm >/dev/null || \
		(cd web && npm ci --no-audit --no-fund --ignore-scripts --silent) || echo "dmm: no npm registry: pages are not tested in a browser" >&2
	@env -u COLUMNS ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)
	@$(MAKE) --no-print-directory debug-checks

# The suites of units and of the contract once more, with DEBUG_CHECK on: every slow path walks what it changed.
debug-checks: packages
	@test -f build-debug/build.ninja || cmake --preset debug $(CMAKE_ARGS)
	@cmake --build build-debug -j $(JOBS) --target unit_base unit_os unit_heap unit_many \
		unit_slab unit_backend unit_heaps_shared unit_heaps_static contract dmm_shared
	@ctest --test-dir build-debug --output-on-failure -j $(JOBS) -R '^unit_|^contract_' -E pairwise

# A million operations on every system, alone and by 2, 8 and 64 threads.
torture: all
	@for threads in 1 2 8 64; do $(BUILD)/dmm torture --ops=$(or $(OPS),1000000) --threads=$$threads || exit; done

# Every pair of values of two techniques of the appendix, a million operations each.
torture-pairwise: all
	@for system in dlist bins gnu; do $(BUILD)/dmm torture --system=$$system --pairwise --ops=$(or $(OPS),1000000) || exit; done

# Every sequence of mallocs and frees to depth 10 (CI: 8).
exhaustive: all
	@for system in minimal pad list dlist bins vm gnu segdata segmeta; do $(BUILD)/test/exhaustive --system=$$system --depth=$(or $(DEPTH),10) || exit; done

# libFuzzer over operation streams, SECONDS on each system.
fuzz: all
	@tools/packages fuzz
	@test/fuzz/run . $(BUILD)/fuzz $(or $(SECONDS),60) $(SYSTEM)
	@for system in $(or $(SYSTEM),$(SYSTEMS)); do for threads in 1 4; do \
		$(BUILD)/test/random_ops --system=$$system --ops=$(or $(OPS),10000000) --threads=$$threads \
			--ledger=$(BUILD)/fuzz/operations.csv || exit; done; done
	@test/fuzz/total test/fuzz/operations.csv $(BUILD)/fuzz/operations.csv

# Every n-th system call refused on whole programs, limits, a full disk.
faults: all
	@tools/packages test
	@test/faults/outside.py $(BUILD) --full
	@ctest --test-dir $(BUILD) -R 'limits_|fills_the_disk' --output-on-failure

# Mutation testing of src/system and src/slab (an hour or so).
mutate: all
	@cmake --build $(BUILD) --target torture >/dev/null
	@tools/mutate $(BUILD) --under=src/system --count=$(or $(COUNT),200)
	@tools/mutate $(BUILD) --under=src/slab --count=$(or $(COUNT),170)

# src/slab under every schedule with three preemptions (half an hour), then with faults planted.  Stopped, it goes on
# with the scenarios that have no line yet in the file of what is done, which is that of this very program.
interleave: all
	@$(BUILD)/test/interleave --bound=$(or $(BOUND),3) \
		--done=$(BUILD)/test/interleave-$$(cksum <$(BUILD)/test/interleave | tr ' ' -).done
	@test/model/interleave/seeded.py $(BUILD)

# Frees across threads as models, in all their states and all shapes, then with faults planted.
.PHONY: spin
spin:
	@test/model/spin/run . $(BUILD)/spin-long remote long
	@test/model/spin/run . $(BUILD)/spin-long twice long

# Two threads free one object at the same moment, 22 ways and sizes, TRIALS times each.
races: all
	@LD_PRELOAD=$(abspath $(BUILD))/libdmm.so nice $(BUILD)/test/races --trials=$(or $(TRIALS),50000)

# Frama-C's WP on chunk arithmetic, minimal, pad and list; docs/evidence/proof.md lists what is not proved.
prove:
	@tools/packages prove
	@tools/prove $(BUILD)/prove

# HOURS of a shifting load on SYSTEM; 10 minutes if not said.
soak: all
	@$(BUILD)/dmm run --system=$(or $(SYSTEM),slab) -- $(BUILD)/test/soak --hours=$(or $(HOURS),0.167)

# The misuse matrix and a thousand seeds of each exploitation primitive, on every design: docs/evidence/misuse.md.
trust: all
	@test/misuse/trust.py $(BUILD) --seeds=$(or $(SEEDS),1000) --write=docs/evidence/misuse.md

# 100,000 forks, 10,000 threads, 10,000 libraries, signals every 100 us: minutes.
storms: all
	@for storm in fork first atfork threads dlopen tls statics signals; do \
		LD_PRELOAD=$(abspath $(BUILD))/libdmm.so $(BUILD)/test/trust_storms $$storm || exit; done
	@DMM_FORKS=1000 test/lab/trace/fork_test.py $(BUILD) .

# libFuzzer over recordings and other tools' formats, MINUTES in all.
fuzz-trace: all
	@tools/packages fuzz
	@test/fuzz/run_trace . $(BUILD)/fuzz-trace $$(( $(or $(MINUTES),10) * 60 / 7 )) $(TARGETS)

# The libraries and all their tests with clang, with musl, and for aarch64 in qemu-user: docs/manual/platforms.md.
.PHONY: ports
ports:
	@tools/packages ports
	@for port in clang musl aarch64; do test/ports/port . build-$$port $$port --full || [ $$? = 77 ] || exit 1; done

# The page of dmm report, web/dist/report.html, from its sources: needs Node, and the npm registry.
.PHONY: web
web:
	@cd web && npm ci --no-audit --no-fund --ignore-scripts && npm run check && npm run build

# The pictures of README.md, from the commands that stand beside them; page.png needs Chromium.
.PHONY: pictures
pictures: all
	@tools/pictures $(BUILD)

# What a page costs to make, to open and to use; CALLS="1000000 100000000" takes some minutes.
.PHONY: bench-report
bench-report: all
	@node test/lab/report/bench.mjs $(BUILD) $(or $(CALLS),1000000) || [ $$? = 77 ]

# What each command takes on a recording of CALLS calls (10^8), and whether that is within its bound: half an hour.
bounds: all
	@tools/bounds $(BUILD) $(or $(CALLS),100000000)

# dmm info on 10^8 generated events: the memory that it takes.
info-long: all
	@DMM_EVENTS=$(or $(EVENTS),100000000) test/lab/trace/info_test.py $(BUILD) . needs_no_memory

demo: all
	@tools/packages demo
	@tools/demo $(BUILD)

bench: all
	@tools/packages bench
	@tools/bench $(BUILD)
	@! command -v node >/dev/null || node test/lab/report/bench.mjs $(BUILD) 1000000 || [ $$? = 77 ]

# After 3 s of rest before each run, nothing warmed: 10 minutes a program with eight peers.
.PHONY: bench-cold
bench-cold: all
	@IDLE=$(or $(IDLE),3) RUNS=$(or $(RUNS),5) THP=$(or $(THP),as-is) THREADS=8 FIGURES=wall,peak \
	    PROGRAMS='$(or $(PROGRAMS),python node stress log-uniform redis-fill cc)' tools/bench $(BUILD) out/bench-cold

# Memory over time and at the end, beside the peak, of programs with phases.
.PHONY: bench-phases
bench-phases: all
	@RUNS=$(or $(RUNS),5) FIGURES=peak,mean,end PROGRAMS='$(or $(PROGRAMS),redis-phases server-bursts pool-turns \
	    burst-idle cache-drops python-caches)' THREADS=8 tools/bench $(BUILD) out/bench-phases

# How long single calls of malloc and free take, warm and cold, with 1 and 8 threads: ROUNDS x 100 s with eight peers.
.PHONY: bench-tail
bench-tail: all
	@tools/bench-tail $(BUILD)

# Atomic instructions and system calls an operation, with 1 to 64 threads, counted.
.PHONY: bench-atomics
bench-atomics: all
	@tools/packages bench
	@tools/bench-atomics $(BUILD)

# PREFIX (/usr/local) is where; DESTDIR goes before it for those who pack.
install: all
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

uninstall:
	@tools/uninstall $(BUILD) $(PREFIX)

# Packages of the committed tree, in out/: built, checked by lintian or rpmlint, installed into an empty tree, removed.
deb:
	@tools/packages deb
	@tools/package deb out
	@test/install/deb_test.py out .

rpm:
	@tools/packages rpm
	@test/install/rpm_test .
	@tools/package rpm out

clean:
	@rm -rf build build-*
