"""Class probabilities of stored frames by a fine-tuned model, in PyTorch, without a line of this project.

    python3 test/golden/predict_frame.py MODEL.safetensors DATASET CLIP FRAME...

MODEL is `checkpoints/best.safetensors` of a fine-tuning run, DATASET a folder that `uscl ingest` wrote, CLIP the id of a
clip in it and FRAME the number of a frame. Prints a JSON object for each frame. `uscl predict --precision f32 --json` must say the
same of that frame to 1e-3.

Everything is written out by hand: the safetensors file is eight bytes of length, a JSON header and tensors; the dataset
a line of JSON a clip and packed frames; the view Pillow's antialiased stretch to a square and (x - mean) / std; the
network torch.nn.functional calls on tensors with torchvision's names. Needs PyTorch, numpy and Pillow.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


def read_model(path: Path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        start, end = (8 + length + at for at in entry["data_offsets"])
        array = np.frombuffer(data[start:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, json.loads(metadata["model"]), json.loads(metadata["classifier"])


def read_frame(dataset: Path, clip_id: str, frame: int) -> np.ndarray:
    channels = json.loads((dataset / "dataset.json").read_text())["channels"]
    clips = (json.loads(line) for line in (dataset / "clips.jsonl").read_text().splitlines())
    clip = next(clip for clip in clips if clip["id"] == clip_id)
    assert 0 <= frame < clip["frames"], frame
    size = clip["height"] * clip["width"] * channels
    with (dataset / "frames.bin").open("rb") as file:
        file.seek(clip["offset"] + frame * size)
        pixels = np.frombuffer(file.read(size), dtype=np.uint8)
    shape = (clip["height"], clip["width"], 3)[: 3 if channels == 3 else 2]
    return pixels.reshape(shape)


def view_of(pixels: np.ndarray, view: dict) -> torch.Tensor:
    """[1, channels, size, size]"""
    image = Image.fromarray(pixels)
    if view["channels"] == 1 and image.mode == "RGB":
        image = image.convert("L")
    image = image.resize((view["size"], view["size"]), Image.BILINEAR)
    x = np.asarray(image, dtype=np.float32) / 255
    x = x[None] if x.ndim == 2 else x.transpose(2, 0, 1)
    x = np.repeat(x, view["channels"] // x.shape[0], axis=0)
    mean = np.array(view["normalise"]["mean"], dtype=np.float32).reshape(-1, 1, 1)
    std = np.array(view["normalise"]["std"], dtype=np.float32).reshape(-1, 1, 1)
    return torch.from_numpy((x - mean) / std)[None]


def norm(x, w, name):
    return F.batch_norm(
        x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-5
    )


def block(x, w, name, stride):
    shortcut = x
    if f"{name}.downsample.0.weight" in w:
        shortcut = norm(F.conv2d(x, w[f"{name}.downsample.0.weight"], stride=stride), w, f"{name}.downsample.1")
    if f"{name}.conv3.weight" in w:
        y = F.relu(norm(F.conv2d(x, w[f"{name}.conv1.weight"]), w, f"{name}.bn1"))
        y = F.relu(norm(F.conv2d(y, w[f"{name}.conv2.weight"], stride=stride, padding=1), w, f"{name}.bn2"))
        y = norm(F.conv2d(y, w[f"{name}.conv3.weight"]), w, f"{name}.bn3")
    else:
        y = F.relu(norm(F.conv2d(x, w[f"{name}.conv1.weight"], stride=stride, padding=1), w, f"{name}.bn1"))
        y = norm(F.conv2d(y, w[f"{name}.conv2.weight"], padding=1), w, f"{name}.bn2")
    return F.relu(y + shortcut)


def scores(x, w, backbone):
    x = F.relu(norm(F.conv2d(x, w["conv1.weight"], stride=2, padding=3), w, "bn1"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for layer, count in enumerate(BLOCKS[backbone], start=1):
        for i in range(count):
            x = block(x, w, f"layer{layer}.{i}", 2 if layer > 1 and i == 0 else 1)
    return F.linear(x.mean(dim=(2, 3)), w["classifier.weight"], w["classifier.bias"])


def main() -> None:
    model, dataset, clip, *frames = sys.argv[1:]
    weights, network, classifier = read_model(Path(model))
    for frame in map(int, frames):
        with torch.no_grad():
            x = view_of(read_frame(Path(dataset), clip, frame), classifier["view"])
            probabilities = F.softmax(scores(x, weights, network["backbone"]), dim=1)[0]
        print(json.dumps({"frame": frame, "classes": classifier["classes"], "probabilities": probabilities.tolist()}))


if __name__ == "__main__":
    main()
