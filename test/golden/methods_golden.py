"""Writes data/methods.json: steps of methods as whole networks in PyTorch, in float64, on a trunk small enough to hold every
gradient. Shares nothing with the TypeScript code but this description.

    python3 test/golden/methods_golden.py             # all cases
    python3 test/golden/methods_golden.py "uscl 7"    # these, beside those that are there

The trunk is Linear(6, 8) (`layer1`), ReLU. On its features stand

- USCL: `projection`, Linear(8, 8), ReLU, Linear(8, 4), and `classifier`, Linear of the features, or of the projection, to 3
  classes. Loss: NT-Xent of both views of all clips, and a weight times the cross-entropy of labelled clips.
- SimCLR: `projection` as USCL's. Loss: NT-Xent of both views of all clips.
- SupCon: `projection` as USCL's. Loss: the mean over views of the mean over views of their class of what NT-Xent is for the
  other view; a clip without a label is a class of its own. `sameClass`: views with a label whose nearest of another clip has it.
- Barlow Twins: `projection`, Linear(8, 8), norm, ReLU, Linear(8, 8), norm, ReLU, Linear(8, 4). Loss: barlow_twins_golden.py.
- VICReg: `projection` as that of Barlow Twins. Loss: vicreg_golden.py.
- Debiased: `projection` as USCL's. Loss: debiased_contrastive_golden.py.
- SimSiam: `projection`, Linear(8, 8), norm, ReLU, Linear(8, 8), norm, ReLU, Linear(8, 4), norm, and on it `predictor`,
  Linear(4, 4), norm, ReLU, Linear(4, 4). Norms are BatchNorm1d in training; each view is a forward pass of its own.
- BYOL: `projection`, Linear(8, 8), norm, ReLU, Linear(8, 4), and on it `predictor`, Linear(4, 4), norm, ReLU, Linear(4, 4). Its
  target has no predictor.
- FixMatch: `classifier`, Linear(8, 3). Views: weak and strong of the same clips, and one of labelled clips.
- Π-model: `classifier`, Linear(8, 3). Views: two of the same clips, and one of labelled clips. Loss: the cross-entropy of labelled
  clips, and a weight times the mean squared difference of the softmaxes of the two views. The weight is the full one times
  exp(-5 (1 - t)^2), t the share of its ramp that lies behind, at most 1.
- Mean Teacher: as the Π-model, but the target answers the second view.
- MixMatch: `classifier`, Linear(8, 3). Views: two of the same clips, and one of labelled clips. A label of a clip of the first two is
  guessed: the mean of the softmaxes of both views, to the power of 1 / temperature, divided by its sum. All images, view by view,
  are then mixed, w of their own and 1 - w of a partner's, and their labels likewise: partners are a cycle through
  Random(1, "mixup-partners", 0, step).shuffled of all rows (`addressed.py`), each with the next, w the greater of a share and 1
  minus it, shares in the order of rows from Random(1, "mixup-weights", 0, step).beta(mixing, mixing), in float32. Loss: the
  cross-entropy of mixed labelled images, and a weight times the mean squared difference of the softmaxes of the others to their
  mixed labels. The weight is the full one times the share of its ramp that lies behind, at most 1. Its target follows only.
- Supervised: `classifier`, Linear of the features to the classes of all sources that have two or more, one source after the other.
  Views: two of the same clips. Loss: the mean over both views of all clips with a label that its source has, if that source has
  two or more, of the cross-entropy of the softmax over the scores of its own source; 0 without such clips. `accuracy` is the
  share of those views that are answered rightly, `balancedAccuracy` the mean of that over pairs of a source and a class.

- Patient positives: `projection` as USCL's. Loss: NT-Xent of both views of all clips in which views of the clips of its own group
  are left out for each view, but for its partner (grouped_nt_xent_golden.py). `negatives` is how many are left, the mean over
  clips. Clip i is of group (i + 1) // 2.
- USCL with a head for each source: `classifier` and its cross-entropy as those of supervised.

- Temporal coherence: `projection` as USCL's. Loss: temporal_coherence_golden.py. Frames of a pair are near where at most
  `nearSeconds` lie between them.

Cases by time: the term of a pair, of VICReg that of its invariance, is multiplied by (2 - |d| + 1) / (2 + 1), d the seconds between its
frames: 0 in view 0, ((3 i + t) % 5) / 2 in view 1 of clip i at step t.

A case with `sources` says which classes each source has. Clip i is of source i modulo their number; with n that of its source's
classes, its label at step t is (i // sources + t) % (n + 1) - 1 th of them, none for -1.

After the loss of a step SGD changes all parameters: velocity = momentum * velocity + (gradient + weight decay * value), value -=
learning rate * velocity, also where no clip has a label and the gradient of the classifier is 0. Three steps a case. A target
starts as the model does, sees its views in training and follows after each step: own = m * own + (1 - m) * model's. Mean
Teacher's m is its momentum; BYOL's rises from that to 1 by a cosine over the run, of which 0, 1/3 and 2/3 lie behind at the three steps.

Numbers come from `hashed.py` by names that begin with prefix = "methods/" + case + "/" + seed + "/". Parameters start as
values(prefix + name, size, centre, deviation): 1 and 0.2 for the weight of a norm, 0 and 0.2 for its bias, 0 and 0.5 for the
others. Images of a view are the float32 sum of what its clips show, values(prefix + "step" + t, rows * 6, 0, 1), and of what is
its own, values(prefix + "step" + t + "/view" + v, rows * 6, 0, 0.5). Seeds were searched for: nothing that decides, such as the
sign of a unit before its ReLU or a probability beside a threshold, sits so near its boundary that float32 could take the other
side; no norm divides by next to nothing; FixMatch has confident rows and others; and PyTorch's own float32 run has its
gradients within 1e-6 of the largest one and its losses within 3e-7.

Fields of data/methods.json; tensors are flat, rounded to 9 digits:

    torch                version that made it, but for cases that say otherwise
    learningRate, momentum, weightDecay
    cases                by name, each with
      seed
      torch              version that made the case, if it was another
      method             name and options as a configuration has them, without the sizes of heads
      windowSeconds      longest time between frames; without it there is none
      groups             group of each clip; without it each is one of its own
      sources            classes of each source; without it there is one of all classes
      steps              three, each with
        labels           of each view its rows' classes, -1 for none
        times            of each view its rows' seconds; only with windowSeconds
        losses           loss and measurements
        gradients        by name, of the loss, without weight decay
        statistics       by name, running means and variances of norms after the step; empty without norms
      parameters         by name, after the last step
      target             by name, parameters and running statistics of the target after the last step; without one there is none
"""
import copy
import itertools
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

