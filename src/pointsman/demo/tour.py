"""The demo on local model servers: three doors, trouble half way, and a count of what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pointsman.catalog.spec import ModelSpec
from pointsman.demo.cast import FAST, stage
from pointsman.demo.doors import LangChainDoor, LiteLLMDoor
from pointsman.demo.ending import show_ending
from pointsman.demo.proxy import ProxyDoor, ProxyProcess
from pointsman.demo.quiet import hush_litellm, warm_up
from pointsman.demo.scene import Scene
from pointsman.demo.screen import Lines, Screen, what_was_lost, wide_console
from pointsman.demo.tally import Tally
from pointsman.demo.traffic import Traffic
from pointsman.demo.trouble import Trouble
from pointsman.errors import MissingDependencyError
from pointsman.failover.calls import CallSettings
from pointsman.registry.models import ModelRegistry
from pointsman.router import Router
from pointsman.testing import gradable_prompts

if TYPE_CHECKING:
    from pointsman.demo.door import Door
    from pointsman.demo.screen import Display
    from pointsman.testing import ModelFleet

REQUESTS, REQUESTS_WHEN_FAST = 300, 120
_DEADLINE = 20.0
_BEGIN, _END = 1 / 2, 5 / 6
_EXPLORED = 0.15


class Tour:
    """One run of the demo.

    Args:
        requests: how many; None means as many as usual.
        seed: decides prompts, answers and draws.
        fast: without the proxy, with quicker models and fewer requests.
        plain: lines instead of a live display.
        store: a file, not there yet, that the log is kept in, so that other policies can be judged on it.
    """

    def __init__(self, *, requests: int | None, seed: int, fast: bool, plain: bool, store: str | None = None) -> None:
        self._total = requests or (REQUESTS_WHEN_FAST if fast else REQUESTS)
        self._seed = seed
        self._fast = fast
        self._store = None if store is None else Path(store).absolute()
        self._console = wide_console()
        self._live = not plain and sys.stdout.isatty()
        self._pace = 0.25 if fast else 1.0
        self._timeout = 1.0 if fast else 3.0
        self._workers = 8 if fast else 4

    async def run(self) -> int:
        """Run it and say how many requests were lost."""
        with TemporaryDirectory(prefix="pointsman-demo-") as folder, stage(seed=self._seed, pace=self._pace) as fleet:
            registry = ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue())
            settings = self._settings(Path(folder))
            limits = CallSettings(**settings["calls"])
            router = Router(registry, settings["policy"], settings["store"], seed=self._seed, calls=limits)
            tally = Tally(registry, self._total)
            scene = Scene(tally, router, fleet)
            async with self._doors(router, fleet, Path(folder), settings) as doors:
                display: Display = (Screen if self._live else Lines)(self._console, scene)
                traffic = self._traffic(router, doors, tally, Trouble(fleet), display)
                with display:
                    await traffic.run(gradable_prompts(self._total, self._seed))
            show_ending(self._console, scene, router, traffic, self._store)
            router.close()
        return tally.requests_lost

    def _settings(self, folder: Path) -> dict[str, Any]:
        store = self._store or (None if self._fast else folder / "pointsman.db")
        return {
            # A log can judge other policies only where chance had a part in it.
            "policy": "ucb" if self._store is None else {"name": "thompson", "floor": _EXPLORED},
            "store": "memory://" if store is None else f"sqlite:///{store}",
            "calls": {"timeout": self._timeout, "deadline": _DEADLINE},
        }

    @contextlib.asynccontextmanager
    async def _doors(
        self, router: Router, fleet: ModelFleet, folder: Path, settings: dict[str, Any]
    ) -> AsyncIterator[list[Door]]:
        """Open the doors; one whose package is not installed is left out, and that is said."""
        doors: list[Door] = []
        with contextlib.ExitStack() as stack:
            proxy = None if self._fast else stack.enter_context(ProxyProcess(fleet, folder, settings))
            if proxy is not None:
                proxy = self._started(proxy)
            self._say("four model servers are up; loading LangChain and LiteLLM takes some seconds")
            with self._console.status("loading") if self._live else contextlib.nullcontext():
                hush_litellm()
                await warm_up(fleet[FAST])
                if find_spec("langchain_openai") is None:
                    self._say("LangChain is left out: pip install 'pointsman[langchain]'")
                else:
                    doors.append(LangChainDoor(router))
                doors.append(LiteLLMDoor(router, fleet))
                if proxy is not None:
                    self._say("waiting for the LiteLLM Proxy, a process of its own")
                    await proxy.wait_until_ready()
                    doors.append(ProxyDoor(proxy.url, proxy.key, router.registry))
            try:
                yield doors
            finally:
                for door in doors:
                    await door.close()

    def _started(self, proxy: ProxyProcess) -> ProxyProcess | None:
        try:
            return proxy.start()
        except MissingDependencyError as error:
            self._say(f"the LiteLLM Proxy is left out: {error.hint}")
            return None

    def _traffic(self, router: Router, doors: list[Door], tally: Tally, trouble: Trouble, display: Display) -> Traffic:
        def begin() -> None:
            ranked = sorted(tally.lines, key=lambda key: -tally.lines[key].answers)
            names = [router.registry.get_model(key).name for key in ranked]
            display.note(trouble.begin(names[0], names[1:]))

        def changed(model: str, old: str, new: str) -> None:
            if {old, new} & {"unhealthy", "recovering"}:
                display.note(f"{model.partition(':')[2]}: {old}, now {new}")

        router.on_health_change(changed)
        half, end = int(self._total * _BEGIN), int(self._total * _END)
        moments = {half: begin}
        if end > half > 0:
            moments[end] = lambda: display.note(trouble.end())
        return Traffic(
            doors,
            tally,
            moments=moments,
            on_done=display.refresh,
            on_lost=lambda door, error: display.note(what_was_lost(door, error)),
            workers=self._workers,
        )

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def run_on_local_models(*, requests: int | None, seed: int, fast: bool, plain: bool, store: str | None = None) -> int:
    """Run the demo on local model servers.

    Returns:
        How many requests were lost.
    """
    return asyncio.run(Tour(requests=requests, seed=seed, fast=fast, plain=plain, store=store).run())
