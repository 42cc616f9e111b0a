# Short names for the common tasks; the work is done by CMake (CMakePresets.json) and scripts/.
#   JOBS=n      compilers at once (else: as processors and memory allow)
#   ORACLE=1|0  with or without the comparisons with MergeKit (else: where it is at hand)
#   PREFIX=dir  where `make install` puts the program
#   SECONDS_EACH=n  how long `make fuzz` runs each target (600)
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build runtime demo test check check-all fuzz bench docs install deb clean format

export DEBIAN_FRONTEND := noninteractive
PREFIX ?= /usr/local

help:  ## lists these targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

setup:
	@scripts/setup.sh build

build: setup  ## builds the program: build/release/bin/merganser
	@scripts/build.sh release bin/merganser

runtime: setup  ## builds what runs models, too; installs PyTorch into build/torch if there is none
	@scripts/setup.sh test
	@scripts/find_torch.sh --install >build/torch.path
	@scripts/build.sh release bin/merganser merganser_runtime_shared

demo: runtime  ## merges two specialists of a real encoder and shows what each merge is worth
	@echo "== demo"
	@demo/run.sh

test:  ## all checks and tests (C++, C++ with AddressSanitizer, Python)
	@scripts/setup.sh test lint clang browser
	@[ "$${ORACLE:-}" != 1 ] || tests/setup_venv.sh --oracle  # its PyTorch is the runtime's, too
	@scripts/check.sh
	@scripts/build.sh release
	@scripts/run_ctest.sh release
	@scripts/check_docs.sh
	@scripts/build.sh asan
	@scripts/run_ctest.sh asan
	@scripts/run_hostile.sh asan
	@scripts/run_pytest.sh -m "not slow"

check:  ## formatting and layering only
	@scripts/setup.sh lint
	@scripts/check.sh

check-all: test  ## test, and Clang, more sanitizers, fuzz corpora, the slow comparisons
	@scripts/setup.sh all
	@for preset in clang ubsan tsan; do \
	  scripts/build.sh $$preset && scripts/run_ctest.sh $$preset || exit 1; \
	done
	@scripts/build.sh fuzz
	@scripts/fuzz.sh
	@tests/setup_venv.sh --oracle && tests/setup_fusion_bench.sh
	@ORACLE=$${ORACLE:-1} MERGANSER_RECIPES=$${MERGANSER_RECIPES:-800} scripts/run_pytest.sh

fuzz:  ## feeds each parser mutated inputs for SECONDS_EACH (600) under sanitizers; needs Clang
	@scripts/setup.sh all
	@scripts/build.sh fuzz
	@SECONDS_EACH=$${SECONDS_EACH:-600} scripts/fuzz.sh

bench: runtime  ## measures speed and memory beside cp, LAPACK, MergeKit, PEFT and FusionBench; over an hour
	@scripts/build.sh release bin/merganser bin/svd_bench runtime_bench
	@echo "== bench: about an hour and a quarter on two quiet cores; bench/README.md has its parts and options"
	@bench/run.sh

docs: build  ## writes docs/methods.md from the methods themselves
	@scripts/check_docs.sh --write

install: setup  ## installs into PREFIX (/usr/local)
	@scripts/build.sh release installation
	cmake --install build/release --prefix "$(PREFIX)"

deb: setup  ## makes Debian packages in build/release/packages (scripts/check_deb.sh tries them)
	@scripts/setup.sh deb
	@scripts/build.sh release installation
	@cd build/release && cpack

format:  ## formats the C++ files
	@scripts/setup.sh lint
	@scripts/check_format.sh --fix

clean:  ## removes everything that was built
	rm -rf build
