#!/usr/bin/env bash
# TLS listeners, scanned by a tool that nobody here wrote and held against Mozilla's profiles: "intermediate", and "modern"
# where nothing below TLS 1.3 is spoken. Root has a network of its own, so that the sandbox's ports are free.
#
#   tests/tls/run.sh <interlingua>
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "$1")

if [[ $EUID == 0 && -z ${ALONE:-} ]] && unshare --net true 2>/dev/null; then
    exec env ALONE=1 unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$0" "$binary"
fi

folder=$(mktemp -d)
trap 'kill "${gateway:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT

# As long as the stricter profile lets a certificate live.
days=90
certificate() {
    openssl req -x509 -nodes -days $days -keyout "$folder/$1.key" -out "$folder/$1.pem" "${@:2}" 2>/dev/null
}
issued=(-CA "$folder/ca.pem" -CAkey "$folder/ca.key" -subj /CN=gateway -addext subjectAltName=DNS:gateway.example)
issued+=(-addext basicConstraints=CA:FALSE)
elliptic=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
certificate ca "${elliptic[@]}" -subj /CN=test -addext keyUsage=critical,keyCertSign
certificate ecdsa "${elliptic[@]}" "${issued[@]}"
certificate rsa -newkey rsa:2048 "${issued[@]}"

files() { echo "{ chain = \"$folder/$1.pem\", key = \"$folder/$1.key\" }"; }
sed -e "s|^address = \".*:8080\"|&\ntls = { certificates = [$(files ecdsa), $(files rsa)] }|" \
    -e "s|^address = \".*:8081\"|&\ntls = { certificates = [$(files ecdsa)], min_version = \"1.3\" }|" \
    config/sandbox.toml >"$folder/gateway.toml"
"$binary" serve --config "$folder/gateway.toml" 2>"$folder/log" &
gateway=$!
curl -s -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:9090/readyz

# Where nobody answers, the scanner ends as if all were well.
scan() {
    timeout 60 python3 -W ignore -m sslyze --mozilla_config "$1" --certinfo_ca_file "$folder/ca.pem" \
        --sni gateway.example "127.0.0.1:$2" >"$folder/scan" && grep -q 'OK - Compliant' "$folder/scan"
}
require() {
    scan "$@" || { cat "$folder/scan"; exit 1; }
    echo "ok      $1"
}
require intermediate 8080
require modern 8081
# Nor does it find everything good.
if scan modern 8080 || ! grep -q "TLS versions {'TLSv1.2'} are supported" "$folder/scan"; then
    echo "TLS 1.2 is spoken, and the scanner has not seen it" >&2
    exit 1
fi
