"""CPU of importing pointsman, beside pydantic's and LiteLLM's, each in a fresh process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from rich.console import Console
from rich.table import Table

CASES = {
    "from pydantic import BaseModel": "from pydantic import BaseModel",
    "import pointsman": "import pointsman",
    "from pointsman import Router, ModelRegistry, Request": "from pointsman import Router, ModelRegistry, Request",
    "from pointsman.langchain import ChatPointsman": "from pointsman.langchain import ChatPointsman",
    "import litellm": "import litellm",
}
BASE = "from pydantic import BaseModel"
RUNS = 7


def cpu(statement: str) -> float:
    """Median CPU seconds of the statement over fresh processes, the interpreter's own start taken off."""
    code = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, check=True, env=environment
            ).stdout.split()[-1]
        )
        for _ in range(3 if "litellm" in statement else RUNS)
    ]
    return statistics.median(times)


def main() -> None:
    table = Table(title="CPU of an import (goal for pointsman: at most 3 times pydantic's)")
    table.add_column("statement")
    table.add_column("ms", justify="right")
    table.add_column("against pydantic", justify="right")
    base = cpu(BASE)
    for name, statement in CASES.items():
        seconds = base if name == BASE else cpu(statement)
        table.add_row(name, f"{seconds * 1e3:.0f}", f"{seconds / base:.2f} x")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
