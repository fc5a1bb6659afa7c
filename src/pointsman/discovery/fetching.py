"""One bounded GET: the address is checked and pinned, redirects are not followed, size and time are limited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pointsman.catalog.loader import Bounds, load_text
from pointsman.discovery.addresses import Address, ListingError, read_url, resolve
from pointsman.errors import CatalogError

BOUNDS = Bounds(size=2 * 1024 * 1024, nodes=200_000, depth=16)


async def fetch_json(url: str, headers: Mapping[str, str], timeout: float) -> Any:  # noqa: ASYNC109  for all of it
    """Get a JSON document.

    Raises:
        ListingError: the address may not be asked, or what it answers cannot be used.
    """
    parts = read_url(url)
    try:
        async with asyncio.timeout(timeout):
            addresses = await resolve(parts)
            body = await _first_answer(url, addresses, headers, timeout)
    except TimeoutError:
        raise ListingError(f"no complete answer within {timeout:g} s") from None
    try:
        return load_text(body, is_json=True, bounds=BOUNDS)
    except CatalogError as error:
        raise ListingError(f"the answer is not usable: {error.message}") from None


async def _first_answer(
    url: str,
    addresses: list[Address],
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109  httpx takes it as it is
) -> bytes:
    import httpx  # noqa: PLC0415  only needed when something is asked

    # A proxy or a .netrc of the environment would send the request, and the key, somewhere else; its certificates count.
    context = httpx.create_ssl_context()
    async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False, verify=context) as client:
        for address in addresses:
            try:
                return await _read(client, url, address, headers)
            except httpx.ConnectError:
                continue
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                # Only the kind of error: its text could repeat a header.
                raise ListingError(f"the request failed: {type(error).__name__}") from None
    raise ListingError("nothing answers there")


async def _read(client: Any, url: str, address: Address, headers: Mapping[str, str]) -> bytes:
    import httpx  # noqa: PLC0415  likewise

    named = httpx.URL(url)
    request = client.build_request(
        "GET",
        named.copy_with(host=str(address)),
        headers={**headers, "host": named.netloc.decode("ascii"), "accept-encoding": "identity"},
        extensions={"sni_hostname": named.raw_host.decode("ascii")},
    )
    response = await client.send(request, stream=True)
    try:
        if response.is_redirect:
            raise ListingError(f"it answers {response.status_code}, a redirect, which is not followed")
        if response.status_code != 200:
            raise ListingError(f"it answers {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ListingError("it sends a compressed answer, which was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > BOUNDS.size:
                raise ListingError(f"the answer is larger than {BOUNDS.size // 1024 // 1024} MiB")
        return bytes(body)
    finally:
        await response.aclose()
