"""Writes data/moco.json: three steps of MoCo v2 (He et al., CVPR 2020, algorithm 1) in PyTorch, in float64, on an encoder
small enough to hold every number.

    python3 test/golden/moco_golden.py

The encoder is Linear(6, 8), ReLU, Linear(8, 4). A step has 4 clips. Its queries are the query encoder's rows of view 0, its
keys the key encoder's rows of view 1; both are normalised. In this order:

1. The loss of the queries against their keys and the queue. A row of the queue whose clip is the query's own is no negative.
2. SGD changes the query encoder: velocity = momentum * velocity + (gradient + weight decay * weight), where the first
   velocity is what stands in brackets; weight -= learning rate * velocity. Biases decay like weights.
3. The key encoder follows: key = key momentum * key + (1 - key momentum) * query.
4. The unit keys, which were made before 3, and their clips replace the oldest 4 rows of the queue: slots 0 to 3, then 4 to
   7, then 0 to 3. Slot 0 of the starting queue is the oldest.

The reference code moves the key encoder at the beginning of a step instead. The keys of every step are the same: both start
equal. Only the key encoder left behind would be a step older.

Weights start as values("moco8/" + name, size, 0, 0.5) of `hashed.py`; inputs are values("moco8/step" + t + "/view" + v, 24, 0,
1); the queue is values("moco8/queue", 32, 0, 1), normalised. All of them are in the file too.

Fields of data/moco.json; a matrix is a flat list of its rows, weights are [out, in]:

    torch               version that made it
    settings            learningRate, momentum, weightDecay, keyMomentum, temperature, and the sizes: inputs 6, hidden 8,
                        dim 4, batch 4, queue 8
    start.parameters    layer1.weight [8, 6], layer1.bias [8], layer2.weight [4, 8], layer2.bias [4], of both encoders
    start.queue         [8, 4], unit rows in the order of slots
    start.queueClips    [8], the clip of each slot
    steps               three, each with
      clips             [4], the clip of each row
      inputs            two, [4, 6] each: view 0 for the queries, view 1 for the keys
      queries, keys     [4, 4], outputs of the encoders before they are normalised
      loss, accuracy    accuracy: share of queries whose key is strictly more similar than every allowed negative
      queryGradients    [4, 4], of the loss by `queries`
      gradients         by name, of the loss by the query encoder's parameters, without weight decay
      after.query       parameters of the query encoder after 2
      after.key         parameters of the key encoder after 3
      after.queue, after.queueClips, after.slot    after 4; slot: where the next keys go
"""
import copy
import json
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from hashed import values

INPUTS, HIDDEN, DIM, BATCH, QUEUE = 6, 8, 4, 4, 8
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, KEY_MOMENTUM, TEMPERATURE = 0.1, 0.9, 1e-4, 0.9, 0.2
#: Clips of each step: some have rows in the queue, one or two, some have none.
CLIPS = [[0, 5, 2, 7], [3, 0, 6, 5], [7, 2, 3, 1]]
QUEUE_CLIPS = [2, 6, 2, 1, 0, 3, 8, 9]
#: Searched for: no unit may sit so near the kink of its ReLU that float32 takes the other side.
SEED = 8
LEAST_DISTANCE = 0.01


def table(name: str, rows: int, dim: int, deviation: float) -> torch.Tensor:
    return torch.from_numpy(values(f"moco{SEED}/{name}", rows * dim, 0, deviation)).double().reshape(rows, dim)


def flat(tensor: torch.Tensor) -> list:
    return tensor.detach().flatten().tolist()


def named(tensors) -> dict:
    return {name: flat(tensor) for name, tensor in tensors}


layers = OrderedDict(layer1=nn.Linear(INPUTS, HIDDEN), relu=nn.ReLU(), layer2=nn.Linear(HIDDEN, DIM))
encoder = nn.Sequential(layers).double()
with torch.no_grad():
    for name, parameter in encoder.named_parameters():
        parameter.copy_(table(name, 1, parameter.numel(), 0.5).reshape(parameter.shape))
key_encoder = copy.deepcopy(encoder).requires_grad_(False)
optimizer = torch.optim.SGD(encoder.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
queue = F.normalize(table("queue", QUEUE, DIM, 1), dim=1)
queue_clips = torch.tensor(QUEUE_CLIPS)
start = {"parameters": named(encoder.named_parameters()), "queue": flat(queue), "queueClips": queue_clips.tolist()}

steps = []
slot = 0
for step, clip_list in enumerate(CLIPS):
    clips = torch.tensor(clip_list)
    views = [table(f"step{step}/view{view}", BATCH, INPUTS, 1) for view in (0, 1)]
    for view, module in zip(views, (encoder, key_encoder)):
        assert module.layer1(view).abs().min() > LEAST_DISTANCE
    queries = encoder(views[0])
    queries.retain_grad()
    keys = key_encoder(views[1])
    unit_keys = F.normalize(keys, dim=1)
    positive = (F.normalize(queries, dim=1) * unit_keys).sum(dim=1, keepdim=True)
    negative = F.normalize(queries, dim=1) @ queue.T
    negative = negative.masked_fill(clips[:, None] == queue_clips[None, :], float("-inf"))
    # The key is at column 0.
    loss = F.cross_entropy(torch.cat([positive, negative], dim=1) / TEMPERATURE, torch.zeros(BATCH, dtype=torch.long))
    optimizer.zero_grad()
    loss.backward()
    gradients = named((name, parameter.grad) for name, parameter in encoder.named_parameters())
    optimizer.step()
    with torch.no_grad():
        for key, query in zip(key_encoder.parameters(), encoder.parameters()):
            key.copy_(KEY_MOMENTUM * key + (1 - KEY_MOMENTUM) * query)
    queue[slot : slot + BATCH] = unit_keys
    queue_clips[slot : slot + BATCH] = clips
    slot = (slot + BATCH) % QUEUE
    steps.append(
        {
            "clips": clip_list,
            "inputs": [flat(view) for view in views],
            "queries": flat(queries),
            "keys": flat(keys),
            "loss": loss.item(),
            "accuracy": (positive > negative).all(dim=1).double().mean().item(),
            "queryGradients": flat(queries.grad),
            "gradients": gradients,
            "after": {
                "query": named(encoder.named_parameters()),
                "key": named(key_encoder.named_parameters()),
                "queue": flat(queue),
                "queueClips": queue_clips.tolist(),
                "slot": slot,
            },
        }
    )
settings = {
    "learningRate": LEARNING_RATE,
    "momentum": MOMENTUM,
    "weightDecay": WEIGHT_DECAY,
    "keyMomentum": KEY_MOMENTUM,
    "temperature": TEMPERATURE,
    "inputs": INPUTS,
    "hidden": HIDDEN,
    "dim": DIM,
    "batch": BATCH,
    "queue": QUEUE,
}
path = Path(__file__).parent / "data" / "moco.json"
path.write_text(json.dumps({"torch": torch.__version__, "settings": settings, "start": start, "steps": steps}) + "\n")
