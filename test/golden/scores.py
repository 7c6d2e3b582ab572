"""Scores of predictions by scikit-learn and scipy, for test/evaluation.

Without arguments: writes the golden files test/evaluation/golden/scores.json and mcnemar.json (then run
npx prettier --write test/evaluation/golden). With --stdin: reads a list of predictions in the format of
predictions.json and prints their scores, for the test that asks the scikit-learn of this machine.
"""

import itertools
import json
import pathlib
import sys
import warnings

import numpy as np
import scipy
import sklearn
from scipy.stats import binomtest, chi2
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)

OUT = pathlib.Path(__file__).parent.parent / "evaluation" / "golden"
VERSIONS = {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
BINS = 15


def level_rows(clips, classes, level):
    """Truth, called class and probabilities of each row; clips are (label, frames [frame, class])."""
    truth, called, probabilities = [], [], []
    for label, frames in clips:
        mean = frames.mean(0)
        if level == "frame":
            rows = frames
        elif level == "clipMean":
            rows = mean[None]
        else:
            rows = np.bincount(frames.argmax(1), minlength=classes)[None] / len(frames)
        for row in rows:
            tied = np.flatnonzero(row == row.max())
            best = tied[mean[tied].argmax()] if level == "clipVote" else row.argmax()
            truth.append(label)
            called.append(int(best))
            probabilities.append(row)
    return np.array(truth), np.array(called), np.array(probabilities)


def none_if(condition, value):
    return None if condition else float(value)


def scores(truth, called, p, classes):
    labels = list(range(classes))
    present = [c for c in labels if (truth == c).any()]
    ranked = [c for c in present if (truth != c).any()]
    precision, recall, f1, support = precision_recall_fscore_support(truth, called, labels=labels, zero_division=0)
    auroc = {c: roc_auc_score(truth == c, p[:, c]) for c in ranked}
    ap = {c: average_precision_score(truth == c, p[:, c]) for c in present}
    if len(present) == classes and classes > 2:
        # The same by the multi-class form of scikit-learn.
        whole = roc_auc_score(truth, p, multi_class="ovr", average="macro", labels=labels)
        assert abs(whole - np.mean(list(auroc.values()))) < 1e-9
    confidence = np.minimum(1, p[np.arange(len(p)), called])
    right = called == truth
    # Right-closed bins, as calibration_curve has them.
    bin_of = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    counts = np.bincount(bin_of, minlength=BINS)
    accuracy_of, confidence_of = calibration_curve(right, confidence, n_bins=BINS, pos_label=True)
    filled = counts[counts > 0]
    one_hot = np.eye(classes)[truth]
    brier = ((p - one_hot) ** 2).sum(1).mean()
    if classes == 2:
        # 32-bit probabilities sum to 1 within 1e-7.
        assert abs(brier - 2 * brier_score_loss(truth == 1, p[:, 1])) < 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # They warn of classes that do not occur.
        kappa = cohen_kappa_score(truth, called, labels=labels)
        balanced = balanced_accuracy_score(truth, called)
    return {
        "scores": {
            "accuracy": accuracy_score(truth, called),
            "balancedAccuracy": float(balanced),
            "macroF1": float(f1_score(truth, called, average="macro", zero_division=0)),
            "kappa": none_if(np.isnan(kappa), kappa),
            "auroc": none_if(not ranked, np.mean(list(auroc.values())) if ranked else 0),
            "averagePrecision": float(np.mean(list(ap.values()))),
            "ece": float((filled / len(truth) * np.abs(accuracy_of - confidence_of)).sum()),
            "brier": float(brier),
        },
        "perClass": [
            {
                "precision": none_if(not (called == c).any(), precision[c]),
                "recall": none_if(support[c] == 0, recall[c]),
                "specificity": none_if(support[c] == len(truth), recall_score(truth != c, called != c, zero_division=0)),
                "f1": none_if(support[c] == 0 and not (called == c).any(), f1[c]),
                "auroc": none_if(c not in auroc, auroc.get(c, 0)),
                "averagePrecision": none_if(c not in ap, ap.get(c, 0)),
            }
            for c in labels
        ],
        "confusion": confusion_matrix(truth, called, labels=labels).tolist(),
        "reliability": {"counts": counts.tolist(), "accuracy": accuracy_of.tolist(), "confidence": confidence_of.tolist()},
    }


def evaluate(predictions):
    """Every seed at every level, folds pooled; one label rate."""
    classes = len(predictions["classes"])
    seeds = sorted({cell["seed"] for cell in predictions["cells"]})
    result = {}
    for level in ["frame", "clipMean", "clipVote"]:
        result[level] = []
        for seed in seeds:
            clips = []
            for cell in predictions["cells"]:
                for row in cell["rows"] if cell["seed"] == seed else []:
                    label = predictions["clips"][row["clip"]]["label"]
                    if label is not None:
                        # Probabilities are 32-bit numbers.
                        frames = np.array(row["probabilities"], np.float32).astype(np.float64)
                        clips.append((label, frames))
            result[level].append(scores(*level_rows(clips, classes, level), classes))
    return result


def predictions(rng, classes, clips, groups, labels, seeds=2, ties=0.0, frames=(1, 5), skill=1.0):
    """Random predictions; `ties` is the share of frames with probabilities of one decimal."""
    label = rng.choice(labels, clips)
    cells = []
    for seed in range(seeds):
        rows = []
        for clip in range(clips):
            count = int(rng.integers(*frames))
            logits = rng.normal(size=(count, classes)) + rng.normal(size=classes) + skill * np.eye(classes)[label[clip]]
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            for frame in range(count):
                if rng.uniform() < ties:
                    parts = rng.multinomial(10, p[frame])
                    p[frame] = parts / 10
            p = np.array([[float(f"{v:.6g}") for v in row] for row in p])
            rows.append({"clip": clip, "frames": list(range(count)), "probabilities": p.tolist()})
        cells.append({"labelRate": 1, "seed": seed, "fold": None, "epoch": None, "rows": rows})
    unlabelled = rng.uniform(size=clips) < 0.1
    return {
        "format": "uscl-predictions",
        "version": 1,
        "classes": [f"class {c}" for c in range(classes)],
        "protocol": "external",
        "clips": [
            {
                "id": f"clip {clip}",
                "group": f"group {clip % groups}",
                "label": None if unlabelled[clip] else int(label[clip]),
            }
            for clip in range(clips)
        ],
        "cells": cells,
    }


def golden_scores():
    rng = np.random.default_rng(7)
    sets = [
        predictions(rng, 3, 30, 10, [0, 1, 2]),
        predictions(rng, 3, 24, 8, [0, 1, 2], ties=1.0),  # many equal scores
        predictions(rng, 2, 20, 7, [0, 1], ties=0.5),
        predictions(rng, 4, 20, 6, [0, 2], seeds=1),  # classes nobody has
        predictions(rng, 3, 8, 4, [1], seeds=1),  # one class in the truth
        predictions(rng, 2, 9, 3, [0], seeds=1, skill=9.0),  # one class in truth and predictions
        predictions(rng, 6, 40, 12, [0, 1, 2, 3, 4, 5], skill=0.0, frames=(2, 4)),
    ]
    write("scores.json", [{"predictions": one, "expected": evaluate(one)} for one in sets])


def sign_flip(leads):
    """All 2^n ways, one by one."""
    sums = [abs(sum(sign * lead for sign, lead in zip(signs, leads))) for signs in itertools.product([1, -1], repeat=len(leads))]
    return float(np.mean([total >= abs(sum(leads)) for total in sums]))


def golden_mcnemar():
    rng = np.random.default_rng(8)
    cases = []
    for only_a, only_b in [(0, 0), (5, 0), (10, 3), (7, 7), (8, 7), (30, 12), (212, 170), (900, 1020), (1, 0)]:
        n = only_a + only_b
        statistic = 0 if n == 0 else max(0, abs(only_a - only_b) - 1) ** 2 / n
        leads = rng.integers(-4, 5, 11).tolist()
        cases.append(
            {
                "onlyA": only_a,
                "onlyB": only_b,
                "exact": 1.0 if n == 0 else float(binomtest(only_a, n, 0.5).pvalue),
                "statistic": statistic,
                "corrected": float(chi2.sf(statistic, 1)),
                "leads": leads,
                "signFlip": sign_flip(leads),
            }
        )
    write("mcnemar.json", cases)


def write(name, cases):
    (OUT / name).write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")


if __name__ == "__main__":
    if "--stdin" in sys.argv:
        json.dump([evaluate(one) for one in json.load(sys.stdin)], sys.stdout)
    else:
        golden_scores()
        golden_mcnemar()
