"""What the PyTorch peers share: being driven from outside, so that they can alternate with another program.

On start one JSON line: versions and configuration. Then commands on standard input, one a line, each answered by one
JSON line: `step N` runs N steps and reports the seconds of each, what the last one returned and the peak resident
memory so far; `quit` (or the end of input) ends the program. Errors are lines with an `error` key. Nothing is timed
before the first command: the first steps are warm-up for the caller to discard.
"""
import json
import os
import platform
import resource
import sys
import time

import torch
import torchvision


def peak_bytes() -> int:
    # Linux counts kilobytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def say(message: dict) -> None:
    print(json.dumps(message), flush=True)


def serve(about: dict, step) -> None:
    """Answers commands until told to quit; `step()` does the work and returns a number."""
    say(
        {
            "peer": "pytorch",
            **about,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "python": platform.python_version(),
            "oneDNN": next((line.strip(" -") for line in torch.__config__.show().split("\n") if "MKL-DNN" in line), None),
            "processor": processor(),
            "openmp": {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "GOMP_"))},
        }
    )
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        if len(words) != 2 or words[0] != "step" or not words[1].isdigit() or int(words[1]) == 0:
            say({"error": f"unknown command {line.strip()!r}; use: step N, quit"})
            continue
        seconds = []
        for _ in range(int(words[1])):
            start = time.perf_counter()
            result = step()
            seconds.append(time.perf_counter() - start)
        say({"seconds": seconds, "result": result, "peakBytes": peak_bytes()})
