"""Makes the default Linux wheel of PyTorch importable on a processor alone, without gigabytes of CUDA libraries.

    python torch_cpu.py SITE_PACKAGES

Arithmetic on the processor lives in `libtorch_cpu.so`, which stays as it is. Python's binding names `libtorch_cuda.so`,
`libcudnn` and `libcufile` all the same, and these name a dozen more. Each is replaced by an empty library that defines
the symbols the binding looks for when it is loaded; none of them is called where no GPU is. What was there is deleted.
"""
import pathlib
import struct
import sys

BINDING = "libtorch_python.so"
CUDA = "libtorch_cuda.so"
BESIDE_CUDA = ("libtorch_nvshmem.so", "libtorch_cuda_linalg.so")
DYNAMIC, LOAD, SYMBOLS = 2, 1, 11
FUNCTION, INDIRECT = 2, 10
OBJECT = 512


class Library:
    """The dynamic symbols, needed libraries and version requirements of a 64-bit little-endian ELF file."""

    def __init__(self, path: pathlib.Path):
        self.data = path.read_bytes()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise SystemExit(f"{path} is no 64-bit little-endian ELF library.")
        offset, count = struct.unpack_from("<Q", self.data, 32)[0], struct.unpack_from("<H", self.data, 56)[0]
        headers = [struct.unpack_from("<IIQQQQQQ", self.data, offset + 56 * i) for i in range(count)]
        self.loads = [(address, start, size) for kind, _, start, address, _, size, _, _ in headers if kind == LOAD]
        start, size = next((start, size) for kind, _, start, _, _, size, _, _ in headers if kind == DYNAMIC)
        self.entries = [struct.unpack_from("<QQ", self.data, at) for at in range(start, start + size, 16)]
        self.names = self.at(self.value(5))
        sections, count = struct.unpack_from("<Q", self.data, 40)[0], struct.unpack_from("<H", self.data, 60)[0]
        headers = [struct.unpack_from("<IIQQQQ", self.data, sections + 64 * i) for i in range(count)]
        self.table = next((start, start + size) for _, kind, _, _, start, size in headers if kind == SYMBOLS)
        self.needed = [self.text(value) for tag, value in self.entries if tag == 1]

    def value(self, tag: int) -> int:
        return next(value for known, value in self.entries if known == tag)

    def at(self, address: int) -> int:
        """File offset of a virtual address."""
        return next(address - base + start for base, start, size in self.loads if base <= address < base + size)

    def text(self, index: int) -> str:
        start = self.names + index
        return self.data[start : self.data.index(b"\0", start)].decode()

    def symbols(self):
        """(name, kind, is defined) of every dynamic symbol."""
        for at in range(*self.table, 24):
            name, info, _, section = struct.unpack_from("<IBBH", self.data, at)
            if name != 0:
                yield self.text(name), info & 15, section != 0

    def versions(self) -> dict[str, list[str]]:
        """Versions that are required of each needed library."""
        required: dict[str, list[str]] = {}
        at = self.at(self.value(0x6FFFFFFE))
        while True:
            _, count, file, first, following = struct.unpack_from("<HHIII", self.data, at)
            entry = at + first
            for _ in range(count):
                _, _, _, name, step = struct.unpack_from("<IHHII", self.data, entry)
                required.setdefault(self.text(file), []).append(self.text(name))
                entry += step
            if following == 0:
                return required
            at += following


