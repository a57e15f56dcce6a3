#!/usr/bin/env bash
# What systemd makes of the unit; then a clean Debian, the package in it, and a call. Needs root, systemd and debootstrap.
#
#   packaging/deb-test.sh <package>
set -euo pipefail
package=$(realpath "$1")
root=$(mktemp -d)
# Whoever has no rights gets into it, too.
chmod 0755 "$root"
trap 'kill "${gateway:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$root" "$root.package"' EXIT

# The unit with its command where the package is unpacked: nothing to complain of, and an exposure of at most 1.4 of 10.
dpkg-deb --extract "$package" "$root.package"
unit=$root.package/usr/lib/systemd/system/interlingua.service
sed -i "s|^ExecStart=|&$root.package|" "$unit"
complaints=$(systemd-analyze verify --man=no "$unit" 2>&1 || echo "systemd-analyze verify: $unit is not good")
[[ -z $complaints ]] || { echo "$complaints" >&2; exit 1; }
systemd-analyze security --offline=true --threshold=14 --no-pager "$unit" | tail -1

debootstrap --variant=minbase bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 ||
    { echo "NOT TESTED: no clean Debian can be made on this machine:"; tail -5 "$root.log"; rm -f "$root.log"; exit 0; }
rm -f "$root.log"
cp "$package" "$root/tmp/interlingua.deb"
chroot "$root" dpkg -i /tmp/interlingua.deb
chroot "$root" dpkg -s interlingua | grep -q '^Status: install ok installed'
[[ $(cat "$root/var/lib/dpkg/info/interlingua.conffiles") == /etc/interlingua/interlingua.toml ]]

# The command line is the unit's; the user is one without rights, as DynamicUser makes one.
unit=$root/usr/lib/systemd/system/interlingua.service
read -ra command <<<"$(sed -n 's/^ExecStart=//p' "$unit")"
chroot "$root" "${command[0]}" check --config /etc/interlingua/interlingua.toml
mkdir -m 0700 "$root/var/lib/interlingua"
chown 65534:65534 "$root/var/lib/interlingua"
chroot --userspec=65534:65534 "$root" "${command[@]}" 2>"$root/tmp/log" &
gateway=$!
call() { curl -sSf -H 'X-API-Key: sandbox-ecgrid-key' http://127.0.0.1:8080/v2/users/1042; }
for _ in {1..50}; do
    call >"$root/tmp/answer" 2>/dev/null && break
    kill -0 "$gateway" 2>/dev/null || { cat "$root/tmp/log" >&2; exit 1; }
    sleep 0.2
done
grep -q '"userId":1042' "$root/tmp/answer"
kill -TERM "$gateway"
wait "$gateway"
echo "the package is installed, serves, and stops"
