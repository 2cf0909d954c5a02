"""The HTTP proxy that the environment names for an upstream: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.

The variables are read as curl reads them, in lower case, too; ranges such as `10.0.0.0/8` count in `NO_PROXY`. No
proxy is asked for an upstream on this machine: a proxy elsewhere would look for it on its own.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from optillm.values import masked

SCHEMES: Final = ("http", "https")
"""Of proxies that aiohttp can talk to."""

log = logging.getLogger(__name__)


def proxy_for(upstream: URL) -> URL | None:
    """The proxy on the way to an upstream, if there is to be one."""
    host = upstream.host
    if not host or is_here(host) or _excepted(host, upstream.port):
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


def is_here(host: str) -> bool:
    """Whether a host is this machine by its name or address, whatever the network says."""
    name = host.rstrip(".").lower()
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _excepted(host: str, port: int | None) -> bool:
    """Whether `NO_PROXY` names a host, alone or with its port, or a range that its address is in."""
    address = _address(host)
    if address is not None and any(address in network for network in _networks()):
        return True
    at_port = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return bool(proxy_bypass(host) or proxy_bypass(at_port))


def _networks() -> Iterator[IPv4Network | IPv6Network]:
    for entry in getproxies().get("no", "").split(","):
        try:
            yield ip_network(entry.strip().strip("[]"), strict=False)
        except ValueError:
            continue


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as, `None` for a name; `127.1` is one that resolvers take, too."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeEncodeError):
            return None
    return getattr(address, "ipv4_mapped", None) or address
