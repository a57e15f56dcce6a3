#!/usr/bin/env bash
# Expands every JSON-LD document that we write, and the vendor's own examples, with two processors (PyLD, jsonld.js) and
# our context files, and checks that no value is dropped and that both make the same N-Quads of it (URDNA2015).
#
#   tests/jsonld/run.sh
#
# Needs python3 with pip, and node with npm; the processors are installed into a folder that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cp tests/jsonld/{expand.mjs,package.json,package-lock.json} "$temporary"
npm ci --prefix "$temporary" --silent --no-audit --no-fund
python3 -m pip install --quiet --disable-pip-version-check --target "$temporary/python" -r tests/jsonld/requirements.txt

# Answers have a context; requests have none.
mapfile -t files < <(grep -rl --include='*.json' '"@context"' crates/textus/tests/golden tests/golden tests/documents/textus |
  sort)
contexts=crates/textus/contexts
node "$temporary/expand.mjs" $contexts "${files[@]}" >"$temporary/node"
PYTHONPATH=$temporary/python python3 tests/jsonld/expand.py $contexts "${files[@]}" >"$temporary/py"
diff "$temporary/py" "$temporary/node"
echo "ok      ${#files[@]} documents, $(grep -vc '^#' "$temporary/node") statements"
