"""Prints what LZ4, alone and behind the bitshuffle filter, makes of weights: the figures of Documentation/compression.md.

usage: measure_compression.py <model.safetensors> ...      (numpy and lz4 needed)

Every matrix of the files is encoded as a .sana file would hold it, cut into chunks of 1 MiB, and compressed chunk by chunk.
Pseudo-random matrices (normal and heavy-tailed, with log-normal row scales) stand beside them. Figures are compressed / raw.
"""
import json, struct, sys
import numpy as np
import lz4.block

CHUNK = 1 << 20


def matrices(path):
    """Every floating-point tensor of two axes or more, as f32 rows."""
    data = np.memmap(path, np.uint8, "r")
    (length,) = struct.unpack("<Q", data[:8].tobytes())
    for name, t in json.loads(data[8 : 8 + length].tobytes()).items():
        if name == "__metadata__" or len(t["shape"]) < 2:
            continue
        begin, end = (8 + length + o for o in t["data_offsets"])
        raw = data[begin:end].tobytes()
        if t["dtype"] == "F32":
            x = np.frombuffer(raw, np.float32)
        elif t["dtype"] == "F16":
            x = np.frombuffer(raw, np.float16).astype(np.float32)
        elif t["dtype"] == "BF16":
            x = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            continue
        yield t["dtype"], x.reshape(t["shape"][0], -1)


def synthetic(tail, rows=2240, columns=2240):
    g = np.random.default_rng(1)
    x = g.standard_normal((rows, columns)) if tail is None else g.standard_t(tail, (rows, columns))
    return (x * 0.02 * np.exp(0.5 * g.standard_normal((rows, 1)))).astype(np.float32)


def bf16(x):
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def int8(x, group=None):
    rows, columns = x.shape
    group = group or columns
    padded = np.pad(x, ((0, 0), (0, -columns % group))).reshape(rows, -1, group)
    scale = np.abs(padded).max(2, keepdims=True) / np.float32(127)
    codes = np.rint(padded / np.where(scale == 0, 1, scale)).astype(np.int8)
    return np.ascontiguousarray(codes.reshape(rows, -1)[:, :columns])


def int4(x):
    rows, columns = x.shape
    padded = np.pad(x, ((0, 0), (0, -columns % 32))).reshape(rows, -1, 32)
    scale = np.abs(padded).max(2, keepdims=True) / np.float32(7)
    codes = (np.rint(padded / np.where(scale == 0, 1, scale)) + 8).astype(np.uint8).reshape(rows, -1)
    return codes[:, ::2] | codes[:, 1::2] << 4


def bitshuffle(raw, size):
    bytes_ = np.frombuffer(raw, np.uint8)
    whole = len(raw) // size // 8 * 8
    head = np.unpackbits(bytes_[: whole * size].reshape(whole, size), axis=1, bitorder="little")
    return np.packbits(head.T, axis=1, bitorder="little").tobytes() + raw[whole * size :]


def compressed(raw):
    return min(len(lz4.block.compress(raw, store_size=False)), len(raw))


ENCODINGS = {
    "f32": (lambda x: x, 4),
    "f16": (lambda x: x.astype(np.float16), 2),
    "bf16": (bf16, 2),
    "int8": (int8, 1),
    "int8:64": (lambda x: int8(x, 64), 1),
    "int4:32": (int4, 1),
}


def measure(title, tensors):
    for name, (encode, size) in ENCODINGS.items():
        raw_sum = plain_sum = shuffled_sum = 0
        for x in tensors:
            raw = encode(x).tobytes()
            for begin in range(0, len(raw), CHUNK):
                chunk = raw[begin : begin + CHUNK]
                raw_sum += len(chunk)
                plain_sum += compressed(chunk)
                shuffled_sum += compressed(bitshuffle(chunk, size))
        print(f"| {title} | {name} | {plain_sum / raw_sum:.3f} | {shuffled_sum / raw_sum:.3f} |")


print("| weights | encoding | LZ4 | bitshuffle + LZ4 |\n| --- | --- | ---: | ---: |")
measure("normal", [synthetic(None)])
measure("heavy-tailed (Student t, 5)", [synthetic(5)])
for path in sys.argv[1:]:
    found = list(matrices(path))
    dtypes = "/".join(sorted({d for d, _ in found}))
    measure(f"{path.rsplit('/', 2)[-2]} ({dtypes})", [x for _, x in found])
