"""A fleet of model servers that share one background thread."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .server import ModelServer

if TYPE_CHECKING:
    from types import TracebackType

    from .limits import TellsTime
    from .models import ServedModel

__all__ = ["ModelFleet", "serve"]

T = TypeVar("T")

_STEP_SECONDS = 30.0  # longer than any step in the thread takes, so that a bug shows instead of hanging


class ModelFleet(Mapping[str, ModelServer]):
    """Servers by model name; `with`, `async with`, or `start()` and `stop()`.

    Args:
        models: What to serve, each on a port of its own.
        seed: Decides every answer and every draw; the same seed answers the same.
        life_limit: Seconds after which the fleet stops by itself.
        keep_bodies: Keep the requests' bodies in the log; otherwise it has metadata only.
        ports: Ports by model name, where a free one will not do.
        clock: What the rate limits go by.
    """

    def __init__(
        self,
        models: Iterable[ServedModel],
        *,
        seed: int = 0,
        life_limit: float = 3600.0,
        keep_bodies: bool = False,
        ports: Mapping[str, int] | None = None,
        clock: TellsTime = time,
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._life_limit = life_limit
        self._servers: dict[str, ModelServer] = {}
        for model in models:
            if model.name in self._servers:
                raise ValueError(f"two served models are named {model.name!r}; names tell the servers of a fleet apart")
            port = (ports or {}).get(model.name, 0)
            self._servers[model.name] = ModelServer(
                model, self._run, seed=seed, clock=clock, port=port, keep_bodies=keep_bodies
            )

    def __getitem__(self, name: str) -> ModelServer:
        try:
            return self._servers[name]
        except KeyError:
            raise KeyError(f"no model {name!r} in this fleet; it serves {', '.join(self._servers)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._servers)

    def __len__(self) -> int:
        return len(self._servers)

    def __repr__(self) -> str:
        return f"<ModelFleet {list(self._servers.values())!r}>"

    @property
    def urls(self) -> dict[str, str]:
        """The base URLs by model name."""
        return {name: server.url for name, server in self._servers.items()}

    @property
    def calls(self) -> int:
        """How many completion and embedding requests arrived at all servers."""
        return sum(server.calls for server in self._servers.values())

    def heal(self) -> None:
        """Let every server answer properly again, the killed ones too."""
        for server in self._servers.values():
            server.heal()
            server.revive()

    def start(self) -> Self:
        """Start the thread and every server in it."""
        if self._thread is not None:
            return self
        # Not the policy's loop: a host may have made uvloop the policy, and resets rely on plain sockets.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._live, args=(self._loop,), name="pointsman-testing", daemon=True)
        self._thread.start()
        atexit.register(self.stop)
        try:
            for server in self._servers.values():
                self._run(server.listen())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every server and the thread; the log stays readable."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        atexit.unregister(self.stop)
        if loop is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the life limit closed the loop first
            loop.call_soon_threadsafe(loop.stop)
        thread.join(_STEP_SECONDS)

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.call_later(self._life_limit, loop.stop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._halt())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def _halt(self) -> None:
        for server in self._servers.values():
            await server.halt()
        late = asyncio.all_tasks() - {asyncio.current_task()}  # connections accepted at the last moment
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.sleep(0)  # sockets are closed in the turn after they were dropped

    def _run(self, step: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None or loop.is_closed():
            step.close()
            raise RuntimeError("this fleet is not running; start it with `with serve(...) as fleet` or fleet.start()")
        return asyncio.run_coroutine_threadsafe(step, loop).result(_STEP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def catalogue(self, api_key: str | None = None) -> list[dict[str, Any]]:
        """Describe the models as entries of `models:` in pointsman.yaml.

        Args:
            api_key: A reference such as `env:HOUSE_KEY`.
        """
        return [
            {
                "name": server.model.name,
                "provider": "openai",
                "api_base": server.url,
                **({"api_key": api_key} if api_key else {}),
                "litellm_model": f"openai/{server.model.name}",
                "capabilities": ["generation.text.chat", "tools", "json"],
                "context_window": server.model.context_window,
                "max_output_tokens": server.model.max_output_tokens,
                "cost_per_1m_input_tokens": server.model.input_price_per_1m,
                "cost_per_1m_output_tokens": server.model.output_price_per_1m,
            }
            for server in self._servers.values()
        ]

    def litellm_model_list(self, group: str | None = None) -> list[dict[str, Any]]:
        """Describe the models as the `model_list` of `litellm.Router` and of the proxy's config.

        Args:
            group: One `model_name` for all, as for deployments of one model; else each goes by its own name.
        """
        return [
            {
                "model_name": group or server.model.name,
                "litellm_params": {
                    "model": f"openai/{server.model.name}",
                    "api_base": server.url,
                    "api_key": server.model.requires_key or "no-key-needed",
                },
                "model_info": {
                    "id": f"openai:{server.model.name}",
                    "input_cost_per_token": server.model.input_price_per_1m / 1_000_000,
                    "output_cost_per_token": server.model.output_price_per_1m / 1_000_000,
                    "max_input_tokens": server.model.context_window,
                    "max_output_tokens": server.model.max_output_tokens,
                },
            }
            for server in self._servers.values()
        ]


def serve(models: Iterable[ServedModel], **options: Any) -> ModelFleet:
    """Make a fleet, to be started by `with`; the options are those of `ModelFleet`."""
    return ModelFleet(models, **options)
