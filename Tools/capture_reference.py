"""Records what a diffusers pipeline computes, for `sana-quant verify --reference`.

usage: capture_reference.py <checkpoint folder or hub name> -o trace.h5 --prompt "a red fox" [--prompt ...] [<options>]

    capture_reference.py ./Sana_600M_512px_diffusers -o trace.h5 --prompt "a red fox in the snow" --width 512 --height 512
    sana-convert ./Sana_600M_512px_diffusers -o sana.sana
    sana-quant verify sana.sana --reference trace.h5

The pipeline runs in float32 on the CPU unless --dtype and --device say otherwise: `verify` compares with float32, and holds unquantized
models to it. From a program of your own, with a pipeline that you have loaded and perhaps changed:

    from capture_reference import capture
    pipe = SanaPipeline.from_pretrained(..., dtype=torch.float32)
    capture(pipe, "trace.h5", ["a red fox in the snow"], steps=20, seed=1)

The trace has one case, `case_a`, with one run. In it, channels come first, as PyTorch has them:

- attributes prompt, runs (JSON), negative, guidance, chi (whether the instruction is used), height, width, seed
- text/: token ids and masks, the text encoder's hidden states, the captions
- initial_latents: the noise that the seed gives
- dpm20/, euler20/ or scm2/: timesteps, and of every step the transformer's output and the latents; final_latents
- first_step/: inputs of the first call of the transformer, and its values
- decode/: the decoder's input and values, the picture

Needs torch, diffusers, transformers and h5py.
"""
import argparse
import inspect
import json
import os
from contextlib import ExitStack, contextmanager
from unittest import mock

import h5py
import numpy as np
import torch

CASE = "case_a"
#: What the trace calls the schedulers that sana-run has.
RUN_NAMES = {"DPMSolverMultistepScheduler": "dpm", "FlowMatchEulerDiscreteScheduler": "euler", "SCMScheduler": "scm"}
PIPELINES = ("SanaPipeline", "SanaSprintPipeline")