import barlow_twins_golden
from addressed import Random
import vicreg_golden
from debiased_contrastive_golden import debiased_contrastive
from grouped_nt_xent_golden import grouped_nt_xent
from hashed import values
from supervised_contrastive_golden import supervised_contrastive
from temporal_coherence_golden import temporal_coherence

INPUTS, HIDDEN, DIM, CLASSES, STEPS = 6, 8, 4, 3, 3
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 1e-4
#: Of whatever decides, from its boundary.
LEAST_MARGIN = 3e-4
#: Of a norm's input over the batch.
LEAST_DEVIATION = 0.03
#: Of gradients of float32 from those of float64, by the largest; of losses, by 1 or their own size.
MOST_APART = {"gradients": 5e-7, "losses": 3e-7}
BATCHES = (2, 7, 32)

CASES = {}
for size in BATCHES:
    CASES[f"uscl {size}"] = (size, {"name": "uscl", "temperature": 0.2, "supervisedWeight": 0.3})
    CASES[f"simsiam {size}"] = (size, {"name": "simsiam"})
    CASES[f"fixmatch {size}"] = (size, {"name": "fixmatch", "threshold": 0.6, "unlabelledWeight": 0.7})
    CASES[f"pi-model {size}"] = (size, {"name": "pi-model", "consistencyWeight": 3, "rampUp": 0.5})
    CASES[f"mean-teacher {size}"] = (size, CASES[f"pi-model {size}"][1] | {"name": "mean-teacher", "momentum": 0.9})
    CASES[f"byol {size}"] = (size, {"name": "byol", "momentum": 0.9})
