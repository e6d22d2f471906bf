#!/usr/bin/env bash
# Set-up, build, all tests. Works from any folder; -D arguments go to CMake.
#
#   ./test.sh [-DCMAKE_PREFIX_PATH=<torch>] [-D...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=third_party/steps.sh
source third_party/steps.sh

jobs=$(nproc)
logs=build/logs
step $logs/setup.log "[1/4] set-up: what Assay is built from" third_party/setup.sh "$@"
step $logs/configure.log "[2/4] configure the preset ci" cmake --preset ci "$@"
step $logs/build.log "[3/4] build with $jobs jobs" cmake --build --preset ci --parallel "$jobs"
step $logs/tests.log "[4/4] all tests" ctest --preset ci --parallel "$jobs"
say "all tests passed in $SECONDS s"
