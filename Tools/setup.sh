#!/bin/sh
# Installs the system libraries the toolchain links to, where they are missing (Debian and its relatives).
# `Tools/setup.sh cross`: instead of them, what Tools/check_neon.sh compiles and runs arm64 programs with.
set -eu

packages=""
need() { # need <file that proves it is there> <package>
  for candidate in $1; do [ -e "$candidate" ] && return 0; done
  packages="$packages $2"
}
if [ "${1:-}" = cross ]; then
  # The check itself says what it lacks on other systems; arm64 needs nothing.
  command -v apt-get >/dev/null && [ "$(uname -m)" != aarch64 ] || exit 0
  need "/usr/aarch64-linux-gnu/lib/libc.a" libc6-dev-arm64-cross
  need "/usr/lib/gcc-cross/aarch64-linux-gnu/*/libgcc.a" libgcc-12-dev-arm64-cross
  need "/usr/bin/qemu-aarch64" qemu-user
else
  need "/usr/include/lz4.h" liblz4-dev
  need "/usr/include/xxhash.h" libxxhash-dev
  need "/usr/include/hdf5/serial/hdf5.h /usr/include/hdf5.h" libhdf5-dev
  need "/usr/include/png.h" libpng-dev
  need "/usr/include/sentencepiece_processor.h" libsentencepiece-dev
  # Headers only; nothing links to the library, which programs open where there is one.
  need "/usr/include/vulkan/vulkan_core.h" libvulkan-dev
  # A Vulkan device in software and the layer that checks calls, for the tests.
  need "/usr/share/vulkan/icd.d/lvp_icd.*.json" mesa-vulkan-drivers
  need "/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json" vulkan-validationlayers
  command -v pkg-config >/dev/null || packages="$packages pkg-config"
fi

[ -z "$packages" ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "error: missing$packages, and this system has no apt-get; install them with your package manager" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
echo "installing$packages"
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $packages >/dev/null
