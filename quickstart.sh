#!/usr/bin/env bash
# The main job on real data: set-up, build, small Fashion-MNIST models, and the question whether
# each candidate may replace the one in production. All are trained on the first half of the
# training file, rows 0 to 29,999, so that the other half is known to be unseen. Works from any
# folder; -D arguments go to CMake. FASHION_MNIST names the data's folder if it is not Debian's.
#
#   ./quickstart.sh [-DCMAKE_PREFIX_PATH=<torch>] [-D...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=third_party/steps.sh
source third_party/steps.sh

jobs=$(nproc)
out=quickstart
logs=$out/logs
robustness=configs/suites/fashion-nightly.yaml
privacy=configs/suites/privacy-ctest.yaml
assay=build/release/assay

# train TITLE NAME OPTIONS...: writes $out/NAME.pt.
train() {
  local title=$1 name=$2
  shift 2
  step "$logs/train-$name.log" "$title" "$assay" train \
    --images "$FASHION_MNIST/train-images-idx3-ubyte.gz" \
    --labels "$FASHION_MNIST/train-labels-idx1-ubyte.gz" --out "$out/$name.pt" "$@"
}

# expect CODE MEANING TITLE NAME SUITE OPTIONS...: runs the suite on $out/NAME.pt; its folder is
# $out/NAME, or $out/NAME-privacy.
expect() {
  local code=0 wanted=$1 meaning=$2 title=$3 name=$4 suite=$5 folder=$4
  shift 5
  [[ $suite == "$privacy" ]] && folder=$name-privacy
  say "$title"
  rm -rf "${out:?}/$folder"
  logged "$logs/run-$folder.log" "$assay" run "$suite" --model "$out/$name.pt" \
    --out "$out/$folder" --store "$out/store" "$@" || code=$?
  [[ $code -eq $wanted ]] ||
    fail "the suite on $name.pt ended with exit code $code, $wanted was expected ($meaning);" \
      "its output is in $logs/run-$folder.log"
  echo "    exit code $code: $meaning"
}

step $logs/setup.log "[1/11] set-up: what Assay is built from" third_party/setup.sh "$@"
export FASHION_MNIST=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
[[ -r $FASHION_MNIST/train-images-idx3-ubyte.gz ]] ||
  fail "no Fashion-MNIST in $FASHION_MNIST; install dataset-fashion-mnist or set FASHION_MNIST"
step $logs/configure.log "[2/11] configure the preset release" cmake --preset release "$@"
step $logs/build.log "[3/11] build with $jobs jobs" \
  cmake --build --preset release --parallel "$jobs"

train "[4/11] train the model in production, adversarially" \
  production --eps 0.1 --epochs 4 --rows 0 20000 --seed 1
train "[5/11] train a careless candidate: more accurate, nothing done for robustness" \
  careless --epochs 3 --rows 0 30000 --seed 2
train "[6/11] train an improved candidate: adversarially, on more data" \
  improved --eps 0.1 --epochs 6 --rows 0 30000 --seed 3
train "[7/11] train an overfitted candidate: few records, many epochs" \
  overfitted --epochs 80 --rows 0 2000 --seed 4

expect 1 "the gate fails, the candidate is refused" \
  "[8/11] may the careless candidate replace the one in production?" \
  careless $robustness --baseline $out/production.pt
expect 0 "the gate passes, the candidate is promoted" \
  "[9/11] may the improved candidate?" improved $robustness --baseline $out/production.pt
expect 0 "the gate passes: an attacker hardly tells what it was trained on" \
  "[10/11] does the improved candidate give its training records away?" improved $privacy
expect 1 "the gate fails: it gives its training records away" \
  "[11/11] does the overfitted one?" \
  overfitted $privacy --set "data.members.rows=[0, 2000]" --set defaults.count=2000

say "done in $SECONDS s; open these reports in a browser:"
echo "    $PWD/$out/careless/report.html            refused: which samples regressed, and how"
echo "    $PWD/$out/improved/report.html            promoted"
echo "    $PWD/$out/overfitted-privacy/report.html  refused: which records are exposed"
