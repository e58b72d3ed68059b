"""Writes a checkpoint in every encoding with every setting of --compression, and loads the files: the figures of Documentation/compression.md.

usage: measure_compressed_files.py <checkpoint> <scratch folder> [--components transformer] [--encodings f32,bf16] [--rounds 5]
                                   [--tools .build/release]

Files are loaded by container-bench from the page cache, on all cores: as the tools load, where chunks that lie raw are used in place,
and into new memory; both beside reading the uncompressed file into new memory. With --rounds 0 only sizes are measured. The scratch
folder needs room for three times the components in f32. f32-of-bf16 stands for releases in bf16 that somebody wants in f32.
"""
import argparse, os, shutil, subprocess

parser = argparse.ArgumentParser()
parser.add_argument("checkpoint")
parser.add_argument("scratch")
parser.add_argument("--components", default="transformer")
parser.add_argument("--encodings", default="f32,f32-of-bf16,f16,bf16,w8a8,w4a16")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--tools", default=".build/release")
options = parser.parse_args()
folder = os.path.join(options.scratch, "compressed-files")
source, halves, output = (os.path.join(folder, name) for name in ("source.sana", "halves.sana", "output.sana"))


def tool(name, *arguments):
    command = [os.path.join(options.tools, name), *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def quantize(model, recipe, compression, path):
    tool("sana-quant", model, "--recipe", recipe, "--compression", compression, "-o", path)


def load(path):
    """Returns the median seconds of reading the file raw, of loading it, and of loading it into new memory."""
    lines = tool("container-bench", "load", path, "--rounds", str(options.rounds)).splitlines()
    _, read, loaded, _, copied, _ = next(line.split() for line in lines if line.split()[0] == "median")
    return float(read), float(loaded), float(copied)


shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
try:
    tool(
        "sana-convert", options.checkpoint, "-o", source, "--precision", "f32",
        "--components", options.components, "--compression", "none",
    )
    quantize(source, "bf16", "none", halves)
    print("| encoding | compression | stored / raw | GB | load s | of raw read | into memory s | of raw read |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for encoding in options.encodings.split(","):
        model = halves if encoding == "f32-of-bf16" else source
        for compression in ("none", "fast", "small"):
            quantize(model, encoding.split("-")[0], compression, output)
            size = os.path.getsize(output)
            if compression == "none":
                raw_size = size
            line = f"| {encoding} | {compression} | {size / raw_size:.3f} | {size / 1e9:.3f} |"
            if options.rounds > 0:
                read, loaded, copied = load(output)
                if compression == "none":
                    raw_read = read
                line += f" {loaded:.2f} | {loaded / raw_read:.2f} | {copied:.2f} | {copied / raw_read:.2f} |"
            print(line, flush=True)
finally:
    shutil.rmtree(folder)
