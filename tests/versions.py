"""Runs a door's tests on other versions of its host: the oldest that is supported, and the newest that installs.

`python tests/versions.py [NAME ...]` lays the versions over the environment that runs it (a folder that Python looks
into first), so that nothing else is installed again, and prints pytest's own summary for each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Overlay(NamedTuple):
    """Versions that belong together, and the tests they are for."""

    packages: Sequence[str]
    tests: str


OVERLAYS = {
    # The floor of `pyproject.toml`, with what its time had of everything that hangs together with it.
    "langchain-oldest": Overlay(
        (
            "langchain-core==1.2.21",
            "langchain==1.2.13",
            "langchain-openai==1.1.12",
            "langchain-tests==1.1.5",
            "langchain-litellm==0.6.6",
            "langgraph==1.1.3",
            "langgraph-checkpoint==4.0.1",
            "langgraph-prebuilt==1.0.8",
            "langgraph-sdk==0.3.9",
        ),
        "tests/langchain_door",
    ),
    "langchain-newest": Overlay(
        (
            "langchain-core==1.8.1",
            "langchain-protocol==0.0.20",
            "langchain==1.5.0",
            "langchain-openai==1.7.4",
            "langsmith==0.14.17",
        ),
        "tests/langchain_door",
    ),
    "litellm-oldest": Overlay(("litellm==1.100.0",), "tests/litellm_door"),
    "litellm-newest": Overlay(("litellm==1.109.1",), "tests/litellm_door"),
}


def run(name: str, arguments: Sequence[str]) -> int:
    """Lay an overlay over this environment and run its tests; pytest's exit code."""
    overlay = OVERLAYS[name]
    with tempfile.TemporaryDirectory(prefix="pointsman-versions-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", folder, *overlay.packages], check=True)
        path = os.pathsep.join([folder, str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        found = subprocess.run(
            [sys.executable, "-c", f"from importlib.metadata import version; print(version({_first(overlay)!r}))"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        print(f"== {name}: {_first(overlay)} {found} (installed: {version(_first(overlay))})", flush=True)  # noqa: T201
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", overlay.tests, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _first(overlay: Overlay) -> str:
    return overlay.packages[0].partition("==")[0]


def main() -> int:
    """Run the overlays that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(OVERLAYS)}; all unless named")
    options, arguments = parser.parse_known_args()
    codes = {name: run(name, arguments) for name in options.names or OVERLAYS}
    for name, code in codes.items():
        print(f"{name}: {'passed' if code == 0 else f'failed with exit code {code}'}")  # noqa: T201
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
