"""Fashion-MNIST from its idx files."""

import gzip

import numpy as np
import torch


def read_idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def read_samples(data, count, part="t10k"):
    """The first `count` samples → x [n, 1, 28, 28] in [0, 1], y [n]."""
    pixels = read_idx(data / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:count]
    labels = read_idx(data / f"{part}-labels-idx1-ubyte.gz", 8)[:count]
    return (torch.from_numpy(pixels.astype(np.float32) / np.float32(255)),
            torch.from_numpy(labels.astype(np.int64)))
