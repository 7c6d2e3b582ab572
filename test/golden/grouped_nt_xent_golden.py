"""Writes data/grouped-nt-xent.json: NT-Xent between groups and its gradient from PyTorch's autograd in float64, by the plainest
code.

    python3 test/golden/grouped_nt_xent_golden.py

Embeddings are values(case, rows * dim, 0.1, 1) of `hashed.py`; clip i is of group i modulo their number. A view finds its other
view among itself and all views of clips of other groups. Gradients are digests (see there).
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

from hashed import digest, values

#: name -> pairs, groups, dim, temperature
CASES = {
    "grouped, two of one": (2, 1, 8, 0.5),
    "grouped, two": (2, 2, 3, 0.5),
    "grouped, small": (7, 4, 16, 0.1),
    "grouped, large": (32, 5, 128, 0.1),
    "grouped, cold": (32, 20, 128, 0.05),
}


def grouped_nt_xent(embeddings: torch.Tensor, groups: torch.Tensor, temperature: float) -> torch.Tensor:
    """`groups` [pairs]."""
    rows = len(embeddings)
    similarity = F.cosine_similarity(embeddings[:, None, :], embeddings[None, :, :], dim=2) / temperature
    partner = torch.arange(rows).roll(rows // 2)
    of = torch.cat([groups, groups])
    wanted = of[:, None] != of[None, :]
    wanted[torch.arange(rows), partner] = True
    return F.cross_entropy(similarity.masked_fill(~wanted, float("-inf")), partner)


if __name__ == "__main__":
    result = {}
    for name, (pairs, count, dim, temperature) in CASES.items():
        embeddings = torch.from_numpy(values(name, 2 * pairs * dim, 0.1, 1)).double().reshape(2 * pairs, dim)
        embeddings.requires_grad_(True)
        loss = grouped_nt_xent(embeddings, torch.arange(pairs) % count, temperature)
        loss.backward()
        result[name] = {
            "pairs": pairs,
            "groups": count,
            "dim": dim,
            "temperature": temperature,
            "loss": loss.item(),
            "gradient": digest(name, embeddings.grad.numpy()).tolist(),
        }
    path = Path(__file__).parent / "data" / "grouped-nt-xent.json"
    path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
