"""Reads .sana files as formats.md describes them, sharing no code with the toolchain.

usage: read_sana.py list FILE                  every tensor, numbered
       read_sana.py check FILE                 verifies every checksum and every padding byte
       read_sana.py dump FILE FOLDER [NAME]    writes NUMBER.npy of every tensor, or of component/NAME

Needs numpy. The packages lz4 and xxhash are used where they are installed; without them plain Python does their work, slowly.
Quantized weights are written as the f32 numbers they stand for, bf16 as f32, everything else in its own type.
"""
import math, os, struct, sys, unicodedata
import numpy as np

MAGIC, FOOTER_MAGIC = b"\x89SANA\r\n\x1a", b"\x1a\n\rANAS\x89"
MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
PLAIN = {1: "<f4", 2: "<f2", 3: "bf16", 4: "i1", 5: "u1", 6: "<i4", 7: "<i8", 8: "?"}


class Refused(Exception):
    pass


def require(condition, why):
    if not condition:
        raise Refused(why)


def xxh64(data):
    def rotate(x, bits):
        return (x << bits | x >> 64 - bits) & MASK

    def mix(lane, word):
        return rotate((lane + word * P2) & MASK, 31) * P1 & MASK

    end = len(data) // 32 * 32
    if end:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        for words in struct.iter_unpack("<4Q", data[:end]):
            lanes = [mix(lane, word) for lane, word in zip(lanes, words)]
        h = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ mix(0, lane)) * P1 + P4) & MASK
    else:
        h = P5
    h, tail = (h + len(data)) & MASK, data[end:]
    while len(tail) >= 8:
        h = (rotate(h ^ mix(0, struct.unpack_from("<Q", tail)[0]), 27) * P1 + P4) & MASK
        tail = tail[8:]
    if len(tail) >= 4:
        h = (rotate(h ^ struct.unpack_from("<I", tail)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        tail = tail[4:]
    for byte in tail:
        h = rotate(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


def lz4_sequences(block, size):
    """The literals and matches of one LZ4 block: (literals, distance, length), the last with a length of 0.

    Holds the block to the rules of the format, which libraries check differently, and to the size that it must give."""
    made = at = 0

    def length(at, value):
        if value == 15:
            while True:
                value += block[at]
                at += 1
                if block[at - 1] != 255:
                    break
        return at, value

    try:
        while True:
            token = block[at]
            at, count = length(at + 1, token >> 4)
            require(at + count <= len(block), "an LZ4 block ends inside its literals")
            literals, at, made = block[at : at + count], at + count, made + count
            if at == len(block):
                require(made == size, "an LZ4 block holds another number of bytes than its entry says")
                yield literals, 0, 0
                return
            require(made + 12 <= size, "an LZ4 match begins too near to the end of its block")
            back = block[at] | block[at + 1] << 8
            at, count = length(at + 2, token & 15)
            require(0 < back <= made and made + count + 4 + 5 <= size, "an LZ4 match leaves its block")
            made += count + 4
            yield literals, back, count + 4
    except IndexError:
        raise Refused("an LZ4 block ends too early")


def lz4_block(block, size):
    """One LZ4 block, which must give exactly `size` bytes."""
    out = bytearray()
    for literals, back, count in lz4_sequences(block, size):
        out += literals
        if count:
            pattern = bytes(out[-back:][:count])
            out += (pattern * -(-count // len(pattern)))[:count]
    return bytes(out)


try:
    import xxhash

    xxh64 = lambda data: xxhash.xxh64_intdigest(data)
except ImportError:
    pass
try:
    import lz4.block

    def lz4_block(block, size):
        for _ in lz4_sequences(block, size):
            pass
        try:
            return lz4.block.decompress(block, uncompressed_size=size)
        except lz4.block.LZ4BlockError as error:
            raise Refused(f"an LZ4 block is damaged: {error}")
except ImportError:
    pass


def unshuffle(data, size):
    whole = len(data) // size // 8 * 8
    planes = np.frombuffer(data[: whole * size], np.uint8).reshape(8 * size, whole // 8)
    bits = np.unpackbits(planes, axis=1, bitorder="little")
    return np.packbits(bits.T, axis=1, bitorder="little").tobytes() + data[whole * size :]


class Fields:
    """Little-endian fields, one after another."""

    def __init__(self, data):
        self.data, self.at, self.values = data, 0, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "the directory ends inside a field")
        self.at += count
        return self.data[self.at - count : self.at]

    def read(self, form):
        values = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))
        return values if len(values) > 1 else values[0]

    def string(self):
        try:
            return self.take(self.read("I")).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("a string is not UTF-8")

    def name(self):
        """Of a component or tensor."""
        name = self.string()
        fits = 1 <= len(name.encode()) <= 512 and not any(unicodedata.category(c) == "Cc" for c in name)
        require(fits, f"the name {name[:80]!a} is beyond the limits")
        return name

    def object(self):
        value = self.metadata()
        require(isinstance(value, dict), "metadata is not an object")
        return value

    def metadata(self, level=0):
        self.values += 1
        require(level <= 32 and self.values <= 1 << 20, "metadata beyond the limits")
        tag = self.read("B")
        require(tag <= 8, f"metadata of type {tag}, which this version does not know")
        if tag <= 2:
            return (None, False, True)[tag]
        if tag <= 4:
            return self.read("q" if tag == 3 else "d")
        if tag <= 6:
            return self.string() if tag == 5 else self.take(self.read("I"))
        if tag == 7:
            return [self.metadata(level + 1) for _ in range(self.read("I"))]
        members = {}
        for _ in range(self.read("I")):
            name = self.string()
            require(name not in members, f"two metadata members are named {name[:80]!a}")
            members[name] = self.metadata(level + 1)
        return members


class Tensor:
    def __init__(self, component, fields, plane):
        self.name = fields.name()
        self.path = f"{component}/{self.name}"
        rank = fields.read("B")
        require(rank <= 8, f"{self.path} has {rank} axes")
        self.shape = tuple(fields.read("Q") for _ in range(rank))
        require(math.prod(max(n, 1) for n in self.shape) <= 1 << 40, f"{self.path} is too large")
        self.encoding, self.activations, self.parameter = fields.read("BBI")
        grouped, plain = self.encoding in (5, 6), self.encoding == 7
        require(1 <= self.encoding <= 7 and self.knows_activations, f"{self.path} has an unknown encoding")
        require(not plain or self.parameter in PLAIN, f"{self.path} has an unknown type")
        require(grouped or plain or self.parameter == 0, f"{self.path} has a parameter without a use")
        require(not grouped or (8 <= self.parameter <= 4096 and self.parameter % 8 == 0), f"{self.path} has odd groups")
        self.rows = self.shape[0] if self.shape else 1
        self.columns = math.prod(self.shape[1:])
        fits = self.rotation == 1 or len(self.shape) == 2 and self.columns % self.rotation == 0
        require(fits, f"{self.path} rotates blocks that it is not made of")
        self.group = self.parameter if grouped else max(self.columns, 1)
        elements = self.rows * self.columns
        self.metadata = fields.object()
        if self.encoding == 6:
            size = self.rows * -(-self.columns // 2)
        elif plain:
            size = elements * np.dtype(self.type).itemsize
        else:
            size = elements * (0, 4, 2, 2, 1, 1)[self.encoding]
        self.values = plane(fields, self.path, size)
        self.scales = None
        if 4 <= self.encoding <= 6:
            per_row = 1 if self.encoding == 4 else -(-self.columns // self.group)
            self.scales = plane(fields, self.path, self.rows * per_row * 4)

    @property
    def rotation(self):
        """Columns of a block that is rotated."""
        return 1 << (self.activations >> 4)

    @property
    def has_factors(self):
        return bool(self.activations & 4)

    @property
    def knows_activations(self):
        planes, transformed = self.activations & 3, self.activations & 0xF4
        return planes <= 2 and not self.activations & 8 and self.rotation <= 256 and (planes or not transformed)

    @property
    def factors_name(self):
        return self.name + ".input_factors"

    @property
    def type(self):
        """Of the stored numbers."""
        name = PLAIN[self.parameter] if self.encoding == 7 else {1: "<f4", 2: "<f2", 3: "bf16", 6: "u1"}.get(self.encoding, "i1")
        return "<u2" if name == "bf16" else name

    @property
    def is_bf16(self):
        return self.encoding == 3 or self.encoding == 7 and self.parameter == 3


class SanaFile:
    def __init__(self, path):
        self.data = np.memmap(path, np.uint8, "r") if os.path.getsize(path) else np.zeros(0, np.uint8)
        size = len(self.data)
        header, footer = self.bytes(0, 32), self.bytes(max(size - 64, 0), min(size, 64))
        require(header[:8] == MAGIC, "not a .sana file")
        require(size >= 32, "incomplete")
        require(xxh64(header[:24]) == struct.unpack_from("<Q", header, 24)[0], "the header is damaged")
        major, self.minor = struct.unpack_from("<HH", header, 8)
        require(major == 1, f"format version {major}.{self.minor}")
        require(not any(header[12:24]), "reserved bytes of the header are not zero")
        require(size >= 96 and footer[56:] == FOOTER_MAGIC, "incomplete")
        require(xxh64(header + footer[:48]) == struct.unpack_from("<Q", footer, 48)[0], "the footer is damaged")
        offset, length, digest, features, total = struct.unpack_from("<5Q", footer)
        require(features & ~7 == 0, f"needs features {features:#x}")
        require(total == size, "incomplete")
        require(not any(footer[40:48]), "reserved bytes of the footer are not zero")
        require(length <= 64 << 20 and offset >= 32 and offset + length == size - 64, "the directory is misplaced")
        directory = self.bytes(offset, length)
        require(xxh64(directory) == digest, "the directory is damaged")
        self.padding, self.end, self.features = [], 32, 0
        fields = Fields(directory)
        self.metadata, self.components = fields.object(), {}
        count = fields.read("I")
        require(count <= 16, "too many components")
        for _ in range(count):
            component, metadata, tensors = fields.name(), fields.object(), fields.read("I")
            require(tensors <= 1 << 16, f"too many tensors in {component}")
            entries = [Tensor(component, fields, self.plane) for _ in range(tensors)]
            require(len({t.name for t in entries}) == tensors, "two tensors have one name")
            require(component not in self.components, "two components have one name")
            for tensor in entries:
                self.features |= 4 * (tensor.activations > 1)
                held = [t for t in entries if t.name == tensor.factors_name]
                fits = any(t.encoding == 1 and t.activations == 0 and t.shape == tensor.shape[-1:] for t in held)
                require(fits or not tensor.has_factors, f"{tensor.path} has no factors for its input")
            self.components[component] = (metadata, entries)
        require(fields.at == length, "bytes follow the directory")
        require(offset == -(-self.end // 64) * 64, "the directory does not follow the tensors")
        require(self.features == features, "the feature bits are not those of the tensors")
        self.padding.append((self.end, offset))

    def bytes(self, offset, count):
        return self.data[offset : offset + count].tobytes()

    def plane(self, fields, path, size):
        offset, count = fields.read("QI")
        alignment = 4096 if size >= 65536 else 64
        require(offset == -(-self.end // alignment) * alignment, f"{path} does not follow the tensor before it")
        self.padding.append((self.end, offset))
        chunks, held = [], 0
        for _ in range(count):
            raw, stored, filter_, element, codec, reserved, digest = fields.read("IIBBBBQ")
            require(codec <= 1 and filter_ <= 1, f"{path} has a chunk of an unknown kind")
            sizes = (1, 2, 4, 8) if filter_ else (0,)
            require(element in sizes and reserved == 0, f"{path} has a chunk with an odd element size or reserved byte")
            fits = stored == raw if codec == 0 else 1 <= stored < raw <= 255 * stored
            require(1 <= raw <= 16 << 20 and fits, f"{path} has a chunk of impossible size")
            chunks.append((offset, raw, stored, element, codec, digest))
            self.features |= codec | (filter_ << 1)
            offset, held = offset + stored, held + raw
        require(held == size, f"{path} needs {size} bytes, its chunks hold {held}")
        self.end = offset
        return path, chunks

    @property
    def tensors(self):
        return [tensor for _, tensors in self.components.values() for tensor in tensors]

    def read(self, plane):
        path, chunks = plane
        parts = []
        for offset, raw, stored, element, codec, digest in chunks:
            part = self.bytes(offset, stored)
            require(xxh64(part) == digest, f"{path} is damaged near byte {offset}")
            part = lz4_block(part, raw) if codec else part
            parts.append(unshuffle(part, element) if element else part)
        return b"".join(parts)

    def check(self):
        for begin, end in self.padding:
            require(not self.data[begin:end].any(), f"bytes {begin} to {end} are not zero")
        for tensor in self.tensors:
            for plane in filter(None, (tensor.values, tensor.scales)):
                self.read(plane)

    def load(self, tensor):
        """The weights of the input as it is, also where those of a transformed input are stored."""
        numbers = self.stored(tensor)
        if tensor.rotation > 1:
            blocks = numbers.reshape(-1, tensor.rotation)
            half = 1
            while half < tensor.rotation:
                pairs = blocks.reshape(len(blocks), -1, 2, half)
                blocks = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], 2)
                blocks = blocks.reshape(len(blocks), tensor.rotation)
                half *= 2
            numbers = (blocks * np.float32(tensor.rotation**-0.5)).reshape(tensor.shape)
        if tensor.has_factors:
            siblings = next(ts for _, ts in self.components.values() if tensor in ts)
            numbers = numbers.astype(np.float32) * self.stored(next(t for t in siblings if t.name == tensor.factors_name))
        return numbers

    def stored(self, tensor):
        codes = np.frombuffer(self.read(tensor.values), tensor.type)
        if tensor.is_bf16:
            codes = (codes.astype(np.uint32) << 16).view(np.float32)
        if tensor.scales is None:
            return codes.reshape(tensor.shape)
        if tensor.encoding == 6:
            pairs = codes.reshape(tensor.rows, -(-tensor.columns // 2))
            codes = np.stack([pairs & 15, pairs >> 4], 2).reshape(tensor.rows, 2 * pairs.shape[1])
            codes = codes[:, : tensor.columns].astype(np.int8) - 8
        codes = codes.reshape(tensor.rows, tensor.columns)
        per_row = 1 if tensor.encoding == 4 else -(-tensor.columns // tensor.group)
        scales = np.frombuffer(self.read(tensor.scales), "<f4").reshape(tensor.rows, per_row)
        scales = np.repeat(scales, tensor.group, 1)[:, : tensor.columns]
        return (codes.astype(np.float32) * scales).reshape(tensor.shape)


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ("list", "check", "dump"):
        sys.exit(__doc__)
    try:
        file = SanaFile(arguments[1])
        if arguments[0] == "check":
            file.check()
            print(f"{arguments[1]}: intact, {len(file.tensors)} tensors")
        for number, tensor in enumerate(file.tensors):
            if arguments[0] == "list":
                print(number, tensor.path, list(tensor.shape), tensor.encoding, tensor.parameter, tensor.activations)
            if arguments[0] == "dump" and tensor.path in (arguments[3:] or [tensor.path]):
                np.save(os.path.join(arguments[2], f"{number}.npy"), file.load(tensor))
    except (Refused, OSError, IndexError) as error:
        sys.exit(f"error: {arguments[1]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
