"""Writes data/pseudo-label.json: FixMatch's loss on clips without labels and its gradient from PyTorch's autograd in float64.

    python3 test/golden/pseudo_label_golden.py

Weak scores are values(case + "/weak", rows * classes, 0, 3) of `hashed.py`, strong scores half of them + values(case, rows *
classes, 0, 2), rounded to float32. Gradients are digests (see there).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from hashed import digest, values

#: name -> rows, classes, threshold
CASES = {
    "two rows": (2, 3, 0.98),
    "small": (7, 5, 0.9),
    "fixmatch": (32, 4, 0.95),
    "every row": (32, 3, 0.0),
    "no row": (7, 12, 1.0),
}


def scores(name: str, rows: int, classes: int, deviation: float) -> torch.Tensor:
    return torch.from_numpy(values(name, rows * classes, 0, deviation)).reshape(rows, classes)


result = {}
for name, (rows, classes, threshold) in CASES.items():
    weak = scores(f"{name}/weak", rows, classes, 3)
    strong = (0.5 * weak + scores(name, rows, classes, 2)).double().requires_grad_(True)
    probability, label = weak.double().softmax(dim=1).max(dim=1)
    mask = probability.ge(threshold)
    # Rounding must not decide which rows are confident.
    assert (probability - threshold).abs().min() > 1e-6
    loss = (F.cross_entropy(strong, label, reduction="none") * mask).mean()
    loss.backward()
    result[name] = {
        "rows": rows,
        "classes": classes,
        "threshold": threshold,
        "loss": loss.item(),
        "confident": int(mask.sum()),
        "agreeing": int((mask & (strong.argmax(dim=1) == label)).sum()),
        "gradient": digest(name, strong.grad.numpy()).tolist(),
    }
path = Path(__file__).parent / "data" / "pseudo-label.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
