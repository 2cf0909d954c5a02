"""HTTP proxies, from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

The variables are read as curl reads them, also in lower case; `NO_PROXY` takes ranges such as `10.0.0.0/8`. An
upstream on this machine is called directly: to a proxy, `localhost` would be the proxy's own machine.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from optillm.config.values import masked

SCHEMES: Final = ("http", "https")
"""Schemes of the proxies that aiohttp supports."""

log = logging.getLogger(__name__)


def proxy_for(upstream: URL) -> URL | None:
    """Return the proxy through which to call an upstream, `None` to call it directly."""
    host = upstream.host
    if not host or is_this_machine(host) or _excepted(host, upstream.port):
        return None
    proxies = getproxies()
    text = proxies.get(upstream.scheme) or proxies.get("all")
    if not text:
        return None
    proxy = URL(text if "://" in text else f"http://{text}")
    if proxy.scheme not in SCHEMES:
        log.warning("The proxy %s is not used: only HTTP proxies are supported", masked(text))
        return None
    return proxy


def is_this_machine(host: str) -> bool:
    """Return whether a host's name or address always means this machine; no name is looked up."""
    name = host.rstrip(".").lower()
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def is_private(host: str) -> bool:
    """Return whether a host is this machine or an address of a private network.

    No name is looked up.
    """
    address = _address(host)
    return is_this_machine(host) if address is None else address.is_private


def _excepted(host: str, port: int | None) -> bool:
    """Return whether `NO_PROXY` lists a host, with or without port, or a range around it."""
    address = _address(host)
    if address is not None and any(address in network for network in _networks()):
        return True
    with_port = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return bool(proxy_bypass(host) or proxy_bypass(with_port))


def _networks() -> Iterator[IPv4Network | IPv6Network]:
    for entry in getproxies().get("no", "").split(","):
        try:
            yield ip_network(entry.strip().strip("[]"), strict=False)
        except ValueError:
            continue


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `host` spells, also in short as `127.1`; `None` for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeEncodeError):
            return None
    return getattr(address, "ipv4_mapped", None) or address
