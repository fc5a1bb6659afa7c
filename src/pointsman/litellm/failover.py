"""How LiteLLM comes to ask for the next deployment of a group: its fallbacks, pointed at the group itself.

LiteLLM fails over between groups, on every status and for streams that die before their content, but not within one:
there it only repeats, with rules of its own (never on 400 or 404, not for streams). So each group gets itself as its
fallback, once per deployment, in front of the fallbacks it had; the strategy answers each time with the next
deployment of its plan, or with the error that ends the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Protocol

from litellm.router_utils import cooldown_handlers

from pointsman.failover.calls import CallSettings

# LiteLLM works through fallbacks by recursion, a handful of frames each.
_MOST_ATTEMPTS = 32
_METHODS = ("get_available_deployment", "async_get_available_deployment")
_SETTINGS = ("fallbacks", "num_retries", "max_fallbacks", "disable_cooldowns")


class _Groups(Protocol):
    """What has to be known of the deployments."""

    def sizes(self) -> dict[str, int]:
        """How many deployments each name can reach: groups and pools."""
        ...


class SameGroupFailover:
    """The settings of a LiteLLM router while pointsman chooses for it.

    Args:
        host: the LiteLLM router.
        strategy: what answers for it.
        groups: which names there are.
        calls: limits of a call.
        limit: attempts per call.
        cooldowns: whether LiteLLM's cool-downs stay on.

    Attributes:
        attempts: how often LiteLLM will ask for a deployment of one call at most.
    """

    def __init__(
        self,
        host: Any,
        strategy: Any,
        groups: _Groups,
        calls: CallSettings,
        limit: int | None = None,
        *,
        cooldowns: bool = False,
    ) -> None:
        self._host = host
        self._strategy = strategy
        self._groups = groups
        self._retries = calls.retries
        self._cooldowns = cooldowns
        self.attempts = min(limit or _MOST_ATTEMPTS, calls.attempts or _MOST_ATTEMPTS, _MOST_ATTEMPTS)
        self._before: dict[str, Any] = {}
        self._originals: dict[str, Any] = {}
        self._update_settings: Any = None

    def original(self, method: str) -> Any:
        """A method of the router as it was before."""
        return self._originals[method]

    def install(self) -> None:
        """Put the strategy and its settings in place; what was set before is kept."""
        if self._before:
            return
        host = self._host
        self._before = {name: getattr(host, name, None) for name in _SETTINGS}
        self._originals = {name: getattr(host, name) for name in _METHODS}
        self._replaced = [name for name in _METHODS if name in vars(host)]
        self._register(self._strategy)
        self.refresh()
        host.num_retries = 0  # retries have one owner
        if not self._cooldowns:
            host.disable_cooldowns = True  # and so has health
        self._update_settings = host.update_settings
        host.update_settings = self._updated

    def uninstall(self) -> None:
        """Give the router back as it was."""
        if not self._before:
            return
        host = self._host
        for name, value in self._before.items():
            setattr(host, name, value)
        if not self._replaced and all(name in vars(host) for name in _METHODS):
            for name in _METHODS:
                delattr(host, name)
        else:
            self._register(SimpleNamespace(**self._originals))
        if vars(host).get("update_settings") == self._updated:
            del host.update_settings
        self._before = {}

    def refresh(self) -> None:
        """Work the fallbacks out again, after groups have changed."""
        sizes = self._groups.sizes()
        given = self._before["fallbacks"] or []
        chains = {name: chain for entry in given for name, chain in entry.items() if isinstance(chain, list)}
        ours, longest = [], 0
        for name, size in sizes.items():
            tries = min(size if size > 1 else 1 + self._retries, self.attempts)
            again = [_again(name, number) for number in range(1, tries)]
            chain = again + [each for each in chains.get(name, chains.get("*", ())) if each != name]
            longest = max(longest, len(chain))
            if chain:
                ours.append({name: chain})
        others = [entry for entry in given if not (isinstance(entry, dict) and next(iter(entry), None) in sizes)]
        self._host.fallbacks = ours + others or None
        self._host.max_fallbacks = max(self._before["max_fallbacks"] or 0, longest + 1)

    def resting(self) -> Iterable[str]:
        """Ids of the deployments in LiteLLM's cool-down, if that is respected."""
        return _cooling("get_cooldown_deployments")(self._host, None) if self._cooldowns else ()

    async def aresting(self) -> Iterable[str]:
        """Like `resting`."""
        return await _cooling("async_get_cooldown_deployments")(self._host, None) if self._cooldowns else ()

    def _register(self, strategy: Any) -> None:
        register = getattr(self._host, "register_plugin", None) or self._host.set_custom_routing_strategy
        register(strategy)

    def _updated(self, **settings: Any) -> Any:
        """`update_settings`, which would drop a custom strategy silently when `routing_strategy` changes."""
        update = self._update_settings
        self.uninstall()
        try:
            return update(**settings)
        finally:
            self.install()


def _cooling(name: str) -> Any:
    return getattr(cooldown_handlers, name, None) or getattr(cooldown_handlers, f"_{name}")  # private before 1.106


def _again(group: str, number: int) -> dict[str, Any]:
    """A fallback to the group itself. Entries must differ, or LiteLLM takes the second for a repetition.

    The key is LiteLLM's own and names deployments to leave out; nothing is called so, and without the strategy these
    entries just mean another try.
    """
    return {"model": group, "_excluded_deployment_ids": [f"pointsman:{number}"]}
