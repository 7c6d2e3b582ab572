"""Writes data/view-frames.json: which frames views of single frames show, and which of them are mirrored.

    python3 test/golden/view_frames_golden.py

Drawn anew from the description in `src/views/sampling.ts`. At the address (seed, 'view-frames', epoch, clip) come first
the window's place, where it is shorter than the clip, then the frames: one is drawn alone, several are the first of the
window's frames in a shuffled order, which begins again where there are too few. A view is mirrored by the first number
at (seed, 'flip', epoch, clip, 'view N').
"""
import json
from pathlib import Path

from addressed import Random

#: Frames of a clip at 10 frames a second, the window in tenths of a second (None: the whole clip), frames wanted.
CASES = [(20, None, 1), (20, None, 3), (20, 5, 1), (20, 5, 3), (20, 5, 8), (4, 9, 2), (2, None, 5), (1, None, 2), (1, 5, 1)]
ADDRESSES = [(seed, epoch, clip) for seed in (0, 7) for epoch in (0, 3) for clip in ("clip-0", "clip-1")]
#: Frames that the views of an image show, of a clip of nine frames, and how often a view is mirrored.
SHOWN, NINE, FLIP = [1, 0, 1], 9, 0.5


def drawn(frames: int, window, wanted: int, seed: int, epoch: int, clip: str) -> list[int]:
    random = Random(seed, "view-frames", epoch, clip)
    reach = frames if window is None else min(frames, window + 1)
    start = random.integer(frames - reach + 1) if reach < frames else 0
    if wanted == 1:
        return [start + random.integer(reach)]
    order = random.shuffled([start + i for i in range(reach)])
    return [order[i % reach] for i in range(wanted)]


draws = [
    {
        **{"frames": frames, "windowSeconds": None if window is None else window / 10, "wanted": wanted},
        **{"seed": seed, "epoch": epoch, "clip": clip, "drawn": drawn(frames, window, wanted, seed, epoch, clip)},
    }
    for frames, window, wanted in CASES
    for seed, epoch, clip in ADDRESSES
]
images = [
    {
        **{"seed": seed, "epoch": epoch, "clip": clip},
        "views": [
            {
                "frame": drawn(NINE, None, max(SHOWN) + 1, seed, epoch, clip)[frame],
                "mirrored": Random(seed, "flip", epoch, clip, f"view {view}").uniform() < FLIP,
            }
            for view, frame in enumerate(SHOWN)
        ],
    }
    for seed, epoch, clip in ADDRESSES
]
path = Path(__file__).parent / "data" / "view-frames.json"
path.write_text(json.dumps({"shown": SHOWN, "frames": NINE, "flip": FLIP, "draws": draws, "images": images}) + "\n")
