"""Several replicas as processes, told what to do from one test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

SOURCE = Path(__file__).parents[2] / "src"


class Replicas:
    """Processes that run `replica.py`; they end when their standard input is closed."""

    def __init__(self, count: int, catalogue: list[dict[str, Any]], url: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("replica.py")), json.dumps(catalogue), url]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(count)
        ]
        for number in range(count):
            self.answer(number)

    def order(self, number: int, do: str, **arguments: Any) -> None:
        wire = self.processes[number].stdin
        assert wire is not None
        wire.write(json.dumps({"do": do, **arguments}) + "\n")
        wire.flush()

    def answer(self, number: int) -> dict[str, Any]:
        wire = self.processes[number].stdout
        assert wire is not None
        line = wire.readline()
        assert line, f"replica {number} ended with {self.processes[number].wait()}; see standard error"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, number: int, do: str, **arguments: Any) -> dict[str, Any]:
        self.order(number, do, **arguments)
        return self.answer(number)

    def tell_all(self, do: str, **arguments: Any) -> list[dict[str, Any]]:
        """The same order to all at once."""
        numbers = [number for number, process in enumerate(self.processes) if process.poll() is None]
        for number in numbers:
            self.order(number, do, **arguments)
        return [self.answer(number) for number in numbers]

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
