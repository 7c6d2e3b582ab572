"""Writes data/negative-cosine.json: SimSiam's loss and its gradient from PyTorch's autograd in float64, and the spread of
the targets.

    python3 test/golden/negative_cosine_golden.py

Predictions are values(case, 2 * pairs * dim, 0.1, 1) of `hashed.py`, targets values(case + "/targets", 2 * pairs * dim,
centre, 1). Gradients are digests (see there).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from hashed import digest, values

#: name -> pairs, dim, centre of the targets
CASES = {
    "two pairs": (2, 3, 0.1),
    "small": (7, 16, -0.3),
    "simsiam": (32, 512, 0.1),
    "nearly collapsed": (32, 64, 20.0),
}


def negative_cosine(p: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """D of the paper's algorithm 1."""
    return -(F.normalize(p, dim=1) * F.normalize(z.detach(), dim=1)).sum(dim=1).mean()


result = {}
for name, (pairs, dim, centre) in CASES.items():
    predictions = torch.from_numpy(values(name, 2 * pairs * dim, 0.1, 1)).double().reshape(2 * pairs, dim)
    targets = torch.from_numpy(values(f"{name}/targets", 2 * pairs * dim, centre, 1)).double().reshape(2 * pairs, dim)
    predictions.requires_grad_(True)
    targets.requires_grad_(True)
    p1, p2 = predictions.chunk(2)
    z1, z2 = targets.chunk(2)
    loss = negative_cosine(p1, z2) / 2 + negative_cosine(p2, z1) / 2
    loss.backward()
    assert targets.grad is None
    result[name] = {
        "pairs": pairs,
        "dim": dim,
        "centre": centre,
        "loss": loss.item(),
        "spread": F.normalize(targets.detach(), dim=1).std(dim=0, correction=0).mean().item(),
        "gradient": digest(name, predictions.grad.numpy()).tolist(),
    }
path = Path(__file__).parent / "data" / "negative-cosine.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
