"""Golden numbers for test/evaluation, from scikit-learn. Run by hand: python test/golden/evaluation.py
(numpy and scikit-learn; the versions used are written into the files), then
npx prettier --write test/evaluation/golden."""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize

OUT = pathlib.Path(__file__).parent.parent / "evaluation" / "golden"
VERSIONS = {"numpy": np.__version__, "scikit-learn": sklearn.__version__}


def write(name, cases):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")


def metrics():
    rng = np.random.default_rng(1)
    cases = []
    pairs = [(3, 40), (2, 17), (5, 12), (4, 200), (6, 9)]
    fixed = [
        (4, [0, 0, 1, 1], [0, 2, 1, 1]),  # class 2 only predicted, class 3 nowhere
        (3, [0, 0, 2, 2], [1, 1, 1, 1]),  # nothing right, classes never predicted
        (2, [1, 1, 1], [1, 1, 0]),  # one class in the truth
        (3, [1], [1]),
    ]
    for classes, rows in pairs:
        fixed.append((classes, rng.integers(0, classes, rows).tolist(), rng.integers(0, classes, rows).tolist()))
    for classes, truth, predicted in fixed:
        cases.append(
            {
                "classes": classes,
                "truth": truth,
                "predicted": predicted,
                "accuracy": accuracy_score(truth, predicted),
                "balancedAccuracy": balanced_accuracy_score(truth, predicted),
                "macroF1": f1_score(truth, predicted, average="macro", zero_division=0),
                "confusion": confusion_matrix(truth, predicted, labels=range(classes)).tolist(),
            }
        )
    write("metrics.json", cases)


def features(rng, rows, dim, classes, shift):
    labels = np.arange(rows) % classes
    x = rng.normal(size=(rows, dim)) * rng.uniform(0.1, 3, dim) + rng.normal(size=dim)
    x[:, : classes * 2] += shift * np.eye(classes)[labels].repeat(2, axis=1)
    x[:, -1] = 0.25  # a dead feature
    # Few digits, so that the file and both readers hold the same numbers.
    return np.round(x, 3).astype(np.float32), labels


def logistic():
    rng = np.random.default_rng(2)
    cases = []
    for rows, dim, classes, C, weight in [
        (60, 12, 3, 1.0, None),
        (40, 10, 2, 1.0, None),
        (50, 14, 4, 0.1, "balanced"),
        (30, 40, 3, 1.0, None),  # more features than rows
        (45, 12, 2, 10.0, "balanced"),
    ]:
        x, y = features(rng, rows, dim, classes, 1.0)
        if weight == "balanced":
            keep = (y > 0) | (np.arange(rows) % 3 == 0)
            x, y = x[keep], y[keep]
        test, _ = features(rng, 8, dim, classes, 1.0)
        scaler = StandardScaler().fit(x.astype(np.float64))
        model = LogisticRegression(C=C, class_weight=weight, tol=1e-10, max_iter=100000)
        model.fit(scaler.transform(x.astype(np.float64)), y)
        cases.append(
            {
                "dim": dim,
                "classes": classes,
                "C": C,
                "classWeight": weight or "none",
                "train": x.ravel().tolist(),
                "labels": y.tolist(),
                "test": test.ravel().tolist(),
                "probabilities": model.predict_proba(scaler.transform(test.astype(np.float64))).ravel().tolist(),
                "weights": model.coef_.ravel().tolist(),
                "intercepts": model.intercept_.tolist(),
            }
        )
    write("logistic.json", round_floats(cases))


def knn():
    rng = np.random.default_rng(3)
    cases = []
    for rows, dim, classes, k in [(50, 9, 3, 10), (30, 6, 2, 5), (20, 30, 4, 1)]:
        x, y = features(rng, rows, dim, classes, 0.7) if dim > 2 * classes else features(rng, rows, dim, 2, 0.7)
        test, _ = features(rng, 12, dim, 2, 0.7)
        scaler = StandardScaler().fit(x.astype(np.float64))
        a, b = (normalize(scaler.transform(m.astype(np.float64))) for m in (x, test))
        # On unit vectors the Euclidean order is the cosine order.
        model = KNeighborsClassifier(k).fit(a, y)
        p = np.zeros((12, classes))
        p[:, model.classes_] = model.predict_proba(b)
        cases.append(
            {
                "dim": dim,
                "classes": classes,
                "k": k,
                "train": x.ravel().tolist(),
                "labels": y.tolist(),
                "test": test.ravel().tolist(),
                "probabilities": p.ravel().tolist(),
            }
        )
    write("knn.json", round_floats(cases))


def folds():
    """The greedy assignment without shuffling: groups in ascending order."""
    rng = np.random.default_rng(4)
    cases = []
    for clips, groups, classes, k in [(60, 20, 3, 5), (238, 42, 2, 5), (91, 35, 3, 5), (40, 12, 2, 3), (100, 60, 4, 4)]:
        group = np.sort(np.concatenate([np.arange(groups), rng.integers(0, groups, clips - groups)]))
        label = (rng.uniform(size=clips) ** 2 * classes).astype(int)
        fold = np.full(clips, -1)
        splitter = StratifiedGroupKFold(n_splits=k)
        for f, (_, test) in enumerate(splitter.split(np.zeros(clips), label, group)):
            fold[test] = f
        counts = np.zeros((groups, classes), int)
        np.add.at(counts, (group, label), 1)
        foldOfGroup = [int(fold[group == g][0]) for g in range(groups)]
        cases.append({"folds": k, "counts": counts.tolist(), "foldOfGroup": foldOfGroup})
    write("folds.json", cases)


def eigen():
    rng = np.random.default_rng(5)
    cases = []
    for rows, dim in [(30, 6), (5, 12), (40, 20)]:
        x = np.round(rng.normal(size=(rows, dim)) * np.geomspace(1, 0.01, dim) + 0.5, 4).astype(np.float32)
        centred = x.astype(np.float64) - x.astype(np.float64).mean(0)
        s = np.linalg.svd(centred, compute_uv=False)
        p = s / s.sum()
        p = p[p > 1e-12]
        unit = normalize(x.astype(np.float64))
        cosine = unit @ unit.T
        pairs = cosine[np.triu_indices(rows, 1)]
        cases.append(
            {
                "dim": dim,
                "features": x.ravel().tolist(),
                "eigenvalues": np.linalg.eigvalsh(centred.T @ centred / rows)[::-1].tolist(),
                "effectiveRank": float(np.exp(-(p * np.log(p)).sum())),
                "meanCosine": float(pairs.mean()),
                "uniformity": float(np.log(np.exp(-2 * (2 - 2 * pairs)).mean())),
            }
        )
    write("statistics.json", round_floats(cases, 9))


def round_floats(value, digits=7):
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, list):
        return [round_floats(v, digits) for v in value]
    if isinstance(value, dict):
        return {k: round_floats(v, digits) for k, v in value.items()}
    return value


metrics()
logistic()
knn()
folds()
eigen()
