"""Holds one peer: loads it, runs it once, then measures one run for every line on standard input.

    python peer.py CHECKPOINT STAGE PEER CACHE THREADS

Answers in lines of JSON: {"about": ..., "loading_seconds": ...} when it is ready, then {"seconds": ..., "peak_bytes": ...} for each
run. Loading includes the import of the library. The peak of memory is counted from the end of loading on.
"""

import gc
import json
import sys
import time


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def answer(**values):
    print(json.dumps(values), file=answers, flush=True)


def load(checkpoint, stage, peer, cache, threads):
    library, variant = peer.split("-", 1)
    if library == "torch":
        import torch_peer

        return torch_peer.load(checkpoint, stage, variant, threads)
    import openvino_peer

    return openvino_peer.load(checkpoint, stage, variant, cache, threads)


if __name__ == "__main__":
    # Libraries print to standard output as they like; the answers go where it led before.
    answers, sys.stdout = sys.stdout, sys.stderr
    checkpoint, stage, peer, cache, threads = sys.argv[1:6]
    start = time.perf_counter()
    run, about = load(checkpoint, stage, peer, cache, int(threads))
    loading_seconds = time.perf_counter() - start
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    run()
    answer(about=about, loading_seconds=loading_seconds)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        answer(seconds=time.perf_counter() - start, peak_bytes=peak_bytes())
