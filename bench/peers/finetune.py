"""One fine-tuning step of a ResNet with a classifier in PyTorch, for comparison; driven as `protocol.py` says.

    python3 bench/peers/finetune.py --layers last-block --threads 2

bfloat16 (CPU autocast) and channels_last on a constant batch, softmax cross-entropy, AdamW. `all` trains everything with
norms in training mode. `last-block` trains the last residual block and the classifier; everything below runs without
gradients, its norms in eval mode, and as the fastest form of inference that `inference.py` knows of here: traced,
frozen, norms folded, in bfloat16.
"""
import argparse
import warnings

import torch
import torch.nn.functional as F

from inference import CLASSES, network, traced
from protocol import serve

warnings.filterwarnings("ignore")


def split(model: torch.nn.Module) -> tuple[torch.nn.Sequential, torch.nn.Sequential]:
    """What lies below the last residual block, and from there on."""
    stem = [model.conv1, model.bn1, model.relu, model.maxpool]
    below = torch.nn.Sequential(*stem, model.layer1, model.layer2, model.layer3, *model.layer4[:-1])
    above = torch.nn.Sequential(model.layer4[-1], model.avgpool, torch.nn.Flatten(1), model.fc)
    return below, above


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--layers", choices=("all", "last-block"), required=True)
    parser.add_argument("--depth", type=int, choices=(18, 34, 50), default=18)
    parser.add_argument("--size", type=int, default=224, help="side of the square images in pixels")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    images = torch.randn(options.images, options.channels, options.size, options.size)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (options.images,))
    below, above = split(network(options).to(memory_format=torch.channels_last))
    if options.layers == "all":
        trained = torch.nn.Sequential(below, above).train()
        frozen = None
    else:
        images = images.to(torch.bfloat16)
        with torch.no_grad():
            frozen = traced(below.eval().to(torch.bfloat16), images)
        trained = above.train()
    optimizer = torch.optim.AdamW(trained.parameters(), lr=3e-4, weight_decay=0.01)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        batch = images
        if frozen is not None:
            with torch.no_grad():
                batch = frozen(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = trained(batch)
        loss = F.cross_entropy(scores.float(), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    serve({**vars(options), "precision": "bf16"}, step)


if __name__ == "__main__":
    main()
