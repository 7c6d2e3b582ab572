"""Golden numbers of whole USCL runs, from PyTorch in float64: everything a run logs, and its weights and optimizer state
at the end.

    python3 test/golden/uscl_run_golden.py    # writes data/uscl-run-sgd.safetensors and data/uscl-run-adam.safetensors

Nothing is shared with the TypeScript code but a description: clips come from `hashed.py`, draws from `addressed.py`, the
network is written out below, losses are formulas, and optimizers, schedules and clipping are PyTorch's own. `CASES` holds
each run's settings; `uscl-run.test.ts` makes the same clips, runs `pretrain` with `SETTINGS` of its case and compares.

Stored: the log (`steps`, `validation`; the columns are in the metadata) in full, a digest (see `hashed.py`) of every
parameter, running statistic and optimizer vector at the end. `deviations`: how far PyTorch's own float32 run lies from
the float64 one, relative to the norm: the yardstick for tolerances. Gradients jump at ReLUs and max pools, so even
PyTorch's float32 follows only where no unit comes near one: the runs are short, the networks narrow, the seeds searched for.
"""
import copy
import fnmatch
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from addressed import Random
from hashed import digest, hashes
from safetensors_writer import write_safetensors

DATA = Path(__file__).parent / "data"
SIZE, CLIPS, CLASSES = 64, 22, ["a", "b", "c"]

CASES = {
    "sgd": dict(
        seed=12, width=4, hidden=32, dim=16, classifier_input="representation", per_view=True, momentum=0.1,
        pairs=4, accumulate=3, epochs=4, clip=6.0, temperature=0.5, weight=0.5, reduction="mean",
        label_rate=0.5, anchor="random", coefficients="shared", beta=(0.5, 0.5),
        no_decay=["*bn*", "*.bias"], decay=0.01,
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True),
        # A linear ramp over two epochs, then a cosine to the end of the run; the rate changes once an epoch.
        schedule=lambda optimizer: torch.optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=1),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2),
            ],
            milestones=[2],
        ),
        unit="epoch",
        vectors={"momentum": "momentum_buffer"},
    ),
    "adam": dict(
        seed=2, width=4, hidden=16, dim=8, classifier_input="projection", per_view=False, momentum=0.19,
        pairs=5, accumulate=2, epochs=3, clip=20.0, temperature=0.2, weight=0.3, reduction="sum-of-views",
        label_rate=0.75, anchor="middle", coefficients="independent", beta=(2.0, 3.0),
        no_decay=[], decay=0.02,
        optimizer=lambda groups: torch.optim.Adam(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-3),
        # Two steps at the full rate, then a cosine to the end of the run; the rate changes with every step.
        schedule=lambda optimizer: torch.optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1, total_iters=1),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4),
            ],
            milestones=[2],
        ),
        unit="step",
        vectors={"first": "exp_avg", "second": "exp_avg_sq"},
    ),
}
HELD_OUT = 0.3

STEP_COLUMNS = [
    "epoch", "loss", "contrastive", "supervised", "labelled", "correct", "alignment", "uniformity", "pairAccuracy",
    "learningRate", "gradientNorm", "pairs",
]
VALIDATION_COLUMNS = ["epoch", "step", "loss", "alignment", "uniformity", "pairAccuracy", "effectiveRank"]


# The clips: of two patients each but for the last; one of five without a label; two, three or four frames.

def label(clip: int) -> int:
    return -1 if clip % 5 == 4 else clip % 3


def frames(clip: int) -> int:
    return 2 + clip % 3


