"""Which addresses may be asked: none that a machine's own metadata service answers at, whatever name leads there."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address

_METADATA_HOSTS = frozenset(
    [
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.com",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "instance-data",
        "instance-data.ec2.internal",
        "rancher-metadata",
    ]
)
# Metadata services that live outside the link-local networks: Alibaba, Oracle, Azure, AWS and Google over IPv6.
_METADATA_ADDRESSES = frozenset(
    ip_address(each) for each in ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)
_NAT64 = IPv6Network("64:ff9b::/96")


class ListingError(Exception):
    """A server's list cannot be asked for or read; the text says why and repeats nothing that could be a secret."""


def read_url(url: str) -> SplitResult:
    """Split an address that may be asked, as far as its text tells.

    Raises:
        ListingError: another scheme, credentials or a query in it, no host, or a metadata service's name.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ListingError("the address is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise ListingError(f"the address begins with {parts.scheme[:20]!r}, expected http or https")
    if not host:
        raise ListingError("the address names no host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ListingError("the address holds a user, a query or a fragment, expected only scheme, host and path")
    if host.rstrip(".").lower() in _METADATA_HOSTS:
        raise ListingError(f"{host} is a metadata service")
    return parts


async def resolve(parts: SplitResult) -> list[Address]:
    """Look the host up; the answer is what must be connected to, so that a second look-up cannot differ.

    Raises:
        ListingError: the name is unknown, or one of its addresses is link-local or a metadata service.
    """
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ListingError("the host's name is not known") from None
    addresses = list(dict.fromkeys(ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found))
    for address in addresses:
        refuse(address)
    return addresses


def refuse(address: Address) -> None:
    """Refuse link-local and multicast networks and metadata services, also inside IPv6 spellings of an IPv4 address.

    Raises:
        ListingError: if it is one of them.
    """
    for each in _meant(address):
        if each.is_link_local or each.is_multicast or each in _METADATA_ADDRESSES:
            raise ListingError(f"{address} is link-local, multicast or a metadata service")


def _meant(address: Address) -> list[Address]:
    meant: list[Address] = [address]
    if isinstance(address, IPv6Address):
        meant += [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
        if address.teredo is not None:
            meant += address.teredo
        if address in _NAT64:
            meant.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return meant
