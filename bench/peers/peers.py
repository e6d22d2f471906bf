"""The same attacks by other libraries: x, y → adversarial x, in batches of a given size."""

import dataclasses
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable

import numpy as np
import torch


@dataclasses.dataclass(frozen=True)
class Case:
    """An attack as Assay's suites spell it, or the names of files under configs/suites that hold it,
    and what makes it by library: model, case → run."""
    entry: str
    peers: dict[str, Callable]
    norm: str
    eps: float | None = None  # None: minimum norm
    step_size: float = 0
    steps: int = 0
    queries: int = 0
    batches: tuple[int, ...] = (128,)
    samples: int = 100
    repetitions: int = 1
    suites: tuple[str, ...] = ()  # in place of the entry

    @property
    def metric(self):
        return "median_distance" if self.eps is None else "robust_accuracy"


class Classifier(torch.nn.Module):
    """A TorchScript file as an ordinary module that counts rows: ART and Foolbox hook into modules.

    Its parameters need no gradients, which spares Foolbox the weights' share of each backward pass.
    """

    def __init__(self, path):
        super().__init__()
        self.script = torch.jit.load(path, map_location="cpu").eval()
        for parameter in self.script.parameters():
            parameter.requires_grad_(False)
        self.eval()
        self.rows = 0

    def forward(self, x):
        self.rows += len(x)
        return self.script(x.float())  # ART's HopSkipJump sends float64


def batched(attack):
    """Makes x, y → adversarial x out of one that takes a batch."""
    return lambda x, y, batch: torch.cat(
        [attack(*part) for part in zip(x.split(batch), y.split(batch))])


def torchattacks_peer(name, **fixed):
    def make(model, case):
        import torchattacks

        settings = {key: value(case) for key, value in fixed.items()}
        return batched(getattr(torchattacks, name)(model, **settings))

    return make


def torchattacks_autoattack(model, case):
    """AutoAttack's standard version of torchattacks' attacks; its own takes 10 steps in place of
    100."""
    import torchattacks

    shared = {"norm": case.norm.capitalize(), "eps": case.eps, "seed": 0}
    return batched(torchattacks.MultiAttack([
        torchattacks.APGD(model, steps=100, loss="ce", **shared),
        torchattacks.APGDT(model, steps=100, n_classes=10, **shared),
        torchattacks.FAB(model, steps=100, multi_targeted=True, n_classes=10, **shared),
        torchattacks.Square(model, n_queries=5000, **shared)]))


def has_original():
    """Is fra31/auto-attack, which is not published as a package, at hand?"""
    folder = os.environ.get("AUTOATTACK")
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.util.find_spec("autoattack") is not None


def original(model, case):
    from autoattack import AutoAttack

    return AutoAttack(model, norm=case.norm.capitalize(), eps=case.eps, seed=0, device="cpu",
                      verbose=False)


def original_autoattack(model, case):
    attack = original(model, case)
    return lambda x, y, batch: attack.run_standard_evaluation(x, y, bs=batch)


def original_square(model, case):
    square = original(model, case).square
    square.n_queries = case.queries
    return batched(square.perturb)


def foolbox_peer(name, **fixed):
    def make(model, case):
        import foolbox

        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        settings = {key: value(case) for key, value in fixed.items()}
        attack = getattr(foolbox.attacks, name)(**settings)

        def run(x, y):
            _, clipped, _ = attack(wrapped, x, foolbox.criteria.Misclassification(y),
                                   epsilons=case.eps)
            return clipped

        return batched(run)

    return make


def art_peer(name, **fixed):
    def make(model, case):
        from art.attacks import evasion
        from art.estimators.classification import PyTorchClassifier

        def run(x, y, batch):
            classifier = PyTorchClassifier(model, torch.nn.CrossEntropyLoss(), tuple(x.shape[1:]),
                                           10, clip_values=(0.0, 1.0), device_type="cpu")
            settings = {key: value(case) for key, value in fixed.items()}
            attack = getattr(evasion, name)(
                classifier, norm=np.inf if case.norm == "linf" else int(case.norm[1:]),
                batch_size=batch, verbose=False, **settings)
            return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))

        return run

    return make


def adv_lib_peer(name, **fixed):
    def make(model, case):
        # Its packages import these two on the way, for metrics and plots that no attack here needs.
        for unused in ("torchvision", "visdom"):
            sys.modules.setdefault(unused, types.SimpleNamespace(models=None))
        attack = getattr(importlib.import_module("adv_lib.attacks"), name)
        settings = {key: value(case) for key, value in fixed.items()}
        return batched(lambda x, y: attack(model, x, y, **settings))

    return make


def eps(case):
    return case.eps


def steps(case):
    return case.steps


def queries(case):
    return case.queries


