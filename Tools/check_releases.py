"""Takes every release of a folder of manifests through the tools at full size: convert, quantize, plan, export, compare.

usage: check_releases.py <manifests> <tokenizer folder> <scratch folder> [--only NAME,...] [--tools .build/release]   (numpy needed)

A release's checkpoint is a set of sparse files: true headers, sizes and configurations, pseudo-random numbers at the beginning, the
middle and the end of each tensor (all of it where it is short), zeros elsewhere. The exported tensors must be the original ones byte for
byte, except those that the conversion fuses in f32: their largest difference is stated. The scratch folder needs room for the checkpoint once.
One row of a table a release, and exit status 0 if all is well.
"""
import argparse, json, mmap, os, shutil, subprocess, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("manifests")
parser.add_argument("tokenizer")
parser.add_argument("scratch")
parser.add_argument("--only")
parser.add_argument("--tools", default=".build/release")
options = parser.parse_args()
folder = os.path.join(options.scratch, "release")
checkpoint, model, small, exported = (
    os.path.join(folder, name) for name in ("checkpoint", "model.sana", "small.sana", "exported")
)
SIZES = {"F32": 4, "F16": 2, "BF16": 2}
PLACE = 32768  # numbers at each place of a tensor that are not zero


def numbers(random, dtype, count):
    x = (random.standard_normal(count) * 0.02).astype(np.float32)
    if dtype == "BF16":
        return (x.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return x.astype({"F32": np.float32, "F16": np.float16}[dtype]).tobytes()


def write_weights(path, tensors, random):
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = SIZES[dtype] * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        start = 8 + len(text)
        file.truncate(start + end)
        for name, (dtype, shape) in tensors.items():
            begin, count = start + header[name]["data_offsets"][0], int(np.prod(shape))
            places = {0: min(count, 3 * PLACE)} if count <= 3 * PLACE else dict.fromkeys(
                (0, count // 2, count - PLACE), PLACE)
            for place, length in places.items():
                file.seek(begin + place * SIZES[dtype])
                file.write(numbers(random, dtype, length))


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(value, file)


def make_checkpoint(manifest):
    random = np.random.default_rng(7)
    write_json(f"{checkpoint}/model_index.json", manifest["model_index"])
    write_json(f"{checkpoint}/scheduler/scheduler_config.json", manifest["scheduler"])
    shutil.copytree(options.tokenizer, f"{checkpoint}/tokenizer")
    for name, component in manifest["components"].items():
        write_json(f"{checkpoint}/{name}/config.json", component["config"])
        tensors, index = list(component["tensors"].items()), {}
        for entry in component["files"]:
            part, tensors = dict(tensors[: entry["tensors"]]), tensors[entry["tensors"] :]
            write_weights(f"{checkpoint}/{name}/{entry['file']}", part, random)
            index.update(dict.fromkeys(part, entry["file"]))
        if len(component["files"]) > 1:
            stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
            write_json(f"{checkpoint}/{name}/{stem}.safetensors.index.json", {"weight_map": index})


def weights(path):
    """Name -> (type, shape, file, first byte, length) of all tensors of a component."""
    found = {}
    for name in sorted(os.listdir(path)):
        if not name.endswith(".safetensors"):
            continue
        with open(f"{path}/{name}", "rb") as file:
            data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        start = 8 + int.from_bytes(data[:8], "little")
        for tensor, entry in json.loads(data[8:start]).items():
            if tensor != "__metadata__":
                begin, end = entry["data_offsets"]
                found[tensor] = (entry["dtype"], entry["shape"], data, start + begin, end - begin)
    return found


def compare(pair):
    """None where the bytes are the same, otherwise how many numbers differ and by how much at most."""
    (dtype, shape, a, begin_a, length), (dtype_b, shape_b, b, begin_b, _) = pair
    if (dtype, shape) != (dtype_b, shape_b):
        return ("type or shape", 0)
    count, largest, block = 0, 0.0, 16 << 20
    for offset in range(0, length, block):
        size = min(block, length - offset)
        x = np.frombuffer(a, np.uint8, size, begin_a + offset)
        y = np.frombuffer(b, np.uint8, size, begin_b + offset)
        if np.array_equal(x, y):
            continue
        if dtype != "F32":
            return ("bits of 16", 0)
        x, y = x.copy().view(np.float32), y.copy().view(np.float32)
        count += int((x != y).sum())
        largest = max(largest, float(np.abs(x.astype(np.float64) - y).max()))
    return (count, largest) if count else None


def compare_bytes(manifest):
    same = rounded = elements = 0
    largest, wrong = 0.0, []
    for component in manifest["components"]:
        if component == "controlnet":
            continue
        before, after = weights(f"{checkpoint}/{component}"), weights(f"{exported}/{component}")
        if before.keys() != after.keys():
            wrong.append(f"{component}: other names")
        names = [name for name in before if name in after]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(compare, [(before[name], after[name]) for name in names]))
        for name, result in zip(names, results):
            if result is None:
                same += 1
            elif isinstance(result[0], str) or result[1] > 1e-7:
                wrong.append(f"{component}/{name}: {result}")
            else:
                rounded += 1
                elements += result[0]
                largest = max(largest, result[1])
    text = f"{same} tensors the same bytes"
    if rounded:
        text += f", {elements} numbers of {rounded} rounded by at most {largest:.0e}"
    return text, wrong


def run(tool, *arguments):
    """Returns seconds and peak MiB of a command that must succeed."""
    start = time.monotonic()
    process = subprocess.Popen(
        [os.path.join(options.tools, tool), *arguments], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    text = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{tool} {arguments[0]}: {text.strip()[-300:]}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def check(manifest):
    make_checkpoint(manifest)
    size = sum(
        file["bytes"] for name, component in manifest["components"].items()
        for file in component["files"] if name != "controlnet")
    convert = run("sana-convert", checkpoint, "-o", model)
    run("sana-convert", "check", model)
    quantize = run("sana-quant", model, "--recipe", "w8a8", "-o", small)
    run("sana-run", "plan", small)
    os.remove(small)
    difference = run("sana-convert", "diff", checkpoint, model)
    export = run("sana-convert", "export", model, "-o", exported)
    # In a process of its own: what this one has ever mapped would count as memory of the tools that it starts later.
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        text, wrong = pool.submit(compare_bytes, manifest).result()
    row = [manifest["release"], f"{size / 1e9:.2f}"]
    row += [f"{seconds:.0f}" for seconds, _ in (convert, quantize, difference, export)]
    row += [f"{max(peak for _, peak in (convert, quantize, difference, export)):.0f}", text]
    print("| " + " | ".join(row) + " |", flush=True)
    for entry in wrong:
        print(f"  {manifest['release']}: {entry}", flush=True)
    return not wrong


print("| release | GB | convert s | quantize s | diff s | export s | peak MiB | export against the original |")
print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |", flush=True)
good = True
for name in sorted(os.listdir(options.manifests)):
    if not name.endswith(".json") or name.startswith("pth"):
        continue
    with open(os.path.join(options.manifests, name)) as file:
        manifest = json.load(file)
    if options.only and manifest["release"] not in options.only.split(","):
        continue
    os.makedirs(folder)
    try:
        good &= check(manifest)
    except RuntimeError as error:
        good = False
        print(f"  {manifest['release']}: {error}", flush=True)
    finally:
        shutil.rmtree(folder)
sys.exit(not good)
