"""`assay run` on a suite of one cell, as a process of its own with a fresh store."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import time

# The rule always passes: only the verdicts are of interest here.
SUITE = """\
assay: 1
name: peers
seed: 1
model: {{ path: "{model}", input: {{ shape: [1, 28, 28], range: [0, 1] }}, classes: 10 }}
baseline: none
data: {{ test: {{ format: idx, images: "{images}", labels: "{labels}" }} }}
sample: {{ first: {samples} }}
attacks:
  - {{ name: cell, {entry} }}
gate: {{ rules: [ {{ cell: cell, metric: clean_accuracy, at_least: 0 }} ] }}
"""


SUITES = pathlib.Path(__file__).resolve().parents[2] / "configs" / "suites"


class Assay:
    """Runs the case's entry or, where it is named, a suite of configs/suites at the case's eps."""

    def __init__(self, binary, folder, model, data, samples, case, suite=None):
        self.binary = binary
        self.case = case
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = (SUITES / f"{suite}.yaml").read_text() if suite else SUITE.format(
            model=pathlib.Path(model).resolve(), images=data / "t10k-images-idx3-ubyte.gz",
            labels=data / "t10k-labels-idx1-ubyte.gz", samples=samples, entry=case.entry)
        self.suite = self.folder / "suite.yaml"
        self.suite.write_text(text)
        self.options = [
            "--model", pathlib.Path(model).resolve(), "--baseline", "none", "--set",
            f"sample={{ first: {samples} }}", "--set", f"attacks.0.eps={case.eps}", "--set",
            'gate.rules=[{ cell: "*", metric: clean_accuracy, at_least: 0 }]'] if suite else []
        self.environment = os.environ | {"FASHION_MNIST": str(data)}

    def run(self, workers):
        """Runs afresh → {process_s, attack_s, strength, robust, forwards}: wall time of the whole
        process, time of the cell by worker (attack and judging), the case's metric, whether each
        sample stayed robust, and rows sent for each sample."""
        out, store = self.folder / "run", self.folder / "store"
        for folder in (out, store):
            shutil.rmtree(folder, ignore_errors=True)
        begin = time.perf_counter()
        done = subprocess.run(
            [self.binary, "run", self.suite, *self.options, "--workers", str(workers), "--out", out,
             "--store", store, "--save-adversarials", "none"], capture_output=True, text=True,
            env=self.environment)
        process_s = time.perf_counter() - begin
        if done.returncode != 0:
            raise SystemExit(f"assay run ended with exit code {done.returncode}:\n{done.stderr}")
        cell = json.loads((out / "report.json").read_text())["cells"][0]
        with open(out / "samples.csv", newline="") as file:
            robust = [row["status"] == "robust" for row in csv.DictReader(file)]
        return {"process_s": process_s, "attack_s": cell["cost"]["time_s"] / workers,
                "strength": cell["metrics"][self.case.metric]["value"], "robust": robust,
                "forwards": cell["cost"]["forwards"] / len(robust)}