def pixels(clip: int, frame: int) -> np.ndarray:
    """A pattern of 16 x 16 blocks that drifts, with noise; [SIZE, SIZE] bytes."""
    blocks = hashes(f"clip{clip}/blocks", 16).reshape(4, 4) % 192
    place = np.arange(SIZE)
    pattern = blocks[place[:, None] // 16, ((place[None, :] + 5 * frame) // 16) % 4]
    return pattern + hashes(f"clip{clip}/noise{frame}", SIZE * SIZE).reshape(SIZE, SIZE) % 64


def name(clip: int) -> str:
    return f"clip{clip}"


def group(clip: int) -> str:
    return f"patient{clip // 2}"


# Who trains, who is held out, whose label is read, who meets whom: from `addressed.py`.

def held_out(seed: int) -> list[int]:
    """Whole groups in random order, each if it still fits."""
    groups = sorted({group(clip) for clip in range(CLIPS)}, key=lambda g: Random(seed, "validation", g).uniform())
    chosen: list[int] = []
    for one in groups:
        members = [clip for clip in range(CLIPS) if group(clip) == one]
        if len(chosen) + len(members) <= HELD_OUT * CLIPS:
            chosen += members
    return sorted(chosen)


def readable(training: list[int], case: dict) -> set[int]:
    labelled = [clip for clip in training if label(clip) >= 0]
    count = math.floor(case["label_rate"] * len(labelled) + 0.5)
    return set(sorted(labelled, key=lambda clip: Random(case["seed"], "label-rate", name(clip)).uniform())[:count])


def batches(training: list[int], case: dict, epoch: int) -> list[list[int]]:
    order = Random(case["seed"], "batches", epoch).shuffled(training)
    cut = [order[start : start + case["pairs"]] for start in range(0, len(order), case["pairs"])]
    return [batch for batch in cut if len(batch) >= 2]


def pair(clip: int, case: dict, epoch: int, mixed: bool) -> tuple[np.ndarray, np.ndarray]:
    """The two normalised images of a clip."""
    image = lambda frame: (pixels(clip, frame).astype(np.float64) / 255 - 0.5) / 0.25
    count = frames(clip)
    random = Random(case["seed"], "pair-frames", epoch, name(clip))
    drawn: list[int] = []
    for _ in range(2 if not mixed or count == 2 else 3):
        rest = [frame for frame in range(count) if frame not in drawn]
        drawn.append(rest[random.integer(len(rest))])
    if len(drawn) == 2:
        return image(drawn[0]), image(drawn[1])
    x1, x2, x3 = sorted(drawn) if case["anchor"] == "middle" else drawn
    random = Random(case["seed"], "pair-coefficients", epoch, name(clip))
    xi1 = random.beta(*case["beta"])
    xi2 = xi1 if case["coefficients"] == "shared" else random.beta(*case["beta"])
    return xi1 * image(x1) + (1 - xi1) * image(x2), xi2 * image(x3) + (1 - xi2) * image(x2)


def images(clips: list[int], case: dict, epoch: int, mixed: bool, dtype) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = [pair(clip, case, epoch, mixed) for clip in clips]
    return tuple(torch.from_numpy(np.stack([views[i] for views in pairs]))[:, None].to(dtype) for i in (0, 1))


# ResNet-18 of any width for grey images, with torchvision's names, and USCL's heads.

class Block(nn.Module):
    def __init__(self, incoming: int, filters: int, stride: int, momentum: float):
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters, momentum=momentum)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters, momentum=momentum)
        self.downsample = None
        if stride != 1 or incoming != filters:
            self.downsample = nn.Sequential(
                nn.Conv2d(incoming, filters, 1, stride, bias=False), nn.BatchNorm2d(filters, momentum=momentum)
            )

    def forward(self, x):
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(branch + (x if self.downsample is None else self.downsample(x)))


