"""Writes data/vicreg.json: the loss of VICReg and its gradient from PyTorch's autograd in float64.

    python3 test/golden/vicreg_golden.py

Embeddings are those of `barlow_twins_golden.py` under the case's name, times `scale`, a power of 2. Gradients are digests (see
`hashed.py`).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from barlow_twins_golden import embeddings_of
from hashed import digest

#: name -> pairs, dim, scale, weights of invariance, variance and covariance
CASES = {
    "two pairs": (2, 3, 1, (25, 25, 1)),
    "small": (7, 16, 0.5, (25, 25, 1)),
    "vicreg": (32, 128, 1, (25, 25, 1)),
    "nearly collapsed": (32, 16, 2**-8, (1, 2, 3)),
    "one feature": (7, 1, 0.5, (25, 25, 1)),
}


def vicreg(z: torch.Tensor, weights: tuple) -> dict:
    """The loss, its parts and the mean standard deviation."""
    views = z.chunk(2)
    deviations = torch.stack([(view.var(dim=0) + 1e-4).sqrt() for view in views])
    covariances = [torch.cov(view.T).reshape(z.shape[1], z.shape[1]) for view in views]
    invariance = F.mse_loss(*views)
    variance = F.relu(1 - deviations).mean(dim=1).sum()
    covariance = sum((one - one.diagonal().diag()).pow(2).sum() for one in covariances) / z.shape[1]
    return {
        "loss": weights[0] * invariance + weights[1] * variance + weights[2] * covariance,
        "invariance": invariance,
        "variance": variance,
        "covariance": covariance,
        "deviation": deviations.mean(),
    }


if __name__ == "__main__":
    result = {}
    for name, (pairs, dim, scale, weights) in CASES.items():
        embeddings = (scale * embeddings_of(name, pairs, dim)).requires_grad_(True)
        found = vicreg(embeddings, weights)
        found["loss"].backward()
        result[name] = {
            "pairs": pairs,
            "dim": dim,
            "scale": scale,
            "weights": weights,
            "found": {part: value.item() for part, value in found.items()},
            "gradient": digest(name, embeddings.grad.numpy()).tolist(),
        }
    path = Path(__file__).parent / "data" / "vicreg.json"
    path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
