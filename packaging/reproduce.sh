#!/usr/bin/env bash
# Builds twice from nothing, each time in another folder, and compares.
set -euo pipefail
cd "$(dirname "$0")/.."
hash() {
    local folder binary
    folder=$(mktemp -d)
    binary=$(CARGO_TARGET_DIR=$folder packaging/build.sh "$@")
    sha256sum "$binary" | cut -d' ' -f1
    rm -rf "$folder"
}
first=$(hash "$@")
second=$(hash "$@")
echo "$first"
[[ $first == "$second" ]] || { echo "the second build differs: $second" >&2; exit 1; }
