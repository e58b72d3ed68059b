"""OpenVINO: conversion of a stage's network with post-training quantization, kept in a cache folder, and its runs.

    python openvino_peer.py CHECKPOINT STAGE VARIANT CACHE    # makes the files that the runs read
"""

import json
import resource
import sys
from pathlib import Path

import stages

# The precision of activations asked for. None leaves the choice to OpenVINO.
PRECISIONS = {"f32": "f32", "bf16": "bf16", "int8-weights": None, "w8a8": None}


def path_in(cache, checkpoint, stage, variant):
    """Where the cache keeps a network; f32 and bf16 share one, and differ in how it is run."""
    stored = "f32" if variant == "bf16" else variant
    return Path(cache) / f"{Path(checkpoint).resolve().name}-{stage}-{stored}.xml"


def prepare(checkpoint, stage, variant, cache):
    """Writes the network's file unless it is there already; w8a8 and int8 weights are made from the f32 one."""
    import openvino

    target = path_in(cache, checkpoint, stage, variant)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    example = stages.inputs(stage, checkpoint)[0]
    if variant in ("f32", "bf16"):
        import torch

        module = stages.network(stage, checkpoint, torch.float32)
        with torch.no_grad():
            model = openvino.convert_model(
                module, example_input=tuple(map(torch.from_numpy, example)),
                input=[list(array.shape) for array in example])
    else:
        import nncf

        prepare(checkpoint, stage, "f32", cache)
        model = openvino.Core().read_model(path_in(cache, checkpoint, stage, "f32"))
        if variant == "int8-weights":
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        else:
            model = nncf.quantize(
                model, nncf.Dataset([example]), model_type=nncf.ModelType.TRANSFORMER, subset_size=1)
    # Under another name first, so that a run that was ended leaves nothing that looks complete. The weights' file is
    # named after the model's and must be there before it.
    partial = target.with_name("partial-" + target.name)
    openvino.save_model(model, partial, compress_to_fp16=False)
    partial.with_suffix(".bin").rename(target.with_suffix(".bin"))
    partial.rename(target)


def load(checkpoint, stage, variant, cache, threads):
    """The stage as a function without arguments, and what to say about it."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if PRECISIONS[variant]:
        settings["INFERENCE_PRECISION_HINT"] = PRECISIONS[variant]
    compiled = openvino.Core().compile_model(path_in(cache, checkpoint, stage, variant), "CPU", settings)
    request = compiled.create_infer_request()
    calls = stages.inputs(stage, checkpoint)

    def run():
        for call in calls:
            request.infer(call, share_inputs=True, share_outputs=True)

    precision = compiled.get_property("INFERENCE_PRECISION_HINT")
    return run, f"OpenVINO {openvino.__version__.split('-')[0]}, computing in {precision.get_type_name()}"


if __name__ == "__main__":
    prepare(*sys.argv[1:5])
    print(json.dumps({"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
