"""Checkpoints of narrow ResNets with torchvision's code, as tools save them, and the features of PyTorch: data/weights.json.

    python3 test/golden/weights_golden.py

A narrow network is torchvision's with 2 filters in its first stage in place of 64. Weights, norm statistics and images come from
`hashed.py`. Checkpoints are f32, in base64; features are computed from them in float64, in eval mode.
"""

import base64
import io
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from hashed import values

WIDTH, SIZE, BATCH, SALT = 2, 32, 3, "travel"
DEPTHS = {18: (BasicBlock, [2, 2, 2, 2]), 50: (Bottleneck, [3, 4, 6, 3])}


class Narrow(ResNet):
    """torchvision's network; `_make_layer` is told fewer filters, and the stem has as few."""

    def _make_layer(self, block, planes, blocks, **options):
        if planes == 64:
            self.inplanes = WIDTH
            self.conv1 = torch.nn.Conv2d(3, WIDTH, 7, stride=2, padding=3, bias=False)
            self.bn1 = torch.nn.BatchNorm2d(WIDTH)
        return super()._make_layer(block, planes * WIDTH // 64, blocks, **options)


def filled(model: torch.nn.Module) -> torch.nn.Module:
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(77)
            continue
        centre, deviation = 0.0, 0.2
        if name.endswith("running_var"):
            centre, deviation = 1.0, 0.3
        elif tensor.ndim == 4:
            deviation = float(np.sqrt(2 / (tensor[0].numel())))
        elif tensor.ndim == 1 and name.endswith("weight"):
            centre = 1.0
        tensor.copy_(torch.from_numpy(values(f"{SALT}/{name}", tensor.numel(), centre, deviation)).reshape(tensor.shape))
    return model.eval()


def network(depth: int) -> torch.nn.Module:
    model = Narrow(*DEPTHS[depth], num_classes=5)
    model.fc = torch.nn.Linear(512 * DEPTHS[depth][0].expansion * WIDTH // 64, 5)
    return filled(model)


def trunk(model: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.Sequential(*list(model.children())[:-1])


class Reference(torch.nn.Module):
    """As the published code of USCL names its parts."""

    def __init__(self, model):
        super().__init__()
        self.features = trunk(model)
        self.l1 = torch.nn.Linear(16, 16)
        self.l2 = torch.nn.Linear(16, 8)
        self.fc = torch.nn.Linear(16, 3)


def named(prefix: str, model: torch.nn.Module) -> OrderedDict:
    return OrderedDict((prefix + name, value) for name, value in model.state_dict().items())


def saved(content, **options) -> str:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return base64.b64encode(file.getvalue()).decode()


def features(model: torch.nn.Module, images: torch.Tensor) -> list:
    with torch.no_grad():
        found = torch.flatten(trunk(model.double())(images.double()), 1).tolist()
    model.float()
    return found


def main() -> None:
    torch.manual_seed(0)
    images = torch.from_numpy(values(f"{SALT}/images", BATCH * 3 * SIZE * SIZE, 0, 1)).reshape(BATCH, 3, SIZE, SIZE)
    small, large = network(18), network(50)
    momentum = {
        "arch": "resnet18",
        "state_dict": OrderedDict(
            **named("module.encoder_k.", network(18)), **named("module.encoder_q.", small)
        ),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.03}]},
    }
    # The network that follows has other weights.
    for name, tensor in momentum["state_dict"].items():
        if name.startswith("module.encoder_k.") and name.endswith("weight"):
            momentum["state_dict"][name] = tensor * 0.5
    checkpoints = {
        "torchvision.pth": (18, saved(small.state_dict())),
        "uscl-reference.pth": (18, saved(Reference(small).state_dict())),
        "moco.pth.tar": (18, saved(momentum, _use_new_zipfile_serialization=False)),
        "lightly.ckpt": (18, saved({"state_dict": named("backbone.", trunk(small)), "epoch": 2})),
        "whole-model.pth": (18, saved(small)),
        "resnet50.pth": (50, saved(large.state_dict())),
    }
    golden = {
        "torch": torch.__version__,
        **{"salt": SALT, "size": SIZE, "batch": BATCH},
        "features": {"18": features(small, images), "50": features(large, images)},
        "states": {str(depth): [[name, list(value.shape)] for name, value in model.state_dict().items()] for depth, model in [(18, small), (50, large)]},
        "checkpoints": [{"name": name, "depth": depth, "base64": text} for name, (depth, text) in checkpoints.items()],
    }
    (Path(__file__).parent / "data" / "weights.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
