#!/usr/bin/env python3
"""Runs a stage of the official checkpoint in PyTorch or OpenVINO, and of its .sana file in sana-run, in turn.

    python compare.py CHECKPOINT MODEL.sana --tools .build/release --stage denoise --peer torch-bf16

The peer stays loaded in a process of its own, which computes only when it is asked to. See README.md for what is measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import stages

HERE = Path(__file__).resolve().parent
TORCH = ["torch-f32", "torch-bf16", "torch-f32-compiled", "torch-bf16-compiled"]
OPENVINO = ["openvino-f32", "openvino-bf16", "openvino-int8-weights", "openvino-w8a8"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="folder of the official weights in the diffusers layout")
    parser.add_argument("model", help="the same weights as a .sana file")
    parser.add_argument("--tools", required=True, help="folder of sana-run")
    parser.add_argument("--stage", required=True, choices=["text", "denoise", "decode", "picture"])
    parser.add_argument("--peer", required=True, choices=TORCH + OPENVINO)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of both sides")
    parser.add_argument("--precision", default="auto", choices=["auto", "f32"], help="of sana-run")
    parser.add_argument(
        "--other-instruction", action="store_true", help="give sana-run an instruction that no file knows: it computes all tokens")
    parser.add_argument("--cache", help="folder for OpenVINO's files, several GB (default: a temporary one)")
    parser.add_argument("--prepare", action="store_true", help="only make OpenVINO's files in the cache")
    parser.add_argument("--memory-limit", type=float, metavar="GB", help="of the making of OpenVINO's files")
    parser.add_argument("--json", action="store_true")
    result = parser.parse_args()
    if result.peer in OPENVINO and result.stage not in ("denoise", "decode"):
        parser.error("OpenVINO is measured with --stage denoise and decode; use a torch peer for text and pictures")
    if result.rounds < 1 or result.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    return result


def fail(message):
    sys.exit(f"error: {message}")


class Peer:
    """The process that holds the peer."""

    def __init__(self, options, cache):
        command = [options.checkpoint, options.stage, options.peer, cache, str(options.threads)]
        self.name = options.peer
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "peer.py"), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "OMP_NUM_THREADS": str(options.threads)})
        ready = self.answer()
        self.about, self.loading_seconds = ready["about"], ready["loading_seconds"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            fail(f"{self.name} ended with status {self.process.wait()}; its own message is above, a status of -9 means too little memory")
        return json.loads(line)

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def read_through(path):
    """Brings a file into the page cache, from which the peer may have driven it: the peer's own weights are in memory too."""
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def run_ours(options, scratch):
    """One measurement of sana-run: the median of two repeated units of a stage, or a whole picture."""
    read_through(options.model)
    command = [str(Path(options.tools) / "sana-run")]
    if options.stage == "picture":
        command += ["generate", "-o", str(Path(scratch) / "picture.png")]
    else:
        command += ["bench", "--stage", options.stage, "--repeats", "2"]
    command += [
        options.model, "--json", "--threads", str(options.threads), "--precision", options.precision,
        "--prompt", stages.PROMPT,
    ]
    if options.other_instruction:
        instruction = Path(scratch) / "instruction.txt"
        instruction.write_text(stages.OTHER_INSTRUCTION)
        command += ["--instruction", str(instruction)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process_seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        fail(f"sana-run ended with status {process.returncode}; its own message is above")
    report = json.loads(output)
    seconds = report["seconds"] if options.stage == "picture" else report["measurements"][0]["median_seconds"]
    return {"seconds": seconds, "process_seconds": process_seconds, "peak_bytes": usage.ru_maxrss * 1024}


def prepare(options, cache):
    """Makes OpenVINO's files in a process of its own, so that its memory is not counted with the runs'."""
    command = [sys.executable, str(HERE / "openvino_peer.py"), options.checkpoint, options.stage]
    command += [options.peer.split("-", 1)[1], cache]
    if options.memory_limit:
        command = ["sh", "-c", f"ulimit -v {int(options.memory_limit * 1e6)}; exec \"$@\"", "sh", *command]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        fail(
            f"{options.peer} could not be made for {options.stage} (status {result.returncode}); its own message is above, "
            "and quantizing the decoder takes about 21 GB of memory")
    return json.loads(result.stdout.splitlines()[-1])["peak_bytes"]


def summary(samples):
    return {
        "seconds": [sample["seconds"] for sample in samples],
        "median_seconds": statistics.median(sample["seconds"] for sample in samples),
        "peak_bytes": max(sample["peak_bytes"] for sample in samples),
    }


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        cache = options.cache or scratch
        if options.peer in OPENVINO:
            peak = prepare(options, cache)
            if options.prepare:
                print(f"{options.peer} is ready for {options.stage}; peak memory {peak / 1e9:.2f} GB")
                return
        peer = Peer(options, cache)
        peers, ours = [], []
        for number in range(options.rounds):
            ours.append(run_ours(options, scratch))
            peers.append(peer.run())
            print(
                f"round {number + 1}: sana-run {ours[-1]['seconds']:.3f} s, {options.peer} {peers[-1]['seconds']:.3f} s",
                file=sys.stderr, flush=True)
        peer.close()
    result = {
        "stage": options.stage, "peer": options.peer, "about": peer.about, "threads": options.threads,
        "precision": options.precision, "sana_run": summary(ours), "peer_runs": summary(peers),
    }
    if options.stage == "picture":
        # From nothing loaded to a picture: what somebody waits who draws one.
        result["process_seconds"] = {
            "sana_run": statistics.median(sample["process_seconds"] for sample in ours),
            "peer": peer.loading_seconds + result["peer_runs"]["median_seconds"],
        }
    result["ratio"] = result["sana_run"]["median_seconds"] / result["peer_runs"]["median_seconds"]
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{options.stage}, {options.threads} threads; {options.peer}: {peer.about}")
    for name, side in (("sana-run", result["sana_run"]), (options.peer, result["peer_runs"])):
        samples = " ".join(f"{seconds:.2f}" for seconds in side["seconds"])
        print(f"{name:>22}  median {side['median_seconds']:.2f} s  peak {side['peak_bytes'] / 1e9:.2f} GB  ({samples})")
    if options.stage == "picture":
        waits = result["process_seconds"]
        print(
            f"from the start of the process: sana-run {waits['sana_run']:.1f} s, {options.peer} {waits['peer']:.1f} s, "
            f"of which loading {peer.loading_seconds:.1f} s")
    print(f"ratio of medians, sana-run to peer: {result['ratio']:.3f}")


if __name__ == "__main__":
    main()
