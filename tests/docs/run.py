#!/usr/bin/env python3
"""Runs every command of the documentation: the `sh` blocks of each page as one script, in a folder of its own.

Where a `text` block follows a block of commands, what they print is compared with it; `…` stands for anything.

    tests/docs/run.py <interlingua> [page...]
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 120


def blocks(page):
    """The commands, each with what is expected of it or None."""
    found = []
    for language, text in FENCE.findall(page.read_text()):
        if language == "sh":
            found.append([text, None])
        elif language == "text" and found and found[-1][1] is None:
            found[-1][1] = text
    return found


def matches(expected, printed):
    pattern = ".*".join(re.escape(piece) for piece in expected.strip().split("…"))
    pattern = re.sub(r"(\\ )+", " +", pattern)
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def script(commands):
    lines = ["set -euo pipefail"]
    for number, (text, _) in enumerate(commands):
        # In this shell, and not in one below: later blocks know the jobs and variables of earlier ones.
        lines.append(f"exec 3>&1 >out.{number}\n{text}\nexec >&3 3>&-")
    return "\n".join(lines)


def alone():
    """Root can have a network of its own, so that ports are free, and goes on as nobody, as PostgreSQL wants it."""
    if os.geteuid() != 0:
        return []
    inner = "ip link set lo up && exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\""
    command = ["unshare", "--net", "sh", "-c", inner, "sh"]
    works = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if works else ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def run(page, binary):
    commands = blocks(page)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "bin").mkdir()
        shutil.copy(binary, folder / "bin" / "interlingua")
        work = folder / "work"
        work.mkdir()
        for path in [folder, work]:
            path.chmod(0o777)
        postgres = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        path = os.pathsep.join([str(folder / "bin"), *map(str, postgres[-1:]), os.environ["PATH"]])
        environment = {"PATH": path, "HOME": str(work), "LC_ALL": "C.UTF-8"}
        command = ["timeout", "--kill-after=5", str(SECONDS), "bash", "-c", script(commands)]
        ran = subprocess.run([*alone(), *command], cwd=work, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        if ran.returncode != 0:
            done = sum((work / f"out.{number}").exists() for number in range(len(commands)))
            logs = "".join(log.read_text()[-2000:] for log in work.glob("*.log"))
            return f"exit code {ran.returncode} in block {done}\n{ran.stderr[-3000:]}\n{logs}"
        for number, (text, expected) in enumerate(commands):
            printed = (work / f"out.{number}").read_text()
            if expected is not None and not matches(expected, printed):
                return f"expected of\n{text}\nthis:\n{expected}\nand it was\n{printed}"
    return None


def main():
    binary, *names = sys.argv[1:]
    pages = [pathlib.Path(name) for name in names] or sorted((ROOT / "docs").glob("*.md"))
    failed = 0
    for page in pages:
        problem = run(page, pathlib.Path(binary))
        print(f"{page.name}: {len(blocks(page))} blocks: {'ok' if problem is None else 'FAILED'}", flush=True)
        if problem is not None:
            print(problem, flush=True)
            failed += 1
    sys.exit(1 if failed else 0)


main()
