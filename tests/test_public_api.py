"""What `import pointsman` gives and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pointsman

HEAVY = ("litellm", "langchain_core", "langchain", "numpy", "httpx", "openai", "tiktoken", "sqlite3", "rich", "click")

PROBE = """
import socket, sys
opened = []
connect = socket.socket.__init__
def counting(self, *args, **kwargs):
    opened.append(args)
    connect(self, *args, **kwargs)
socket.socket.__init__ = counting
{body}
print(sorted(name for name in {heavy!r} if name in sys.modules), len(opened))
"""


@pytest.mark.parametrize(
    "body",
    [
        "import pointsman",
        "from pointsman import ModelRegistry, ModelSpec, Outcome, Request, Router",
        "from pointsman import *",
        (
            "import pointsman; r = pointsman.Router(pointsman.ModelRegistry("
            "[pointsman.ModelSpec(name='m', provider='openai')]), 'weighted'); r.decide('hello')"
        ),
    ],
)
def test_importing_and_deciding_loads_no_host_and_opens_no_socket(body: str) -> None:
    code = PROBE.format(body=body, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 0"


def test_every_public_name_exists_and_is_listed() -> None:
    for name in pointsman.__all__:
        assert getattr(pointsman, name) is not None
    assert set(pointsman.__all__) <= set(dir(pointsman))
    with pytest.raises(AttributeError, match="no attribute 'Ruoter'"):
        _ = pointsman.Ruoter


def test_the_package_ships_its_types() -> None:
    from importlib import resources

    assert (resources.files("pointsman") / "py.typed").is_file()
