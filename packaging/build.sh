#!/usr/bin/env bash
# Builds the static binary: target/x86_64-unknown-linux-musl/<profile>/interlingua. It needs nothing of the system that
# it runs on, and the same source gives the same bytes on one machine.
#
#   packaging/build.sh [profile]     release by default; `dist` takes longer and gives the fastest
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
target=x86_64-unknown-linux-musl

rustup target list --installed | grep -qx "$target" || rustup target add "$target"
command -v musl-gcc >/dev/null || { echo "musl-gcc is missing: apt-get install musl-tools" >&2; exit 1; }

# No paths of this machine in the binary, and no time. What is generated while it is built is in the folder of the build.
built=${CARGO_TARGET_DIR:-$PWD/target}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH CARGO_INCREMENTAL=0 CC_x86_64_unknown_linux_musl=musl-gcc
export CFLAGS_x86_64_unknown_linux_musl="-ffile-prefix-map=$PWD=. \
-ffile-prefix-map=$built=./target -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=cargo"
export RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,--build-id=none \
--remap-path-prefix=$PWD=. --remap-path-prefix=$built=./target --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
cargo build --locked --package interlingua --bin interlingua --profile "$profile" --target "$target" >&2
folder=$profile
[[ $profile == dev ]] && folder=debug
echo "${CARGO_TARGET_DIR:-target}/$target/$folder/interlingua"
