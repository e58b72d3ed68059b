"""Writes Sources/CVulkanShaders/modules.c from the sources and the manifest beside them."""

import hashlib
import pathlib
import subprocess
import tempfile

ROOM = pathlib.Path("Sources/CVulkanShaders")
SHADERS = ROOM / "shaders"
TOOLS = [pathlib.Path("Tools/build_shaders.sh"), pathlib.Path("Tools/shader_modules.py")]


def digest() -> str:
    """Of everything that the modules depend on, each file with its name and length before it."""
    sha = hashlib.sha256()
    for path in sorted(SHADERS.iterdir(), key=lambda path: path.name) + TOOLS:
        data = path.read_bytes()
        sha.update(f"{path.name} {len(data)}\n".encode() + data)
    return sha.hexdigest()


def compiled(name: str) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "module.spv"
        source = SHADERS / f"{name}.comp"
        flags = ["-V", "-g0", "--target-env", "vulkan1.2", "--quiet"]
        subprocess.run(["glslang", *flags, "-o", output, source], check=True)
        subprocess.run(["spirv-val", "--target-env", "vulkan1.2", output], check=True)
        data = output.read_bytes()
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def text(words: list[int]) -> str:
    """Five digits of base 85 a word, the least first; no digit needs escaping in C."""
    digits = []
    for word in words:
        for _ in range(5):
            word, digit = divmod(word, 85)
            character = digit + ord("#")
            # Without '?', there are no trigraphs, and without '\\' no escapes.
            character += character >= ord("?")
            digits.append(chr(character + (character >= ord("\\"))))
    return "".join(digits)


def main() -> None:
    lines = [line.split() for line in (SHADERS / "manifest").read_text().splitlines()]
    modules = [line for line in lines if line and line[0] != "#"]
    parts = ["// Made by Tools/build_shaders.sh.\n", '#include "sana_shaders.h"\n\n']
    parts += [f'const char *sana_shader_digest(void) {{\n  return "{digest()}";\n}}\n\n']
    parts += ["static const sana_shader shaders[] = {\n"]
    for name, buffers in modules:
        words = compiled(name)
        digits = text(words)
        parts.append(f'    {{"{name}", {buffers}, {len(words)},\n')
        rows = [digits[at : at + 500] for at in range(0, len(digits), 500)]
        parts.append("\n".join(f'"{row}"' for row in rows) + "},\n")
    parts += ["};\n\n", f"uint32_t sana_shader_count(void) {{ return {len(modules)}; }}\n"]
    parts += ["sana_shader sana_shader_at(uint32_t index) { return shaders[index]; }\n"]
    (ROOM / "modules.c").write_text("".join(parts))


main()
