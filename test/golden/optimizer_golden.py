"""Writes data/optimizers.json: ten steps of torch.optim's Adam, AdamW and SGD on a small vector, in float64.

    python3 test/golden/optimizer_golden.py

Start and gradients come from `hashed.py`: start = values(case + "/start"), gradient of step t = values(case + "/gradient/"
+ t). A few elements get gradients near epsilon, and the learning rate changes from step to step as under a schedule.
"""
import json
from pathlib import Path

import numpy as np
import torch

from hashed import values

LENGTH = 12
STEPS = 10

CASES = {
    "adam": (torch.optim.Adam, dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)),
    "adam-decay": (torch.optim.Adam, dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)),
    "adam-betas": (torch.optim.Adam, dict(betas=(0.5, 0.9), eps=1e-3, weight_decay=1e-4)),
    "adamw": (torch.optim.AdamW, dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)),
    "sgd": (torch.optim.SGD, dict(momentum=0.0, nesterov=False, weight_decay=0.0)),
    "sgd-decay": (torch.optim.SGD, dict(momentum=0.0, nesterov=False, weight_decay=0.05)),
    "sgd-momentum": (torch.optim.SGD, dict(momentum=0.9, nesterov=False, weight_decay=0.05)),
    "sgd-nesterov": (torch.optim.SGD, dict(momentum=0.9, nesterov=True, weight_decay=0.05)),
}


def gradient(case: str, step: int) -> np.ndarray:
    result = values(f"{case}/gradient/{step}", LENGTH, 0, 1)
    # The last four are of the size of epsilon, where its place in the formula shows.
    result[-4:] *= np.float32(2.0**-26)
    return result


def rate(step: int) -> float:
    return 0.05 / (1 + step)


result = {}
for case, (kind, options) in CASES.items():
    parameter = torch.nn.Parameter(torch.from_numpy(values(f"{case}/start", LENGTH, 0, 1)).double())
    optimizer = kind([parameter], lr=1.0, **options)
    after = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        parameter.grad = torch.from_numpy(gradient(case, step)).double()
        optimizer.step()
        after.append(parameter.detach().tolist())
    betas = options.pop("betas", None)
    result[case] = {
        "kind": kind.__name__.lower(),
        **({} if betas is None else {"beta1": betas[0], "beta2": betas[1], "epsilon": options.pop("eps")}),
        **{"weightDecay" if key == "weight_decay" else key: value for key, value in options.items()},
        "learningRates": [rate(step) for step in range(STEPS)],
        "after": after,
    }
path = Path(__file__).parent / "data" / "optimizers.json"
path.write_text(json.dumps({"torch": torch.__version__, "length": LENGTH, "cases": result}) + "\n")
