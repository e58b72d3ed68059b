"""Kills conversions and quantizations at random moments (kill -9) and looks at what they leave.

usage: check_interruptions.py <checkpoint> <scratch folder> [--kills 50] [--seed 1] [--tools .build/release]

A killed run must leave nothing under the final name and at most one unfinished file beside it, which the next run removes; a run that
is not killed must succeed after all of them. The exit status is 0 if that was so every time. The checkpoint may be one component.
"""
import argparse, os, random, shutil, signal, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("checkpoint")
parser.add_argument("scratch")
parser.add_argument("--kills", type=int, default=50)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--tools", default=".build/release")
options = parser.parse_args()
random.seed(options.seed)
folder = os.path.join(options.scratch, "interrupted")
convert, quantize = (os.path.join(options.tools, tool) for tool in ("sana-convert", "sana-quant"))
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def interrupt(title, command, output):
    """Kills the command until enough of its runs were killed; returns how many things were wrong."""
    name = os.path.basename(output)
    before = set(os.listdir(folder))
    start = time.monotonic()
    subprocess.run(command, check=True, **quiet)
    whole = time.monotonic() - start
    os.remove(output)
    killed = finished = unfinished = wrong = 0
    while killed < options.kills:
        left = {entry for entry in os.listdir(folder) if entry.endswith(".partial")}
        process = subprocess.Popen(command, **quiet)
        time.sleep(random.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            finished += 1
            os.remove(output)
            continue
        killed += 1
        now = set(os.listdir(folder)) - before
        if name in now:
            # Killed between getting the name and the end: then it must be whole.
            if subprocess.run([convert, "check", output], **quiet).returncode != 0:
                wrong += 1
                print(f"{title}: a damaged file under the final name")
            os.remove(output)
            now.remove(name)
        unfinished += bool(now - left)
        if len(now) > 1:
            wrong += 1
            print(f"{title}: left behind {sorted(now)}")
    if subprocess.run(command, **quiet).returncode != 0 or subprocess.run(
        [convert, "check", output], **quiet
    ).returncode != 0:
        wrong += 1
        print(f"{title}: the run after the killed ones failed")
    if set(os.listdir(folder)) - before != {name}:
        wrong += 1
        print(f"{title}: the folder holds {sorted(os.listdir(folder))}")
    print(
        f"{title}: {whole:.1f} s; {killed} killed, {finished} faster than the kill; "
        f"{unfinished} unfinished files, all removed by the next run; {wrong} wrong",
        flush=True,
    )
    return wrong


os.makedirs(folder)
try:
    model, small = (os.path.join(folder, name) for name in ("model.sana", "small.sana"))
    wrong = interrupt("convert", [convert, options.checkpoint, "-o", model], model)
    wrong += interrupt("quantize", [quantize, model, "--recipe", "w8a8", "-o", small], small)
finally:
    shutil.rmtree(folder)
sys.exit(wrong != 0)