def constant(value):
    return lambda case: value


def hop_skip_jump(norm, steps_wanted, queries_wanted):
    # The peers have no budget: so many steps take about so many queries.
    return Case(
        f"attack: hop_skip_jump, norm: {norm}, queries: {queries_wanted}",
        {"foolbox": foolbox_peer("HopSkipJumpAttack", steps=steps, constraint=constant(norm)),
         "art": art_peer("HopSkipJump", max_iter=steps)},
        norm, steps=steps_wanted, queries=queries_wanted)


def minimum_norm(attack, norm, peers):
    return Case(f"attack: {attack}, norm: {norm}, steps: 100", peers, norm, steps=100)


def fmn(norm):
    name = {"linf": "LInfFMNAttack"}.get(norm, f"{norm.upper()}FMNAttack")
    return minimum_norm("fmn", norm, {
        "foolbox": foolbox_peer(name, steps=steps),
        "adv_lib": adv_lib_peer("fmn", norm=constant(float(norm[1:])), steps=steps)})


def apgd(norm, radius):
    """One run on the cross-entropy from one random start."""
    return Case(
        f"attack: apgd, norm: {norm}, eps: {radius}, steps: 100, loss: ce",
        {"torchattacks": torchattacks_peer(
            "APGD", norm=lambda case: case.norm.capitalize(), eps=eps, steps=steps,
            loss=constant("ce"), seed=constant(0)),
         "art": art_peer(
             "AutoProjectedGradientDescent", eps=eps, eps_step=lambda case: 2 * case.eps,
             max_iter=steps, nb_random_init=constant(1), loss_type=constant("cross_entropy")),
         "adv_lib": adv_lib_peer("apgd", norm=lambda case: float(case.norm[1:]), eps=eps,
                                 n_iter=steps, loss_function=constant("ce"))},
        norm, eps=radius, steps=100, samples=500)


def autoattack(norm, radius, suites):
    peers = {"autoattack": original_autoattack} if has_original() else {}
    if norm != "l1":  # which torchattacks' APGD lacks
        peers["torchattacks"] = torchattacks_autoattack
    return Case("", peers, norm, eps=radius, suites=suites)


def square(norm, radius):
    peers = {"autoattack": original_square} if has_original() else {}
    if norm != "l1":
        peers |= {"torchattacks": torchattacks_peer(
                      "Square", norm=lambda case: case.norm.capitalize(), eps=eps,
                      n_queries=queries, seed=constant(0)),
                  "art": art_peer("SquareAttack", eps=eps, max_iter=queries)}
    return Case(f"attack: square, norm: {norm}, eps: {radius}, queries: 5000", peers, norm,
                eps=radius, queries=5000)


CASES = {
    "pgd": Case(
        "attack: pgd, norm: linf, eps: 0.1, steps: 40, step_size: 0.025, random_start: false",
        {"torchattacks": torchattacks_peer(
            "PGD", eps=eps, alpha=lambda case: case.step_size, steps=steps,
            random_start=constant(False)),
         "foolbox": foolbox_peer(
             "LinfPGD", abs_stepsize=lambda case: case.step_size, steps=steps,
             random_start=constant(False)),
         "art": art_peer(
             "ProjectedGradientDescentPyTorch", eps=eps, eps_step=lambda case: case.step_size,
             max_iter=steps, num_random_init=constant(0))},
        "linf", eps=0.1, step_size=0.025, steps=40, batches=(64, 128, 500), samples=500,
        repetitions=5),
    "autoattack_linf": autoattack("linf", 0.1, ("autoattack-linf", "rapid-linf")),
    "autoattack_l2": autoattack("l2", 1.0, ("autoattack-l2",)),
    "autoattack_l1": autoattack("l1", 8.0, ("autoattack-l1",)),
    "apgd_linf": apgd("linf", 0.1),
    "apgd_l2": apgd("l2", 1.0),
    "fmn_linf": fmn("linf"),
    "fmn_l2": fmn("l2"),
    "fmn_l1": fmn("l1"),
    "fmn_l0": fmn("l0"),
    "ddn": minimum_norm("ddn", "l2", {
        "foolbox": foolbox_peer("DDNAttack", steps=steps),
        "adv_lib": adv_lib_peer("ddn", steps=steps)}),
    "sigma_zero": minimum_norm("sigma_zero", "l0", {
        "adv_lib": adv_lib_peer("sigma_zero", num_steps=steps)}),
    "hop_skip_jump_l2": hop_skip_jump("l2", 12, 3000),
    "hop_skip_jump_linf": hop_skip_jump("linf", 12, 3000),
    "square_linf": square("linf", 0.1),
    "square_l2": square("l2", 1.0),
    "square_l1": square("l1", 8.0),
}
