# Every target installs what is missing, builds, and is quick the second time.
METHOD ?= lora
FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
BUILD := build
GENERATE := $(if $(wildcard $(BUILD)/build.ninja),,cmake --preset release)

.PHONY: help build tests check test install package demo compare bench cuda ecosystem asan tsan valgrind fuzz format clean
.DEFAULT_GOAL := build

help:            ## these lines
	@sed -n 's/^\([a-z]*\): .*## /\1\t/p; s/^\([a-z]*\):  *## /\1\t/p' $(MAKEFILE_LIST)

dependencies:
	@tools/install_dependencies

build: dependencies ## the program, build/falconer
	@$(GENERATE)
	@cmake --build $(BUILD) --target falconer

tests: dependencies
	@$(GENERATE)
	@cmake --build $(BUILD)

check: tests     ## the fast tests, in under a minute
	@ctest --test-dir $(BUILD) --output-on-failure --parallel 2 -L fast

test: tests      ## all tests
	@ctest --test-dir $(BUILD) --output-on-failure --parallel 2

install: dependencies ## program, headers and libraries for C++, C and CMake, below PREFIX=/usr/local
	@$(GENERATE)
	@cmake -DFALCONER_SHARED=ON $(BUILD) >/dev/null
	@cmake --build $(BUILD) --target falconer falconer_library falconer_shared
	@cmake --install $(BUILD) --prefix "$(PREFIX)"

package: dependencies ## a wheel, a Debian package and a tarball, in build/packages (docs/install.md)
	@tools/install_dependencies --packages
	@$(GENERATE)
	@cmake -DFALCONER_SHARED=ON $(BUILD) >/dev/null
	@cmake --build $(BUILD) --target falconer falconer_shared
	@tools/make_packages $(BUILD)

demo: build      ## teach the small checkpoint in demo/ a skill: METHOD=lora, adapter, adapter-v2 or full
	@demo/run $(METHOD)

compare: build   ## train the demo with all methods on the same rows; tables and charts in build/compare
	@$(BUILD)/falconer compare demo/recipes/lora.toml demo/recipes/adapter.toml \
	  demo/recipes/adapter-v2.toml demo/recipes/full.toml --batch-size 8 --out $(BUILD)/compare

bench: dependencies ## the speed of every kernel, as a table
	@cmake --preset bench
	@cmake --build build-bench
	@bench/run

cuda: dependencies ## the program with the kernels for NVIDIA GPUs, build-cuda/falconer (needs nvcc)
	@cmake --preset cuda
	@cmake --build build-cuda

ecosystem: build ## our files in transformers, PEFT, LitGPT and llama.cpp; makes a Python with them first
	@tools/ecosystem

asan:            ## all tests under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer (with clang)
	@tools/install_dependencies --clang
	@cmake --preset asan
	@cmake --build build-asan
	@ctest --preset asan

tsan:            ## all tests under ThreadSanitizer (with clang)
	@tools/install_dependencies --clang
	@cmake --preset tsan
	@cmake --build build-tsan
	@ctest --preset tsan

valgrind:        ## the scalar kernels, training and generation under valgrind
	@tools/install_dependencies --valgrind
	@tools/memcheck

fuzz:            ## every parser on hostile input, a minute each (needs clang): FUZZ_SECONDS=60
	@tools/install_dependencies --clang
	@fuzz/run $(FUZZ_SECONDS)

format:          ## lay out the sources as .clang-format says
	@tools/check_format --mend

clean:           ## remove what was built
	@rm -rf build build-debug build-asan build-tsan build-bench build-cuda build-gpu build-fuzz
