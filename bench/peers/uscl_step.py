"""One USCL training step in PyTorch, for comparison; driven as `protocol.py` says.

    python3 bench/peers/uscl_step.py --form published --threads 2

Forms, the same mathematics (up to the classifier's input and the weight of its loss) and the same constant batch:

published   The step as the published code runs it: the model is called four times (twice for the class scores, twice
            again inside the contrastive step), float32, NCHW, NT-Xent over a broadcast [2N, 2N, C] tensor, classifier
            on the projection, CE of both views added, Adam with weight decay.
two-pass    The same with one forward pass a view and NT-Xent as a matrix product.
best        two-pass, channels_last, Adam fused into one kernel where PyTorch has it, in bfloat16 (CPU autocast) or float32
            (--precision): the faster of the two is the fastest form PyTorch offers on this work.
compiled    best, its network through torch.compile (2.x, with a C++ compiler).
"""
import argparse

import torch
import torch.nn.functional as F
import torchvision

from protocol import serve

TEMPERATURE = 0.5
SUPERVISED_WEIGHT = 0.2
LEARNING_RATE = 3e-4
WEIGHT_DECAY = 1e-4
CLASSES = 2


class UsclNetwork(torch.nn.Module):
    """ResNet trunk, projection Linear-ReLU-Linear to 256, linear classifier on the projection (as published)."""

    def __init__(self, depth: int, channels: int):
        super().__init__()
        self.trunk = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        if channels != 3:
            self.trunk.conv1 = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        features = self.trunk.fc.in_features
        self.trunk.fc = torch.nn.Identity()
        self.projection = torch.nn.Sequential(
            torch.nn.Linear(features, 512), torch.nn.ReLU(), torch.nn.Linear(512, 256)
        )
        self.classifier = torch.nn.Linear(256, CLASSES)

    def forward(self, images):
        features = self.trunk(images)
        projected = self.projection(features)
        return features, projected, self.classifier(projected)


def nt_xent_broadcast(first, second):
    """NT-Xent by comparing [2N, 1, C] with [1, 2N, C], then gathering positives and negatives by masks."""
    pairs = first.shape[0]
    rows = 2 * pairs
    both = torch.cat([second, first])
    similarity = torch.nn.CosineSimilarity(dim=-1)(both.unsqueeze(1), both.unsqueeze(0))
    positives = torch.cat([torch.diag(similarity, pairs), torch.diag(similarity, -pairs)]).view(rows, 1)
    same = torch.eye(rows, dtype=torch.bool)
    pair = same.roll(pairs, dims=1)
    negatives = similarity[~(same | pair)].view(rows, -1)
    logits = torch.cat([positives, negatives], dim=1) / TEMPERATURE
    return F.cross_entropy(logits, torch.zeros(rows, dtype=torch.long), reduction="sum") / rows


def nt_xent_matmul(first, second):
    """NT-Xent with all similarities from one matrix product."""
    units = F.normalize(torch.cat([first, second]).float(), dim=1)
    rows = units.shape[0]
    similarity = units @ units.T / TEMPERATURE
    similarity = similarity.masked_fill(torch.eye(rows, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(similarity, torch.arange(rows).roll(rows // 2))


class Published:
    def __init__(self, options):
        self.network = UsclNetwork(options.depth, options.channels).train()
        self.first, self.second, self.labels = constant_batch(options)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )

    def step(self) -> float:
        self.optimizer.zero_grad()
        _, _, scores_first = self.network(self.first)
        _, _, scores_second = self.network(self.second)
        _, z_first, _ = self.network(self.first)
        _, z_second, _ = self.network(self.second)
        loss = nt_xent_broadcast(F.normalize(z_first, dim=1), F.normalize(z_second, dim=1))
        supervised = F.cross_entropy(scores_first, self.labels) + F.cross_entropy(scores_second, self.labels)
        loss = loss + SUPERVISED_WEIGHT * supervised
        loss.backward()
        self.optimizer.step()
        return loss.item()


class TwoPass:
    def __init__(self, options, best: bool, compiled: bool = False):
        self.bfloat16 = best and options.precision == "bf16"
        memory_format = torch.channels_last if best else torch.contiguous_format
        self.network = UsclNetwork(options.depth, options.channels).train().to(memory_format=memory_format)
        first, second, self.labels = constant_batch(options)
        self.first = first.to(memory_format=memory_format)
        self.second = second.to(memory_format=memory_format)
        # One kernel for all of Adam, where PyTorch has it on the processor (from 2.4).
        fused = {"fused": True} if best and torch.__version__ >= "2" else {}
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, **fused
        )
        if compiled:
            self.network.compile()

    def step(self) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
            _, z_first, scores_first = self.network(self.first)
            _, z_second, scores_second = self.network(self.second)
        supervised = F.cross_entropy(scores_first.float(), self.labels) + F.cross_entropy(
            scores_second.float(), self.labels
        )
        loss = nt_xent_matmul(z_first, z_second) + SUPERVISED_WEIGHT * supervised
        loss.backward()
        self.optimizer.step()
        return loss.item()


FORMS = {
    "published": Published,
    "two-pass": lambda options: TwoPass(options, best=False),
    "best": lambda options: TwoPass(options, best=True),
    "compiled": lambda options: TwoPass(options, best=True, compiled=True),
}


def constant_batch(options):
    generator = torch.Generator().manual_seed(1)
    shape = (options.pairs, options.channels, options.size, options.size)
    first, second = (torch.randn(shape, generator=generator) for _ in range(2))
    return first, second, torch.randint(CLASSES, (options.pairs,), generator=generator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--form", choices=sorted(FORMS), required=True)
    parser.add_argument("--depth", type=int, choices=(18, 34, 50), default=18)
    parser.add_argument("--size", type=int, default=224, help="side of the square images in pixels")
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("bf16", "f32"), default="bf16", help="of best and compiled")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    work = FORMS[options.form](options)
    about = {
        **vars(options),
        "precision": options.precision if options.form in ("best", "compiled") else "f32",
        "parameters": sum(parameter.numel() for parameter in work.network.parameters()),
    }
    serve(about, work.step)


if __name__ == "__main__":
    main()
