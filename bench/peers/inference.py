"""Inference of a ResNet with a classifier in PyTorch, for comparison; driven as `protocol.py` says.

    python3 bench/peers/inference.py --form traced --threads 2

Every form works in bfloat16 with norms in eval mode, on a batch that already lies in memory as the form likes it best
(bfloat16, channels_last): no conversion is timed. What PyTorch 1.13 offers:

eager     the model as it is, bfloat16 weights, channels_last
autocast  the model in float32 under CPU autocast, channels_last
fused     batch norms folded by torch.fx, channels_last
traced    torch.jit: traced, frozen, `optimize_for_inference` (folds norms), channels_last
graph     traced under autocast and handed to oneDNN Graph (fuses sums and ReLUs), channels_last
mkldnn    batch norms folded by torch.fx, weights and images converted to oneDNN's own tensors beforehand
"""
import argparse
import copy
import warnings

import torch
import torch.fx.experimental.optimization
import torch.utils.mkldnn
import torchvision

from protocol import serve

warnings.filterwarnings("ignore")
CLASSES = 3


def network(options) -> torch.nn.Module:
    model = getattr(torchvision.models, f"resnet{options.depth}")(weights=None)
    if options.channels != 3:
        model.conv1 = torch.nn.Conv2d(options.channels, 64, 7, stride=2, padding=3, bias=False)
    model.fc = torch.nn.Linear(model.fc.in_features, CLASSES)
    return model.eval()


def traced(model, images):
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, images)))


def prepared(form: str, model: torch.nn.Module, images: torch.Tensor):
    """The function to call and what to call it with."""
    last = images.to(memory_format=torch.channels_last)
    brain = last.to(torch.bfloat16)
    model = model.to(memory_format=torch.channels_last)
    if form == "eager":
        return model.to(torch.bfloat16), brain
    if form == "autocast":

        def run(batch):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return model(batch)

        return run, last
    if form == "fused":
        return torch.fx.experimental.optimization.fuse(copy.deepcopy(model)).to(torch.bfloat16), brain
    if form == "traced":
        return traced(model.to(torch.bfloat16), brain), brain
    if form == "graph":
        torch.jit.enable_onednn_fusion(True)
        torch._C._jit_set_autocast_mode(False)
        with torch.cpu.amp.autocast(dtype=torch.bfloat16, cache_enabled=False):
            return torch.jit.freeze(torch.jit.trace(model, last)), last
    folded = torch.fx.experimental.optimization.fuse(copy.deepcopy(model).to(memory_format=torch.contiguous_format))
    return torch.utils.mkldnn.to_mkldnn(folded, torch.bfloat16), brain.contiguous().to_mkldnn()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--form", choices=("eager", "autocast", "fused", "traced", "graph", "mkldnn"), required=True)
    parser.add_argument("--depth", type=int, choices=(18, 34, 50), default=18)
    parser.add_argument("--size", type=int, default=224, help="side of the square images in pixels")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    images = torch.randn(options.images, options.channels, options.size, options.size)
    run, batch = prepared(options.form, network(options), images)

    def step() -> float:
        result = run(batch)
        return float((result.to_dense() if result.is_mkldnn else result).float().sum())

    serve({**vars(options), "precision": "bf16"}, step)


if __name__ == "__main__":
    main()
