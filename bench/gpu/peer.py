"""PyTorch's side of the page about a GPU (`run.ts`): the same network, by its own autograd.

    peer.py golden --device cuda ...   one pass forward and backward on given weights; writes outputs, gradients, statistics
    peer.py step --device cuda ...     answers each line N by the seconds of N training steps, as JSON
"""
import argparse
import json
import sys
import time

import torch
import torch.nn.functional as F

CHANNELS = 1


class Block(torch.nn.Module):
    """A residual block of torchvision's ResNets, in whatever width: basic (depth 18) or bottleneck (depth 50)."""

    def __init__(self, inputs: int, planes: int, stride: int, bottleneck: bool):
        super().__init__()
        outputs = 4 * planes if bottleneck else planes
        shapes = (
            [(inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, outputs, 1, 1)]
            if bottleneck
            else [(inputs, planes, 3, stride), (planes, outputs, 3, 1)]
        )
        self.count = len(shapes)
        for i, (a, b, kernel, step) in enumerate(shapes, start=1):
            setattr(self, f"conv{i}", torch.nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", torch.nn.BatchNorm2d(b))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False), torch.nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Network(torch.nn.Module):
    """ResNet trunk and projection Linear-ReLU-Linear; parameters have torchvision's names."""

    def __init__(self, depth: int, width: int, hidden: int, dim: int):
        super().__init__()
        bottleneck = depth == 50
        self.conv1 = torch.nn.Conv2d(CHANNELS, width, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        inputs = width
        for stage, blocks in enumerate((3, 4, 6, 3) if bottleneck else (2, 2, 2, 2)):
            planes = width << stage
            layers = []
            for block in range(blocks):
                layers.append(Block(inputs, planes, 2 if stage > 0 and block == 0 else 1, bottleneck))
                inputs = planes * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", torch.nn.Sequential(*layers))
        self.projection = torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, dim)
        )

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        # Pooled vectors and heads are f32 on both sides.
        with torch.autocast(x.device.type, enabled=False):
            return self.projection(torch.flatten(F.adaptive_avg_pool2d(x.float(), 1), 1))


def tensors_of(path: str):
    """Tensors by name, as `network.ts` writes them."""
    with open(f"{path}.json") as file:
        places = json.load(file)
    with open(path, "rb") as file:
        numbers = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    found, at = {}, 0
    for place in places:
        count = 1
        for side in place["shape"]:
            count *= side
        found[place["name"]] = numbers[at : at + count].reshape(place["shape"])
        at += count
    return places, found


def golden(options) -> None:
    places, weights = tensors_of(options.weights)
    _, given = tensors_of(options.given)
    network = Network(options.depth, options.width, options.hidden, options.dim)
    state = network.state_dict()
    # Weights of ours that have no name here, or the other way round, are an error of this script.
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    network.load_state_dict({**{name: state[name] for name in counters}, **weights}, strict=True)
    network = network.to(options.device, memory_format=torch.channels_last).train()
    images = given["images"].to(options.device).to(memory_format=torch.channels_last)
    with torch.autocast(options.device, dtype=torch.bfloat16, enabled=options.precision == "bf16"):
        output = network(images)
    output.backward(given["gradient"].to(options.device))
    values = dict(network.named_parameters())
    after = network.state_dict()
    found = [output.detach()]
    found += [values[place["name"]].grad for place in places if place["name"] in values]
    found += [after[place["name"]] for place in places if place["name"] not in values]
    with open(options.out, "wb") as file:
        for tensor in found:
            file.write(tensor.float().contiguous().cpu().numpy().tobytes())
    print(json.dumps({"torch": torch.__version__, "tensors": len(found)}))


def nt_xent(first, second, temperature: float):
    units = F.normalize(torch.cat([first, second]).float(), dim=1)
    rows = units.shape[0]
    similarity = units @ units.T / temperature
    similarity = similarity.masked_fill(torch.eye(rows, dtype=torch.bool, device=units.device), float("-inf"))
    return F.cross_entropy(similarity, torch.arange(rows, device=units.device).roll(rows // 2))


def step(options) -> None:
    torch.manual_seed(0)
    network = Network(options.depth, 64, options.hidden, options.dim)
    network = network.to(options.device, memory_format=torch.channels_last).train()
    shape = (options.pairs, CHANNELS, options.size, options.size)
    views = [
        torch.randn(shape, device=options.device).to(memory_format=torch.channels_last) for _ in range(2)
    ]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    if options.form == "compiled":
        network.compile()
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(options.device, lambda: None)

    def once() -> float:
        wait()
        begun = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            first, second = (network(view) for view in views)
        loss = nt_xent(first, second, 0.5)
        loss.backward()
        optimizer.step()
        loss.item()
        wait()
        return time.perf_counter() - begun

    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps([once() for _ in range(int(line))]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("work", choices=("golden", "step"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--depth", type=int, choices=(18, 50), default=18)
    parser.add_argument("--precision", choices=("bf16", "f32"), default="bf16")
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--weights")
    parser.add_argument("--given")
    parser.add_argument("--out")
    parser.add_argument("--form", choices=("eager", "compiled"), default="eager")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, default=64)
    options = parser.parse_args()
    {"golden": golden, "step": step}[options.work](options)


if __name__ == "__main__":
    main()
