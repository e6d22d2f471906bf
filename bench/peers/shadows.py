"""Shadows of the small CNN in sequential PyTorch beside Assay's: the same network, initial
distribution, recipe and records, one shadow after the other on all cores.

    bench/peers/run.sh [ASSAY] --shadows [--shadows K] [--records N] [--epochs E] [--threads T]
                                         [--fused] [--channels-last]

Assay's time is that of a whole run with a fresh store that also scores 2,000 records; PyTorch's is
without imports and reading the images. Accuracy is on what a shadow was trained on.
"""

import argparse
import gzip
import json
import math
import pathlib
import shutil
import subprocess
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SUITE = """\
assay: 1
name: shadows
seed: 1
model: {{ path: "{model}", input: {{ shape: [1, 28, 28], range: [0, 1] }}, classes: 10 }}
baseline: none
data:
  pool: {{ format: idx, rows: [0, {pool}], images: "{images}", labels: "{labels}" }}
  members: {{ format: idx, rows: [{pool}, {middle}], images: "{images}", labels: "{labels}" }}
  non_members: {{ format: idx, rows: [{middle}, {end}], images: "{images}", labels: "{labels}" }}
attacks:
  - {{ name: cell, attack: base, members: members, non_members: non_members, pool: pool,
      shadows: {shadows}, train_records: {records}, architecture: cnn, epochs: {epochs},
      batch: {batch}, learning_rate: {learning_rate} }}
"""
AUDITED = 1000  # records of each set


def read_idx(path, offset):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def load(folder, count):
    """The first `count` training images in [-1, 1], [count, 1, 28, 28], and labels."""
    images = read_idx(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:count]
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz", 8)[:count]
    return torch.tensor(images).float() / 127.5 - 1, torch.tensor(labels).long()


def make_network():
    """The layers of harness/model/network.cc; PyTorch's own initial values are the same."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10))


def one_cycle(share):
    if share < 0.1:
        return 0.1 + 9 * share
    return (1 + math.cos(math.pi * (share - 0.1) / 0.9)) / 2


def train(x, labels, args, seed):
    torch.manual_seed(seed)
    network = make_network()
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=args.learning_rate, fused=args.fused)
    total = args.epochs * math.ceil(len(x) / args.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step / total))
    for _ in range(args.epochs):
        for rows in torch.randperm(len(x)).split(args.batch):
            loss = functional.cross_entropy(network(x[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        right = sum((network(part).argmax(1) == truth).sum().item()
                    for part, truth in zip(x.split(128), labels.split(128)))
    return right / len(x)


def run_assay(args):
    """A run with a fresh store → its s and its shadows' mean accuracy."""
    folder = args.results / "shadows"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pool = 2 * args.records
    suite = folder / "suite.yaml"
    suite.write_text(SUITE.format(
        model=(args.results / "standard.pt").resolve(),
        images=(args.data / "train-images-idx3-ubyte.gz").resolve(),
        labels=(args.data / "train-labels-idx1-ubyte.gz").resolve(),
        pool=pool, middle=pool + AUDITED, end=pool + 2 * AUDITED, shadows=args.shadows,
        records=args.records, epochs=args.epochs, batch=args.batch,
        learning_rate=args.learning_rate))
    began = time.perf_counter()
    done = subprocess.run([args.assay, "run", suite, "--out", folder / "run", "--store",
                           folder / "store"], capture_output=True, text=True)
    took = time.perf_counter() - began
    if done.returncode != 4:  # a suite without rules is inconclusive
        raise SystemExit(f"assay run ended with exit code {done.returncode}:\n{done.stderr}")
    fidelity = json.loads((folder / "run" / "report.json").read_text())["cells"][0]["fidelity"]
    return took, fidelity["shadow_members"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--assay", type=pathlib.Path, help="absent: PyTorch alone")
    parser.add_argument("--results", type=pathlib.Path, help="for Assay: has standard.pt")
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--shadows", type=int, default=16)
    parser.add_argument("--records", type=int, default=10000, help="records of one shadow")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused Adam")
    parser.add_argument("--channels-last", action="store_true",
                        help="images with the channels innermost, which PyTorch does not do itself")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.assay:
        ours, accuracy = run_assay(args)
        print(f"assay: {args.shadows} shadows in {ours:.1f} s: {ours / args.shadows:.2f} s each, "
              f"accuracy {accuracy:.4f}", flush=True)
    # Every shadow has half of the pool.
    images, labels = load(args.data, 2 * args.records)
    began = time.perf_counter()
    accuracy = []
    for seed in range(args.shadows):
        rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        rows = rows[:args.records]
        x = images[rows]
        if args.channels_last:
            x = x.to(memory_format=torch.channels_last)
        accuracy.append(train(x, labels[rows], args, seed))
    took = time.perf_counter() - began
    print(f"torch: {args.shadows} shadows in {took:.1f} s: {took / args.shadows:.2f} s each on "
          f"{torch.get_num_threads()} threads, accuracy {np.mean(accuracy):.4f}")
    if args.assay:
        print(f"torch takes {took / ours:.2f} times as long")


if __name__ == "__main__":
    main()
