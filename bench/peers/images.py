"""A folder of JPEGs read by Assay and by torchvision: the clean accuracy of the same models.

1,000 test images of Fashion-MNIST are saved by Pillow in odd sizes, grey and RGB, at several
qualities, and read back with a resize of the shorter side and a centre crop, by Assay's `images`
and by torchvision's transforms on PIL images.

    bench/peers/run.sh [ASSAY] --images

Ends with 1 if the accuracies differ by more than 0.1 point, the images' share of one in a thousand.
"""

import argparse
import csv
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import torch
from PIL import Image

from data import read_samples

# The transforms are plain Python, but torchvision's package does not load without its operators,
# which need the torch build it was made with.
_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import datasets, transforms  # noqa: E402

COUNT = 1000
RESIZE, CROP = 30, 28
MODES = {"bilinear": transforms.InterpolationMode.BILINEAR,
         "bicubic": transforms.InterpolationMode.BICUBIC}
SUITE = """\
assay: 1
name: images
seed: 1
model: {{ path: "{model}", input: {{ shape: [1, 28, 28], range: [0, 1] }}, classes: 10 }}
baseline: none
data:
  test: {{ format: images, path: "{folder}", resize: {resize}, crop: {crop}, interpolation: {mode} }}
attacks:
  - {{ name: noise, attack: noise, norm: linf, eps: 0.001, draws: 1 }}
gate: {{ rules: [ {{ cell: noise, metric: clean_accuracy, at_least: 0 }} ] }}
"""


def save(data, folder):
    """JPEGs in folders by class, of sizes from 29 to 96, every other one RGB."""
    shutil.rmtree(folder, ignore_errors=True)
    pixels, labels = read_samples(data, COUNT)
    rng = np.random.default_rng(7)
    for i, (image, label) in enumerate(zip(pixels, labels)):
        grey = Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8))
        width, height = (int(side) for side in rng.integers(29, 97, 2))
        picture = grey.resize((width, height), Image.Resampling.BICUBIC)
        if i % 2:
            picture = Image.merge("RGB", [picture, picture.point(lambda v: v * 3 // 4), picture])
        path = folder / str(int(label))
        path.mkdir(parents=True, exist_ok=True)
        picture.save(path / f"{i:04}.jpg", quality=int(rng.integers(50, 101)))


def labels_by_torchvision(model, folder, mode):
    """{relative path: label}, and the accuracy."""
    steps = [transforms.Grayscale(), transforms.Resize(RESIZE, MODES[mode]),
             transforms.CenterCrop(CROP), transforms.ToTensor()]
    data = datasets.ImageFolder(folder, transforms.Compose(steps))
    with torch.no_grad():
        found = model(torch.stack([x for x, _ in data])).argmax(1)
    names = [str(pathlib.Path(path).relative_to(folder)) for path, _ in data.samples]
    right = np.mean(found.numpy() == np.array(data.targets))
    return dict(zip(names, found.tolist())), float(right)


def labels_by_assay(assay, model, folder, mode, results):
    out = results / "run"
    shutil.rmtree(out, ignore_errors=True)
    suite = results / "suite.yaml"
    suite.write_text(SUITE.format(model=model.resolve(), folder=folder.resolve(), resize=RESIZE,
                                  crop=CROP, mode=mode))
    done = subprocess.run([assay, "run", suite, "--baseline", "none", "--out", out, "--store",
                           results / "store"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"assay run ended with exit code {done.returncode}:\n{done.stderr}")
    with open(out / "samples.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    right = np.mean([row["clean"] == row["label"] for row in rows])
    return {row["sample"]: int(row["clean"]) for row in rows}, float(right)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    results = arguments.results / "images"
    folder = results / "jpegs"
    save(arguments.data, folder)
    apart = False
    print(f"{'model':14}{'resize':10}{'assay':>9}{'torchvision':>13}{'labels apart':>14}")
    for name in ("standard", "adversarial"):
        path = arguments.results / f"{name}.pt"
        model = torch.jit.load(path, map_location="cpu").eval()
        for mode in MODES:
            theirs, their_share = labels_by_torchvision(model, folder, mode)
            ours, our_share = labels_by_assay(arguments.assay, path, folder, mode, results)
            if ours.keys() != theirs.keys():
                raise SystemExit("the samples of the two differ")
            different = sum(ours[key] != theirs[key] for key in ours)
            print(f"{name:14}{mode:10}{our_share:9.4f}{their_share:13.4f}{different:14}")
            apart |= abs(our_share - their_share) > 1.0001 / COUNT
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