def system_v_hash(name: bytes) -> int:
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def empty_library(soname: str, functions: list[str], objects: list[str], versions: list[str]) -> bytes:
    """
    An ELF library. Every function returns the address of a page of zeros: a place where a reference is wanted (one is
    written to while the binding loads), false where a bool is. Every object is zeros, but descriptions of types have a
    name to be told apart by.
    """
    names, strings = {}, bytearray(b"\0")
    for name in [soname, *versions, *functions, *objects]:
        names[name] = len(strings)
        strings += name.encode() + b"\0"
    code, zeros, objects_at = 0x1000, 0x2000, 0x3000
    symbols = bytearray(24)
    for name in functions:
        symbols += struct.pack("<IBBHQQ", names[name], 0x22, 0, 1, code, 8)  # weak function
    for index, name in enumerate(objects):
        symbols += struct.pack("<IBBHQQ", names[name], 0x21, 0, 2, objects_at + OBJECT * index, OBJECT)  # weak object
    count = 1 + len(functions) + len(objects)
    # One bucket: a chain of all symbols.
    table = struct.pack("<III", 1, count, 1 if count > 1 else 0)
    table += struct.pack(f"<{count}I", 0, *[i + 1 if i + 1 < count else 0 for i in range(1, count)])
    definitions = b""
    for index, version in enumerate([soname, *versions]):
        last = index == len(versions)
        flags = 1 if index == 0 else 0
        definitions += struct.pack(
            "<HHHHIII", 1, flags, index + 1, 1, system_v_hash(version.encode()), 20, 0 if last else 28
        ) + struct.pack("<II", names[version], 0)
    of_symbols = struct.pack(f"<{count}H", 0, *[1] * (count - 1))

    body, at = bytearray(), {}
    base = objects_at + (OBJECT * len(objects) + 0xFFF) // 0x1000 * 0x1000
    described = [(objects_at + OBJECT * i + 8, names[name]) for i, name in enumerate(objects) if name.startswith("_ZTI")]
    relocations = b"".join(struct.pack("<QQQ", target, 8, base + name) for target, name in described)
    for key, part in [("names", bytes(strings)), ("symbols", bytes(symbols)), ("hash", table),
                      ("definitions", definitions), ("versions", of_symbols), ("relocations", relocations)]:
        body += bytes(-len(body) % 8)
        at[key] = base + len(body)
        body += part
    body += bytes(-len(body) % 8)
    dynamic = base + len(body)
    entries = [(14, names[soname]), (4, at["hash"]), (5, at["names"]), (6, at["symbols"]), (10, len(strings)), (11, 24)]
    if relocations:
        entries += [(7, at["relocations"]), (8, len(relocations)), (9, 24)]
    if versions:
        entries += [(0x6FFFFFFC, at["definitions"]), (0x6FFFFFFD, 1 + len(versions)), (0x6FFFFFF0, at["versions"])]
    body += b"".join(struct.pack("<QQ", *entry) for entry in [*entries, (0, 0)])

    def segment(kind: int, flags: int, address: int, in_file: int, in_memory: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, address, address, address, in_file, in_memory, 0x1000)

    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 5, 0, 0, 0)
    header += segment(LOAD, 5, 0x1000, 0x1000, 0x1000) + segment(LOAD, 6, zeros, base - zeros, base - zeros)
    header += segment(LOAD, 6, base, len(body), len(body))
    header += segment(DYNAMIC, 6, dynamic, base + len(body) - dynamic, base + len(body) - dynamic)
    header += segment(0x6474E551, 6, 0, 0, 0)  # no executable stack
    file = bytearray(base)
    file[: len(header)] = header
    file[code : code + 8] = b"\x48\x8d\x05" + struct.pack("<i", zeros - code - 7) + b"\xc3"  # lea rax, zeros; ret
    return bytes(file + body)


def hide(file: pathlib.Path, old: str, new: str) -> None:
    """Replaces the one place that reads `old`; a PyTorch that reads otherwise is not the one this was written for."""
    text = file.read_text(encoding="utf8")
    if text.count(old) != 1:
        raise SystemExit(f"{file} does not hold {old!r} once: this PyTorch has another shape.")
    file.write_text(text.replace(old, new), encoding="utf8")


def main() -> None:
    site = pathlib.Path(sys.argv[1])
    folder = site / "torch" / "lib"
    bindings = [Library(path) for path in (folder / BINDING, *(site / "torchvision").glob("*.so"))]
    wanted = {name for binding in bindings for name, _, defined in binding.symbols() if not defined}
    known = {name for name, _, defined in Library(folder / "libtorch_cpu.so").symbols() if defined}
    gone: dict[str, dict[str, int]] = {CUDA: {}}
    for library in (CUDA, *BESIDE_CUDA):
        gone[CUDA] |= {name: kind for name, kind, defined in Library(folder / library).symbols() if defined}
    for library in bindings[0].needed:
        prefix = {"libcudnn": "cudnn", "libcufile": "cuFile"}.get(library.split(".")[0])
        if prefix is not None:
            gone[library] = {name: FUNCTION for name in wanted if name.startswith(prefix)}
    for library, defined in gone.items():
        names = sorted(name for name in wanted if name in defined and name not in known)
        functions = [name for name in names if defined[name] in (FUNCTION, INDIRECT)]
        objects = [name for name in names if defined[name] not in (FUNCTION, INDIRECT)]
        versions = bindings[0].versions().get(library, [])
        (folder / library).unlink(missing_ok=True)
        (folder / library).write_bytes(empty_library(library, functions, objects, versions))
        print(f"{library}: {len(functions)} functions and {len(objects)} objects stand empty")
    for library in BESIDE_CUDA:
        (folder / library).unlink()
    # What would be called while the package loads: communication between machines, and kernels for GPUs.
    hide(
        site / "torch" / "__init__.py",
        "\n\n_PrimType = ",
        '\nfor _left_out in ("_c10d_init", "_rpc_init", "_dist_autograd_init"):\n    delattr(_C, _left_out)\n\n\n_PrimType = ',
    )
    hide(site / "torch" / "_native" / "__init__.py", "    registry._register_all_overrides()\n", "    pass\n")


if __name__ == "__main__":
    main()
