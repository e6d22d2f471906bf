"""The same PGD by three other libraries: x, y → adversarial x, in batches of a given size."""

import dataclasses

import numpy as np
import torch


@dataclasses.dataclass(frozen=True)
class Settings:
    eps: float = 0.1
    step_size: float = 0.025
    steps: int = 40


class Classifier(torch.nn.Module):
    """A TorchScript file as an ordinary module: ART and Foolbox hook into modules.

    Its parameters need no gradients, which spares Foolbox the weights' share of each backward pass.
    """

    def __init__(self, path):
        super().__init__()
        self.script = torch.jit.load(path, map_location="cpu").eval()
        for parameter in self.script.parameters():
            parameter.requires_grad_(False)
        self.eval()

    def forward(self, x):
        return self.script(x)


def torchattacks_pgd(model, settings):
    import torchattacks

    attack = torchattacks.PGD(model, eps=settings.eps, alpha=settings.step_size,
                              steps=settings.steps, random_start=False)

    def run(x, y, batch):
        return torch.cat([attack(*part) for part in zip(x.split(batch), y.split(batch))])

    return run


def foolbox_pgd(model, settings):
    import foolbox

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(abs_stepsize=settings.step_size, steps=settings.steps,
                                     random_start=False)

    def run(x, y, batch):
        return torch.cat([
            attack.run(wrapped, part, foolbox.criteria.Misclassification(labels),
                       epsilon=settings.eps)
            for part, labels in zip(x.split(batch), y.split(batch))
        ])

    return run


def art_pgd(model, settings):
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    def run(x, y, batch):
        classifier = PyTorchClassifier(model, torch.nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10,
                                       clip_values=(0.0, 1.0), device_type="cpu")
        attack = ProjectedGradientDescentPyTorch(
            classifier, norm=np.inf, eps=settings.eps, eps_step=settings.step_size,
            max_iter=settings.steps, num_random_init=0, batch_size=batch, verbose=False)
        return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))

    return run


PEERS = {"torchattacks": torchattacks_pgd, "foolbox": foolbox_pgd, "art": art_pgd}
BATCHES = (64, 128, 500)
