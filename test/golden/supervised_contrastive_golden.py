"""Writes data/supervised-contrastive.json: the supervised contrastive loss (Khosla et al., eq. 2) and its gradient from
PyTorch's autograd in float64, by the plainest code.

    python3 test/golden/supervised_contrastive_golden.py

Embeddings are values(case, rows * dim, 0.1, 1) of `hashed.py`. The label of a clip is hashes(case + "/labels", pairs) modulo
classes + 1, minus 1: -1 is none, and such a clip is a class of its own. Gradients are digests (see there).
"""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from hashed import digest, hashes, values

#: name -> pairs, classes, dim, temperature
CASES = {
    "two pairs": (2, 1, 3, 0.5),
    "small": (7, 3, 16, 0.1),
    "supcon": (32, 4, 128, 0.1),
    "many classes, cold": (32, 40, 64, 0.07),
    "no label": (7, 0, 16, 0.2),
}


def labels_of(name: str, pairs: int, classes: int) -> torch.Tensor:
    return torch.from_numpy(hashes(f"{name}/labels", pairs).astype(np.int64) % (classes + 1) - 1)


def supervised_contrastive(z: torch.Tensor, labels: torch.Tensor, temperature: float) -> tuple:
    """The loss, and how many views each has to find."""
    own = torch.where(labels < 0, 1000 + torch.arange(len(labels)), labels).repeat(2)
    itself = torch.eye(len(own), dtype=torch.bool)
    positive = (own[:, None] == own[None, :]) & ~itself
    similarity = F.cosine_similarity(z[:, None, :], z[None, :, :], dim=2) / temperature
    log_share = F.log_softmax(similarity.masked_fill(itself, float("-inf")), dim=1)
    of_row = -log_share.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)
    return of_row.mean(), positive.sum(dim=1)


if __name__ == "__main__":
    result = {}
    for name, (pairs, classes, dim, temperature) in CASES.items():
        embeddings = torch.from_numpy(values(name, 2 * pairs * dim, 0.1, 1)).double().reshape(2 * pairs, dim)
        embeddings.requires_grad_(True)
        labels = labels_of(name, pairs, classes)
        loss, positives = supervised_contrastive(embeddings, labels, temperature)
        loss.backward()
        result[name] = {
            "dim": dim,
            "temperature": temperature,
            "labels": labels.tolist(),
            "loss": loss.item(),
            "positives": positives.double().mean().item(),
            "gradient": digest(name, embeddings.grad.numpy()).tolist(),
        }
    path = Path(__file__).parent / "data" / "supervised-contrastive.json"
    path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
