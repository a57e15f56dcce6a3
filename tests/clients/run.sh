#!/usr/bin/env bash
# Runs the vendor's own examples (curl, Python, Node.js, Java) against a base URL and checks what they print.
#
#   ECGRID_API_KEY=sandbox-ecgrid-key tests/clients/run.sh http://127.0.0.1:8080
#
# The examples are those of ECGrid's pages "Update User", "Update Config" and "Set Role"; only base URL and key come from
# the environment. Java's stand in a class each, which `java` compiles as it runs it. Needs curl, python3 with
# requests, node, and a JDK of version 11 or later.
set -euo pipefail

if [ $# -ne 1 ] || [ -z "${ECGRID_API_KEY:-}" ]; then
  echo "usage: ECGRID_API_KEY=KEY $0 BASE_URL" >&2
  exit 2
fi
export ECGRID_BASE_URL=${1%/}
cd "$(dirname "$0")"

user='{success:true,data:{userid:1042,login:jsmith,email:[^,]+,firstname:john,lastname:smith,networkid:1,mailboxid:101,'
user+='authlevel:LEVEL,status:active,created:2024-03-15t10:22:00z}}'

# What an example has to print, when quotes, spaces and capitals are left out: the languages differ in these only.
expected() {
  case $1 in
    update-user) echo "${user/LEVEL/[a-z]+}" ;;
    update-config) echo '{success:true,data:true}' ;;
    set-role) echo "${user/LEVEL/networkadmin}" ;;
  esac
}

example() {
  case $2 in
    curl) bash "$1.sh" 2>/dev/null ;;
    python) python3 "$1.py" ;;
    node) node "$1.mjs" ;;
    java) java "$1.java" ;;
  esac
}

failed=0
for operation in update-user update-config set-role; do
  for language in curl python node java; do
    printed=$(example "$operation" "$language" || true)
    bare=$(tr -d "\"' \n" <<<"$printed" | tr '[:upper:]' '[:lower:]')
    if [[ $bare =~ ^$(expected "$operation" | sed 's/[{}]/\\&/g')$ ]]; then
      echo "ok      $operation, $language"
    else
      echo "FAILED  $operation, $language: $printed"
      failed=1
    fi
  done
done
exit $failed
