"""Runs sana-run under memory limits in turn with runs without one, and checks what limits promise.

usage: measure_limits.py <model.sana>... [--limits 512MiB,1GiB] [--least] [--pairs 1] [--tool .build/release/sana-run]
                         [-- <options of sana-run>]

    measure_limits.py 600m-w8a8.sana --limits 600MiB,500MiB --least -- --width 1024 --height 1024 --steps 2

Prints a Markdown table: what was planned, the peak of the resident memory, seconds of each stage, the time in relation to the run
without a limit, and whether the picture has the same pixels. --least adds the least limit that `sana-run plan` names, and asks
for one MiB less, which must be refused at once. The exit status is 1, and each broken promise is listed, when

- a run that fits (its limit is not below the least one) fails, or one that does not fit is not refused,
- a run's resident memory is above its limit by more than 48 MiB, or its plan above its limit,
- it is off its plan by more than 5 % and 32 MiB, with or without a limit,
- the picture is another than without a limit.
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time, zlib

MIB = 1 << 20
LIMIT_SLACK = 48 * MIB
PLAN_SLACK = 32 * MIB
STAGES = ("text", "denoise", "decode")
UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}

arguments = sys.argv[1:]
split = arguments.index("--") if "--" in arguments else len(arguments)
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("models", nargs="+")
parser.add_argument("--limits", default="")
parser.add_argument("--least", action="store_true")
parser.add_argument("--pairs", type=int, default=1)
parser.add_argument("--tool", default=".build/release/sana-run")
options = parser.parse_args(arguments[:split])
drawing = arguments[split + 1 :]
if "--prompt" not in drawing:
    drawing = ["--prompt", "a red fox in the snow"] + drawing

broken = []


def promise(kept, what):
    if not kept:
        broken.append(what)
        print(f"BROKEN: {what}", file=sys.stderr, flush=True)
    return kept


def size_of(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMG]i?B|B|)", text.strip())
    if not match:
        sys.exit(f"'{text}' is no size; write it as 512MiB or 4GB")
    return int(float(match[1]) * UNITS[match[2]])


def mebibytes(count):
    return f"{count / MIB:,.0f} MiB"


def run(command):
    """Returns the exit status, the peak of the resident memory, seconds, and what was printed."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as error:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=error)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        # The process has been waited for.
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        error.seek(0)
        return process.returncode, usage.ru_maxrss * 1024, seconds, output.read(), error.read()


def limited(limit):
    return [] if limit is None else ["--memory-limit", str(limit)]


def plan(model, limit=None):
    """What `plan` prints, however it ends: a plan that does not fit its limit is printed too."""
    status, _, seconds, output, error = run([options.tool, "plan", model, *drawing, *limited(limit), "--json"])
    try:
        return json.loads(output), seconds
    except json.JSONDecodeError:
        sys.exit(f"{model}: plan ended with status {status} and no JSON: {error.strip()}")


