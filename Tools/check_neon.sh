#!/bin/sh
# Cross-compiles the C room for arm64, all warnings errors, and compares its NEON kernels with plain C under emulation.
# On arm64 itself the kernels run as they are. Leaves nothing behind; needs what `Tools/setup.sh cross` installs.
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

target="" link="" run=""
if [ "$(uname -m)" != aarch64 ]; then
  library=$(ls -d /usr/lib/gcc-cross/aarch64-linux-gnu/*/libgcc.a 2>/dev/null | sort -V | tail -n 1)
  missing=""
  [ -e /usr/aarch64-linux-gnu/lib/libc.a ] || missing="$missing libc6-dev-arm64-cross"
  [ -n "$library" ] || missing="$missing libgcc-12-dev-arm64-cross"
  command -v qemu-aarch64 >/dev/null || missing="$missing qemu-user"
  if [ -n "$missing" ]; then
    echo "NEON kernels not checked: missing$missing (Debian's names); run Tools/setup.sh cross"
    exit 0
  fi
  # Linked statically, so that the emulator needs no arm64 system.
  target="--target=aarch64-linux-gnu --gcc-install-dir=$(dirname "$library") -isystem /usr/aarch64-linux-gnu/include"
  link="-B/usr/aarch64-linux-gnu/lib -L/usr/aarch64-linux-gnu/lib -fuse-ld=lld -static"
  # A processor with dot products and matrix products.
  run="qemu-aarch64 -cpu max"
fi

compile="clang $target -std=c17 -O2 -Wall -Wextra -Werror -ISources/CKernels/include"
for source in Sources/CKernels/*.c Tests/InstructionSets/compare.c; do
  echo "$compile -c $source -o $folder/$(basename "$source" .c).o"
done | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' sh -c '{}'
clang $target $link "$folder"/*.o -lm -lpthread -o "$folder/compare"
$run "$folder/compare" neon neondotprod neoni8mm
