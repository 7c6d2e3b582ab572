"""Writes data/consistency.json: the mean squared difference of two softmaxes and both gradients from PyTorch's autograd in
float64.

    python3 test/golden/consistency_golden.py

Scores are values(case, rows * classes, 0, 2) of `hashed.py`; the others are half of them + values(case + "/others", rows *
classes, 0, 1), rounded to float32. Gradients are digests (see there).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from hashed import digest, values

#: name -> rows, classes
CASES = {"two rows": (2, 3), "small": (7, 5), "batch": (32, 12), "two classes": (7, 2)}


def table(name: str, rows: int, classes: int, deviation: float) -> torch.Tensor:
    return torch.from_numpy(values(name, rows * classes, 0, deviation)).reshape(rows, classes)


result = {}
for name, (rows, classes) in CASES.items():
    scores = table(name, rows, classes, 2)
    others = (0.5 * scores + table(f"{name}/others", rows, classes, 1)).double().requires_grad_(True)
    scores = scores.double().requires_grad_(True)
    p, q = F.softmax(scores, dim=1), F.softmax(others, dim=1)
    loss = F.mse_loss(p, q)
    loss.backward()
    result[name] = {
        "rows": rows,
        "classes": classes,
        "loss": loss.item(),
        "agreeing": (p.argmax(dim=1) == q.argmax(dim=1)).sum().item(),
        "confidence": p.max(dim=1).values.mean().item(),
        "gradient": digest(name, scores.grad.numpy()).tolist(),
        "othersGradient": digest(name, others.grad.numpy()).tolist(),
    }
path = Path(__file__).parent / "data" / "consistency.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