def numbers(tensor):
    """A copy of a tensor: floating-point numbers as float32, others as int32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor.int()).numpy().copy()


def put(group, name, array):
    """Writes an array, or whatever has the shape of one, compressed where that pays."""
    array = np.asarray(array)
    compression = dict(compression="gzip", compression_opts=4, shuffle=True) if array.nbytes > 4096 else {}
    group.create_dataset(name, data=array, track_times=False, **compression)


@contextmanager
def recorded_values(modules):
    """Records what modules give when they are first called.

    modules: (module, name, whether what it is given is recorded too, as `name.in`). What has several parts is recorded as `name.0`, ...
    """
    values = {}

    def keep(name, value):
        if isinstance(value, (tuple, list)):
            for index, part in enumerate(value):
                keep(f"{name}.{index}", part)
        elif torch.is_tensor(value) and name not in values:
            values[name] = numbers(value)

    def hook(name, keeps_input):
        def record(module, arguments, output):
            if keeps_input and arguments:
                keep(f"{name}.in", arguments[0])
            keep(name, output)

        return record

    handles = [module.register_forward_hook(hook(name, keeps_input)) for module, name, keeps_input in modules]
    try:
        yield values
    finally:
        for handle in handles:
            handle.remove()


def instruction_of(pipe):
    """The "complex human instruction" that the pipeline uses unless told otherwise."""
    return inspect.signature(type(pipe).__call__).parameters["complex_human_instruction"].default


def capture_text(pipe, group, prompts, negative, guided, instruction, caption_length):
    """Records tokens, hidden states and captions."""
    group.attrs["max_sequence_length"] = caption_length
    encoder = pipe.text_encoder
    layers = [(encoder.embed_tokens, "0", False)]
    layers += [(layer, str(index + 1), False) for index, layer in enumerate(encoder.layers)]

    def encode(name, texts, instruction):
        given = {}

        def before(module, arguments, keywords):
            given["ids"] = arguments[0] if arguments else keywords["input_ids"]
            given["mask"] = keywords["attention_mask"]

        handle = encoder.register_forward_pre_hook(before, with_kwargs=True)
        try:
            with recorded_values(layers + [(encoder.norm, "norm", False)]) as values:
                pipe._get_gemma_prompt_embeds(
                    prompt=texts, device=encoder.device, dtype=encoder.dtype, clean_caption=False,
                    max_sequence_length=caption_length, complex_human_instruction=instruction)
        finally:
            handle.remove()
        part = group.create_group(name)
        put(part, "input_ids", numbers(given["ids"]))
        put(part, "attention_mask", numbers(given["mask"]))
        # A layer gives a tensor, or a tuple that begins with one.
        states = [values.get(name, values.get(f"{name}.0")) for _, name, _ in layers]
        put(part, "hidden_states", np.stack(states))
        put(part, "last_hidden_state", values["norm"])

    encode("positive", prompts, instruction)
    words = dict(device=encoder.device, max_sequence_length=caption_length, complex_human_instruction=instruction)
    if guided:
        encode("negative", [negative] * len(prompts), False)
        words.update(do_classifier_free_guidance=True, negative_prompt=negative)
    elif not is_sprint(pipe):
        words.update(do_classifier_free_guidance=False)
    names = ["prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask"]
    for name, value in zip(names, pipe.encode_prompt(prompts, **words)):
        if value is not None:
            put(group, name, numbers(value.int() if name.endswith("mask") else value))


def is_sprint(pipe):
    return type(pipe).__name__ == "SanaSprintPipeline"


def transformer_modules(transformer):
    """The modules whose values have names in `first_step`."""
    time = transformer.time_embed
    modules = [
        (transformer.patch_embed, "patch_embed", False), (time, "time_embed", False),
        (time.emb.timestep_embedder if hasattr(time, "emb") else time.timestep_embedder, "timestep_embedder", True),
        (transformer.caption_projection, "caption_projection", False), (transformer.caption_norm, "caption_norm", False),
    ]
    if hasattr(time, "guidance_embedder"):
        modules.append((time.guidance_embedder, "guidance_embedder", True))
    for index, block in enumerate(transformer.transformer_blocks):
        parts = [(part, f"block{index}.{name}", True) for part, name in
                 ((block.attn1, "attn1"), (block.attn2, "attn2"), (block.ff, "ff"))]
        modules += parts + [(block, f"block{index}", False)]
    return modules + [(transformer.norm_out, "norm_out", False), (transformer.proj_out, "proj_out", False)]


def capture_run(pipe, case, name, words, noise):
    """Runs the pipeline and records every step, and the first one in detail. Returns the final latents."""
    from diffusers.schedulers import scheduling_scm

    inputs, timesteps, outputs, latents, drawn, denoised = [], [], [], [], [], []

    def before(module, arguments, keywords):
        inputs.append(numbers(arguments[0] if arguments else keywords["hidden_states"]))
        timesteps.append(numbers(keywords["timestep"]))

    def after(module, arguments, output):
        outputs.append(numbers(output[0]))

    def end_of_step(pipe, index, timestep, tensors):
        latents.append(numbers(tensors["latents"]))
        return {}

    draw = scheduling_scm.randn_tensor

    def recorded_draw(*arguments, **keywords):
        drawn.append(draw(*arguments, **keywords))
        return drawn[-1]

    handles = [
        pipe.transformer.register_forward_pre_hook(before, with_kwargs=True),
        pipe.transformer.register_forward_hook(after),
    ]
    try:
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(scheduling_scm, "randn_tensor", recorded_draw))
            values = stack.enter_context(recorded_values(transformer_modules(pipe.transformer)))
            final = pipe(
                latents=noise.clone(), output_type="latent", return_dict=False,
                callback_on_step_end=end_of_step, **words)[0]
    finally:
        for handle in handles:
            handle.remove()

    run = case.create_group(name)
    put(run, "timesteps", numbers(pipe.scheduler.timesteps.float()))
    put(run, "model_timestep", np.stack(timesteps))
    put(run, "model_output", np.stack(outputs))
    put(run, "latents", np.stack(latents))
    put(run, "final_latents", numbers(final))
    if name.startswith("scm"):
        put(run, "noise", np.stack([numbers(noise) for noise in drawn]))
    first = case.create_group("first_step")
    put(first, "latent_model_input", inputs[0])
    put(first, "timestep", timesteps[0])
    put(first, "model_output", outputs[0])
    for name, value in values.items():
        put(first, name, value)
    return final


def capture_picture(pipe, group, final):
    """Decodes latents and records the decoder's values and the picture."""
    decoder = pipe.vae.decoder
    modules = [(decoder.conv_in, "conv_in", False)]
    for index, stage in enumerate(decoder.up_blocks):
        # A stage without blocks makes no value.
        if len(stage):
            modules += [(block, f"up_blocks.{index}.{place}", False) for place, block in enumerate(stage)]
            modules += [(stage, f"up_blocks.{index}", False)]
    latents = final.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor
    put(group, "input", numbers(latents))
    with recorded_values(modules) as values:
        image = pipe.vae.decode(latents, return_dict=False)[0]
    for name, value in values.items():
        put(group, name, value)
    put(group, "image_float", numbers(image))
    pictures = pipe.image_processor.postprocess(image, output_type="pil")
    put(group, "image_uint8", np.stack([np.asarray(picture) for picture in pictures]))


