"""One training step of a network that is given as data, by PyTorch's eager autograd, for a comparison to the bit.

    python3 test/golden/torch_step.py FOLDER…

Reads from each folder step.json: the network as the engine has it, batch, norm groups, precision, threads, each parameter's and statistic's
place in the flat vectors, and an update; values.bin, statistics.bin, input.bin and gradient-<output>.bin hold f32. Maps are
channels-last and, in bf16, stored in bf16 with the weights of convolutions; pooling, vectors and heads are f32. Writes
out-<output>.bin, out-gradients.bin, out-statistics.bin, and out-values.bin after the update.
"""
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

def run(folder: Path) -> None:
    step = json.loads((folder / "step.json").read_text())
    torch.set_num_threads(step["threads"])
    MAP = torch.bfloat16 if step["precision"] == "bf16" else torch.float32
    GROUPS = step["normGroups"]

    def read(name: str) -> torch.Tensor:
        return torch.frombuffer(bytearray((folder / f"{name}.bin").read_bytes()), dtype=torch.float32)

    def write(name: str, tensor: torch.Tensor) -> None:
        flat = tensor.detach().float().contiguous().reshape(-1)
        (folder / f"out-{name}.bin").write_bytes(flat.numpy().tobytes())

    values, statistics = read("values"), read("statistics")
    parameters = {}
    for spec in step["specs"]:
        part = values[spec["offset"] : spec["offset"] + spec["length"]].reshape(spec["shape"]).clone()
        if part.dim() == 4:
            part = part.to(memory_format=torch.channels_last)
        parameters[spec["name"]] = part.requires_grad_()
    running = {s["name"]: statistics[s["offset"] : s["offset"] + s["length"]] for s in step["statistics"]}

    def norm(node: dict, x: torch.Tensor) -> torch.Tensor:
        name = node["name"]
        parts = [
            F.batch_norm(
                part,
                running[f"{name}.running_mean"],
                running[f"{name}.running_var"],
                parameters[f"{name}.weight"],
                parameters[f"{name}.bias"],
                True,
                node["momentum"],
                node["epsilon"],
            )
            for part in x.chunk(GROUPS)
        ]
        y = torch.cat(parts) if GROUPS > 1 else parts[0]
        return F.relu(y) if node["relu"] else y

    def compute(node: dict, made: dict) -> torch.Tensor:
        kind, name = node["kind"], node["name"]
        if kind == "addRelu":
            a, b = (made[one] for one in node["inputs"])
            return F.relu(a + b)
        x = made[node["input"]]
        if kind == "conv":
            return F.conv2d(x, parameters[f"{name}.weight"].to(MAP), None, node["stride"], node["padding"])
        if kind == "batchNorm":
            return norm(node, x)
        if kind == "relu":
            return F.relu(x)
        if kind == "maxPool":
            return F.max_pool2d(x, node["kernel"], node["stride"], node["padding"])
        if kind == "globalAveragePool":
            return x.float().mean((2, 3))
        return F.linear(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"])

    network = step["network"]
    image = read("input").reshape(step["batch"], *network["input"])
    made = {"input": image.to(MAP, memory_format=torch.channels_last)}
    for node in network["nodes"]:
        made[node["name"]] = compute(node, made)
    outputs = [made[name] for name in network["outputs"]]
    for name, output in zip(network["outputs"], outputs):
        write(name, output)
    torch.autograd.backward(
        outputs, [read(f"gradient-{name}").reshape(output.shape) for name, output in zip(network["outputs"], outputs)]
    )
    gradients = torch.cat([parameters[spec["name"]].grad.contiguous().reshape(-1) for spec in step["specs"]])
    write("gradients", gradients)
    write("statistics", statistics)

    flat = values.clone().requires_grad_()
    flat.grad = gradients
    update = step["update"]
    torch.optim.AdamW(
        [flat], lr=update["learningRate"], betas=update["betas"], eps=update["epsilon"],
        weight_decay=update["weightDecay"], fused=True,
    ).step()
    write("values", flat)


for argument in sys.argv[1:]:
    run(Path(argument))
