"""The live display: a table of who serves, a progress bar, and the last things that happened."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pointsman.errors import PointsmanError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pointsman.demo.scene import Scene

_NOTES_SHOWN = 6
_BAR = 10
_WIDTH_OF_A_PIPE = 120
_REFRESHES_PER_SECOND = 8
_COLOURS = {
    "healthy": "green",
    "not known": "dim",
    "degraded": "yellow",
    "rate limited": "yellow",
    "recovering": "cyan",
    "unhealthy": "red",
}
_PLAIN_STEPS = 10


def wide_console() -> Console:
    """Standard output; where it is no terminal, wide enough for the table."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)


class Display(Protocol):
    """Where the demo shows what happens."""

    def note(self, text: str) -> None:
        """Say that something happened."""
        ...

    def refresh(self) -> None:
        """A request is over."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Screen:
    """A live table, for terminals."""

    def __init__(self, console: Console, scene: Scene) -> None:
        self._scene = scene
        self._started = time.monotonic()
        self._notes: deque[str] = deque(maxlen=_NOTES_SHOWN)
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=_REFRESHES_PER_SECOND)

    def note(self, text: str) -> None:
        """Add a line below the table; the oldest goes."""
        self._notes.append(f"{_clock(time.monotonic() - self._started)}  {text}")

    def refresh(self) -> None:
        """Do nothing: the display refreshes itself."""

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _picture(self) -> RenderableType:
        return picture(self._scene, list(self._notes), time.monotonic() - self._started)


class Lines:
    """One line for each tenth of the requests and for each thing that happens, for pipes and logs."""

    def __init__(self, console: Console, scene: Scene) -> None:
        self._console = console
        self._scene = scene
        self._steps = 0

    def note(self, text: str) -> None:
        """Print it."""
        self._print(f"  {text}")

    def refresh(self) -> None:
        """Print the state of things each time another tenth is done."""
        tally = self._scene.tally
        steps = tally.done * _PLAIN_STEPS // tally.total
        if steps > self._steps:
            self._steps = steps
            shares = ", ".join(f"{self._scene.name(key)} {tally.share(key):.0%}" for key in tally.lines)
            self._print(f"{tally.done:>4}/{tally.total}  {shares}; ${tally.cost:.4f}; lost {tally.requests_lost}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.print(models_table(self._scene))


def what_was_lost(door: str, error: Exception) -> str:
    """Say that a request got no answer. Messages of others may repeat the prompt, so only ours are shown."""
    reason = f": {error}" if isinstance(error, PointsmanError) else ""
    return f"LOST a request through {door}: {type(error).__name__}{reason}"


def picture(scene: Scene, notes: list[str], seconds: float) -> RenderableType:
    """The whole display at one moment."""
    tally = scene.tally
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=tally.total, completed=tally.done, width=40),
        f"{tally.done} of {tally.total} requests",
        Text(_clock(seconds), style="dim"),
    )
    return Group(bar, models_table(scene), _footer(scene), Text("\n".join(notes), style="dim"))


def models_table(scene: Scene) -> Table:
    """Who serves, at what share, cost and speed, and how well everybody is."""
    tally = scene.tally
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("health", min_width=12, no_wrap=True)
    table.add_column("share", width=_BAR, no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    columns = ["right", "cost", "p50"] + (["failed"] if scene.counts_failures else [])
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for key, line in tally.lines.items():
        health = scene.health(key)
        cells = [
            f"{line.right / line.answers:.0%}" if line.answers else "",
            f"${line.cost:.4f}",
            "" if line.p50 is None else f"{line.p50:.2f} s",
            str(scene.failures(key) or "") if scene.counts_failures else None,
        ]
        table.add_row(
            Text(scene.name(key)),
            Text(health, style=_COLOURS.get(health, "")),
            ProgressBar(total=1, completed=tally.share(key), width=_BAR, complete_style="blue", finished_style="blue"),
            f"{tally.share(key):.0%}",
            *(cell for cell in cells if cell is not None),
        )
    return table


def _footer(scene: Scene) -> Text:
    tally = scene.tally
    doors = "   ".join(f"{name} {count}" for name, count in tally.doors.items())
    text = Text(f"doors   {doors}\n" if doors else "doors\n")
    text.append(f"money   ${tally.cost:.4f} spent")
    if tally.saved is not None and tally.dearest is not None:
        text.append(f"; always {scene.name(tally.dearest)}: ${tally.cost_of_dearest:.4f}")
    text.append("\nlost    ").append(
        str(tally.requests_lost), style="bold red" if tally.requests_lost else "bold green"
    )
    return text.append("\n")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
