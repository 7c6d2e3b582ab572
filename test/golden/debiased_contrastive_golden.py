"""Writes data/debiased-contrastive.json: the debiased contrastive loss (Chuang et al., eq. 7 and 8) and its gradient from
PyTorch's autograd in float64, by the plainest code.

    python3 test/golden/debiased_contrastive_golden.py

Embeddings are those of `barlow_twins_golden.py` under the case's name. Gradients are digests (see `hashed.py`).
"""
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

from barlow_twins_golden import embeddings_of
from hashed import digest

#: name -> pairs, dim, temperature, class prior
CASES = {
    "two pairs": (2, 3, 0.5, 0.1),
    "small": (7, 16, 0.5, 0.1),
    "debiased": (32, 128, 0.5, 0.05),
    "some at the floor": (7, 4, 0.5, 0.25),
    "all at the floor": (32, 64, 0.2, 0.3),
    "biased": (7, 16, 0.2, 0),
}


def debiased_contrastive(z: torch.Tensor, temperature: float, prior: float) -> tuple:
    """The loss, and by how much the estimate of each view's negatives is above the floor."""
    rows = len(z)
    partner = torch.arange(rows).roll(rows // 2)
    terms = (F.cosine_similarity(z[:, None, :], z[None, :, :], dim=2) / temperature).exp()
    positive = terms.gather(1, partner[:, None])[:, 0]
    away = torch.eye(rows, dtype=torch.bool)
    away[torch.arange(rows), partner] = True
    negative = terms.masked_fill(away, 0).sum(dim=1)
    count = rows - 2
    floor = count * math.exp(-1 / temperature)
    estimate = (negative - prior * count * positive) / (1 - prior)
    loss = -(positive / (positive + estimate.clamp(min=floor))).log().mean()
    return loss, (estimate - floor).detach()


if __name__ == "__main__":
    result = {}
    for name, (pairs, dim, temperature, prior) in CASES.items():
        embeddings = embeddings_of(name, pairs, dim).requires_grad_(True)
        loss, above = debiased_contrastive(embeddings, temperature, prior)
        loss.backward()
        result[name] = {
            "pairs": pairs,
            "dim": dim,
            "temperature": temperature,
            "classPrior": prior,
            "loss": loss.item(),
            "floored": (above < 0).double().mean().item(),
            "gradient": digest(name, embeddings.grad.numpy()).tolist(),
        }
    path = Path(__file__).parent / "data" / "debiased-contrastive.json"
    path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
