#!/usr/bin/env python3
"""Membership scores from their formulas, in numpy, beside those of a run.

    bench/peers/run.sh [ASSAY] --membership [SUITE]

or, of any run by shards:

    assay run SUITE --shard 0/2 --out s0 ...; assay run SUITE --shard 1/2 --out s1 ...
    assay merge s0 s1 --out merged
    bench/peers/membership.py s0 s1 merged

Shards keep the logits of candidate and shadows, in float64, under `outputs`, and say in
scoring.json which is which. This reads them, brings the candidate to the scale and the balance of
its shadows, scores every record anew, and prints scale, offset, AUC and TPR next to those of
merged/report.json; a difference of 1e-6 or more ends with 1. Written from the papers' formulas, not
from the C++.

Not covered: `shokri`, `quantile`, and `label_only` with shadows. Their scores are not a function of
the logits: each is the output of a network that starts from random weights, those of Assay's own
generator at the cell's seed, and descends for hundreds of steps without arriving at a minimum. Other
weights at the start give another network, far more than 1e-6 away, and no run keeps the weights.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from scipy.special import digamma, polygamma

TOLERANCE = 1e-6


class Cell:
    """Logits [A, R, K] of the candidate and of each shadow, as a run left them."""

    def __init__(self, scoring, tensors, folders):
        self.labels = np.array(scoring["labels"])
        self.member = np.array([row[0] for row in scoring["rows"]], bool)
        self.audited = len(self.member)
        records, classes = len(self.labels), scoring["classes"]
        count = len(scoring["in"])
        shape = (scoring["views"], records, classes)
        self.logits = np.full(shape, np.nan)
        self.shadows = np.full((count, *shape), np.nan)
        self.distances = np.full(self.audited, np.nan)
        for key, what, shadow, view, begin, end in scoring["parts"]:
            name = tensors[key]
            file = next(f / "outputs" / name for f in folders if (f / "outputs" / name).exists())
            numbers = np.fromfile(file, np.float64)
            if what == 0 and shadow >= count:
                continue  # the file that shadows start from, which is none of them
            if what == 0:
                target = self.logits if shadow < 0 else self.shadows[shadow]
                target[view, begin:end] = numbers.reshape(end - begin, classes)
            elif what == 1:
                self.distances[begin:end] = numbers
        # A record that the candidate fails on has no score in the report, and one of the pool is no
        # reference for others.
        self.failed = ~np.isfinite(self.logits).all((0, 2))
        self.logits[:, self.failed] = 0
        self.seen = np.zeros((count, records), bool)
        for shadow, rows in enumerate(scoring["in"]):
            self.seen[shadow, rows] = True
        kept = ~self.failed
        kept[:self.audited] = True
        self.labels, self.seen = self.labels[kept], self.seen[:, kept]
        self.logits, self.shadows = self.logits[:, kept], self.shadows[:, :, kept]
        self.tuned = {}

    def rescale(self, offsets):
        """Brings the candidate to the scale of its shadows and, with `offsets`, to their balance."""
        fit = ~self.member & ~self.failed[:self.audited]
        unseen = ~self.seen[:, :self.audited] & fit
        rows = unseen.any(0)
        if not rows.any():
            return
        y, own = self.labels[:self.audited][rows], self.logits[0, :self.audited][rows]
        theirs, out = self.shadows[:, 0, :self.audited][:, rows], unseen[:, rows]
        usual = (np.stack([label_margin(z, y) for z in theirs]) * out).sum(0) / out.sum(0)
        mean = (theirs * out[..., None]).sum(0) / out.sum(0)[:, None]
        offset = offset_of(own, mean, y)
        kept = near_median(usual)
        slope = 1.0
        if kept.sum() >= 10:
            slope = weighted_median(usual[kept], label_margin(own + offset, y)[kept])
            if not np.isfinite(slope) or slope <= 0:
                return
            self.tuned["scale"] = 1 / slope
        scale = 1 / slope
        self.logits *= scale
        if offsets and offset.any():
            self.logits += offset * scale
            self.tuned["offset"] = np.ptp(offset * scale)


def label_margin(z, y):
    others = z.copy()
    np.put_along_axis(others, y[:, None], -np.inf, -1)
    return pick(z, y) - others.max(-1)


def weighted_median(x, y):
    """The slope of y in x through 0 with the least sum of absolute deviations."""
    used = x != 0
    slopes = y[used] / x[used]
    order = np.argsort(slopes, kind="stable")
    below = np.cumsum(np.abs(x[used])[order])
    return slopes[order[(below < below[-1] / 2).sum()]]


def median(values):
    """Of an even number the lower of the middle two."""
    return np.sort(values)[(len(values) - 1) // 2]


def near_median(values):
    """Within five standard deviations, as the median absolute deviation has them."""
    away = np.abs(values - median(values))
    reach = 5 * 1.4826022185056018 * median(away)
    return away <= reach if reach > 0 else np.ones(len(values), bool)


def offset_of(own, mean, y):
    """Least squares of margins, label over the mean's runner-up, in the mean's and two offsets;
    without records that lie far from the others."""
    n, classes = own.shape
    none = np.zeros(classes)
    if n < 10 * classes:
        return none
    rest = mean.copy()
    np.put_along_axis(rest, y[:, None], -np.inf, -1)
    following = rest.argmax(-1)
    here, there = pick(own, y) - pick(own, following), pick(mean, y) - pick(mean, following)
    rows = np.flatnonzero(near_median(there))
    for last in (False, False, True):
        design = np.zeros((len(rows), classes))
        design[np.arange(len(rows)), y[rows]] += 1
        design[np.arange(len(rows)), following[rows]] -= 1
        normal = design.T @ design
        solve = np.linalg.inv(normal + 1e-3 * np.eye(classes))  # what is never compared gets 0
        without = lambda v: v - design @ (solve @ (design.T @ v))
        a, b = without(here[rows]), without(there[rows])
        slope = (a @ b) / (b @ b)
        kept = near_median(a - slope * b)
        if last or kept.all():
            break
        rows = rows[kept]
    if not np.isfinite(slope) or slope <= 0:
        return none
    found = solve @ (design.T @ (slope * there[rows] - here[rows]))
    variance = ((a - slope * b) ** 2).sum() / (len(rows) - classes)
    variance = variance * np.diag(solve @ normal @ solve)
    return np.where(np.abs(found) > 3.0902323061678132 * np.sqrt(variance), found, 0)


def log_sum_exp(z, axis):
    top = z.max(axis, keepdims=True)
    return np.log(np.exp(z - top).sum(axis)) + top.squeeze(axis)


def pick(values, y):
    """Of [..., R, K] the entries of the labels: [..., R]."""
    index = np.broadcast_to(y[:, None], (*values.shape[:-1], 1))
    return np.take_along_axis(values, index, -1)[..., 0]


def phi(z, y):
    others = z.copy()
    np.put_along_axis(others, np.broadcast_to(y[:, None], (*z.shape[:-1], 1)), -np.inf, -1)
    return pick(z, y) - log_sum_exp(others, -1)


def log_p(z, y):
    return -np.logaddexp(0, -phi(z, y))


def every_class(f, z):
    return np.stack([f(z, np.full(z.shape[-2], k)) for k in range(z.shape[-1])], -1)


def mid_share(reference, values, by):
    """Share of the reference below each value, equals half; ties in the order of `by`."""
    below = np.array([(reference < v).sum() + (reference == v).sum() / 2 for v in values])
    return order_of(below, by)


def order_of(share, by):
    """Ranks by share, then by `by`: metrics look at the order alone."""
    keys = list(zip(np.round(share, 9), by))
    rank = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([rank[key] for key in keys], float)


def gap(c, p):
    return (c.logits[0, :c.audited].argmax(-1) == c.labels[:c.audited]).astype(float)


def loss_signal(z, y):
    return log_p(z, y)


def entropy_signal(z, y):
    lp = every_class(log_p, z)
    return (np.exp(lp) * lp).sum(-1)


def modified_entropy_signal(z, y):
    lp = every_class(log_p, z)
    lq = every_class(lambda a, k: -np.logaddexp(0, phi(a, k)), z)  # log(1 - p)
    terms = np.exp(lp) * lq
    return terms.sum(-1) - pick(terms, y) + np.exp(pick(lq, y)) * pick(lp, y)


def confidence(signal):
    def scores(c, p):
        own = signal(c.logits, c.labels).mean(0)[:c.audited]
        if len(c.shadows) == 0:
            return own
        seen = np.stack([signal(z, c.labels).mean(0) for z in c.shadows])
        common = threshold(seen.ravel(), c.seen.ravel())
        cut = np.full(c.logits.shape[-1], 0.0 if common is None else common)
        for k in range(len(cut)):
            mine = c.labels == k
            found = threshold(seen[:, mine].ravel(), c.seen[:, mine].ravel())
            cut[k] = cut[k] if found is None else found
        return own - cut[c.labels[:c.audited]]
    return scores


def threshold(values, seen):
    """The lowest of those half way between two values that balance best."""
    if seen.all() or not seen.any():
        return None
    best, at = -1.0, None
    points = np.unique(values)
    ins, outs = np.sort(values[seen]), np.sort(values[~seen])
    for low, high in zip(points, points[1:]):
        tpr = 1 - np.searchsorted(ins, low, "right") / len(ins)
        tnr = np.searchsorted(outs, low, "right") / len(outs)
        if tpr + tnr > best + 1e-12:
            best, at = tpr + tnr, low / 2 + high / 2
    return at


def attack_p(c, p):
    values = phi(c.logits, c.labels).mean(0)
    mine, pool = values[:c.audited], values[c.audited:]
    y, z = c.labels[:c.audited], c.labels[c.audited:]
    others = [pool[z == label] if p["per_class"] and (z == label).any() else pool for label in y]
    share = np.array([((other < own).sum() + (other == own).sum() / 2) / len(other)
                      for own, other in zip(mine, others)])
    # Ties are broken by less than the smallest step of any share.
    return share + mine / (1 + abs(mine)) / (4.5 * max(map(len, others)))


def attack_r(c, p):
    y = c.labels[:c.audited]
    mine = phi(c.logits[:, :c.audited], y).mean(0)
    theirs = np.stack([phi(z[:, :c.audited], y).mean(0) for z in c.shadows])
    out = ~c.seen[:, :c.audited]
    share = np.empty(c.audited)
    for i in range(c.audited):
        reference = theirs[out[:, i], i]
        share[i] = (reference < mine[i]).mean() / 2 + (reference <= mine[i]).mean() / 2
    centre, spread = centre_spread(theirs, out, "pooled")
    return order_of(share, (mine - centre) / spread)


def drawn(variance, free, common):
    """Variances that are s0 d / chi-squared of d, where more than chance sets them apart, given what
    was found of each (Smyth 2004); else the common one."""
    half = np.maximum(free, 1) / 2
    logs = np.log(np.maximum(variance, 1e-12)) - digamma(half) + np.log(half)
    more = ((logs - logs.mean()) ** 2).sum() / max(len(logs) - 1, 1) - polygamma(1, half).mean()
    if more <= 1e-6:
        return common, free + 2e6
    low, high = 1e-9, 1e9  # trigamma falls
    while high / low > 1 + 1e-14:
        middle = np.sqrt(low * high)
        low, high = (middle, high) if polygamma(1, middle) > more else (low, middle)
    d, s0 = 2 * low, np.exp(logs.mean() + digamma(low) - np.log(low))
    return (d * s0 + free * variance) / (d + free), d + free


def centre_squares(values, chosen, centre_of=np.median):
    columns = [values[chosen[:, i], i] for i in range(values.shape[1])]
    centre = np.array([centre_of(column) for column in columns])
    squares = np.array([((column - column.mean()) ** 2).sum() for column in columns])
    return centre, squares, np.array([len(column) - 1 for column in columns])


def pooled(squares, free):
    """One variance for all but those of another order, and which are of it."""
    variance = squares / free
    usual = (variance <= 25 * median(variance)) | (median(variance) == 0)
    return squares[usual].sum() / free[usual].sum(), usual


def spread_of(squares, free, whose):
    """And with how many degrees of freedom it is known."""
    variance, known = squares / free, free.astype(float)
    if whose != "per_record":
        common, usual = pooled(squares, free)
        own = variance[usual]
        variance[usual], known[usual] = (drawn(own, free[usual], common) if whose == "auto"
                                         else (common, free.sum()))
    return np.maximum(np.sqrt(variance), 1e-6), known


def centre_spread(values, chosen, whose):
    centre, squares, free = centre_squares(values, chosen)
    return centre, spread_of(squares, free, whose)[0]


def both_sides(values, seen, whose):
    """Mean and spread of shadows without a record and with it, and the spreads' degrees of freedom;
    `auto`: one spread of both."""
    found = [centre_squares(values, chosen, np.mean) for chosen in (~seen, seen)]
    (out, squares, free), (inside, squares_in, free_in) = found
    if whose != "auto":
        (spread, known), (spread_in, known_in) = [spread_of(*of[1:], whose) for of in found]
        return (out, spread), (inside, spread_in), known + known_in
    spread, known = spread_of(squares + squares_in, free + free_in, whose)
    return (out, spread), (inside, spread), known


def steps_up_to(most):
    """What a record may gain, in spreads: in steps of 5 % from 0.05."""
    most = np.clip(most, 0.05, 1e4)
    return 0.05 * 1.05 ** np.arange(1 + np.ceil(np.log(most / 0.05) / np.log(1.05)))


def most_likely_mixture(likelihood, shares):
    """Of likelihoods [R, K]: shares of the K, by 60 rounds of EM, and one record more at large."""
    first = shares
    for _ in range(60):
        belongs = likelihood * shares
        belongs /= belongs.sum(1, keepdims=True)
        shares = (belongs.sum(0) + first) / (len(belongs) + 1)
    return shares


def even(count):
    return np.full(count, 1 / count)


def gains(found, variance, free):
    """Losses too where, with none, they explain what was found e^6 times better than gains do."""
    free = np.maximum(free, 1)[:, None]

    def fit(several):
        away = found[:, None] - np.append(several, 0)
        logs = -(free + 1) / 2 * np.log1p(away**2 / variance / free)
        likelihood = np.exp(logs - logs.max(1, keepdims=True))
        shares = most_likely_mixture(likelihood, np.append(even(len(several)), 1) / 2)
        return log_sum_exp(logs + np.log(shares), 1).sum()

    up, down = steps_up_to(found.max()), -steps_up_to(-found.min())
    both = np.append(down, up)
    return both if fit(both) > fit(up) + 6 else up


def log_normal(x, mean, variance):
    return -0.5 * (x - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)


def lira(c, p):
    y, seen = c.labels[:c.audited], c.seen[:, :c.audited]
    scores = []
    for view in range(len(c.logits)):
        mine = phi(c.logits[view, :c.audited], y)
        theirs = np.stack([phi(z[view, :c.audited], y) for z in c.shadows])
        if p["mode"] == "offline":
            out, spread = centre_spread(theirs, ~seen, p["variance"])
            scores.append((mine - out) / spread)
            continue
        (out, spread), (inside, spread_in), free = both_sides(theirs, seen, p["variance"])
        v_out, v_in = (spread**2)[:, None], (spread_in**2)[:, None]
        sure_out, sure_in = (~seen).sum(0)[:, None] / v_out, seen.sum(0)[:, None] / v_in
        error = (1 / sure_out + 1 / sure_in) / v_out
        several = gains((inside - out) / spread, error, free)
        gain = spread[:, None] * several  # [R, K]
        logs = log_normal((inside - out)[:, None], gain, 1 / sure_out + 1 / sure_in)
        logs -= logs.max(1, keepdims=True)
        logs += np.log(most_likely_mixture(np.exp(logs), even(len(several))))
        # Given the gain, both centres tell where unseen log-odds lie.
        sure = sure_out + sure_in
        unseen = (sure_out * out[:, None] + sure_in * (inside[:, None] - gain)) / sure
        x = mine[:, None]
        scores.append(log_sum_exp(logs + log_normal(x, unseen + gain, v_in + 1 / sure), 1)
                      - log_sum_exp(logs + log_normal(x, unseen, v_out + 1 / sure), 1))
    return np.mean(scores, 0)


def taylor(z, y):
    u = z - z.min(-1, keepdims=True)
    series = lambda v: sum(v ** k / f for k, f in enumerate((1, 1, 2, 6, 24)))
    right = series(pick(u, y) - 0.6)
    return np.log(right / (series(u).sum(-1) - series(pick(u, y)) + right))


def tuned_a(log_p, seen):
    """The tenth that tells best what each shadow was trained on, by the others: of the pool alone."""
    tenths, aucs = np.arange(11) / 10, []
    for k in range(len(log_p)):
        out = ~seen
        out[k] = False
        known = out.any(0)
        ins, outs = known & seen[k], known & ~seen[k]
        if not ins.any() or not outs.any():
            continue
        with np.errstate(invalid="ignore"):
            mean = (np.exp(log_p) * out[:, None]).sum(0) / out.sum(0)  # [A, Z]
        row = []
        for a in tenths:
            ratio = (log_p[k] - np.log(((1 + a) * mean + 1 - a) / 2)).mean(0)
            below = np.sort(ratio[outs])
            row.append(np.mean(np.searchsorted(below, ratio[ins], "left")
                               + np.searchsorted(below, ratio[ins], "right")) / 2 / len(below))
        aucs.append(row)
    if not aucs:
        return 0.3
    mean = np.mean(aucs, 0)
    return tenths[np.argmax(mean >= mean.max() - 1e-9)]


def rmia(c, p):
    t = p["temperature"]
    likelihood = taylor if p["likelihood"] == "taylor" else lambda z, y: log_p(z / t, y)
    online = p["mode"] == "online"
    theirs_log = np.stack([likelihood(z, c.labels) for z in c.shadows])  # [S, A, R]
    theirs = np.exp(theirs_log)
    weight = np.ones_like(c.seen) if online else ~c.seen
    with np.errstate(invalid="ignore"):
        mean = (theirs * weight[:, None]).sum(0) / weight.sum(0)
    a = p["a"]
    if a == "auto" and not online:
        a = tuned_a(theirs_log[..., c.audited:], c.seen[:, c.audited:])
    usual = mean if online else ((1 + a) * mean + 1 - a) / 2
    ratio = (likelihood(c.logits, c.labels) - np.log(usual)).mean(0)
    mine, z = ratio[:c.audited], ratio[c.audited:][weight.any(0)[c.audited:]]
    return mid_share(z, mine - np.log(p["gamma"]), mine)


def base(c, p):
    y, t = c.labels[:c.audited], p["temperature"]
    theirs = np.stack([log_p(z[:, :c.audited] / t, y) for z in c.shadows])
    usual = log_sum_exp(theirs, 0) - np.log(len(theirs))
    factor = 1 if p["mode"] == "online" else p["factor"]
    return (log_p(c.logits[:, :c.audited] / t, y) - factor * usual).mean(0)


def label_only(c, p):
    if p["mode"] == "boundary":
        return c.distances
    if len(c.shadows) > 0:
        return None
    return (c.logits[:, :c.audited].argmax(-1) == c.labels[:c.audited]).mean(0)


ATTACKS = {
    "gap": gap, "loss": confidence(loss_signal), "proxy": confidence(loss_signal),
    "entropy": confidence(entropy_signal), "modified_entropy": confidence(modified_entropy_signal),
    "attack_p": attack_p, "attack_r": attack_r, "lira": lira, "rmia": rmia, "base": base,
    "label_only": label_only,
}
LABELS_ONLY = ("gap", "label_only")  # offsets would change the labels


def metrics(scores, member):
    """AUC over all pairs, and the largest TPR at a threshold of no larger FPR."""
    ins, outs = scores[member], scores[~member]
    pairs = (ins[:, None] > outs).sum() + (ins[:, None] == outs).sum() / 2
    result = {"auc": pairs / len(ins) / len(outs)}
    for fpr in (0.01, 0.001):
        allowed = [t for t in np.unique(scores) if (outs >= t).mean() <= fpr]
        result[f"tpr_at_fpr_{fpr}"] = (ins >= min(allowed)).mean() if allowed else 0.0
    return result


def read_tensors(folders):
    """Unit keys → names of files under outputs/."""
    tensors = {}
    for folder in folders:
        with open(folder / "evidence.jsonl", encoding="utf-8") as lines:
            for line in lines:
                unit = json.loads(line)
                if "tensors" in unit and "unit" in unit:
                    tensors[unit["unit"]] = unit["tensors"]
    return tensors


def compare(cell, name, assay, own):
    near = abs(assay - own) < TOLERANCE
    print(f"{cell:24} {name:20} {assay:12.8f} {own:12.8f}{'' if near else '   APART'}")
    return not near


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path,
                        help="the shards' folders, and last the merged one")
    *shards, merged = parser.parse_args().folders
    cells = json.loads((merged / "report.json").read_text())["cells"]
    report = {cell["name"]: cell for cell in cells}
    tensors = read_tensors(shards)
    apart = 0
    print(f"{'cell':24} {'metric':20} {'assay':>12} {'numpy':>12}")
    for scoring in json.loads((shards[0] / "scoring.json").read_text())["cells"]:
        cell = report[scoring["cell"]]
        if cell["attack"] not in ATTACKS:
            print(f"{scoring['cell']:24} {cell['attack']} is learnt by descent: not compared")
            continue
        outputs = Cell(scoring, tensors, shards)
        if len(outputs.shadows) > 0:
            outputs.rescale(offsets=cell["attack"] not in LABELS_ONLY)
        scores = ATTACKS[cell["attack"]](outputs, cell["params"])
        if scores is None:
            print(f"{scoring['cell']:24} learnt by descent: not compared")
            continue
        for name, value in outputs.tuned.items():
            apart += compare(scoring["cell"], name, cell["tuned"].get(name, np.nan), value)
        keep = ~outputs.failed[:outputs.audited]
        found = metrics(scores[keep], outputs.member[keep])
        if cell["params"].get("tail") == "non_members":  # TNR at that FNR
            found = {**metrics(-scores[keep], ~outputs.member[keep]), "auc": found["auc"]}
        for name, value in found.items():
            theirs = cell["metrics"][name]["value"]
            if theirs is not None:
                apart += compare(scoring["cell"], name, theirs, value)
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
