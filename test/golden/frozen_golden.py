"""Golden numbers of ResNet-18 with frozen batch norms (inference, and the gradients through it), in float64.

    python3 test/golden/frozen_golden.py    # writes data/resnet18-frozen.safetensors

Network, weights, images and loss are those of `resnet_golden.py` (salt "n"). Running statistics are what one forward
pass of that batch in training mode leaves with momentum 1, rounded to float32; they are stored in full
(`statistic/NAME`), for no formula gives them. In `eval()` mode the norms then sit about where they sat in training, and
so do the kinks of ReLUs and max pools (see there).

Stored besides: the outputs in full; digests (see `hashed.py`) of every parameter's gradient, of the value and the
gradient of the maps in `MAPS`, and of the gradient of the image. `deviations`: how far PyTorch's own float32 and
bfloat16 (CPU autocast) lie from these, relative to the norm.
"""
import copy
import json

import numpy as np
import torch
import torchvision

from hashed import digest
from resnet_golden import CASES, DATA, Network, coefficients, images, relative
from safetensors_writer import write_safetensors

DEPTH, SIZE, BATCH, _, SALT = CASES["resnet18"]
MAPS = {"maxpool": "maxpool", "layer2.1": "layer2.1", "layer4.0": "layer4.0", "layer4.1": "layer4.1"}


def with_statistics(network: Network) -> Network:
    """The network with running statistics of the batch, as float32 numbers."""
    network = copy.deepcopy(network).double().train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.from_numpy(images(SALT, BATCH, SIZE)).double())
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.copy_(buffer.float().double())
    return network


def step(network: Network, dtype, autocast=False) -> dict[str, np.ndarray]:
    network = copy.deepcopy(network).to(dtype).eval()
    seen = {}

    def keep(name):
        def hook(_, __, result):
            result.retain_grad()
            seen[name] = result

        return hook

    for name, place in MAPS.items():
        network.trunk.get_submodule(place).register_forward_hook(keep(name))
    image = torch.from_numpy(images(SALT, BATCH, SIZE)).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        outputs = network(image)
    outputs = {name: value.to(dtype) for name, value in outputs.items()}
    loss = sum(
        (value * torch.from_numpy(coefficients(SALT, name, tuple(value.shape))).to(dtype)).sum()
        for name, value in outputs.items()
    )
    loss.backward()
    plain = lambda tensor: tensor.detach().double().numpy()
    result = {f"output/{name}": plain(value) for name, value in outputs.items()}
    for name, parameter in network.named_parameters():
        result[f"gradient/{name.removeprefix('trunk.')}"] = plain(parameter.grad)
    for name, value in seen.items():
        result[f"value/{name}"] = plain(value)
        result[f"valueGradient/{name}"] = plain(value.grad)
    result["valueGradient/input"] = plain(image.grad)
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    network = with_statistics(Network(DEPTH, SALT))
    truth = step(network, torch.float64)
    single = step(network, torch.float32)
    brain = step(network, torch.float32, autocast=True)
    tensors = {
        f"statistic/{name.removeprefix('trunk.')}": buffer.numpy()
        for name, buffer in network.named_buffers()
        if buffer.is_floating_point()
    }
    for name, value in truth.items():
        tensors[name] = value if name.startswith("output/") else digest(name.split("/", 1)[1], value)
    about = {
        "depth": DEPTH,
        "size": SIZE,
        "batch": BATCH,
        "salt": SALT,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "deviations": {
            name: [float(f"{relative(other[name], value):.2e}") for other in (single, brain)]
            for name, value in truth.items()
        },
    }
    write_safetensors(DATA / "resnet18-frozen.safetensors", tensors, {"about": json.dumps(about)})
    for kind in ("output", "gradient", "value", "valueGradient"):
        for index, precision in enumerate(("float32", "bfloat16")):
            errors = sorted(about["deviations"][name][index] for name in truth if name.startswith(kind + "/"))
            print(f"{kind} {precision}: median {errors[len(errors) // 2]:.1e} max {errors[-1]:.1e}")
