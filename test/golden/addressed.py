"""Randomness at an address, written anew in Python from its description in `src/base/random.ts` and the published parts:
sfc32 (Chris Doty-Humphrey, PractRand), the mixing of MurmurHash3 (Austin Appleby), Box-Muller, the gamma variates of
Marsaglia & Tsang (2000), Fisher-Yates.

    python3 test/golden/addressed.py    # prints the vectors that test/base/random.test.ts holds as literals
"""
import math
import struct

MASK = 0xFFFFFFFF


def rotated(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & MASK


def avalanche(h: int) -> int:
    """murmur3's finaliser."""
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & MASK
    return h ^ (h >> 16)


def words_of(address: tuple) -> list[int]:
    """A number: tag 1, its big-endian double in two words. A text: tag 2, its length, its UTF-16 units."""
    words = []
    for part in address:
        if isinstance(part, str):
            units = part.encode("utf-16-le")
            words += [2, len(units) // 2, *struct.unpack(f"<{len(units) // 2}H", units)]
        else:
            words += [1, *struct.unpack(">II", struct.pack(">d", part))]
    return words + [0, 0, 0, 0]


def state_at(address: tuple) -> list[int]:
    a, b, c, d = 0x9E3779B9, 0x243F6A88, 0xB7E15162, 0x6A09E667
    for word in words_of(address):
        k = (rotated(((word ^ d) * 0xCC9E2D51) & MASK, 15) * 0x1B873593) & MASK
        mixed = avalanche(a ^ k)
        a, b, c, d = (b + mixed) & MASK, c ^ ((mixed * 0x85EBCA6B) & MASK), (d + rotated(mixed, 13)) & MASK, mixed
    return [a, b, c, d]


class Random:
    def __init__(self, *address):
        self.a, self.b, self.c, self.counter = state_at(address)
        self.spare = None
        for _ in range(12):
            self.word()

    def word(self) -> int:
        """sfc32 as PractRand has it: shifts 9 and 3, rotation 21."""
        result = (self.a + self.b + self.counter) & MASK
        self.counter = (self.counter + 1) & MASK
        self.a = self.b ^ (self.b >> 9)
        self.b = (self.c + (self.c << 3)) & MASK
        self.c = (rotated(self.c, 21) + result) & MASK
        return result

    def uniform(self) -> float:
        return self.word() / 2**32

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.uniform()

    def integer(self, bound: int) -> int:
        return int(self.uniform() * bound)

    def normal(self) -> float:
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        angle = 2 * math.pi * self.uniform()
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def gamma(self, shape: float) -> float:
        if shape < 1:
            return self.gamma(shape + 1) * (1 - self.uniform()) ** (1 / shape)
        d = shape - 1 / 3
        c = 1 / math.sqrt(9 * d)
        while True:
            x = self.normal()
            v = (1 + c * x) ** 3
            if v > 0 and math.log(1 - self.uniform()) < 0.5 * x * x + d - d * v + d * math.log(v):
                return d * v

    def beta(self, a: float, b: float) -> float:
        x = self.gamma(a)
        y = self.gamma(b)
        return x / (x + y)

    def shuffled(self, items: list) -> list:
        result = list(items)
        for i in range(len(result) - 1, 0, -1):
            j = self.integer(i + 1)
            result[i], result[j] = result[j], result[i]
        return result


if __name__ == "__main__":
    for address in [(0, "crop"), (7, "pair-frames", 3, "clip12"), (4294967295, "é↯", -0.5, "", 1e300), (1, "x", "1"), (1, "x", 1)]:
        random = Random(*address)
        print(address, "words", [random.word() for _ in range(4)])
    print("uniform", [Random(3, "uniform").uniform()], "between", [Random(3, "uniform").between(-2, 5)])
    r = Random(3, "integer"); print("integer", [r.integer(10) for _ in range(8)])
    r = Random(3, "normal"); print("normal", [r.normal() for _ in range(5)])
    for shape in (0.3, 1, 4.5):
        r = Random(3, "gamma", shape); print("gamma", shape, [r.gamma(shape) for _ in range(3)])
    r = Random(3, "beta"); print("beta", [r.beta(0.5, 0.5), r.beta(0.5, 0.5), r.beta(2, 3)])
    r = Random(3, "shuffled"); print("shuffled", r.shuffled(list(range(10))), r.uniform())
