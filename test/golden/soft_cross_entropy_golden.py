"""Writes data/soft-cross-entropy.json: PyTorch's cross_entropy in float64 with what fine-tuning asks of it (label
smoothing, mixed targets, class weights), its gradient, and scikit-learn's balanced class weights.

    python3 test/golden/soft_cross_entropy_golden.py

Scores are values(case, rows * classes, 0, 3) of `hashed.py`, labels its hashes modulo the classes, partners likewise
modulo the rows, weights of mixtures (1 + uniforms) / 2. Gradients are digests (see there).
"""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from hashed import digest, hashes, uniforms, values

#: name -> rows, classes, smoothing, mixed, weights of the classes
CASES = {
    "hard": (7, 3, 0.0, False, "none"),
    "one row": (1, 5, 0.1, False, "none"),
    "smooth": (32, 4, 0.1, False, "none"),
    "mixed": (32, 3, 0.0, True, "none"),
    "smooth and mixed": (16, 12, 0.2, True, "none"),
    "weighted": (64, 3, 0.0, False, "balanced"),
}

result = {}
for name, (rows, classes, smoothing, mixed, weighting) in CASES.items():
    logits = torch.from_numpy(values(name, rows * classes, 0, 3)).double().reshape(rows, classes)
    logits.requires_grad_(True)
    labels = hashes(f"{name}/labels", rows).astype(np.int64) % classes
    # The rarer the higher the class: a uniform draw has nothing to balance.
    if weighting == "balanced":
        labels = labels * (hashes(f"{name}/rare", rows).astype(np.int64) % 3 == 0)
    weights = None
    if weighting == "balanced":
        weights = torch.from_numpy(compute_class_weight("balanced", classes=np.arange(classes), y=labels))
    target = torch.from_numpy(labels)
    if mixed:
        partner = hashes(f"{name}/partners", rows).astype(np.int64) % rows
        share = torch.from_numpy(((1 + uniforms(f"{name}/shares", rows)) / 2).astype(np.float32)).double()[:, None]
        hot = F.one_hot(target, classes).double()
        target = share * hot + (1 - share) * hot[partner]
    loss = F.cross_entropy(logits, target, weight=weights, label_smoothing=smoothing)
    loss.backward()
    result[name] = {
        "rows": rows,
        "classes": classes,
        "smoothing": smoothing,
        "mixed": mixed,
        "weights": None if weights is None else weights.tolist(),
        "labels": labels.tolist(),
        "loss": loss.item(),
        "gradient": digest(name, logits.grad.numpy().ravel()).tolist(),
    }
path = Path(__file__).parent / "data" / "soft-cross-entropy.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
