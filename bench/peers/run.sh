#!/usr/bin/env bash
# Assay's attacks against those of torchattacks, Foolbox, ART and adv-lib, strength and time: the
# same TorchScript files, the same samples, one run. Makes a Python environment of its own (about
# 1.2 GB, ignored by git), and trains a standard and an adversarially trained Fashion-MNIST CNN the
# first time.
#
#   bench/peers/run.sh [ASSAY] [--attack NAME|all]... [--peer NAME]... [--samples N]
#                      [--repetitions N] [--model NAME=FILE]...
#   bench/peers/run.sh [ASSAY] --extraction [--attack knockoff|copycat]... [--budgets N...]
#                      [--seeds K] [--workers N] [--only CONTENDER]...
#   bench/peers/run.sh [ASSAY] --shadows [--shadows K] [--records N] [--epochs E] [--threads T]...
#   bench/peers/run.sh [ASSAY] --membership [SUITE]
#   bench/peers/run.sh [ASSAY] --images
#
# --attack is pgd by default; peers.py lists the others. AutoAttack also runs on a robust MLP and on
# models that mask their gradients, made the first time. The original AutoAttack, which is not
# published as a package, takes part where AUTOATTACK names a checkout of fra31/auto-attack.
# --extraction compares thieves instead, with ART's (extraction.py); --shadows the training of
# shadow models, with sequential PyTorch (shadows.py); --membership the scores of a suite,
# membership.yaml by default, with numpy on the same logits (membership.py); --images reads a folder
# of JPEGs as torchvision does (images.py).
# ASSAY is the program, build/release/assay by default. FASHION_MNIST names the data's folder if it
# is not Debian's. On a machine that others use too, `chrt -r 10 bench/peers/run.sh` as root keeps
# them from disturbing either side.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv
results=$here/.results
data=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}

assay=$here/../../build/release/assay
if [[ $# -gt 0 && $1 != -* ]]; then
  assay=$1
  shift
fi
[[ -x $assay ]] || { echo "no program at $assay; build it, or name it first" >&2; exit 2; }
if [[ ! -r $data/t10k-images-idx3-ubyte.gz ]]; then
  echo "no Fashion-MNIST in $data; install dataset-fashion-mnist or set FASHION_MNIST" >&2
  exit 2
fi
mkdir -p "$results"

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  echo "installing the peers into $venv" >&2
  python3 -m venv --clear "$venv"
  # PyTorch's own CPU build, where pip is not set up to find one; else what pip offers.
  "$venv/bin/pip" install -q "torch==2.13.0+cpu" ||
    "$venv/bin/pip" install -q --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
  "$venv/bin/pip" install -q -r "$here/requirements.txt"
  "$venv/bin/pip" install -q --no-deps torchattacks==3.5.1 adv-lib==0.2.8 torchvision==0.28.0
  cp "$here/requirements.txt" "$venv/installed.txt"
fi

# train NAME OPTIONS...: trains $results/NAME.pt unless it is there.
train() {
  local out=$results/$1.pt
  shift
  [[ -e $out ]] || "$assay" train --images "$data/train-images-idx3-ubyte.gz" \
    --labels "$data/train-labels-idx1-ubyte.gz" --out "$out" "$@" >&2
}

if [[ ${1-} == --extraction ]]; then
  shift
  exec "$venv/bin/python" "$here/extraction.py" --assay "$assay" --data "$data" \
    --results "$results" "$@"
fi

if [[ ${1-} == --shadows ]]; then
  shift
  train standard --epochs 2 --seed 2
  exec "$venv/bin/python" "$here/shadows.py" --assay "$assay" --data "$data" \
    --results "$results" "$@"
fi

if [[ ${1-} == --membership ]]; then
  export FASHION_MNIST=$data
  train memorised --rows 0 3000 --epochs 10 --seed 5
  runs=$results/membership
  rm -rf "$runs"
  mkdir "$runs"
  for shard in 0 1; do
    "$assay" run "${2:-$here/membership.yaml}" --model "$results/memorised.pt" --baseline none \
      --shard "$shard/2" --store "$runs/store" --out "$runs/$shard" >&2
  done
  # What the suite's rules say is no matter here, and without rules it is inconclusive.
  "$assay" merge "$runs/0" "$runs/1" --out "$runs/merged" >&2 || [[ $? =~ ^[14]$ ]]
  exec "$venv/bin/python" "$here/membership.py" "$runs/0" "$runs/1" "$runs/merged"
fi

if [[ ${1-} == --images ]]; then
  shift
  train standard --epochs 2 --seed 2
  train adversarial --eps 0.1 --epochs 3 --seed 3
  exec "$venv/bin/python" "$here/images.py" --assay "$assay" --data "$data" \
    --results "$results" "$@"
fi

models=()
if [[ " $* " != *" --model"* ]]; then
  train standard --epochs 2 --seed 2
  train adversarial --eps 0.1 --epochs 3 --seed 3
  models=(--model "standard=$results/standard.pt" --model "adversarial=$results/adversarial.pt")
  if [[ " $* " == *autoattack_* ]]; then
    PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/models.py" "$data" "$results"
    models+=(--model "mlp=$results/mlp.pt" --model "scaled=$results/scaled.pt"
             --model "quantised=$results/quantised.pt")
  fi
fi
exec "$venv/bin/python" "$here/compare.py" --assay "$assay" --data "$data" --results "$results" \
  "${models[@]}" "$@"
