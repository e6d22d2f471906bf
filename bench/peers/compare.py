"""Runs the same attacks on the same TorchScript files and samples, by Assay and by its peers, and
compares strength and time.

Every library starts from the clean-correct check and is judged by the same final forward. Each peer
runs at each batch size; its best is then run in turn with Assay (A B C D A B C D …) and medians are
compared, so that a noisy machine disturbs all of them alike.
"""

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np
import torch

from assay import Assay
from data import read_samples
from peers import CASES, Classifier, has_original


def right(model, x, y, batch):
    """Which rows does the model classify rightly? [n] bool."""
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in x.split(batch)]).eq(y)


def distance(a, b, norm):
    order = {"l0": 0, "l1": 1, "l2": 2, "linf": float("inf")}[norm]
    return torch.linalg.vector_norm((a.double() - b.double()).flatten(1), order, dim=1)


def run_peer(model, attack, case, x, y, batch):
    """Clean check, attack, judging → as Assay.run. A point outside ball or box breaks nothing."""
    torch.manual_seed(0)
    np.random.seed(0)
    begin = time.perf_counter()
    robust = right(model, x, y, batch)
    after_clean = time.perf_counter()
    kept = robust.nonzero().squeeze(1)
    model.rows = 0
    adversarial = attack(x[kept], y[kept], batch)
    rows = model.rows
    broken = ~right(model, adversarial, y[kept], batch)
    away = distance(adversarial, x[kept], case.norm)
    broken &= (adversarial.amin((1, 2, 3)) >= 0) & (adversarial.amax((1, 2, 3)) <= 1)
    if case.eps is not None:
        broken &= away <= case.eps + 1e-6
    robust[kept] = ~broken
    end = time.perf_counter()
    strength = (robust.double().mean() if case.eps is not None else
                away.where(broken, torch.tensor(float("inf"))).quantile(0.5))
    return {"process_s": end - begin, "attack_s": end - after_clean, "strength": strength.item(),
            "robust": robust.tolist(), "forwards": rows / len(y)}


def best_batch(model, attack, case, x, y):
    if len(case.batches) == 1:
        return case.batches[0], {}
    times = {}
    for batch in case.batches:
        # First the executor's profiling runs.
        run_peer(model, attack, case, x[:batch], y[:batch], batch)
        times[batch] = run_peer(model, attack, case, x, y, batch)["attack_s"]
    return min(times, key=times.get), times


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def compare(case_name, model_name, path, arguments):
    case = CASES[case_name]
    x, y = read_samples(arguments.data, arguments.samples or case.samples)
    repetitions = arguments.repetitions or case.repetitions
    model = Classifier(path)
    contenders = {}
    print(f"\n{case_name} on {model_name}, {len(y)} samples, medians of {repetitions}: "
          f"{case.entry or ', '.join(case.suites)}")
    for peer, make in case.peers.items():
        if arguments.peer and peer not in arguments.peer:
            continue
        attack = make(model, case)
        batch, times = best_batch(model, attack, case, x, y)
        if times:
            swept = ", ".join(f"{size}: {seconds:.2f} s" for size, seconds in times.items())
            print(f"  {peer} by batch size: {swept}", flush=True)
        contenders[f"{peer}, batch {batch}"] = (
            lambda attack=attack, batch=batch: run_peer(model, attack, case, x, y, batch))
    ours = {}
    for suite in case.suites or (None,):
        assay = Assay(arguments.assay, arguments.results / model_name / (suite or "entry"), path,
                      arguments.data, len(y), case, suite)
        for workers in (2,) if suite else (2, 1):  # whole suites take long
            name = f"assay {suite or ''}".strip() + f", {workers} worker{'s' * (workers > 1)}"
            ours[name] = lambda assay=assay, workers=workers: assay.run(workers)
    contenders |= ours
    runs = {contender: [] for contender in contenders}
    for _ in range(repetitions):
        for contender, run in contenders.items():
            runs[contender].append(run())
    print_table(runs, case, runs[next(iter(ours))])


def print_table(runs, case, ours):
    strength = case.metric.replace("_", " ").replace("accuracy", "").strip()
    print(f"  {'':34}{strength:>16}{'differ':>8}{'rows':>8}{'attack s':>10}{'ratio':>8}"
          f"{'whole s':>10}{'ratio':>8}")
    for contender, results in runs.items():
        first = results[0]
        differ = sum(a != b for a, b in zip(first["robust"], ours[0]["robust"]))
        attack_s, process_s = median(results, "attack_s"), median(results, "process_s")
        print(f"  {contender:34}{first['strength']:16.4f}"
              f"{differ if case.eps is not None else '-':>8}{first['forwards']:8.0f}"
              f"{attack_s:10.3f}{attack_s / median(ours, 'attack_s'):8.2f}"
              f"{process_s:10.3f}{process_s / median(ours, 'process_s'):8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--attack", action="append", choices=[*CASES, "all"],
                        help="which attacks, pgd by default; may be repeated")
    parser.add_argument("--peer", action="append", help="which peers, all by default")
    parser.add_argument("--samples", type=int, help="500 for pgd, else 100, by default")
    parser.add_argument("--repetitions", type=int, help="5 for pgd, else 1, by default")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads")
    print("strength: what stays robust, or the median distance of what breaks: lower is stronger; "
          "differ: verdicts unlike\nassay's; rows: forwards for each sample; attack s: attack and "
          "judging (assay: the cell's time_s / workers);\nwhole s: the peers with the clean check, "
          "assay's whole process, start and reports included; ratio: to assay with\n2 workers")
    attacks = arguments.attack or ["pgd"]
    for attack in CASES if "all" in attacks else attacks:
        for model in arguments.model:
            name, _, path = model.partition("=")
            compare(attack, name, path, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
