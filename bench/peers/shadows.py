"""Shadows of the small CNN in sequential PyTorch, to compare with `assay`'s: the same network,
initial distribution, recipe and records, one shadow after the other on all cores.

    shadows.py [--shadows K] [--records N] [--epochs E] [--threads T] [--fused] [--channels-last]
"""

import argparse
import gzip
import math
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
    print(f"{args.shadows} shadows in {took:.1f} s: {took / args.shadows:.2f} s each on "
          f"{torch.get_num_threads()} threads, accuracy {np.mean(accuracy):.4f}")


if __name__ == "__main__":
    main()