class Network(nn.Module):
    def __init__(self, case: dict):
        super().__init__()
        width, momentum = case["width"], case["momentum"]
        self.conv1 = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width, momentum=momentum)
        incoming = width
        for stage in range(4):
            filters = width * 2**stage
            first = Block(incoming, filters, 1 if stage == 0 else 2, momentum)
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, Block(filters, filters, 1, momentum)))
            incoming = filters
        self.projection = nn.Sequential(
            nn.Linear(incoming, case["hidden"]), nn.ReLU(), nn.Linear(case["hidden"], case["dim"])
        )
        self.from_projection = case["classifier_input"] == "projection"
        self.classifier = nn.Linear(case["dim"] if self.from_projection else incoming, len(CLASSES))
        self.start(case["seed"])

    def start(self, seed: int) -> None:
        """torchvision's distributions, drawn at each parameter's address, rounded to float32."""
        with torch.no_grad():
            for key, parameter in self.named_parameters():
                random = Random(seed, "init", key)
                if parameter.dim() == 4:
                    deviation = math.sqrt(2 / (parameter.shape[0] * parameter.shape[2] * parameter.shape[3]))
                    draws = [deviation * random.normal() for _ in range(parameter.numel())]
                elif key.startswith(("projection", "classifier")):
                    inputs = self.get_parameter(key.replace(".bias", ".weight")).shape[1]
                    draws = [random.between(-1, 1) / math.sqrt(inputs) for _ in range(parameter.numel())]
                else:
                    continue  # batch norm: 1 and 0, as PyTorch makes them
                parameter.copy_(torch.tensor(draws, dtype=torch.float32).reshape(parameter.shape))

    def forward(self, image):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        features = x.mean((2, 3))
        z = self.projection(features)
        return features, z, self.classifier(z if self.from_projection else features)


# Losses and what is measured, from the papers' formulas.

def measured(z: torch.Tensor, pairs: int, temperature: float) -> dict:
    u = F.normalize(z)
    similarity = u @ u.T
    rows = torch.arange(2 * pairs)
    partner = (rows + pairs) % (2 * pairs)
    others = similarity.masked_fill(torch.eye(2 * pairs, dtype=torch.bool), -math.inf)
    distances = torch.cdist(u.detach(), u.detach(), compute_mode="donot_use_mm_for_euclid_dist") ** 2
    apart = torch.triu_indices(pairs, pairs, 1)
    spread = [
        torch.exp(-2 * distances[first : first + pairs, first : first + pairs][apart[0], apart[1]]).mean().log()
        for first in (0, pairs)
    ]
    return {
        "contrastive": F.cross_entropy(others / temperature, partner),
        "alignment": distances[rows[:pairs], partner[:pairs]].mean().item(),
        "uniformity": (spread[0].item() + spread[1].item()) / 2,
        "pairAccuracy": (others.argmax(1) == partner).double().mean().item(),
    }


def batch_loss(network: Network, clips: list[int], seen: set[int], case: dict, epoch: int, dtype) -> tuple:
    first, second = images(clips, case, epoch, True, dtype)
    if case["per_view"]:
        _, z0, o0 = network(first)
        _, z1, o1 = network(second)
    else:
        _, z, o = network(torch.cat([first, second]))
        (z0, z1), (o0, o1) = z.chunk(2), o.chunk(2)
    result = measured(torch.cat([z0, z1]), len(clips), case["temperature"])
    kept = [row for row, clip in enumerate(clips) if clip in seen]
    result |= {"supervised": 0.0, "labelled": 2 * len(kept), "correct": 0}
    loss = result["contrastive"]
    if kept:
        truth = torch.tensor([label(clips[row]) for row in kept])
        both = [F.cross_entropy(o[kept], truth) for o in (o0, o1)]
        supervised = (both[0] + both[1]) / (2 if case["reduction"] == "mean" else 1)
        loss = loss + case["weight"] * supervised
        result["supervised"] = supervised.item()
        result["correct"] = sum((o[kept].argmax(1) == truth).sum().item() for o in (o0, o1))
    return loss, result | {"loss": loss.item(), "contrastive": result["contrastive"].item()}


def validation(network: Network, clips: list[int], case: dict, dtype) -> dict:
    network.eval()
    scores, features = [], []
    with torch.no_grad():
        for start in range(0, len(clips), case["pairs"]):
            part = clips[start : start + case["pairs"]]
            if len(part) < 2:
                continue
            r, z, _ = network(torch.cat(images(part, case, 0, False, dtype)))
            score = measured(z, len(part), case["temperature"])
            scores += len(part) * [score | {"loss": score["contrastive"].item()}]
            features.append(r.double().numpy())
    network.train()
    centred = np.concatenate(features) - np.concatenate(features).mean(0)
    singular = np.linalg.svd(centred, compute_uv=False)
    shares = singular[singular > 0] / singular.sum()
    mean = lambda key: float(np.mean([score[key] for score in scores]))
    return {
        **{key: mean(key) for key in ("loss", "alignment", "uniformity", "pairAccuracy")},
        "effectiveRank": float(np.exp(-(shares * np.log(shares)).sum())),
    }


