"""Numbers that Python and TypeScript both compute from a name and an index, so that golden tests need no weight files.

`hashed.ts` beside this file is the same, line for line; `data/hashed.json` (made by running this file) holds a few
values of each function, so that a test can hold the two together.
"""
import numpy as np

GOLDEN_RATIO = 0x9E3779B9
#: Entries kept of a tensor, at hashed positions.
ENTRIES = 64
#: Projections kept of a tensor: dot products with hashed vectors of +1 and -1.
PROJECTIONS = 32


def key_of(name: str) -> int:
    """FNV-1a, 32 bits, of an ASCII name."""
    key = 0x811C9DC5
    for byte in name.encode("ascii"):
        key = ((key ^ byte) * 0x01000193) & 0xFFFFFFFF
    return key


def mixed(h: np.ndarray) -> np.ndarray:
    """murmur3's finaliser."""
    h = h ^ (h >> np.uint32(16))
    h = h * np.uint32(0x85EBCA6B)
    h = h ^ (h >> np.uint32(13))
    h = h * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def hashes(name: str, count: int) -> np.ndarray:
    """`count` 32-bit hashes of (name, index)."""
    key = np.uint32(key_of(name))
    index = np.arange(count, dtype=np.uint32)
    return mixed(mixed(index * np.uint32(GOLDEN_RATIO) ^ key) + key)


def uniforms(name: str, count: int) -> np.ndarray:
    """float64, uniform in (-1, 1)."""
    return (hashes(name, count).astype(np.float64) + 0.5) / 2.0**31 - 1.0


def values(name: str, count: int, centre: float, deviation: float) -> np.ndarray:
    """float32, uniform with this mean and standard deviation."""
    return (centre + deviation * np.sqrt(3.0) * uniforms(name, count)).astype(np.float32)


def sides(name: str, count: int, share: float, low: float, high: float) -> np.ndarray:
    """float32, `low` for about this share of the elements and `high` for the others."""
    return np.where(uniforms(name, count) < 2 * share - 1, low, high).astype(np.float32)


def positions(name: str, length: int) -> np.ndarray:
    """Indices of the entries kept of a tensor of `length` elements."""
    return hashes(name + "/entries", ENTRIES) % np.uint32(length)


def digest(name: str, tensor: np.ndarray) -> np.ndarray:
    """[1 + ENTRIES + PROJECTIONS] float64: norm, entries, projections."""
    flat = tensor.reshape(-1).astype(np.float64)
    bits = hashes(name + "/signs", flat.size)
    projections = [
        float(np.dot(flat, 1.0 - 2.0 * ((bits >> np.uint32(p)) & np.uint32(1)).astype(np.float64)))
        for p in range(PROJECTIONS)
    ]
    return np.concatenate([[np.sqrt(np.dot(flat, flat))], flat[positions(name, flat.size)], projections])


def estimated_error(golden: np.ndarray, found: np.ndarray) -> float:
    """Estimate of |found - golden| / |golden| from two digests: E[(w.e)^2] = |e|^2 for random signs w."""
    difference = (found - golden)[1 + ENTRIES :]
    return float(np.sqrt(np.mean(difference**2)) / golden[0])


if __name__ == "__main__":
    import json
    from pathlib import Path

    sample = {
        "keys": {name: key_of(name) for name in ("", "conv1.weight")},
        "hashes": hashes("conv1.weight", 4).tolist(),
        "uniforms": uniforms("conv1.weight", 4).tolist(),
        "values": values("conv1.weight", 4, 1.0, 0.1).astype(float).tolist(),
        "sides": sides("conv1.weight", 6, 0.5, -2.0, 2.0).astype(float).tolist(),
        "positions": positions("conv1.weight", 9408).tolist()[:4],
        "digest": digest("x", values("x", 1000, 0.5, 1.0)).tolist(),
    }
    (Path(__file__).parent / "data" / "hashed.json").write_text(json.dumps(sample) + "\n")
