"""Writes data/barlow-twins.json: the loss of Barlow Twins and its gradient from PyTorch's autograd in float64, by batch norms
without parameters as in the authors' code.

    python3 test/golden/barlow_twins_golden.py

Embeddings of both views are what they share, values(case, pairs * dim, 0.1, 1) of `hashed.py`, and what is a view's own, its
half of values(case + "/own", 2 * pairs * dim, 0, 0.5), added in float32. Gradients are digests (see there).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from hashed import digest, values

#: name -> pairs, dim, weight
CASES = {
    "two pairs": (2, 3, 0.5),
    "small": (7, 16, 0.1),
    "barlow twins": (32, 128, 0.005),
    "one feature": (7, 1, 0.005),
}


def embeddings_of(name: str, pairs: int, dim: int) -> torch.Tensor:
    shared = torch.from_numpy(values(name, pairs * dim, 0.1, 1)).reshape(pairs, dim)
    own = torch.from_numpy(values(f"{name}/own", 2 * pairs * dim, 0, 0.5)).reshape(2 * pairs, dim)
    return (shared.repeat(2, 1) + own).double()


def barlow_twins(z: torch.Tensor, weight: float) -> dict:
    """The loss, its parts and the mean correlations."""
    first, second = (F.batch_norm(view, None, None, training=True) for view in z.chunk(2))
    correlations = first.T @ second / len(first)
    itself = torch.eye(len(correlations), dtype=torch.bool)
    different = correlations[~itself]
    invariance, redundancy = (1 - correlations.diagonal()).pow(2).sum(), different.pow(2).sum()
    return {
        "loss": invariance + weight * redundancy,
        "invariance": invariance,
        "redundancy": redundancy,
        "correlation": correlations.diagonal().mean(),
        "crossCorrelation": different.pow(2).mean().sqrt() if len(different) > 0 else torch.zeros(()),
    }


if __name__ == "__main__":
    result = {}
    for name, (pairs, dim, weight) in CASES.items():
        embeddings = embeddings_of(name, pairs, dim).requires_grad_(True)
        found = barlow_twins(embeddings, weight)
        found["loss"].backward()
        result[name] = {
            "pairs": pairs,
            "dim": dim,
            "weight": weight,
            "found": {part: value.item() for part, value in found.items()},
            "gradient": digest(name, embeddings.grad.numpy()).tolist(),
        }
    path = Path(__file__).parent / "data" / "barlow-twins.json"
    path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
