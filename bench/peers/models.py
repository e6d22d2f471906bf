"""Makes the models that run.sh does not train with Assay: another architecture, and two that mask
their gradients."""

import pathlib
import sys

import torch
from torch import nn

from data import read_samples


class Scaled(nn.Module):
    """Logits times 1000: in float32 softmax saturates, and the gradients of cross-entropy vanish."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) * 1000.0


class Quantised(nn.Module):
    """Rounds its input to 17 grey levels: every gradient is zero."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(torch.round(x * 16.0) / 16.0)


def save(model, path):
    torch.jit.script(model.eval().cpu()).save(path)


def ascend(model, x, y, eps, steps):
    """PGD from a random start, for training."""
    delta = torch.empty_like(x).uniform_(-eps, eps)
    for _ in range(steps):
        delta.requires_grad_(True)
        loss = nn.functional.cross_entropy(model((x + delta).clamp(0, 1)), y)
        (gradient,) = torch.autograd.grad(loss, delta)
        delta = (delta.detach() + eps / 2 * gradient.sign()).clamp(-eps, eps)
    return (x + delta).clamp(0, 1)


def train_mlp(data, eps=0.1, epochs=2, rows=30000, batch=128):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256),
                          nn.ReLU(), nn.Linear(256, 10))
    x, y = read_samples(data, rows, "train")
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(epochs):
        for part in torch.randperm(len(y)).split(batch):
            points = ascend(model, x[part], y[part], eps, 2)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(points), y[part]).backward()
            optimizer.step()
    return model


def main():
    data, results = map(pathlib.Path, sys.argv[1:])
    if not (results / "mlp.pt").exists():
        save(train_mlp(data), results / "mlp.pt")
    for name, mask in (("scaled", Scaled), ("quantised", Quantised)):
        if not (results / f"{name}.pt").exists():
            save(mask(torch.jit.load(results / "adversarial.pt")), results / f"{name}.pt")


if __name__ == "__main__":
    main()
