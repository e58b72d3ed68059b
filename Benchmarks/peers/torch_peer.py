"""PyTorch: the stages' networks from the official checkpoint, and whole pictures with the pipelines of diffusers."""

import stages


def load(checkpoint, stage, variant, threads):
    """The stage as a function without arguments, and what to say about it.

    `variant` is f32 or bf16, with `-compiled` for torch.compile.
    """
    import torch

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    precision = torch.bfloat16 if variant.startswith("bf16") else torch.float32
    wrap = torch.compile if variant.endswith("-compiled") else lambda module: module
    sprint = stages.is_sprint(checkpoint)

    def calls_of(stage):
        """Floating-point inputs in the network's precision; masks and ids as they are."""
        tensors = [[torch.from_numpy(array) for array in call] for call in stages.inputs(stage, checkpoint)]
        return [[x.to(precision) if x.is_floating_point() else x for x in call] for call in tensors]

    about = f"PyTorch {torch.__version__.split('+')[0]}"
    if stage == "picture":
        text = wrap(stages.network("text", checkpoint, precision))
        return picture(checkpoint, text, calls_of("text"), precision, wrap, sprint), about
    network = wrap(stages.network(stage, checkpoint, precision))
    calls = calls_of(stage)

    def run():
        for call in calls:
            network(*call)

    return run, about


def picture(checkpoint, text, text_calls, precision, wrap, sprint):
    """A whole picture. The text encoder gets random tokens of the official lengths, so that no tokenizer is needed."""
    import torch
    from diffusers import SanaPipeline, SanaSprintPipeline

    kind = SanaSprintPipeline if sprint else SanaPipeline
    pipeline = kind.from_pretrained(checkpoint, tokenizer=None, text_encoder=None, torch_dtype=precision)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.vae.to(memory_format=torch.channels_last)
    pipeline.transformer = wrap(pipeline.transformer)
    pipeline.vae.decoder = wrap(pipeline.vae.decoder)
    # The first token and the last ones, as the pipelines select them.
    selected = [0] + list(range(stages.PADDED - stages.CAPTION + 1, stages.PADDED))

    def run():
        states = [text(*call) for call in text_calls]
        arguments = {
            "prompt_embeds": states[0][:, selected], "prompt_attention_mask": text_calls[0][1][:, selected],
        }
        if not sprint:
            arguments |= {
                "negative_prompt": None, "negative_prompt_embeds": states[1],
                "negative_prompt_attention_mask": text_calls[1][1],
            }
        pipeline(
            **arguments, num_inference_steps=2 if sprint else 20, guidance_scale=4.5, height=1024, width=1024,
            generator=torch.Generator().manual_seed(0))

    return run
