"""Golden numbers of Grad-CAM (Selvaraju et al. 2017), from PyTorch's autograd in float64.

    python3 test/golden/grad_cam_golden.py     # writes data/grad-cam.json

A ResNet-18 of width 16 for grey images of 64 pixels, written out here, in evaluation mode (running statistics), with
three classes. Weights, statistics and images come from `hashed.py`. For each image one class score before the softmax is
differentiated with respect to several feature maps; stored are the scores, and per layer and image the map
ReLU(sum_c mean_places(dscore/dA_c) A_c), not normalised. `resized` holds one map enlarged by
`torch.nn.functional.interpolate(mode='bilinear', align_corners=False)` to a picture that is not square.
"""
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hashed import values

DATA = Path(__file__).parent / "data"
WIDTH, SIZE, BATCH, CLASSES = 16, 64, 3, 3
#: Class explained of each image.
CHOSEN = [0, 2, 1]
LAYERS = ["layer4.1", "layer4.0.bn1", "layer3.1", "layer2.0.downsample.1", "bn1", "maxpool"]
PICTURE = (37, 23)


class Block(nn.Module):
    def __init__(self, incoming: int, filters: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.downsample = None
        if stride != 1 or incoming != filters:
            self.downsample = nn.Sequential(
                nn.Conv2d(incoming, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, value, seen, name):
        branch = seen(f"{name}.bn1", torch.relu(self.bn1(self.conv1(value))))
        branch = self.bn2(self.conv2(branch))
        shortcut = value if self.downsample is None else seen(f"{name}.downsample.1", self.downsample(value))
        return seen(name, torch.relu(branch + shortcut))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        incoming = WIDTH
        for stage in range(4):
            filters = WIDTH * 2**stage
            blocks = [Block(incoming, filters, 1 if stage == 0 else 2), Block(filters, filters, 1)]
            setattr(self, f"layer{stage + 1}", nn.ModuleList(blocks))
            incoming = filters
        self.classifier = nn.Linear(incoming, CLASSES)

    def forward(self, image, seen):
        value = seen("bn1", torch.relu(self.bn1(self.conv1(image))))
        value = seen("maxpool", nn.functional.max_pool2d(value, 3, 2, 1))
        for stage in range(1, 5):
            for index, block in enumerate(getattr(self, f"layer{stage}")):
                value = block(value, seen, f"layer{stage}.{index}")
        return self.classifier(value.mean(dim=(2, 3)))


def value_of(name: str, shape) -> np.ndarray:
    count = int(np.prod(shape))
    key = f"cam/{name}"
    if len(shape) == 4:
        flat = values(key, count, 0, np.sqrt(2 / (shape[1] * shape[2] * shape[3])))
    elif len(shape) == 2:
        flat = values(key, count, 0, 1 / np.sqrt(shape[1]))
    elif name.endswith("running_var"):
        flat = values(key, count, 1, 0.2)
    elif name.endswith("weight"):
        flat = values(key, count, 1, 0.1)
    else:
        flat = values(key, count, 0, 0.2)
    return flat.reshape(shape)


def main() -> None:
    network = Network().double().eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(value_of(name, tuple(tensor.shape))))
    images = values("cam/images", BATCH * SIZE * SIZE, 0, 1).reshape(BATCH, 1, SIZE, SIZE)
    seen = {}

    def keep(name, value):
        seen[name] = value
        if not value.requires_grad:
            value.requires_grad_(True)
        return value

    logits = network(torch.from_numpy(images).double().requires_grad_(True), keep)
    score = sum(logits[i, chosen] for i, chosen in enumerate(CHOSEN))
    gradients = torch.autograd.grad(score, [seen[layer] for layer in LAYERS])
    maps = {}
    for layer, gradient in zip(LAYERS, gradients):
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        maps[layer] = torch.relu((weights * seen[layer]).sum(dim=1))
    large = nn.functional.interpolate(
        maps["layer3.1"][None, :1], size=PICTURE, mode="bilinear", align_corners=False
    )[0, 0]
    result = {
        "torch": torch.__version__,
        "chosen": CHOSEN,
        "logits": rounded(logits),
        "maps": {name: {"shape": list(one.shape), "values": rounded(one)} for name, one in maps.items()},
        "resized": {"height": PICTURE[0], "width": PICTURE[1], "values": rounded(large)},
    }
    (DATA / "grad-cam.json").write_text(json.dumps(result) + "\n")
    for name, one in maps.items():
        print(name, tuple(one.shape), "zero:", float((one == 0).double().mean()), "max:", float(one.max()))


def rounded(tensor) -> list[float]:
    return [float(f"{value:.8g}") for value in tensor.detach().reshape(-1).tolist()]


main()
