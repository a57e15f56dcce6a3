"""Expands JSON-LD documents with PyLD: see run.sh."""

import json
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from pyld import jsonld

BASE = "https://gateway.example/"
# Members whose value is one JSON literal.
LITERALS = {"customSettings", "analyticsReports"}


def loader(contexts):
    """Serves the context files and nothing else."""

    def load(url, options):
        url = urljoin(BASE, url)  # PyLD 3 takes "/contexts/hydra:Error.jsonld" for absolute: it has a colon.
        path = unquote(urlsplit(url).path)
        if not url.startswith(BASE) or Path(path).parent != Path("/contexts"):
            raise ValueError(f"a document refers to {url}")
        document = json.loads((contexts / Path(path).name).read_text("utf-8"))
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": document}

    return load


def leaves(value):
    """How many values a document tells; null tells nothing, and a context is not told."""
    if isinstance(value, list):
        return sum(map(leaves, value))
    if isinstance(value, dict):
        members = ((name, member) for name, member in value.items() if name != "@context")
        return sum(1 if name in LITERALS else leaves(member) for name, member in members)
    return value is not None


def expanded_leaves(value):
    """The same of an expanded document."""
    if isinstance(value, list):
        return sum(map(expanded_leaves, value))
    if isinstance(value, dict):
        return 1 if "@value" in value else sum(map(expanded_leaves, value.values()))
    return 1


def main(contexts, files):
    jsonld.set_document_loader(loader(Path(contexts)))
    dropped = False
    for file in files:
        document = json.loads(Path(file).read_text("utf-8"))
        expanded = jsonld.expand(document, {"base": BASE})
        told, kept = leaves(document), expanded_leaves(expanded)
        if told != kept:
            dropped = True
            print(f"{file}: {told} values became {kept} in expansion", file=sys.stderr)
        options = {"algorithm": "URDNA2015", "format": "application/n-quads", "base": BASE}
        print(f"# {file}\n{jsonld.normalize(document, options)}", end="")
    return 1 if dropped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
