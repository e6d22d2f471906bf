"""Knockoff Nets and Copycat CNN by Assay and by ART: what is stolen, and how long a curve takes.

The victim, the pool, the surrogate's network, batch, optimiser and epochs are the same. Assay runs
one theft on each core, ART one after the other on all of them, and on one. `bare` is ART's recipe
in a plain PyTorch loop; `bare, late decay` has Assay's learning rate, which is constant over 60 %
of the steps and then falls to 2 % in a line. ART's rate is constant. Small budgets mean few
steps at these epochs: `least_steps` is Assay's default, which goes on until 500 were taken.

    bench/peers/run.sh [ASSAY] --extraction [--attack NAME]... [--budgets N...] [--seeds K]

Ends with 1 if Assay's agreement is below ART's by more than its interval.
"""

import argparse
import gc
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from data import read_samples
from shadows import make_network

SUITE = """\
assay: 1
name: extraction
seed: 1
model: {{ path: "{model}", input: {{ shape: [1, 28, 28], range: [0, 1] }}, classes: 10 }}
baseline: none
data:
  test: {{ format: idx, images: "{data}/t10k-images-idx3-ubyte.gz",
          labels: "{data}/t10k-labels-idx1-ubyte.gz" }}
  pool: {{ format: idx, images: "{data}/train-images-idx3-ubyte.gz",
          labels: "{data}/train-labels-idx1-ubyte.gz", rows: [{first}, {end}] }}
attacks:
  - {{ name: cell, attack: {attack}, pool: pool, surface: probabilities, architecture: cnn,
      budgets: {budgets}, seeds: {seeds}, epochs: {epochs}, batch: {batch}, learning_rate: {rate},
      least_steps: {least_steps}, transfer_count: 0 }}
"""

ATTACKS = ("knockoff", "copycat")
FIRST, END = 30000, 60000  # the pool's rows; the victim has the ones before
BATCH, RATE, EPOCHS = 128, 0.002, 10
RESAMPLES = 2000


class Surrogate(nn.Module):
    """Assay's small CNN, which maps the box to [-1, 1] itself."""

    def __init__(self):
        super().__init__()
        self.layers = make_network()

    def forward(self, x):
        return self.layers((x - 0.5) * 2)


class Probabilities(nn.Module):
    """The victim's API."""

    def __init__(self, path):
        super().__init__()
        self.script = torch.jit.load(path, map_location="cpu").eval()
        self.eval()

    def forward(self, x):
        return self.script(x).softmax(1)


def labels_of(model, x):
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in x.split(256)])


class Task:
    """What all thieves share: victim, pool and test set."""

    def __init__(self, arguments, victim):
        self.victim = victim
        self.pool = read_samples(arguments.data, END, "train")[0][FIRST:]
        self.test = read_samples(arguments.data, 10000)[0]
        self.budgets, self.seeds = arguments.budgets, arguments.seeds

    def thefts(self, steal, threads):
        """Runs steal(budget, seed) → surrogate for all → {budget: agreement [seeds, test]}, s."""
        torch.set_num_threads(threads)
        gc.collect()
        begin = time.perf_counter()
        truth = labels_of(Probabilities(self.victim), self.test)
        agreement = {}
        for budget in self.budgets:
            rows = []
            for seed in range(self.seeds):
                torch.manual_seed(seed)
                np.random.seed(seed)
                surrogate = steal(budget)
                surrogate.eval()
                rows.append(labels_of(surrogate, self.test).eq(truth).numpy())
            agreement[budget] = np.stack(rows)
        return agreement, time.perf_counter() - begin


def art_thief(attack, task):
    from art.attacks.extraction import CopycatCNN, KnockoffNets
    from art.estimators.classification import PyTorchClassifier

    def classifier(model, **more):
        return PyTorchClassifier(model, nn.CrossEntropyLoss(), (1, 28, 28), 10, device_type="cpu",
                                 clip_values=(0, 1), **more)

    pool = task.pool.numpy()
    victim = classifier(Probabilities(task.victim))
    settings = {"batch_size_fit": BATCH, "batch_size_query": 256, "nb_epochs": EPOCHS}

    def steal(budget):
        network = Surrogate()
        thief = classifier(network, optimizer=torch.optim.Adam(network.parameters(), lr=RATE))
        if attack == "knockoff":
            art = KnockoffNets(victim, nb_stolen=budget, sampling_strategy="random",
                               use_probability=True, verbose=False, **settings)
        else:
            art = CopycatCNN(victim, nb_stolen=budget, **settings)
        art.extract(pool, thieved_classifier=thief)
        return network

    return steal


def late_decay(share):
    return 1 if share < 0.6 else 0.02 + 0.98 * (1 - share) / 0.4


