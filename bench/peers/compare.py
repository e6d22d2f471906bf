"""Times the same PGD on the same TorchScript files and samples, by Assay and by its peers.

Every library starts from the clean-correct check and is judged by the same final forward. Each peer
runs at each batch size, after a warm-up; its best is then run in turn with Assay (A B C D A B C D …)
and medians are compared, so that a noisy machine disturbs all of them alike.
"""

import argparse
import gzip
import pathlib
import statistics
import sys
import time

import numpy as np
import torch

from assay import Assay
from peers import BATCHES, PEERS, Classifier, Settings


def read_idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def read_samples(data, count):
    pixels = read_idx(data / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)[:count]
    labels = read_idx(data / "t10k-labels-idx1-ubyte.gz", 8)[:count]
    return (torch.from_numpy(pixels.astype(np.float32) / np.float32(255)),
            torch.from_numpy(labels.astype(np.int64)))


def right(model, x, y, batch):
    """Which rows does the model classify rightly? [n] bool."""
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in x.split(batch)]).eq(y)


def run_peer(model, attack, x, y, batch):
    """Clean check, attack, judging → as Assay.run."""
    begin = time.perf_counter()
    robust = right(model, x, y, batch)
    after_clean = time.perf_counter()
    kept = robust.nonzero().squeeze(1)
    adversarial = attack(x[kept], y[kept], batch)
    robust[kept] = right(model, adversarial, y[kept], batch)
    end = time.perf_counter()
    return {"process_s": end - begin, "attack_s": end - after_clean, "robust": robust.tolist()}


def best_batch(model, attack, x, y):
    times = {}
    for batch in BATCHES:
        run_peer(model, attack, x[:batch], y[:batch], batch)  # the executor's profiling runs
        times[batch] = run_peer(model, attack, x, y, batch)["attack_s"]
    return min(times, key=times.get), times


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def compare(name, path, arguments, data, x, y):
    settings = Settings()
    model = Classifier(path)
    contenders = {}
    print(f"\n{name}: {path}")
    for peer, make in PEERS.items():
        attack = make(model, settings)
        batch, times = best_batch(model, attack, x, y)
        swept = ", ".join(f"{size}: {seconds:.2f} s" for size, seconds in times.items())
        print(f"  {peer} by batch size: {swept}", flush=True)
        contenders[f"{peer}, batch {batch}"] = (
            lambda attack=attack, batch=batch: run_peer(model, attack, x, y, batch))
    assay = Assay(arguments.assay, arguments.results / name, path, data, len(y), settings)
    for workers in (1, 2):
        contenders[f"assay, {workers} worker{'s' * (workers > 1)}"] = (
            lambda workers=workers: assay.run(workers))
    runs = {contender: [] for contender in contenders}
    for _ in range(arguments.repetitions):
        for contender, run in contenders.items():
            runs[contender].append(run())
    print_table(runs, len(y))


def print_table(runs, samples):
    ours = runs["assay, 2 workers"]
    reference = ours[0]["robust"]
    print(f"  {'':26}{'robust':>8}{'differ':>8}{'attack s':>10}{'ratio':>8}{'whole s':>10}"
          f"{'ratio':>8}")
    for contender, results in runs.items():
        differ = sum(a != b for a, b in zip(results[0]["robust"], reference))
        attack_s, process_s = median(results, "attack_s"), median(results, "process_s")
        print(f"  {contender:26}{sum(results[0]['robust']) / samples:8.3f}{differ:8d}"
              f"{attack_s:10.3f}{attack_s / median(ours, 'attack_s'):8.2f}"
              f"{process_s:10.3f}{process_s / median(ours, 'process_s'):8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    x, y = read_samples(arguments.data, arguments.samples)
    print(f"PGD-{Settings().steps}, linf {Settings().eps}, step {Settings().step_size}, no random "
          f"start, {len(y)} samples; torch {torch.__version__}, {arguments.threads} threads; "
          f"medians of {arguments.repetitions}")
    print("attack s: attack and judging (assay: the cell's time_s / workers); whole s: the peers "
          "with the clean check,\nassay's whole process, start and reports included; ratio: to "
          "assay with 2 workers; differ: verdicts unlike its")
    for model in arguments.model:
        name, _, path = model.partition("=")
        compare(name, path, arguments, arguments.data, x, y)
    return 0


if __name__ == "__main__":
    sys.exit(main())
