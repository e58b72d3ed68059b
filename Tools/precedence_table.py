"""Asks diffusers and transformers which of several sets of weights in one folder they load: the table of PrecedenceTests.

usage: precedence_table.py <Tests/Fixtures/precedence.json>        (needs torch, diffusers, transformers)

A folder holds any subset of the FACTS below. Every file of a set has its letter's number in all weights, so that a loaded model tells
which set it is from. The table has a letter for each subset, `-` where the library raises an error, and `?` where it goes on with
weights that it made up; the first fact is the slowest digit of a subset's number. Each library is asked without a variant and for the
variant fp16; on a sample of subsets, diffusers' autoencoder must answer as its transformer does.
"""
import json, os, random, shutil, sys, tempfile, warnings

# Fact: how many states it has. Shards have three: none, all, the first alone.
FACTS = [
    ("index", 2), ("shards", 3), ("single", 2), ("bin", 2), ("bin index", 2), ("bin shards", 2),
    ("fp16 index", 2), ("fp16 shards", 2), ("fp16 old index", 2), ("fp16 old shards", 2), ("fp16 single", 2),
    ("fp16 bin", 2),
]
# The set that a fact's files hold.
LETTERS = {
    "shards": "i", "single": "s", "bin": "b", "bin shards": "q", "fp16 shards": "n", "fp16 old shards": "l",
    "fp16 single": "v", "fp16 bin": "w",
}
ORDER = "isbqnlvw"


def names(fact, safetensors, torch):
    """The files of a fact, given the stems of both formats."""
    return {
        "index": [f"{safetensors}.safetensors.index.json"],
        "shards": [f"{safetensors}-0000{i}-of-00002.safetensors" for i in (1, 2)],
        "single": [f"{safetensors}.safetensors"],
        "bin": [f"{torch}.bin"],
        "bin index": [f"{torch}.bin.index.json"],
        "bin shards": [f"{torch}-0000{i}-of-00002.bin" for i in (1, 2)],
        "fp16 index": [f"{safetensors}.safetensors.index.fp16.json"],
        "fp16 shards": [f"{safetensors}.fp16-0000{i}-of-00002.safetensors" for i in (1, 2)],
        "fp16 old index": [f"{safetensors}.safetensors.fp16.index.json"],
        "fp16 old shards": [f"{safetensors}-0000{i}-of-00002.fp16.safetensors" for i in (1, 2)],
        "fp16 single": [f"{safetensors}.fp16.safetensors"],
        "fp16 bin": [f"{torch}.fp16.bin"],
    }[fact]


def states(number):
    """The states of all facts in a subset."""
    found = []
    for _, count in reversed(FACTS):
        number, state = divmod(number, count)
        found.append(state)
    return found[::-1]


SUBSETS = 1
for _, count in FACTS:
    SUBSETS *= count


class Loader:
    """One class of a library, with a store of every file that a subset may have."""

    def __init__(self, store, model, stems):
        import safetensors.torch, torch
        self.type, self.stems, self.store = type(model), stems, store
        os.makedirs(store)
        model.save_pretrained(store)
        for name in os.listdir(store):
            if name != "config.json":
                os.remove(f"{store}/{name}")
        keys = sorted(model.state_dict())
        halves = [keys[::2], keys[1::2]]
        for fact, letter in LETTERS.items():
            value = float(1 + ORDER.index(letter))
            tensors = {key: torch.full_like(value_of, value) for key, value_of in model.state_dict().items()}
            files = names(fact, *stems)
            parts = [keys] if len(files) == 1 else halves
            for file, part in zip(files, parts):
                content = {key: tensors[key].clone() for key in part}
                if file.endswith(".bin"):
                    torch.save(content, f"{store}/{file}")
                else:
                    safetensors.torch.save_file(content, f"{store}/{file}", {"format": "pt"})
        for fact in ("", "bin ", "fp16 ", "fp16 old "):
            files = names(fact + "shards", *stems)
            weight_map = {key: file for file, part in zip(files, halves) for key in part}
            with open(f"{store}/{names(fact + 'index', *stems)[0]}", "w") as file:
                json.dump({"metadata": {"total_size": 1}, "weight_map": weight_map}, file)

    def ask(self, number, variant):
        with tempfile.TemporaryDirectory(prefix="precedence") as folder:
            os.symlink(f"{self.store}/config.json", f"{folder}/config.json")
            for (fact, _), state in zip(FACTS, states(number)):
                files = names(fact, *self.stems)
                for file in files if state == 1 else files[:1] if state == 2 else []:
                    os.symlink(f"{self.store}/{file}", f"{folder}/{file}")
            try:
                model = self.type.from_pretrained(folder, variant=variant)
            except Exception:
                return "-"
            values = {float(parameter.flatten()[0]) for parameter in model.parameters()}
            value = values.pop()
            return ORDER[int(value) - 1] if not values and value in range(1, 1 + len(ORDER)) else "?"


def main():
    import diffusers, torch, transformers
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity(50)
        library.utils.logging.disable_progress_bar()
    store = tempfile.mkdtemp(prefix="store")
    transformer = Loader(
        f"{store}/transformer",
        diffusers.SanaTransformer2DModel(
            in_channels=4, out_channels=4, num_layers=1, num_attention_heads=1, attention_head_dim=8,
            num_cross_attention_heads=1, cross_attention_head_dim=8, cross_attention_dim=8, caption_channels=8,
            sample_size=4),
        ("diffusion_pytorch_model", "diffusion_pytorch_model"))
    autoencoder = Loader(
        f"{store}/autoencoder",
        diffusers.AutoencoderDC(
            latent_channels=4, encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), encoder_block_types="ResBlock",
            decoder_block_types="ResBlock", encoder_qkv_multiscales=((), ()), decoder_qkv_multiscales=((), ())),
        ("diffusion_pytorch_model", "diffusion_pytorch_model"))
    encoder = Loader(
        f"{store}/encoder",
        transformers.Gemma2Model(transformers.Gemma2Config(
            vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
            num_key_value_heads=1, head_dim=8)),
        ("model", "pytorch_model"))
    table = {"facts": [[name, count] for name, count in FACTS]}
    for library, loader in (("diffusers", transformer), ("transformers", encoder)):
        for variant in (None, "fp16"):
            answers = "".join(loader.ask(number, variant) for number in range(SUBSETS))
            table[f"{library} {variant or 'plain'}"] = answers
            print(library, variant, {letter: answers.count(letter) for letter in sorted(set(answers))}, flush=True)
    generator = random.Random(1)
    for _ in range(300):
        number, variant = generator.randrange(SUBSETS), generator.choice([None, "fp16"])
        answer = autoencoder.ask(number, variant)
        assert answer == table[f"diffusers {variant or 'plain'}"][number], (number, variant, answer)
    table["versions"] = {"diffusers": diffusers.__version__, "transformers": transformers.__version__}
    with open(sys.argv[1], "w") as file:
        json.dump(table, file, indent=1)
        file.write("\n")
    shutil.rmtree(store)


main()
