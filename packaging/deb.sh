#!/usr/bin/env bash
# Makes the Debian package: target/debian/interlingua_<version>_amd64.deb
#
#   packaging/deb.sh <binary>        the output of packaging/build.sh
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
version=$("$binary" --version | cut -d' ' -f2)
root=target/debian/root
rm -rf "$root"

install -D -m 0755 "$binary" "$root/usr/bin/interlingua"
strip "$root/usr/bin/interlingua"
install -D -m 0644 packaging/debian/interlingua.service "$root/usr/lib/systemd/system/interlingua.service"
install -D -m 0644 packaging/debian/interlingua.toml "$root/etc/interlingua/interlingua.toml"
install -d -m 0700 "$root/etc/interlingua/credentials"
for file in config/example.toml config/sandbox.toml config/schema.json README.md LICENSE-MIT LICENSE-APACHE; do
    install -D -m 0644 "$file" "$root/usr/share/doc/interlingua/${file##*/}"
done
mkdir -p "$root"/usr/share/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
"$binary" man | gzip -9n >"$root/usr/share/man/man1/interlingua.1.gz"
"$binary" completion bash >"$root/usr/share/bash-completion/completions/interlingua"
"$binary" completion zsh >"$root/usr/share/zsh/vendor-completions/_interlingua"
"$binary" completion fish >"$root/usr/share/fish/vendor_completions.d/interlingua.fish"

mkdir -p "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<CONTROL
Package: interlingua
Version: $version
Architecture: amd64
Maintainer: The interlingua authors <interlingua@example.com>
Section: net
Priority: optional
Installed-Size: $(du -ks "$root" | cut -f1)
Description: gateway between the user APIs of different vendors
 Clients of one vendor's API are served from another vendor's, and nothing is
 lost silently. As it is installed, it runs a sandbox with stand-ins.
CONTROL
echo /etc/interlingua/interlingua.toml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
# Started by the administrator, once it is configured.
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart interlingua.service
fi
SCRIPT
cat >"$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now interlingua.service
fi
SCRIPT
chmod 0755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm"

# The same files give the same package.
find "$root" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" {} +
package=target/debian/interlingua_${version}_amd64.deb
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} \
    dpkg-deb --root-owner-group --build "$root" "$package" >&2
echo "$package"
