"""Writes data/info-nce.json: MoCo's loss against a masked queue and its gradient from PyTorch's autograd in float64.

    python3 test/golden/info_nce_golden.py

Queries are values(case, rows * dim, 0.1, 1) of `hashed.py`, keys a quarter of the queries + values(case + "/keys", rows *
dim, 0, 1), rounded to float32, the queue values(case + "/negatives", count * dim, 0.1, 1). Query i is of clip i, row j of
the queue of clip hashes(case + "/clips")[j] modulo `clips`; a row of the query's own clip is no negative. Gradients are
digests (see there).
"""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from hashed import digest, hashes, values

#: name -> rows, rows of the queue, clips, dim, temperature
CASES = {
    "two queries": (2, 5, 3, 3, 0.5),
    "small": (7, 66, 12, 16, 0.2),
    "moco v2": (32, 4096, 600, 128, 0.2),
    "cold": (32, 300, 40, 128, 0.07),
    "empty queue": (7, 0, 7, 16, 0.2),
    "own clip only": (2, 9, 1, 8, 0.2),
}


def table(name: str, rows: int, dim: int, centre: float) -> torch.Tensor:
    return torch.from_numpy(values(name, rows * dim, centre, 1)).reshape(rows, dim)


result = {}
for name, (rows, count, clips, dim, temperature) in CASES.items():
    queries = table(name, rows, dim, 0.1)
    keys = F.normalize((0.25 * queries + table(f"{name}/keys", rows, dim, 0)).double(), dim=1)
    queue = F.normalize(table(f"{name}/negatives", count, dim, 0.1).double(), dim=1)
    clip_of = torch.from_numpy(hashes(f"{name}/clips", count).astype(np.int64) % clips)
    queries = queries.double().requires_grad_(True)
    unit = F.normalize(queries, dim=1)
    positive = torch.einsum("nc,nc->n", unit, keys)[:, None]
    negative = torch.einsum("nc,kc->nk", unit, queue)
    negative = negative.masked_fill(torch.arange(rows)[:, None] == clip_of[None, :], float("-inf"))
    # The key is at column 0.
    loss = F.cross_entropy(torch.cat([positive, negative], dim=1) / temperature, torch.zeros(rows, dtype=torch.long))
    loss.backward()
    result[name] = {
        "rows": rows,
        "count": count,
        "clips": clips,
        "dim": dim,
        "temperature": temperature,
        "loss": loss.item(),
        "accuracy": (positive > negative).all(dim=1).double().mean().item(),
        "alignment": (unit.detach() - keys).norm(dim=1).pow(2).mean().item(),
        "gradient": digest(name, queries.grad.numpy()).tolist(),
    }
path = Path(__file__).parent / "data" / "info-nce.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": result}) + "\n")
