"""Writes data/cosine.json: learning rates of 300 epochs under torch's CosineAnnealingLR.

    python3 test/golden/cosine_golden.py

`cosine` steps the scheduler after every epoch. `reference` steps it only after epochs 10, 11, ..., as USCL's reference
code does: eleven epochs at the full rate, no ramp, and an end above 0.
"""
import json
import warnings
from pathlib import Path

import torch

warnings.filterwarnings("ignore")
EPOCHS = 300
BASE = 3e-4


def rates(first_step: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS, eta_min=0)
    result = []
    for epoch in range(EPOCHS):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if epoch >= first_step:
            scheduler.step()
    return result


path = Path(__file__).parent / "data" / "cosine.json"
path.write_text(
    json.dumps(
        {"torch": torch.__version__, "base": BASE, "epochs": EPOCHS, "cosine": rates(0), "reference": rates(10)}
    )
    + "\n"
)
