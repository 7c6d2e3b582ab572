"""Writes reference.json: what Pillow and torchvision make of a small picture.

Run with Debian's python3-pil and python3-torchvision: python3 test/views/golden/make.py
The picture is a formula, repeated in the test, so only results are stored.
"""
import json
import os

import numpy
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional

HERE = os.path.dirname(os.path.abspath(__file__))


def picture(width, height, channel):
    y, x = numpy.mgrid[0:height, 0:width]
    return ((x * x * 3 + y * 29 + x * y * 5 + channel * 71) % 256).astype(numpy.uint8)


RESIZES = [
    dict(width=23, height=19, size=16, box=[0, 0, 23, 19]),
    dict(width=23, height=19, size=16, box=[1.5, 2.25, 20.75, 18.5]),
    dict(width=12, height=9, size=16, box=[2, 1, 11, 8]),
    dict(width=70, height=51, size=16, box=[3, 0, 66.5, 51]),
    dict(width=16, height=16, size=16, box=[0, 0, 16, 16]),
    dict(width=5, height=3, size=16, box=[0, 0, 5, 3]),
]

JITTERS = [
    ["brightness", 1.7], ["brightness", 0.25], ["contrast", 1.8], ["contrast", 0.3],
    ["saturation", 1.6], ["saturation", 0.0], ["hue", 0.2], ["hue", -0.13], ["hue", 0.5],
]


def main():
    resizes = []
    for case in RESIZES:
        image = Image.fromarray(picture(case["width"], case["height"], 0))
        out = image.resize((case["size"], case["size"]), Image.BILINEAR, box=tuple(case["box"]))
        resizes.append(dict(case, pixels=numpy.asarray(out).flatten().tolist()))
    planes = numpy.stack([picture(8, 8, c) for c in range(3)])
    colour = torch.tensor(planes, dtype=torch.float64).to(torch.float32) / 255
    grey = colour[:1]
    jitters = []
    for name, factor in JITTERS:
        adjust = getattr(functional, "adjust_" + name)
        case = dict(name=name, factor=factor, colour=adjust(colour, factor).flatten().tolist())
        if name in ("brightness", "contrast"):
            case["grey"] = adjust(grey, factor).flatten().tolist()
        jitters.append(case)
    luma = Image.merge("RGB", [Image.fromarray(plane) for plane in planes]).convert("L")
    made = dict(pillow=PIL.__version__, torch=torch.__version__, torchvision=torchvision.__version__)
    result = dict(made=made, resizes=resizes, jitters=jitters, luma=numpy.asarray(luma).flatten().tolist())
    with open(os.path.join(HERE, "reference.json"), "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


main()
