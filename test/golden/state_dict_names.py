"""Writes data/state-dict-names.json: name and shape of every entry of torchvision's ResNets, in order.

The classifier `fc` and `num_batches_tracked` are left out: the trunk ends at the pooled features, and
PyTorch uses the counter only when momentum is None.

    python3 test/golden/state_dict_names.py
"""
import json
from pathlib import Path

import torchvision

result = {}
for depth in (18, 34, 50):
    model = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    result[str(depth)] = [
        [name, list(value.shape)]
        for name, value in model.state_dict().items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    ]
path = Path(__file__).parent / "data" / "state-dict-names.json"
lines = []
for depth, entries in result.items():
    rows = ",\n".join("    " + json.dumps(entry) for entry in entries)
    lines.append(f'  "{depth}": [\n{rows}\n  ]')
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
