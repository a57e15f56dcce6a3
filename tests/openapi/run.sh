#!/usr/bin/env bash
# The OpenAPI documents, read by tools that nobody here wrote: a linter, and a client that tries what they promise
# against the sandbox gateway, with the same seed every time.
#
#   tests/openapi/run.sh <interlingua>
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "$1")

# Root has a network of its own, so that the sandbox's ports are free.
if [[ $EUID == 0 && -z ${ALONE:-} ]] && unshare --net true 2>/dev/null; then
    exec env ALONE=1 unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$0" "$binary"
fi

for document in openapi/*.json; do
    python3 -m openapi_spec_validator --schema 3.1 "$document"
done

log=$(mktemp)
"$binary" serve 2>"$log" &
gateway=$!
trap 'kill "$gateway"; wait; rm -f "$log"' EXIT
curl -s -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:9090/readyz

# 5xx are promised where the upstream fails; the sandbox's do not, so any is found by its document not being that of a
# refusal, or by its status not being in the OpenAPI document.
checks=status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
try() {
    timeout 120 schemathesis run "openapi/$1.json" --url "http://127.0.0.1:$2" "${@:3}" --checks "$checks" \
        --phases examples,coverage,fuzzing --max-examples 10 --seed 1 --generation-database none \
        --suppress-health-check all --no-color
}
for pair in ecgrid-textus:8080 textus-ecgrid:8080 ecgrid-ecgrid:8081 textus-textus:8081; do
    name=${pair%:*}
    case $name in
    ecgrid-*) credential="X-API-Key: sandbox-ecgrid-key" ;;
    *) credential="Authorization: Bearer sandbox-textus-token" ;;
    esac
    try "$name" "${pair#*:}" --header "$credential"
done

# The endpoints of sessions are another thing to whoever has a login: to somebody who has logged in, and to somebody who is
# not known yet.
login='{"login": "sandbox", "password": "Sandbox-Password-1"}'
token=$(curl -s http://127.0.0.1:8080/v2/auth/login -d "$login" | sed 's/.*"token":"\([^"]*\)".*/\1/')
try ecgrid-textus 8080 --include-path-regex '^/v2/auth/(refresh|session)$' --header "Authorization: Bearer $token"
try ecgrid-textus 8080 --include-path-regex ^/v2/auth/