@torch.no_grad()
def capture(pipe, path, prompts, *, negative="", steps=None, guidance=4.5, width=None, height=None, seed=0,
            instruction=True, caption_length=300):
    """Runs a SanaPipeline or SanaSprintPipeline once and writes the trace, which appears when it is complete.

    steps: 20, for Sprint 2, unless given. width, height: the model's own unless given; multiples of 32.
    """
    kind = type(pipe).__name__
    if kind not in PIPELINES:
        raise SystemExit(f"error: a {kind} cannot be recorded; load a {' or a '.join(PIPELINES)}")
    scheduler = type(pipe.scheduler).__name__
    if scheduler not in RUN_NAMES:
        raise SystemExit(f"error: sana-run has no {scheduler}; give the pipeline a {', '.join(RUN_NAMES)}")
    side = pipe.transformer.config.sample_size * pipe.vae_scale_factor
    width, height = width or side, height or side
    for name, value in (("width", width), ("height", height)):
        if value % 32 or value <= 0:
            raise SystemExit(f"error: the {name} {value} is no multiple of 32; choose {max(32, (value + 16) // 32 * 32)}")
    steps = steps or (2 if is_sprint(pipe) else 20)
    guided = not is_sprint(pipe) and guidance > 1
    run = f"{RUN_NAMES[scheduler]}{steps}"
    lines = instruction_of(pipe) if instruction else None
    device = pipe.transformer.device

    words = dict(
        prompt=prompts, height=height, width=width, num_inference_steps=steps, guidance_scale=guidance,
        complex_human_instruction=lines, max_sequence_length=caption_length, use_resolution_binning=False,
        generator=torch.Generator("cpu").manual_seed(seed + 1))
    if is_sprint(pipe):
        words["intermediate_timesteps"] = 1.3 if steps == 2 else None
    else:
        words["negative_prompt"] = negative

    partial = f"{path}.{os.getpid()}.partial"
    try:
        with h5py.File(partial, "w") as file:
            case = file.create_group(CASE)
            case.attrs.update(
                prompt=json.dumps(prompts, ensure_ascii=False), runs=json.dumps([[RUN_NAMES[scheduler], steps]]),
                guidance=float(guidance), chi=bool(instruction), height=height, width=width, seed=seed)
            if not is_sprint(pipe):
                case.attrs["negative"] = negative
            capture_text(pipe, case.create_group("text"), prompts, negative, guided, lines, caption_length)
            # The pipeline draws as much from a generator of this seed.
            shape = (len(prompts), pipe.transformer.config.in_channels, height // 32, width // 32)
            noise = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))
            put(case, "initial_latents", numbers(noise))
            final = capture_run(pipe, case, run, words, noise.to(device))
            decode = case.create_group("decode")
            decode.attrs["of_run"] = run
            capture_picture(pipe, decode, final)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--prompt", action="append", required=True, dest="prompts")
    parser.add_argument("--negative-prompt", default="")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float, default=4.5)
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scheduler", choices=["dpm++", "euler"], help="in place of the checkpoint's own")
    parser.add_argument("--no-instruction", action="store_true")
    parser.add_argument("--max-sequence-length", type=int, default=300)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    import diffusers

    dtype = getattr(torch, options.dtype)
    # Not converted afterwards: Gemma's scale of embeddings is rounded to what it is loaded in. Older versions know the
    # argument by another name and pass over this one.
    pipe = diffusers.DiffusionPipeline.from_pretrained(options.checkpoint, dtype=dtype)
    if {pipe.text_encoder.dtype, pipe.transformer.dtype, pipe.vae.dtype} != {dtype}:
        pipe = diffusers.DiffusionPipeline.from_pretrained(options.checkpoint, torch_dtype=dtype)
    pipe.to(options.device)
    pipe.set_progress_bar_config(disable=True)
    if options.scheduler == "dpm++":
        pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    elif options.scheduler == "euler":
        shift = pipe.scheduler.config.get("flow_shift", pipe.scheduler.config.get("shift", 3.0))
        pipe.scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    capture(
        pipe, options.output, options.prompts, negative=options.negative_prompt, steps=options.steps,
        guidance=options.guidance, width=options.width, height=options.height, seed=options.seed,
        instruction=not options.no_instruction, caption_length=options.max_sequence_length)


if __name__ == "__main__":
    main()
