#!/usr/bin/env bash
# Builds twice from nothing and compares.
set -euo pipefail
cd "$(dirname "$0")/.."
hash() {
    local folder
    folder=$(mktemp -d)
    CARGO_TARGET_DIR=$folder packaging/build.sh "$@" >/dev/null
    sha256sum "$folder"/x86_64-unknown-linux-musl/*/interlingua | cut -d' ' -f1
    rm -rf "$folder"
}
first=$(hash "$@")
second=$(hash "$@")
echo "$first"
[[ $first == "$second" ]] || { echo "the second build differs: $second" >&2; exit 1; }
