"""Times conversion, quantization and checking of a full-size checkpoint in turn with cp (A B A B), and their memory.

usage: measure_full_size.py <checkpoint> <scratch folder> [--steps keep,f16,w8a8,check] [--pairs 3] [--tools .build/release]

Each pair copies the step's input files with cp, the copies synced, and then runs the tool, which syncs its output. Before each the
input is read once, so that what fits is in the page cache. The scratch folder needs room for the checkpoint twice.
"""
import argparse, os, shutil, statistics, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("checkpoint")
parser.add_argument("scratch")
parser.add_argument("--steps", default="keep,f16,w8a8,check")
parser.add_argument("--pairs", type=int, default=3)
parser.add_argument("--tools", default=".build/release")
options = parser.parse_args()
convert, quantize = (os.path.join(options.tools, tool) for tool in ("sana-convert", "sana-quant"))
folder = os.path.join(options.scratch, "measured")
model, output, copy = (os.path.join(folder, name) for name in ("model.sana", "output", "copy"))


def files(path):
    if os.path.isfile(path):
        return [path]
    return sorted(
        os.path.join(root, name) for root, _, names in os.walk(path) for name in names
    )


def warm(path):
    for name in files(path):
        with open(name, "rb", buffering=0) as file:
            while file.read(8 << 20):
                pass


def run(command):
    """Returns seconds, seconds of all cores, peak memory in MiB and what the command printed."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)}: failed")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def time_copy(source):
    start = time.monotonic()
    subprocess.run(["cp", "-r", source, copy], check=True)
    for name in files(copy):
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    seconds = time.monotonic() - start
    shutil.rmtree(copy) if os.path.isdir(copy) else os.remove(copy)
    return seconds


def measure(step):
    if step in ("w8a8", "check") and not os.path.exists(model):
        subprocess.run([convert, options.checkpoint, "-o", model], check=True)
    source = model if step in ("w8a8", "check") else options.checkpoint
    command = {
        "keep": [convert, source, "-o", output, "--timings"],
        "f16": [convert, source, "-o", output, "--precision", "f16", "--timings"],
        "w8a8": [quantize, source, "--recipe", "w8a8", "-o", output, "--timings"],
        "check": [convert, "check", source],
    }[step]
    byte_count = sum(os.path.getsize(name) for name in files(source))
    ratios, memory = [], 0
    for number in range(options.pairs):
        copied = None
        if step != "check":
            warm(source)
            copied = time_copy(source)
        warm(source)
        seconds, core_seconds, peak, text = run(command)
        memory = max(memory, peak)
        line = f"{step}: {seconds:.1f} s, {byte_count / seconds / 1e6:.0f} MB/s, {byte_count / core_seconds / 1e9:.2f} GB/s a core"
        if copied:
            ratios.append(seconds / copied)
            line += f"; cp {copied:.1f} s, {byte_count / copied / 1e6:.0f} MB/s; ratio {ratios[-1]:.2f}"
            if step == "keep" and not os.path.exists(model):
                os.rename(output, model)
            else:
                os.remove(output)
        print(line + f"; peak {peak:.0f} MiB", flush=True)
    print(text)
    if ratios:
        print(f"| {step} | {byte_count / 1e9:.2f} GB | {statistics.median(ratios):.2f} of cp | {memory:.0f} MiB |\n")


os.makedirs(folder, exist_ok=True)
try:
    for step in options.steps.split(","):
        measure(step)
finally:
    shutil.rmtree(folder)