CASES["uscl 7, no label"] = CASES["uscl 7"]
in_published_code = {"classifierInput": "projection", "supervisedReduction": "sum-of-views"}
CASES["uscl 7, as its code"] = (7, CASES["uscl 7"][1] | in_published_code)
CASES["uscl 7, heads"] = (7, CASES["uscl 7"][1] | {"heads": "per-source"})
CASES["uscl 7, heads, as its code"] = (7, CASES["uscl 7, as its code"][1] | {"heads": "per-source"})
CASES["simclr 7, by time"] = (7, {"name": "simclr", "temperature": 0.2, "timeWeighting": True})
CASES["simclr 7"] = (7, {"name": "simclr", "temperature": 0.2})
CASES["supcon 7"] = (7, {"name": "supcon", "temperature": 0.2})
CASES["debiased 7"] = (7, {"name": "debiased", "temperature": 0.5, "classPrior": 0.35})
CASES["barlow-twins 7"] = (7, {"name": "barlow-twins", "redundancyWeight": 0.1})
for size in BATCHES:
    CASES[f"supervised {size}"] = (size, {"name": "supervised"})
    coherent = {"name": "temporal-coherence", "nearSeconds": 0.5, "margin": 0.6}
    CASES[f"temporal-coherence {size}"] = (size, coherent)
    CASES[f"mixmatch {size}"] = (size, {"name": "mixmatch", "unlabelledWeight": 3, "rampUp": 0.5, "momentum": 0.9})
    CASES[f"patient-positives {size}"] = (size, {"name": "patient-positives", "temperature": 0.2})
CASES["vicreg 7"] = (7, {"name": "vicreg", "invarianceWeight": 2, "varianceWeight": 1.5, "covarianceWeight": 0.5})
CASES["vicreg 7, by time"] = (7, CASES["vicreg 7"][1] | {"timeWeighting": True})

#: Longest time between frames.
WINDOW = 2

#: Classes of each source.
SOURCES = {case: [[0, 1, 2], [0, 2], [1]] for case in CASES if "supervised" in case or "heads" in case}