def bare_thief(attack, task, schedule=None):
    """The same in as few lines as PyTorch needs."""
    victim = Probabilities(task.victim)

    def steal(budget):
        x = task.pool[torch.randperm(len(task.pool))[:budget]]
        with torch.no_grad():
            targets = torch.cat([victim(part) for part in x.split(256)])
        if attack == "copycat":
            targets = functional.one_hot(targets.argmax(1), 10).float()
        network = Surrogate()
        network.train()
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        done = 0
        for _ in range(EPOCHS):
            for rows in torch.randperm(budget).split(BATCH):
                if schedule:
                    optimizer.param_groups[0]["lr"] = RATE * schedule(done / EPOCHS / budget)
                loss = functional.cross_entropy(network(x[rows]), targets[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                done += len(rows)
        return network

    return steal


def run_assay(attack, arguments, victim, least_steps):
    """A run with a fresh store → agreement as Task.thefts, s of the whole process."""
    folder = arguments.results / "extraction" / attack
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    suite = folder / "suite.yaml"
    suite.write_text(SUITE.format(
        model=victim.resolve(), data=arguments.data.resolve(), first=FIRST, end=END, attack=attack,
        budgets=arguments.budgets, seeds=arguments.seeds,
        epochs=EPOCHS, batch=BATCH, rate=RATE, least_steps=least_steps))
    begin = time.perf_counter()
    done = subprocess.run(
        [arguments.assay, "run", suite, "--baseline", "none", "--workers", str(arguments.workers),
         "--out", folder / "run", "--store", folder / "store"], capture_output=True, text=True)
    took = time.perf_counter() - begin
    if done.returncode != 4:  # a suite without rules is inconclusive
        raise SystemExit(f"assay run ended with exit code {done.returncode}:\n{done.stderr}")
    with open(folder / "run" / "evidence.jsonl", encoding="utf-8") as lines:
        units = [json.loads(line) for line in lines]
    # Last of all comes the unit that scores the others.
    stolen = [unit for unit in units if "extraction" in unit][-1]["extraction"]["stolen"]
    agreement = {budget: np.array([[bit == "1" for bit in one["agreement"]] for one in stolen
                                   if one["budget"] == budget]) for budget in arguments.budgets}
    return agreement, took


def interval(agreement, rng):
    """Two-stage bootstrap (seeds, then records) of the mean: one-sided 95 % bounds."""
    seeds, records = agreement.shape
    means = []
    for _ in range(RESAMPLES):
        weights = rng.multinomial(records, np.full(records, 1 / records)) / records
        means.append(agreement[rng.integers(seeds, size=seeds)].mean(0) @ weights)
    return np.quantile(means, (0.05, 0.95))


def print_table(attack, results):
    """results: contender → (agreement, s); Assay's first. True where ART agrees too much more."""
    rng = np.random.default_rng(0)
    print(f"\n{attack}\n  {'':24}{'budget':>8}{'agreement':>11}{'lowest':>9}{'highest':>9}"
          f"{'95 % interval':>18}")
    bounds = {}
    for name, (agreement, _) in results.items():
        for budget, rows in agreement.items():
            low, high = interval(rows, rng)
            bounds[name, budget] = (low, rows.mean(), high)
            each = rows.mean(1)
            print(f"  {name:24}{budget:8}{rows.mean():11.4f}{each.min():9.4f}{each.max():9.4f}"
                  f"{low:9.4f}{high:9.4f}")
    ours = next(iter(results))
    arts = [name for name in results if name.startswith("art")]
    behind = False
    for budget in results[ours][0] if arts else ():
        low, mean, _ = bounds[ours, budget]
        theirs = statistics.mean(bounds[name, budget][1] for name in arts)
        lower = mean - theirs < low - mean
        behind |= lower
        print(f"  assay less ART at {budget:6}: {mean - theirs:+.4f}{'   LOWER' if lower else ''}")
    print(f"  {'whole curve':24}{'s':>8}{'assay is':>11}")
    for name, (_, took) in results.items():
        print(f"  {name:24}{took:8.1f}{results[ours][1] / took:11.2f}")
    sys.stdout.flush()
    return behind


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--attack", action="append", choices=ATTACKS,
                        help="both by default")
    parser.add_argument("--budgets", type=int, nargs="+", default=[200, 2000, 20000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="of Assay, and threads of ART")
    parser.add_argument("--only", action="append", metavar="CONTENDER",
                        help="contenders beside the first, as the table spells them")
    arguments = parser.parse_args()
    victim = arguments.results / "victim.pt"
    if not victim.exists():
        subprocess.run([arguments.assay, "train", "--images",
                        arguments.data / "train-images-idx3-ubyte.gz", "--labels",
                        arguments.data / "train-labels-idx1-ubyte.gz", "--rows", "0", str(FIRST),
                        "--epochs", "3", "--seed", "4", "--out", victim], check=True)
    task = Task(arguments, victim)
    print(f"torch {torch.__version__}, budgets {arguments.budgets}, {arguments.seeds} seeds; whole "
          "curve: assay's whole process, start and reports included;\nthe others without imports "
          "and reading the images")
    behind = False
    for attack in arguments.attack or ATTACKS:
        contenders = {}
        for threads in (arguments.workers, 1):
            threaded = f"{threads} thread{'s' * (threads > 1)}"
            contenders[f"art, {threaded}"] = (art_thief, threads, ())
            contenders[f"bare, {threaded}"] = (bare_thief, threads, ())
        contenders["bare, late decay"] = (bare_thief, 1, (late_decay,))
        results = {f"assay, {arguments.workers} workers": run_assay(attack, arguments, victim, 0)}
        if not arguments.only or "assay, least_steps" in arguments.only:
            results["assay, least_steps"] = run_assay(attack, arguments, victim, 500)
        for name, (make, threads, more) in contenders.items():
            if not arguments.only or name in arguments.only:
                results[name] = task.thefts(make(attack, task, *more), threads)
        behind |= print_table(attack, results)
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
