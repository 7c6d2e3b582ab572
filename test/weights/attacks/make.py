"""Files that attack whoever reads weights, as `attacks.json`: made with Python's own pickle, zipfile and zlib.

    python3 test/weights/attacks/make.py

Each has a name, what it tries, its bytes in base64, and how reading it has to end: a code and a part of the message. The word MARKER in a
payload is a path that must not exist afterwards. Nothing here is dangerous to read as text; do not unpickle it.
"""

import base64
import collections
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

MARKER = "uscl-attack-marker"
attacks = []


def attack(name, tries, data, code, message):
    attacks.append({"name": name, "tries": tries, "base64": base64.b64encode(data).decode(), "code": code, "message": message})


def archive(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def checkpoint(content, *more):
    return archive([("x/data.pkl", content), *more])


class Calls:
    """What Python calls when it is unpickled."""

    def __init__(self, target, *arguments):
        self.call = (target, arguments)

    def __reduce__(self):
        return self.call


def named(module, name):
    """A pickle that names `module.name`, whether or not this Python has it, and calls it with the marker."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + pickle.dumps(f"touch {MARKER}", 2)[2:-3] + b"tR."


def calls():
    import os

    for protocol in range(6):
        data = pickle.dumps(Calls(os.system, f"touch {MARKER}"), protocol)
        attack(f"os.system, protocol {protocol}", "runs a command", checkpoint(data), "WEIGHTS_UNKNOWN", "it holds no tensor")
    for module, name in (
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("__builtin__", "apply"),
        ("subprocess", "Popen"),
        ("importlib", "import_module"),
        ("torch.hub", "load"),
        ("torch", "load"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
        ("torch._utils", "_rebuild_tensor_v2/../../os.system"),
        ("constructor", "constructor"),
        ("child_process", "execSync"),
    ):
        attack(f"{module}.{name}", "calls a function", checkpoint(named(module, name)), "WEIGHTS_UNKNOWN", "it holds no tensor")
    state = collections.OrderedDict(weight=Calls(exec, f"open('{MARKER}', 'w')"), __proto__=Calls(eval, "1"))
    attack("state dict", "calls where tensors are expected", checkpoint(pickle.dumps(state, 2)), "WEIGHTS_UNKNOWN", "it holds no tensor")
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    old = magic + pickle.dumps(Calls(os.system, f"touch {MARKER}"), 2) + pickle.dumps([], 2)
    attack("old form", "runs a command in a file of the form before 1.6", old, "WEIGHTS_UNKNOWN", "it holds no tensor")
    attack("bare pickle", "is a pickle alone", pickle.dumps(Calls(os.system, MARKER), 2), "TORCH_INVALID", "not of PyTorch")
    for name, opcode in (("EXT1", b"\x82\x01"), ("INST", b"(ios\nsystem\n"), ("OBJ", b"(cos\nsystem\no"), ("PERSID", b"Pos.system\n"), ("NEXT_BUFFER", b"\x97")):
        attack(f"opcode {name}", "makes objects in another way", checkpoint(b"\x80\x02" + opcode + b"."), "TORCH_INVALID", "which no checkpoint needs")


def storage(kind=b"FloatStorage", key=b"0", count=4):
    return (
        b"(X\x07\0\0\0storagectorch\n" + kind + b"\nX" + struct.pack("<I", len(key)) + key + b"X\x03\0\0\0cpuJ" + struct.pack("<i", count) + b"tQ"
    )


def tensor(shape, strides, offset=0, **more):
    numbers = b"".join
    sides = lambda values: b"(" + numbers(b"J" + struct.pack("<i", value) for value in values) + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(**more) + b"J" + struct.pack("<i", offset) + sides(shape) + sides(strides) + b"\x89)tR"


def state(*tensors):
    items = b"".join(b"X" + struct.pack("<I", len(name)) + name + value for name, value in tensors)
    return b"\x80\x02}(" + items + b"u."


def tensors():
    four = ("x/data/0", struct.pack("<4f", 1, 2, 3, 4))
    for name, value, message in (
        ("beyond its storage", tensor([4], [1], 1), "ends after its storage"),
        ("strides beyond it", tensor([2, 2], [3, 1]), "ends after its storage"),
        ("a billion times one number", tensor([1_000_000_000], [0]), "more numbers than the file holds"),
        ("2^62 numbers by two sides", tensor([2**31 - 1, 2**31 - 1], [0, 0]), "more numbers than the file holds"),
        ("an offset below zero", tensor([1], [1], -1), "no shape"),
        ("a side below zero", tensor([-4], [1]), "no shape"),
        ("strides below zero", tensor([4], [-1], 3), "no shape"),
        ("a longer storage than there is", tensor([5], [1], count=5), "16 bytes for 5 numbers"),
        ("a storage of two billion numbers", tensor([1], [1], count=2**31 - 1), "16 bytes for 2147483647 numbers"),
        ("a storage outside", tensor([4], [1], key=b"../data/0"), "no entry data/../data/0"),
        ("a storage of the file system", tensor([4], [1], key=b"/etc/passwd"), "no entry data//etc/passwd"),
    ):
        attack(f"tensor: {name}", "shows what is not its own", checkpoint(state((b"w", value)), four), "TORCH_INVALID", message)
    turned = tensor([64, 64], [1, 64], count=4096)
    many = [(f"w{i}".encode(), turned) for i in range(200)]
    attack("overlapping tensors", "show the same numbers many times", checkpoint(state(*many), ("x/data/0", b"\0" * 16384)), "TORCH_INVALID", "more numbers than the file holds")
    two = state((b"a", tensor([4], [1])), (b"b", tensor([2], [1], kind=b"DoubleStorage", count=2)))
    attack("one storage of two kinds", "reads numbers as others", checkpoint(two, four), "TORCH_INVALID", "disagree on what storage 0 is")


def archives():
    bomb = archive([("x/data.pkl", b"\x80\x02}."), ("x/data/0", b"\0" * 10_000_000)], zipfile.ZIP_DEFLATED)
    attack("zip bomb", "is 10 MB in 10 kB", bomb, "TORCH_UNSUPPORTED", "compressed or encrypted")
    good = checkpoint(b"\x80\x02}.", ("x/data/0", b"\0" * 4096))
    start, end = good.index(b"PK\x01\x02"), good.index(b"PK\x05\x06")
    line = good[good.rindex(b"PK\x01\x02") : end]
    count = 2 + 400
    tail = bytearray(good[end:])
    struct.pack_into("<HHI", tail, 8, count, count, end - start + 400 * len(line))
    attack("overlapping entries", "sums the same bytes again and again", good[:end] + line * 400 + bytes(tail), "TORCH_INVALID", "overlap")
    for name in ("../../../tmp/evil", "/etc/cron.d/evil", "x/../../evil", "C:\\evil", "..\\evil"):
        attack(f"path {name}", "would be written elsewhere", archive([("x/data.pkl", b"\x80\x02}."), (name, b"evil")]), "TORCH_INVALID", "path")
    attack("twice the pickle", "shows one to a scanner and one to a reader", archive([("x/data.pkl", b"\x80\x02}."), ("x/data.pkl", b"\x80\x02N.")]), "TORCH_INVALID", "two entries")
    wide = bytearray(good)
    at = wide.rindex(b"PK\x01\x02")
    struct.pack_into("<II", wide, at + 20, 2**32 - 2, 2**32 - 2)
    attack("entry of 4 GB", "claims more than the file", bytes(wide), "TORCH_INVALID", "overflows file bounds")
    lied = bytearray(good)
    struct.pack_into("<HH", lied, end + 8, 65535, 65535)
    attack("65,535 entries of two", "claims more entries than there are", bytes(lied), "TORCH_INVALID", "as a zip archive")
    crypt = bytearray(good)
    at = crypt.index(b"PK\x01\x02")
    struct.pack_into("<H", crypt, at + 8, 1)
    # Encrypted bytes are twelve more.
    struct.pack_into("<I", crypt, at + 20, struct.unpack_from("<I", crypt, at + 24)[0] + 12)
    attack("encrypted", "is encrypted", bytes(crypt), "TORCH_UNSUPPORTED", "compressed or encrypted")
    attack("TorchScript", "is a program", archive([("x/constants.pkl", b"\x80\x02)."), ("x/data.pkl", b"\x80\x02}.")]), "TORCH_UNSUPPORTED", "TorchScript")
    attack("end without an archive", "has the mark of an archive alone", b"PK\x03\x04" + b"\0" * 100, "TORCH_INVALID", "as a zip archive")


def headers():
    def safetensors(header, data=b"", length=None):
        text = header.encode() if isinstance(header, str) else header
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    one = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    for name, data, code, message in (
        ("header of 2^63 bytes", safetensors("{}", length=2**63), "SAFETENSORS_INVALID", "claims a header of 9223372036854775808 bytes"),
        ("header of 2^64 - 1 bytes", safetensors("{}", length=2**64 - 1), "SAFETENSORS_INVALID", "claims a header of 18446744073709551615 bytes"),
        ("header of 100,000,001 bytes", safetensors("{}", length=100_000_001), "SAFETENSORS_INVALID", "more than the 100000000 allowed"),
        ("header longer than the file", safetensors("{}", length=1000), "SAFETENSORS_TRUNCATED", "should end at byte 1008"),
        ("overlapping tensors", safetensors('{%s,"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}' % one, b"\0" * 6), "SAFETENSORS_INVALID", "an overlap"),
        ("the same bytes twice", safetensors('{%s,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' % one, b"\0" * 4), "SAFETENSORS_INVALID", "an overlap"),
        ("a hole", safetensors('{%s,"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}' % one, b"\0" * 12), "SAFETENSORS_INVALID", "a hole"),
        ("bytes that belong to none", safetensors("{%s}" % one, b"\0" * 4 + b"PK\x03\x04"), "SAFETENSORS_INVALID", "belong to none"),
        ("data of 2^52 bytes", safetensors('{"a":{"dtype":"U8","shape":[4503599627370496],"data_offsets":[0,4503599627370496]}}'), "SAFETENSORS_TRUNCATED", "should end at byte"),
        ("sides whose product is 2^64", safetensors('{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'), "SAFETENSORS_INVALID", "its offsets hold 0 bytes"),
        ("an overflow hidden by a zero", safetensors('{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}'), "SAFETENSORS_INVALID", "its offsets hold 0 bytes"),
        ("offsets that run backwards", safetensors('{"a":{"dtype":"U8","shape":[0],"data_offsets":[4,0]}}'), "SAFETENSORS_INVALID", "no range"),
        ("an offset of -1", safetensors('{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}'), "SAFETENSORS_INVALID", "non-negative integer"),
        ("a number of 400 digits", safetensors('{"a":{"dtype":"U8","shape":[%s],"data_offsets":[0,0]}}' % ("9" * 400)), "SAFETENSORS_INVALID", "below 2^53"),
        ("100,000 lists in lists", safetensors('{"a":' + "[" * 100_000), "SAFETENSORS_INVALID", 'expected "{"'),
        ("a key twice", safetensors("{%s,%s}" % (one, one), b"\0" * 4), "SAFETENSORS_INVALID", "appears twice"),
        ("a key twice, once in escapes", safetensors('{%s,"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}' % one, b"\0" * 8), "SAFETENSORS_INVALID", "appears twice"),
        ("65 sides", safetensors('{"a":{"dtype":"U8","shape":[%s],"data_offsets":[0,1]}}' % ",".join("1" * 65), b"\0"), "SAFETENSORS_INVALID", "more than 64 numbers"),
        ("bytes that are no UTF-8", safetensors(b'{"\xff\xfe":{}}'), "SAFETENSORS_INVALID", "a string is malformed"),
        ("a prototype", safetensors('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"__proto__":"x","constructor":"y"}}', b"\0" * 4), "WEIGHTS_UNKNOWN", "called __proto__"),
        ("a dtype of another kind", safetensors('{"a":{"dtype":"constructor","shape":[1],"data_offsets":[0,4]}}', b"\0" * 4), "SAFETENSORS_DTYPE", "not supported"),
    ):
        attack(f"safetensors: {name}", "lies in its header", data, code, message)


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def models():
    head = b"\x08\x07" + field(2, b"evil")
    weight = lambda name, sides, raw: field(5, b"".join(b"\x08" + varint(side) for side in sides) + b"\x10\x01" + field(8, name) + field(9, raw))
    for name, data, message in (
        ("a length beyond the file", head + b"\x3a" + varint(2**31 - 1) + b"x", "index out of range"),
        ("a length of 2^63", head + b"\x3a" + varint(2**63) + b"x", "no whole ONNX model"),
        ("a side of 2^63", head + field(7, weight(b"a", [2**63], b"")), "out of range"),
        ("a tensor larger than its bytes", head + field(7, weight(b"a", [1000, 1000], b"\0" * 4)), "has 4 bytes for the shape [1000, 1000]"),
        ("two tensors of one name", head + field(7, weight(b"a", [1], b"\0" * 4) * 2), 'two tensors are called "a"'),
        ("65 sides", head + field(7, weight(b"a", [1] * 65, b"\0" * 4)), "more than 64 sides"),
        ("100,000 groups in groups", head + b"\x0b" * 100_000, "no whole ONNX model"),
    ):
        attack(f"onnx: {name}", "lies in its fields", data, "ONNX_INVALID", message)


calls()
tensors()
archives()
headers()
models()
path = Path(__file__).parent / "attacks.json"
path.write_text(json.dumps({"marker": MARKER, "attacks": attacks}, indent=2) + "\n")
print(f"{len(attacks)} attacks, {path.stat().st_size} bytes")
