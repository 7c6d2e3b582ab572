"""Writes data/nt-xent.json: NT-Xent and its gradient from PyTorch's autograd in float64, by the plainest code.

    python3 test/golden/nt_xent_golden.py

Embeddings are values(case, rows * dim, 0.1, 1) of `hashed.py`. Gradients are digests (see there).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from hashed import digest, values

#: name -> pairs, dim, temperature
CASES = {
    "one pair": (1, 8, 0.5),
    "two pairs": (2, 3, 0.5),
    "small": (5, 16, 0.1),
    "uscl": (32, 256, 0.5),
    "cold": (32, 128, 0.07),
}


def nt_xent(embeddings: torch.Tensor, temperature: float) -> torch.Tensor:
    rows = embeddings.shape[0]
    similarity = F.cosine_similarity(embeddings[:, None, :], embeddings[None, :, :], dim=2) / temperature
    similarity = similarity.masked_fill(torch.eye(rows, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(similarity, torch.arange(rows).roll(rows // 2))


def alignment_uniformity(embeddings: torch.Tensor) -> tuple[float, float]:
    first, second = F.normalize(embeddings, dim=1).chunk(2)
    alignment = (first - second).norm(dim=1).pow(2).mean().item()
    if len(first) == 1:
        return alignment, 0.0
    spread = [torch.pdist(view).pow(2).mul(-2).exp().mean().log().item() for view in (first, second)]
    return alignment, sum(spread) / 2


result = {}
for name, (pairs, dim, temperature) in CASES.items():
    embeddings = torch.from_numpy(values(name, 2 * pairs * dim, 0.1, 1)).double().reshape(2 * pairs, dim)
    embeddings.requires_grad_(True)
    loss = nt_xent(embeddings, temperature)
    loss.backward()
    alignment, uniformity = alignment_uniformity(embeddings.detach())
    result[name] = {
        "pairs": pairs,
        "dim": dim,
        "temperature": temperature,
        "loss": loss.item(),
        "alignment": alignment,
        "uniformity": uniformity,
        "gradient": digest(name, embeddings.grad.numpy()).tolist(),
    }
path = Path(__file__).parent / "data" / "nt-xent.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
