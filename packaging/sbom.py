#!/usr/bin/env python3
"""Prints what the binary is made of, as a CycloneDX document, from `cargo metadata`."""

import json
import subprocess
import tomllib

TARGET = "x86_64-unknown-linux-musl"


def main():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    with open("Cargo.lock", "rb") as lock:
        locked = tomllib.load(lock)["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked}

    root = next(package["id"] for package in metadata["packages"] if package["name"] == "interlingua")
    below = {}
    waiting = [root]
    while waiting:
        package = waiting.pop()
        if package not in below:
            # What only builds and tests need is not in the binary.
            needed = [
                dependency["pkg"]
                for dependency in nodes[package]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            ]
            below[package] = needed
            waiting += needed

    def reference(package):
        return f"pkg:cargo/{packages[package]['name']}@{packages[package]['version']}"

    def component(package):
        described = packages[package]
        result = {
            "type": "application" if package == root else "library",
            "bom-ref": reference(package),
            "name": described["name"],
            "version": described["version"],
            "purl": reference(package),
        }
        if described.get("license"):
            result["licenses"] = [{"expression": described["license"].replace("/", " OR ")}]
        checksum = checksums.get((described["name"], described["version"]))
        if checksum:
            result["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return result

    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root)},
        "components": sorted((component(package) for package in below if package != root), key=lambda c: c["bom-ref"]),
        "dependencies": sorted(
            ({"ref": reference(p), "dependsOn": sorted(reference(d) for d in ds)} for p, ds in below.items()),
            key=lambda d: d["ref"],
        ),
    }
    print(json.dumps(document, indent=2))


main()
