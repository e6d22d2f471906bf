#!/usr/bin/env bash
# The main job on real data: set-up, build, three small Fashion-MNIST models, and the question
# whether each of two candidates may replace the one in production. Works from any folder; -D
# arguments go to CMake. FASHION_MNIST names the data's folder if it is not Debian's.
#
#   ./quickstart.sh [-DCMAKE_PREFIX_PATH=<torch>] [-D...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=third_party/steps.sh
source third_party/steps.sh

jobs=$(nproc)
out=quickstart
logs=$out/logs
suite=configs/suites/fashion-nightly.yaml
assay=build/release/assay

# train TITLE NAME OPTIONS...: writes $out/NAME.pt.
train() {
  local title=$1 name=$2
  shift 2
  step "$logs/train-$name.log" "$title" "$assay" train \
    --images "$FASHION_MNIST/train-images-idx3-ubyte.gz" \
    --labels "$FASHION_MNIST/train-labels-idx1-ubyte.gz" --out "$out/$name.pt" "$@"
}

# expect CODE MEANING TITLE NAME: runs the suite on a candidate against production.
expect() {
  local code=0 wanted=$1 meaning=$2 name=$4
  say "$3"
  rm -rf "$out/$name"
  logged "$logs/run-$name.log" "$assay" run "$suite" --model "$out/$name.pt" \
    --baseline "$out/production.pt" --out "$out/$name" --store "$out/store" || code=$?
  [[ $code -eq $wanted ]] ||
    fail "the suite on $name.pt ended with exit code $code, $wanted was expected ($meaning);" \
      "its output is in $logs/run-$name.log"
  echo "    exit code $code: $meaning"
}

step $logs/setup.log "[1/8] set-up: what Assay is built from" third_party/setup.sh "$@"
export FASHION_MNIST=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
[[ -r $FASHION_MNIST/train-images-idx3-ubyte.gz ]] ||
  fail "no Fashion-MNIST in $FASHION_MNIST; install dataset-fashion-mnist or set FASHION_MNIST"
step $logs/configure.log "[2/8] configure the preset release" cmake --preset release "$@"
step $logs/build.log "[3/8] build with $jobs jobs" \
  cmake --build --preset release --parallel "$jobs"

train "[4/8] train the model in production, adversarially" \
  production --eps 0.1 --epochs 3 --rows 0 30000 --seed 1
train "[5/8] train a careless candidate: more accurate, nothing done for robustness" \
  careless --epochs 2 --seed 2
train "[6/8] train an improved candidate: adversarially, on more data" \
  improved --eps 0.1 --epochs 4 --seed 3

expect 1 "the gate fails, the candidate is refused" \
  "[7/8] may the careless candidate replace the one in production?" careless
expect 0 "the gate passes, the candidate is promoted" \
  "[8/8] may the improved candidate?" improved

say "done in $SECONDS s; open these reports in a browser:"
echo "    $PWD/$out/careless/report.html   refused: which samples regressed, and how"
echo "    $PWD/$out/improved/report.html   promoted"
