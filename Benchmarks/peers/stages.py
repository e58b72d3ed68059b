"""What the peers compute: a stage's inputs as numpy arrays, and its network as a PyTorch module.

Lengths are those of the official pipelines: the prompt behind the default instruction is padded to 539 tokens, the
negative prompt to 300; 300 tokens of each reach the transformer.
"""

import json
from pathlib import Path

import numpy

# Words of one token each. Behind the default instruction, or another one of as many tokens, they make 300.
OTHER_INSTRUCTION = "on " * 239
PROMPT = " ".join(["on"] * 60)
REAL, REAL_CAPTION = 300, 61
PADDED, CAPTION = 539, 300
# Rows and columns of the latents of 1024x1024 pixels.
SIDE = 32


def configuration(checkpoint, component):
    """A component's `config.json`."""
    return json.loads((Path(checkpoint) / component / "config.json").read_text())


def is_sprint(checkpoint):
    """Whether the checkpoint is a SANA-Sprint: guidance is an input, so that there is one branch and no negative prompt."""
    index = json.loads((Path(checkpoint) / "model_index.json").read_text())
    return index["_class_name"] == "SanaSprintPipeline"


def mask(length, real):
    """`[1, length]` int64, `real` ones first."""
    return (numpy.arange(length) < real).astype(numpy.int64)[None]


def inputs(stage, checkpoint):
    """The calls of a stage, each a list of arrays in the order of its network's `forward`.

    - text: token ids and mask, `[1, 539]`, then those of the negative prompt, `[1, 300]`
    - denoise: latents `[branches, 32, 32, 32]`, text states `[branches, 300, 2304]`, their mask, timesteps, Sprint's guidance
    - decode: latents `[1, 32, 32, 32]`
    """
    random = numpy.random.default_rng(0)
    sprint = is_sprint(checkpoint)
    transformer = configuration(checkpoint, "transformer")
    latent = (transformer["in_channels"], SIDE, SIDE)

    def normal(*shape):
        return random.standard_normal(shape, dtype=numpy.float32)

    if stage == "text":
        vocabulary = configuration(checkpoint, "text_encoder")["vocab_size"]
        lengths = [(PADDED, REAL)] + ([] if sprint else [(CAPTION, 1)])
        return [[random.integers(3, vocabulary, (1, length)), mask(length, real)] for length, real in lengths]
    if stage == "denoise":
        masks = [mask(CAPTION, REAL_CAPTION)] if sprint else [mask(CAPTION, 1), mask(CAPTION, REAL_CAPTION)]
        branches = len(masks)
        text = normal(branches, CAPTION, transformer["caption_channels"])
        call = [normal(branches, *latent), text, numpy.concatenate(masks)]
        if sprint:
            return [call + [numpy.full(1, 0.8, numpy.float32), numpy.full(1, 0.45, numpy.float32)]]
        return [call + [numpy.full(branches, 731.0, numpy.float32)]]
    return [[normal(1, *latent)]]


def network(stage, checkpoint, precision):
    """A stage's network as a module that takes `inputs` and returns one tensor.

    `precision` is a torch type. The decoder's weights lie channels last, which is its faster form on a CPU.
    """
    import torch
    from diffusers import AutoencoderDC, SanaTransformer2DModel
    from transformers import Gemma2Model

    class Network(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model.eval()

    class TextEncoder(Network):
        def forward(self, ids, ids_mask):
            return self.model(ids, attention_mask=ids_mask)[0]

    class Transformer(Network):
        def forward(self, latents, text, text_mask, timestep, guidance=None):
            return self.model(
                latents, encoder_hidden_states=text, encoder_attention_mask=text_mask, timestep=timestep,
                guidance=guidance, return_dict=False)[0]

    class Decoder(Network):
        def forward(self, latents):
            return self.model.decode(latents, return_dict=False)[0]

    if stage == "text":
        return TextEncoder(Gemma2Model.from_pretrained(checkpoint, subfolder="text_encoder", dtype=precision))
    if stage == "denoise":
        return Transformer(
            SanaTransformer2DModel.from_pretrained(checkpoint, subfolder="transformer", torch_dtype=precision))
    autoencoder = AutoencoderDC.from_pretrained(checkpoint, subfolder="vae", torch_dtype=precision)
    return Decoder(autoencoder.to(memory_format=torch.channels_last))