def run(case: dict, start: Network, dtype) -> dict[str, np.ndarray]:
    network = copy.deepcopy(start).to(dtype).train()
    validating = held_out(case["seed"])
    training = [clip for clip in range(CLIPS) if clip not in validating]
    seen = readable(training, case)
    spared = [key for key, _ in network.named_parameters() if any(fnmatch.fnmatchcase(key, p) for p in case["no_decay"])]
    groups = [
        {"params": [p for key, p in network.named_parameters() if (key in spared) == without], "weight_decay": decay}
        for without, decay in ((False, case["decay"]), (True, 0.0))
    ]
    optimizer = case["optimizer"]([group for group in groups if group["params"]])
    schedule = case["schedule"](optimizer)
    steps, scores = [], []
    for epoch in range(case["epochs"]):
        left = batches(training, case, epoch)
        while left:
            now, left = left[: case["accumulate"]], left[case["accumulate"] :]
            optimizer.zero_grad()
            results = []
            for clips in now:
                loss, result = batch_loss(network, clips, seen, case, epoch, dtype)
                (loss / len(now)).backward()
                results.append(result)
            norm = nn.utils.clip_grad_norm_(network.parameters(), case["clip"]).item()
            entry = {"epoch": epoch, "learningRate": optimizer.param_groups[0]["lr"], "gradientNorm": norm}
            entry["pairs"] = sum(len(clips) for clips in now)
            for key in results[0]:
                total = sum(result[key] for result in results)
                entry[key] = total if key in ("labelled", "correct") else total / len(results)
            steps.append([entry[key] for key in STEP_COLUMNS])
            optimizer.step()
            if case["unit"] == "step":
                schedule.step()
        if case["unit"] == "epoch":
            schedule.step()
        score = validation(network, validating, case, dtype) | {"epoch": epoch, "step": len(steps)}
        scores.append([score[key] for key in VALIDATION_COLUMNS])
    result = {"steps": np.array(steps), "validation": np.array(scores)}
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            result[f"model/{key}"] = value.double().numpy()
    for key, parameter in network.named_parameters():
        for ours, theirs in case["vectors"].items():
            result[f"optimizer/{ours}.{key}"] = optimizer.state[parameter][theirs].double().numpy()
    return result


def relative(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm((found - truth).ravel()) / np.linalg.norm(truth.ravel()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for kind, case in CASES.items():
        start = Network(case)
        truth = run(case, start, torch.float64)
        single = run(case, start, torch.float32)
        tensors, deviations = {}, {}
        for key, value in truth.items():
            if key in ("steps", "validation"):
                columns = STEP_COLUMNS if key == "steps" else VALIDATION_COLUMNS
                difference = np.abs(single[key] - value) / np.maximum(np.abs(value), 1e-3)
                deviations |= {f"{key}/{c}": float(f"{d:.1e}") for c, d in zip(columns, difference.max(0))}
                tensors[key] = value
            else:
                deviations[key] = float(f"{relative(single[key], value):.1e}")
                tensors[key] = digest(key, value)
        about = {
            "case": kind,
            "torch": torch.__version__,
            "stepColumns": STEP_COLUMNS,
            "validationColumns": VALIDATION_COLUMNS,
            "heldOut": held_out(case["seed"]),
            "readable": sorted(readable([c for c in range(CLIPS) if c not in held_out(case["seed"])], case)),
            "deviations": deviations,
        }
        write_safetensors(DATA / f"uscl-run-{kind}.safetensors", tensors, {"about": json.dumps(about)})
        worst = sorted((value, key) for key, value in deviations.items())[-4:]
        print(kind, "float32 deviates most in", worst)
        with np.printoptions(precision=4, suppress=True, linewidth=160):
            print(STEP_COLUMNS, truth["steps"], VALIDATION_COLUMNS, truth["validation"], sep="\n")