class Picture:
    """The pixels of a PNG file of 8-bit RGB that is not interlaced."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        position, compressed, self.size = 8, [], None
        while position < len(data):
            length = int.from_bytes(data[position : position + 4], "big")
            kind, chunk = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
            if kind == b"IHDR":
                self.size = chunk[:8]
                self.width, self.height = (int.from_bytes(chunk[i : i + 4], "big") for i in (0, 4))
                if chunk[8:] != bytes((8, 2, 0, 0, 0)):
                    sys.exit(f"{path}: no picture of 8-bit RGB")
            elif kind == b"IDAT":
                compressed.append(chunk)
            position += 12 + length
        self.compressed = b"".join(compressed)

    def rows(self):
        data, length = zlib.decompress(self.compressed), 3 * self.width
        above = bytes(length)
        for start in range(0, len(data), length + 1):
            method, row = data[start], bytearray(data[start + 1 : start + 1 + length])
            for i in range(length):
                a, b, c = (row[i - 3], above[i], above[i - 3]) if i >= 3 else (0, above[i], 0)
                if method == 1:
                    row[i] = row[i] + a & 255
                elif method == 2:
                    row[i] = row[i] + b & 255
                elif method == 3:
                    row[i] = row[i] + (a + b) // 2 & 255
                elif method == 4:
                    distances = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                    nearest = (a, b, c)[distances.index(min(distances))]
                    row[i] = row[i] + nearest & 255
            above = bytes(row)
            yield above

    def difference(self, other):
        """None for the same pixels, or in words how far they are apart."""
        if self.size != other.size:
            return "another size"
        # The same pixels are compressed to the same bytes by the same program.
        if self.compressed == other.compressed:
            return None
        count = largest = 0
        for ours, theirs in zip(self.rows(), other.rows()):
            if ours == theirs:
                continue
            steps = [abs(a - b) for a, b in zip(ours, theirs)]
            count += sum(step > 0 for step in steps)
            largest = max(largest, *steps)
        return f"{count} samples differ, by up to {largest}" if count else None


class Run:
    """A picture drawn, with what it took."""

    def __init__(self, model, limit, folder):
        self.path = os.path.join(folder, "picture.png")
        command = [options.tool, model, *drawing, *limited(limit), "-o", self.path, "--json"]
        self.status, self.resident, self.elapsed, output, self.error = run(command)
        if self.status == 0:
            self.report = json.loads(output)
            self.planned = self.report["peak_bytes"]
            self.picture = Picture(self.path)
            os.remove(self.path)
            seconds = {stage["name"]: stage["seconds"] for stage in self.report["stages"]}
            self.seconds = [seconds[name] for name in STAGES]
            self.total = sum(self.seconds)
        else:
            # Notes come before.
            self.error = "\n".join(line for line in self.error.splitlines() if not line.startswith("note: "))
            promise(not os.listdir(folder), f"{model}: a run that failed has left {os.listdir(folder)}")

    def check(self, what, limit):
        promise(
            abs(self.resident - self.planned) <= 0.05 * self.planned + PLAN_SLACK,
            f"{what}: {mebibytes(self.resident)} resident, {mebibytes(self.planned)} planned",
        )
        if limit is None:
            return
        promise(self.planned <= limit, f"{what}: {mebibytes(self.planned)} planned above the limit")
        promise(
            self.resident <= limit + LIMIT_SLACK,
            f"{what}: {mebibytes(self.resident)} resident, more than 48 MiB above the limit",
        )

    def row(self, model, limit, ratio, same):
        cells = [os.path.basename(model), "none" if limit is None else mebibytes(limit)]
        cells += [mebibytes(self.planned), mebibytes(self.resident)]
        cells += [f"{seconds:.2f}" for seconds in self.seconds] + [f"{self.total:.2f}", ratio, same]
        print("| " + " | ".join(cells) + " |", flush=True)


def refusal(model, limit, least, folder):
    """Asks for a limit that is too small, which must be refused before any work."""
    what = f"{model} at {limit} bytes, below the least limit"
    _, planning = plan(model)
    refused = Run(model, limit, folder)
    if not promise(refused.status == 1, f"{what}: ended with status {refused.status}"):
        return
    promise(
        refused.error.startswith("error: ") and "\n" not in refused.error,
        f"{what}: not refused in one line: {refused.error}",
    )
    promise(
        refused.elapsed <= 2 * planning + 1,
        f"{what}: refused after {refused.elapsed:.1f} s, where a plan takes {planning:.1f} s",
    )
    named = re.search(r"at least (\d+(?:\.\d+)? ?[KMG]i?B)", refused.error)
    promise(
        named is not None and least <= size_of(named[1]) < least + MIB,
        f"{what}: {least} bytes would do, which the refusal does not say: {refused.error}",
    )


def measure(model, folder):
    planned, _ = plan(model)
    least = planned.get("least_limit_bytes")
    limits = [size_of(limit) for limit in options.limits.split(",") if limit]
    if options.least:
        if least is None:
            sys.exit(f"{model}: 'plan --json' names no least_limit_bytes")
        limits.append(least)
    if least is None:
        # A limit does not make such a run smaller.
        least = planned["peak_bytes"]
    shown = False
    for limit in limits or [None]:
        if limit is not None and limit < least:
            refusal(model, limit, least, folder)
            print(f"| {os.path.basename(model)} | {mebibytes(limit)} | refused: {mebibytes(least)} at least |" + " |" * 7)
            continue
        what = f"{model} at {'no limit' if limit is None else mebibytes(limit)}"
        ratios, differences = [], set()
        for _ in range(options.pairs):
            whole = Run(model, None, folder)
            if not promise(whole.status == 0, f"{model} without a limit: {whole.error}"):
                return
            whole.check(f"{model} without a limit", None)
            if not shown:
                whole.row(model, None, "1", "")
                shown = True
            if limit is None:
                continue
            bounded = Run(model, limit, folder)
            if not promise(bounded.status == 0, f"{what}: {bounded.error}"):
                break
            bounded.check(what, limit)
            ratios.append(bounded.total / whole.total)
            differences.add(bounded.picture.difference(whole.picture))
        if ratios:
            for difference in differences - {None}:
                promise(False, f"{what}: another picture, {difference}")
            same = "same" if differences == {None} else "; ".join(differences - {None})
            bounded.row(model, limit, f"{statistics.median(ratios):.2f}", same)
    if options.least:
        refusal(model, least - MIB, least, folder)


print("| model | limit | planned | resident | text s | denoise s | decode s | all s | of unlimited | picture |")
print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |", flush=True)
for model in options.models:
    with tempfile.TemporaryDirectory(prefix="measure-limits-") as folder:
        measure(model, folder)
if broken:
    sys.exit("\n".join([f"\n{len(broken)} broken:"] + [f"- {line}" for line in broken]))
