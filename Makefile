# The front door.  `make demo` shows, `make test` proves, `make bench` measures.
PRESET ?= release
BUILD  := $(if $(filter release,$(PRESET)),build,build-$(PRESET))
JOBS   ?= $(shell nproc)

.PHONY: all packages configure demo test bench install clean

all: configure
	@cmake --build $(BUILD) -j $(JOBS)

packages:
	@tools/packages build

configure: packages
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET) $(CMAKE_ARGS)

test: all
	@tools/packages test
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

demo: all
	@tools/packages demo
	@tools/demo $(BUILD)

bench: all
	@tools/packages bench
	@tools/bench $(BUILD)

install: all
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

clean:
	@rm -rf build build-*
