"""One way to a Redis server: short timeouts, and a circuit that opens while it does not answer.

Whoever calls first when the server is gone loses one timeout; from then on everybody is refused at once, and a thread
beside the calls knocks until the server is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from pointsman.catalog.bounds import short
from pointsman.errors import ConfigError, MissingDependencyError, StoreError
from pointsman.forks import renew_after_fork

_log = logging.getLogger("pointsman")

SCHEMES = ("redis", "rediss", "unix")
_OPTIONS = ("prefix", "timeout", "db")
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
# The knocking thread holds nobody up; a server that has to load its data first answers late.
_PATIENCE = 0.5


class RedisLink:
    """A connection pool with a circuit. Thread-safe; a fork opens its own connections.

    Args:
        url: `redis://[user:password@]HOST:PORT/N`, `rediss://...` with TLS, or `unix:///PATH?db=N`;
            `?prefix=` names the keys, `?timeout=` is seconds for each answer.
        binary: whether answers are bytes instead of text.

    Attributes:
        address: the server, without user and password.
        prefix: what every key starts with.
        timeout: seconds for each answer.
        outages: how often the server went away.

    Raises:
        ConfigError: E4006, for a URL of another form; the message never repeats it.
        MissingDependencyError: E4401, without the package `redis`.
    """

    def __init__(self, url: str, *, binary: bool = False) -> None:
        self.address, self.prefix, self.timeout, self._connect = _read(url, binary=binary)
        self.outages = 0
        self._lock = threading.Lock()
        self._down = False
        self._closed = False
        self._listeners: list[Callable[[], None]] = []
        self._client = self._connect(self.timeout)
        renew_after_fork(self)

    def __repr__(self) -> str:
        return f"RedisLink({self.address!r}, {'down' if self._down else 'up'})"

    @property
    def is_up(self) -> bool:
        """Whether the server answered last time."""
        return not self._down

    def key(self, *parts: str) -> str:
        """A key of ours."""
        return self.prefix + ":".join(parts)

    def on_return(self, callback: Callable[[], None]) -> None:
        """Call back, in a thread of the link's, whenever the server answers again."""
        self._listeners.append(callback)

    def ask(self, *command: Any) -> Any:
        """Send one command.

        Raises:
            StoreError: E4301.
        """
        return self._guarded(lambda client: client.execute_command(*command))

    def script(self, text: str) -> Callable[[Sequence[str], Sequence[Any]], Any]:
        """A Lua script as a function of keys and arguments; it raises `StoreError`."""
        known = self._client.register_script(text)

        def run(keys: Sequence[str], arguments: Sequence[Any]) -> Any:
            return self._guarded(lambda client: known(keys, arguments, client=client))

        return run

    def close(self) -> None:
        """Give the connections back; the next command opens new ones."""
        self._closed = True
        self._client.close()

    def forked(self) -> None:
        """A child has connections and a circuit of its own."""
        self._lock = threading.Lock()
        self._down = False
        self._client = self._connect(self.timeout)

    def _guarded(self, act: Callable[[Any], Any]) -> Any:
        from redis import exceptions  # noqa: PLC0415  the package is an extra

        if self._down:
            raise StoreError(f"{self.address} does not answer", hint="serving goes on with what this process knows")
        self._closed = False
        try:
            return act(self._client)
        except (exceptions.AuthenticationError, exceptions.AuthorizationError):
            raise StoreError(
                f"{self.address} refuses the credentials", hint="see user and password of the URL"
            ) from None
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
            self._lose()
            raise StoreError(f"{self.address} does not answer: {type(error).__name__}") from None
        except exceptions.RedisError as error:
            # An error may repeat what was sent: its first word is the code, the rest is not for logs.
            code = str(error).partition(" ")[0][:40]
            raise StoreError(f"{self.address} refused a command: {type(error).__name__} {code}") from None

    def _lose(self) -> None:
        with self._lock:
            if self._down:
                return
            self._down = True
            self.outages += 1
        _log.warning("E4301: %s does not answer; each process goes on by itself until it is back", self.address)
        threading.Thread(target=self._knock, daemon=True, name="pointsman-redis").start()

    def _knock(self) -> None:
        from redis import exceptions  # noqa: PLC0415

        pause = _FIRST_PAUSE
        while not self._closed:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            client = self._connect(max(self.timeout, _PATIENCE))
            try:
                client.ping()
            except (exceptions.RedisError, OSError):
                continue
            finally:
                client.close()
            break
        # Connections from before may still wait for answers that never came.
        self._client.connection_pool.disconnect(inuse_connections=False)
        with self._lock:
            self._down = False
        if not self._closed:
            _log.warning("%s answers again", self.address)
            for callback in tuple(self._listeners):
                callback()


def _read(url: str, *, binary: bool) -> tuple[str, str, float, Callable[[float], Any]]:
    """Address, prefix, timeout and the function that makes a client."""
    try:
        from redis import Redis, SSLConnection  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.connection import Connection, ConnectionPool, UnixDomainSocketConnection  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError:
        raise MissingDependencyError("redis", extra="redis") from None
    scheme, where, options = _parts(url)
    prefix = options.get("prefix", "pointsman:")
    timeout = _number(options.get("timeout", "0.05"), "timeout")
    if scheme == "unix":
        address = f"unix://{where['path']}"
        kind: Any = UnixDomainSocketConnection
    else:
        address = f"{scheme}://{where['host']}:{where['port']}/{where['db']}"
        kind = SSLConnection if scheme == "rediss" else Connection

    def connect(seconds: float) -> Any:
        times = {"socket_timeout": seconds}
        if scheme != "unix":
            times["socket_connect_timeout"] = seconds
        pool = ConnectionPool(
            connection_class=kind,
            **where,
            **times,
            # Whoever waits for a call decides about a second try; RESP 2 needs no greeting.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=not binary,
        )
        return Redis.from_pool(pool) if hasattr(Redis, "from_pool") else Redis(connection_pool=pool)

    return address, prefix, timeout, connect


def _parts(url: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    form = "expected redis://[USER:PASSWORD@]HOST:PORT/N, rediss://... or unix:///PATH?db=N"
    try:
        split = urlsplit(url)
        port = split.port or 6379
    except ValueError:
        raise ConfigError("the URL of the store has no readable port", hint=form) from None
    options: dict[str, str] = {}
    for pair in filter(None, split.query.split("&")):
        name, _, value = pair.partition("=")
        if name not in _OPTIONS:
            raise ConfigError(f"{short(name)} is no option of a Redis store", hint=f"one of: {', '.join(_OPTIONS)}")
        options[name] = unquote(value)
    account = {
        name: unquote(value) for name, value in (("username", split.username), ("password", split.password)) if value
    }
    db = options.get("db") or split.path.strip("/") or "0"
    if split.scheme == "unix":
        if not split.path.strip("/"):
            raise ConfigError("the URL of the store has no path", hint=form)
        return "unix", {"path": unquote(split.path), "db": _index(options.get("db", "0")), **account}, options
    if split.scheme not in SCHEMES or not split.hostname:
        raise ConfigError("the URL of the store names no host", hint=form)
    return split.scheme, {"host": split.hostname, "port": port, "db": _index(db), **account}, options


def _index(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise ConfigError(f"{short(text)} is no number of a Redis database", hint="such as redis://localhost:6379/0")
    return int(text)


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.001 <= number <= 10:
        raise ConfigError(f"{name} is {short(text)}; expected seconds from 0.001 to 10")
    return number
