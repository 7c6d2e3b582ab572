"""Weights as other tools write and read them, for bench/weights.ts.

    python3 bench/peers/weights.py write DIR    # checkpoints of several tools, images, features
    python3 bench/peers/weights.py read DIR     # loads what was exported and compares features; one JSON object

Networks are torchvision's with random weights and norm statistics that are not 0 and 1. Features are those of f32 in eval mode.
"""

import argparse
import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision

try:
    import timm
except ImportError:
    timm = None

DEPTHS = (18, 34, 50)
SIZE, IMAGES = 96, 4


def network(depth: int) -> torch.nn.Module:
    torch.manual_seed(depth)
    model = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=7)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            module.num_batches_tracked += 12345
    return model.eval()


def backbone(model: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.Sequential(*list(model.children())[:-1])


class Reference(torch.nn.Module):
    """As the published code of USCL builds its network and names its parts."""

    def __init__(self, model):
        super().__init__()
        self.features = backbone(model)
        self.l1 = torch.nn.Linear(512, 512)
        self.l2 = torch.nn.Linear(512, 256)
        self.fc = torch.nn.Linear(512, 3)


def named(prefix: str, model: torch.nn.Module) -> OrderedDict:
    return OrderedDict((prefix + name, value) for name, value in model.state_dict().items())


def forms(model: torch.nn.Module) -> dict:
    """What each tool keeps of a ResNet-18."""
    other = network(34).layer1
    return {
        "uscl-reference.pth": Reference(model).state_dict(),
        "data-parallel.pth": torch.nn.DataParallel(model).state_dict(),
        "moco.pth.tar": {
            "epoch": 200,
            "arch": "resnet18",
            "state_dict": OrderedDict(
                **named("module.encoder_k.", model), **named("module.encoder_q.", model), **{"module.queue": torch.randn(128, 64)}
            ),
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.03, "momentum": 0.9}]},
        },
        "lightly.ckpt": {
            "state_dict": OrderedDict(**named("backbone.", backbone(model)), **named("projection_head.", torch.nn.Linear(512, 128))),
            "hyper_parameters": {"lr": 0.06},
        },
        "solo-learn.ckpt": {
            "state_dict": OrderedDict(
                **named("backbone.", model), **named("projector.", torch.nn.Linear(512, 128)), **named("momentum_backbone.layer1.", other)
            ),
            "epoch": 3,
        },
        "whole-model.pth": model,
    }


def features(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.flatten(backbone(model)(images), 1)


def write(folder: Path) -> None:
    made = []
    torch.manual_seed(0)
    images = torch.randn(IMAGES, 3, SIZE, SIZE)
    images.numpy().tofile(folder / "images.f32")
    for depth in DEPTHS:
        model = network(depth)
        features(model, images).numpy().tofile(folder / f"resnet{depth}.f32")
        torch.save(model.state_dict(), folder / f"resnet{depth}.pth")
        torch.save(model.state_dict(), folder / f"resnet{depth}-before-1.6.pth", _use_new_zipfile_serialization=False)
        names = [f"resnet{depth}.pth", f"resnet{depth}-before-1.6.pth"]
        if depth == 18:
            for name, content in forms(model).items():
                torch.save(content, folder / name)
                names.append(name)
        made += [{"file": name, "depth": depth} for name in names]
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm and timm.__version__}
    print(json.dumps({**versions, "size": SIZE, "images": IMAGES, "files": made}))


def check_onnx(folder: Path) -> str:
    """What the checker of the ONNX project says of exported models."""
    try:
        import onnx
    except ImportError:
        return "onnx is not installed"
    for path in folder.glob("exported-*.onnx"):
        onnx.checker.check_model(onnx.load(path), full_check=True)
    return f"{len(list(folder.glob('exported-*.onnx')))} models pass the checker of onnx {onnx.__version__}"


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def read_published(folder: Path) -> list:
    """What timm makes of folders for it, beside what was written next to them: every tensor, an image, features, probabilities."""
    from PIL import Image
    from safetensors.torch import load_file

    answers = []
    for path in sorted(folder.glob("hf-?")):
        channels = int(path.name[-1])
        model = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
        said = load_file(path / "model.safetensors")
        own = model.state_dict()
        frame = Image.frombytes("L" if channels == 1 else "RGB", (640, 480), path.with_suffix(".u8").read_bytes())
        config = timm.data.resolve_model_data_config(model)
        transform = timm.data.create_transform(**config, is_training=False)
        wanted = {
            what: torch.frombuffer(bytearray(path.with_suffix(f".{what}.f32").read_bytes()), dtype=torch.float32)
            for what in ("image", "features", "probabilities")
        }
        image = wanted["image"].reshape(1, *config["input_size"])
        # In levels of 8 bits.
        levels = float((transform(frame)[None] - image).abs().max() * 255 * max(config["std"]))
        with torch.no_grad():
            found = model.forward_head(model.forward_features(image), pre_logits=True)
            probabilities = model(image).softmax(-1)
        other = timm.create_model(f"local-dir:{path}", pretrained=True, num_classes=5)
        answers.append(
            {
                "folder": path.name,
                "channels": model.conv1.weight.shape[1],
                "classes": model.pretrained_cfg["label_names"],
                "bits": said.keys() == own.keys() and all(torch.equal(said[name], own[name]) for name in own),
                "image, levels of 255": levels,
                "features": difference(wanted["features"], found[0]),
                "probabilities": float((wanted["probabilities"] - probabilities[0]).abs().max()),
                "with another classifier": list(other.fc.weight.shape) == [5, 512]
                and torch.equal(other.layer4[1].conv2.weight, model.layer4[1].conv2.weight),
            }
        )
    return answers


def read(folder: Path) -> None:
    images = torch.frombuffer(bytearray((folder / "images.f32").read_bytes()), dtype=torch.float32).reshape(IMAGES, 3, SIZE, SIZE)
    answers = []
    for depth in DEPTHS:
        model = network(depth)
        expected = features(model, images)
        path = folder / f"exported-resnet{depth}.pth"
        state = torch.load(path, weights_only=True)
        ours = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        ours.fc = torch.nn.Identity()
        ours.load_state_dict(state, strict=True)
        own = model.state_dict()
        same = all(torch.equal(value, own[name]) for name, value in state.items() if not name.endswith("num_batches_tracked"))
        answer = {"depth": depth, "strict": True, "bits": same, "torchvision": difference(features(ours.eval(), images), expected)}
        if timm is not None:
            for form in ("pth", "safetensors"):
                loaded = timm.create_model(f"resnet{depth}", num_classes=0, checkpoint_path=str(path.with_suffix(f".{form}")))
                with torch.no_grad():
                    answer[f"timm, {form}"] = difference(loaded.eval()(images), expected)
            loaded = timm.create_model(f"local-dir:{path.with_suffix('')}", pretrained=True)
            with torch.no_grad():
                answer["timm, folder"] = difference(loaded.eval()(images), expected)
        answers.append(answer)
    print(json.dumps({"weights": answers, "onnx": check_onnx(folder), "published": read_published(folder) if timm else None}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("write", "read"))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    sys.stderr.flush()
    (write if options.what == "write" else read)(options.folder)
