"""Writes data/temporal-coherence.json: temporal coherence (Mobahi et al. 2009, distances divided by the width) and its gradient
from PyTorch's autograd in float64, by the plainest code.

    python3 test/golden/temporal_coherence_golden.py

Embeddings are those of `barlow_twins_golden.py` under the case's name. The frames of pair i are near where i % 3 is not 1.
Gradients are digests (see `hashed.py`).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from barlow_twins_golden import embeddings_of
from hashed import digest

#: name -> pairs, dim, margin
CASES = {
    "coherent, two pairs": (2, 3, 1.0),
    "coherent, small": (7, 16, 1.0),
    "coherent, large": (32, 128, 1.1),
}


def temporal_coherence(z: torch.Tensor, near: torch.Tensor, margin: float) -> dict:
    """`near` [pairs]."""
    first, second = z.chunk(2)
    own = (first - second).abs().mean(dim=1)
    other = (first - second.roll(-1, dims=0)).abs().mean(dim=1)
    far = torch.cat([own[~near], other])
    loss = (own[near].sum() + F.relu(margin - far).sum()) / len(first)
    return {
        "loss": loss,
        "nearDistance": own[near].mean(),
        "apart": (far >= margin).double().mean(),
        # For the choice of seeds.
        "closest": (far.detach() - margin).abs().min(),
    }


if __name__ == "__main__":
    result = {}
    for name, (pairs, dim, margin) in CASES.items():
        embeddings = embeddings_of(name, pairs, dim).requires_grad_(True)
        found = temporal_coherence(embeddings, torch.arange(pairs) % 3 != 1, margin)
        found["loss"].backward()
        result[name] = {
            "pairs": pairs,
            "dim": dim,
            "margin": margin,
            "found": {part: found[part].item() for part in ("loss", "nearDistance", "apart")},
            "gradient": digest(name, embeddings.grad.numpy()).tolist(),
        }
    path = Path(__file__).parent / "data" / "temporal-coherence.json"
    path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