class Model(nn.Module):
    """A trunk with the heads of a method."""

    def __init__(self, method: dict):
        super().__init__()
        self.layer1 = nn.Linear(INPUTS, HIDDEN)
        name = method["name"]
        if name in ("uscl", "simclr", "supcon", "debiased", "patient-positives", "temporal-coherence"):
            self.projection = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIM))
        # One head of all classes, or those of the sources that tell some apart.
        columns = sum(len(classes) for classes in method.get("sources", [range(CLASSES)]) if len(classes) > 1)
        if name == "uscl":
            self.from_projection = method.get("classifierInput") == "projection"
            self.classifier = nn.Linear(DIM if self.from_projection else HIDDEN, columns)
        if name in ("fixmatch", "pi-model", "mean-teacher", "mixmatch"):
            self.classifier = nn.Linear(HIDDEN, CLASSES)
        if name == "supervised":
            self.classifier = nn.Linear(HIDDEN, columns)
        hidden = [(nn.Linear(HIDDEN, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU()) for _ in range(2)]
        if name in ("barlow-twins", "vicreg"):
            self.projection = nn.Sequential(*hidden[0], *hidden[1], nn.Linear(HIDDEN, DIM))
        if name == "byol":
            self.projection = nn.Sequential(*hidden[0], nn.Linear(HIDDEN, DIM))
            self.predictor = nn.Sequential(nn.Linear(DIM, DIM), nn.BatchNorm1d(DIM), nn.ReLU(), nn.Linear(DIM, DIM))
        if name == "simsiam":
            last = (nn.Linear(HIDDEN, DIM), nn.BatchNorm1d(DIM))
            self.projection = nn.Sequential(*hidden[0], *hidden[1], *last)
            self.predictor = nn.Sequential(nn.Linear(DIM, DIM), nn.BatchNorm1d(DIM), nn.ReLU(), nn.Linear(DIM, DIM))

    def set_target(self) -> None:
        """A copy of what there is becomes the target. It is no module of the model, so no parameter of it."""
        target = copy.deepcopy(self).requires_grad_(False)
        if hasattr(target, "predictor"):
            del target.predictor
        self.__dict__["target"] = target

    def lead_target(self, momentum: float) -> None:
        own = dict(self.named_parameters())
        for name, parameter in self.target.named_parameters():
            parameter.copy_(momentum * parameter + (1 - momentum) * own[name])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return F.relu(self.layer1(images))


def leads(scores: torch.Tensor) -> torch.Tensor:
    """How far the highest score of each row is above the next."""
    best = scores.topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


def cosines_of(z: list, margins: list, apart: torch.Tensor = None) -> tuple:
    """
    Cosines of every view with every other (its own: -inf), the number of its partner, its cosine with it; measurements, for
    which a view is found among those of clips that are `apart` [pairs, pairs] alone.
    """
    rows, pairs = torch.cat(z), len(z[0])
    cosines = F.cosine_similarity(rows[:, None, :], rows[None, :, :], dim=2)
    others = cosines.masked_fill(torch.eye(2 * pairs, dtype=torch.bool), float("-inf"))
    partner = torch.arange(2 * pairs).roll(pairs)
    positive = cosines.gather(1, partner[:, None])[:, 0]
    negatives = others.scatter(1, partner[:, None], float("-inf"))
    if apart is not None:
        negatives = negatives.masked_fill(~apart.repeat(2, 2), float("-inf"))
    nearest = negatives.max(dim=1).values
    margins.append((positive - nearest).abs().min())
    units = [F.normalize(one.detach(), dim=1) for one in z]
    measured = {
        "alignment": (units[0] - units[1]).norm(dim=1).pow(2).mean(),
        "uniformity": sum(torch.pdist(one).pow(2).mul(-2).exp().mean().log() for one in units) / 2,
        "pairAccuracy": (positive > nearest).double().mean(),
    }
    return others, partner, positive, measured


def timed(method: dict) -> bool:
    return "timeWeighting" in method or method["name"] == "temporal-coherence"


def times_of(method: dict, size: int) -> list:
    """Of each view."""
    step = round(method["progress"] * STEPS)
    return [torch.zeros(size), (3 * torch.arange(size) + step) % 5 / 2]


def pair_weights(method: dict, size: int) -> torch.Tensor:
    if not method.get("timeWeighting"):
        return torch.ones(size)
    first, second = times_of(method, size)
    return (WINDOW - (first - second).abs() + 1) / (WINDOW + 1)


def simclr(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    others, partner, _, measured = cosines_of(z, margins)
    terms = F.cross_entropy(others / method["temperature"], partner, reduction="none")
    return {"loss": (terms * pair_weights(method, len(z[0])).repeat(2)).mean(), **measured}


def groups_of(size: int) -> torch.Tensor:
    return (torch.arange(size) + 1) // 2


def patient_positives(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    groups = groups_of(len(z[0]))
    apart = groups[:, None] != groups[None, :]
    # Measured are views among those of other groups.
    measured = cosines_of(z, margins, apart)[3]
    loss = grouped_nt_xent(torch.cat(z), groups, method["temperature"])
    return {
        "loss": loss,
        "partnered": torch.tensor(0.0),
        "negatives": 2 * apart.sum(dim=1).double().mean(),
        **measured,
    }


def temporally_coherent(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    first, second = times_of(method, len(z[0]))
    near = (first - second).abs() <= method["nearSeconds"]
    found = temporal_coherence(torch.cat(z), near, method["margin"])
    margins.append(found.pop("closest"))
    # Where two numbers meet, the sign of their difference flips.
    margins.extend((z[0] - z[1].roll(-shift, dims=0)).detach().abs().min() for shift in (0, 1))
    return found | {"near": near.double().mean()}


def supcon(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    others, partner, _, measured = cosines_of(z, margins)
    loss, positives = supervised_contrastive(torch.cat(z), labels[0], method["temperature"])
    # The two nearest views of other clips must not be near each other.
    own = torch.cat(labels)
    of_others = others.detach().scatter(1, partner[:, None], float("-inf"))
    margins.append(leads(of_others).min())
    return {
        "loss": loss,
        "positives": positives.double().mean(),
        "labelled": (own >= 0).sum(),
        "sameClass": ((own >= 0) & (own[of_others.argmax(dim=1)] == own)).sum(),
        **measured,
    }


def debiased(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    measured = cosines_of(z, margins)[3]
    loss, above = debiased_contrastive(torch.cat(z), method["temperature"], method["classPrior"])
    margins.append(above.abs().min())
    return {"loss": loss, "floored": (above < 0).double().mean(), **measured}


def uscl(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    features = [model.features(view) for view in views]
    z = [model.projection(one) for one in features]
    scores = [model.classifier(one) for one in (z if model.from_projection else features)]
    others, partner, _, measured = cosines_of(z, margins)
    contrastive = F.cross_entropy(others / method["temperature"], partner)
    # Classes; `labels` has the same ones for both views.
    known = labels[0] >= 0
    summed = method.get("supervisedReduction") == "sum-of-views"
    if method.get("heads") == "per-source":
        total, answers = of_sources(scores, labels[0], method["sources"], margins)
        given = [answer for of_class in answers.values() for answer in of_class]
        labelled, correct = torch.tensor(len(given)), torch.tensor(sum(given))
        supervised = total / max(1, len(given)) * (2 if summed else 1)
    else:
        taught = [F.cross_entropy(one[known], labels[0][known]) for one in scores] if known.any() else [torch.zeros(())]
        supervised = sum(taught) if summed else sum(taught) / len(taught)
        margins.extend(leads(one).min() for one in scores)
        labelled, correct = 2 * known.sum(), sum((one.argmax(dim=1) == labels[0])[known].sum() for one in scores)
    return {
        "loss": contrastive + method["supervisedWeight"] * supervised,
        "contrastive": contrastive,
        "supervised": supervised,
        "labelled": labelled,
        "correct": correct,
        **measured,
    }


def barlow_twins(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    return barlow_twins_golden.barlow_twins(torch.cat(z), method["redundancyWeight"])


def vicreg(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    margins.extend((view.detach().var(dim=0) + 1e-4).sqrt().sub(1).abs().min() for view in z)
    weights = tuple(method[f"{part}Weight"] for part in ("invariance", "variance", "covariance"))
    found = vicreg_golden.vicreg(torch.cat(z), weights)
    if not method.get("timeWeighting"):
        return found
    invariance = ((z[0] - z[1]).pow(2).mean(dim=1) * pair_weights(method, len(z[0]))).mean()
    return found | {"loss": found["loss"] + weights[0] * (invariance - found["invariance"]), "invariance": invariance}


def simsiam(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    z = [model.projection(model.features(view)) for view in views]
    p = [model.predictor(one) for one in z]
    towards = [F.cosine_similarity(p[0], z[1].detach(), dim=1), F.cosine_similarity(p[1], z[0].detach(), dim=1)]
    units = F.normalize(torch.cat(z).detach(), dim=1)
    return {
        "loss": -(towards[0].mean() + towards[1].mean()) / 2,
        "spread": units.std(dim=0, correction=0).mean(),
    }


def byol(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    q = [model.predictor(model.projection(model.features(view))) for view in views]
    z = [model.target.projection(model.target.features(view)) for view in views]
    distances = [(F.normalize(q[i], dim=1) - F.normalize(z[1 - i], dim=1)).pow(2).sum(dim=1).mean() for i in (0, 1)]
    return {
        "loss": sum(distances),
        "agreement": 1 - sum(distances).detach() / 4,
        "spread": F.normalize(torch.cat(z), dim=1).std(dim=0, correction=0).mean(),
    }


def fixmatch(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    weak, strong, known = (model.classifier(model.features(view)) for view in views)
    surest, guess = F.softmax(weak.detach(), dim=1).max(dim=1)
    confident = surest >= method["threshold"]
    margins.append((surest - method["threshold"]).abs().min())
    margins.extend(leads(scores).min() for scores in (weak, strong, known))
    supervised = F.cross_entropy(known, labels[2])
    unsupervised = (F.cross_entropy(strong, guess, reduction="none") * confident).mean()
    return {
        "loss": supervised + method["unlabelledWeight"] * unsupervised,
        "supervised": supervised,
        "unsupervised": unsupervised,
        "labelled": torch.tensor(len(labels[2])),
        "correct": (known.argmax(dim=1) == labels[2]).sum(),
        "confident": confident.double().mean(),
        "agreeing": (confident & (strong.argmax(dim=1) == guess)).double().mean(),
    }


def consistent(scores: torch.Tensor, others: torch.Tensor, taught: tuple, method: dict, margins: list) -> dict:
    """The loss and measurements of two answers to the same clips, and of labelled clips' scores and labels."""
    own, labels = taught
    margins.extend(leads(one.detach()).min() for one in (scores, others, own))
    supervised, consistency = F.cross_entropy(own, labels), F.mse_loss(F.softmax(scores, dim=1), F.softmax(others, dim=1))
    t = min(1, method["progress"] / method["rampUp"])
    weight = torch.tensor(method["consistencyWeight"] * math.exp(-5 * (1 - t) ** 2)).to(own)
    return {
        "loss": supervised + weight * consistency,
        "supervised": supervised,
        "consistency": consistency,
        "weight": weight,
        "labelled": torch.tensor(len(labels)),
        "correct": (own.argmax(dim=1) == labels).sum(),
        "agreeing": (scores.argmax(dim=1) == others.argmax(dim=1)).double().mean(),
        "confidence": F.softmax(scores, dim=1).max(dim=1).values.mean(),
    }


def pi_model(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    first, second, known = (model.classifier(model.features(view)) for view in views)
    return consistent(first, second, (known, labels[2]), method, margins)


def mean_teacher(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    student, known = (model.classifier(model.features(views[i])) for i in (0, 2))
    teacher = model.target.classifier(model.target.features(views[1]))
    return consistent(student, teacher, (known, labels[2]), method, margins)


def mixmatch(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    with torch.no_grad():
        guess = sum(F.softmax(model.classifier(model.features(view)), dim=1) for view in views[:2]) / 2
        guess = guess ** (1 / 0.5)
        guess = guess / guess.sum(dim=1, keepdim=True)
    own = F.one_hot(labels[2], CLASSES).to(guess)
    images, targets = torch.cat(views), torch.cat([guess, guess, own])
    rows, step = len(images), round(method["progress"] * STEPS)
    order = Random(1, "mixup-partners", 0, step).shuffled(list(range(rows)))
    partner = torch.zeros(rows, dtype=torch.long)
    for place, row in enumerate(order):
        partner[row] = order[(place + 1) % rows]
    random = Random(1, "mixup-weights", 0, step)
    shares = torch.tensor([random.beta(0.75, 0.75) for _ in range(rows)], dtype=torch.float32)
    shares = torch.maximum(shares, 1 - shares).to(guess)[:, None]
    mixed, wanted = (shares * one + (1 - shares) * one[partner] for one in (images, targets))
    scores = model.classifier(model.features(mixed))
    guessed = rows - len(own)
    supervised = -(wanted[guessed:] * F.log_softmax(scores[guessed:], dim=1)).sum(dim=1).mean()
    unsupervised = F.mse_loss(F.softmax(scores[:guessed], dim=1), wanted[:guessed])
    weight = torch.tensor(method["unlabelledWeight"] * min(1, method["progress"] / method["rampUp"])).to(guess)
    answers = scores[guessed:].argmax(dim=1)
    margins.extend(leads(one.detach()).min() for one in (scores[guessed:], wanted[guessed:]))
    shares_right = [(answers[labels[2] == c] == c).double().mean() for c in labels[2].unique()]
    return {
        "loss": supervised + weight * unsupervised,
        "supervised": supervised,
        "unsupervised": unsupervised,
        "weight": weight,
        "labelled": torch.tensor(len(own)),
        "correct": (answers == wanted[guessed:].argmax(dim=1)).sum(),
        "confidence": guess.max(dim=1).values.mean(),
        "balancedAccuracy": sum(shares_right) / len(shares_right),
    }


def of_sources(scores: list, labels: torch.Tensor, sources: list, margins: list) -> tuple:
    """Sum of the cross-entropies of views [clips, columns]; of each source and class, whether its views are answered rightly."""
    total, answers = torch.zeros((), dtype=scores[0].dtype), {}
    start = 0
    for source, classes in enumerate(sources):
        if len(classes) < 2:
            continue
        for row in range(source, len(labels), len(sources)):
            for view in scores:
                own = view[row, start : start + len(classes)]
                margins.append(leads(own.detach()[None]).min())
                if labels[row] < 0:
                    continue
                place = classes.index(labels[row])
                total = total - own.log_softmax(0)[place]
                answers.setdefault((source, place), []).append(own.argmax().item() == place)
        start += len(classes)
    return total, answers


def supervised(model: Model, method: dict, views: list, labels: list, margins: list) -> dict:
    scores = [model.classifier(model.features(view)) for view in views]
    total, answers = of_sources(scores, labels[0], method["sources"], margins)
    given = [answer for of_class in answers.values() for answer in of_class]
    shares = [sum(of_class) / len(of_class) for of_class in answers.values()]
    return {
        # The zero ties the loss to the model where no clip has a label.
        "loss": total / max(1, len(given)) + 0 * scores[0].sum(),
        "labelled": torch.tensor(len(given)),
        "correct": torch.tensor(sum(given)),
        "accuracy": torch.tensor(sum(given) / max(1, len(given)), dtype=torch.float64),
        "balancedAccuracy": torch.tensor(sum(shares) / max(1, len(shares)), dtype=torch.float64),
    }


LOSSES = {
    "uscl": uscl,
    "simclr": simclr,
    "supcon": supcon,
    "debiased": debiased,
    "simsiam": simsiam,
    "barlow-twins": barlow_twins,
    "vicreg": vicreg,
    "byol": byol,
    "fixmatch": fixmatch,
    "pi-model": pi_model,
    "mean-teacher": mean_teacher,
    "supervised": supervised,
    "mixmatch": mixmatch,
    "temporal-coherence": temporally_coherent,
    "patient-positives": patient_positives,
}


#: Methods with a target.
TARGETED = ("byol", "mean-teacher", "mixmatch")


def labels_of(case: str, size: int, method: dict, step: int) -> list:
    """Of each view."""
    none = torch.full((size,), -1)
    if "sources" in method:
        count = len(method["sources"])
        places = [(classes, (row // count + step) % (len(classes) + 1) - 1) for row in range(size) for classes in [method["sources"][row % count]]]
        return [torch.tensor([classes[place] if place >= 0 else -1 for classes, place in places])] * 2
    if method["name"] in ("fixmatch", "pi-model", "mean-teacher", "mixmatch"):
        return [none, none, (torch.arange(max(1, size // 4)) + step) % CLASSES]
    some = (torch.arange(size) + step) % (CLASSES + 1) - 1
    return [some if method["name"] in ("uscl", "supcon") and "no label" not in case else none] * 2


def images(name: str, view: int, rows: int) -> torch.Tensor:
    size = rows * INPUTS
    both = values(name, size, 0, 1) + values(f"{name}/view{view}", size, 0, 0.5)
    return torch.from_numpy(both).reshape(rows, INPUTS)


def ran(case: str, seed: int, dtype):
    """The run of a case, or None where something sits too near its boundary."""
    size, method = CASES[case]
    sources = {"sources": SOURCES[case]} if case in SOURCES else {}
    method = method | sources
    prefix = f"methods/{case}/{seed}/"
    model = Model(method).to(dtype)
    margins, deviations = [], []
    for place, module in model.named_modules():
        norm = isinstance(module, nn.BatchNorm1d)
        for name, parameter in module.named_parameters(recurse=False):
            centre, deviation = ((1, 0.2) if name == "weight" else (0, 0.2)) if norm else (0, 0.5)
            start = values(f"{prefix}{place}.{name}", parameter.numel(), centre, deviation)
            parameter.data = torch.from_numpy(start).to(dtype).reshape(parameter.shape)
        if norm:
            module.register_forward_pre_hook(lambda _, given: deviations.append(given[0].std(dim=0, correction=0).min()))
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda _, given: margins.append(given[0].abs().min()))
    model.layer1.register_forward_hook(lambda _, given, output: margins.append(output.abs().min()))
    if method["name"] in TARGETED:
        model.set_target()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    steps = []
    for step in range(STEPS):
        labels = labels_of(case, size, method, step)
        views = [images(f"{prefix}step{step}", view, len(rows)).to(dtype) for view, rows in enumerate(labels)]
        now = method | {"progress": step / STEPS}
        losses = LOSSES[method["name"]](model, now, views, labels, margins)
        optimizer.zero_grad()
        losses["loss"].backward()
        if min(margins) < LEAST_MARGIN or min(deviations, default=1) < LEAST_DEVIATION:
            return None
        for parameter in model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        statistics = {name: value for name, value in model.named_buffers() if "running" in name}
        optimizer.step()
        if method["name"] in TARGETED:
            with torch.no_grad():
                left = (math.cos(math.pi * step / STEPS) + 1) / 2 if method["name"] == "byol" else 1
                model.lead_target(1 - (1 - method["momentum"]) * left)
        steps.append(
            {
                "labels": [rows.tolist() for rows in labels],
                **({"times": [rows.tolist() for rows in times_of(now, size)]} if timed(method) else {}),
                "losses": {name: value.item() for name, value in losses.items()},
                "gradients": flat(gradients),
                "statistics": flat(statistics),
            }
        )
    confident = [step["losses"].get("confident", 0.5) for step in steps]
    if max(confident) == 0 or min(confident) == 1:
        return None
    ends = {"parameters": flat(dict(model.named_parameters()))}
    if method["name"] in TARGETED:
        ends["target"] = flat({name: one for name, one in model.target.state_dict().items() if "num_batches" not in name})
    grouped = {"groups": groups_of(size).tolist()} if method["name"] == "patient-positives" else {}
    window = {"windowSeconds": WINDOW} if timed(method) else {}
    return {"seed": seed, "method": CASES[case][1], **window, **grouped, **sources, "steps": steps, **ends}


def flat(tensors: dict) -> dict:
    return {name: tensor.detach().flatten().tolist() for name, tensor in tensors.items()}


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def agree(found: dict, expected: dict) -> bool:
    """Whether a step's gradients and losses are near those of another run."""
    losses = [(found["losses"][name], value) for name, value in expected["losses"].items()]
    if any(abs(a - b) > MOST_APART["losses"] * max(abs(b), 1) for a, b in losses):
        return False
    found, expected = ([x for numbers in step["gradients"].values() for x in numbers] for step in (found, expected))
    return max(abs(a - b) for a, b in zip(found, expected)) <= MOST_APART["gradients"] * max(map(abs, expected))


def found(case: str) -> dict:
    for seed in itertools.count():
        run, single = ran(case, seed, torch.float64), ran(case, seed, torch.float32)
        if run is None or single is None:
            continue
        if all(map(agree, single["steps"], run["steps"])):
            return run


path = Path(__file__).parent / "data" / "methods.json"
wanted = sys.argv[1:] or list(CASES)
before = json.loads(path.read_text()) if len(wanted) < len(CASES) else {"torch": torch.__version__, "cases": {}}
version = {} if torch.__version__ == before["torch"] else {"torch": torch.__version__}
settings = {"learningRate": LEARNING_RATE, "momentum": MOMENTUM, "weightDecay": WEIGHT_DECAY}
known = before["cases"] | rounded({case: version | found(case) for case in wanted})
cases = {case: known[case] for case in CASES if case in known}
path.write_text(json.dumps({"torch": before["torch"], **settings, "cases": cases}) + "\n")
