"""Addresses of the web, taken apart. Anything else is no address here."""
from __future__ import annotations

from functools import lru_cache
from urllib.parse import SplitResult
from urllib.parse import urlsplit

_PORTS = {'http': 80, 'https': 443}


@lru_cache(64)      # several things are to be known of one
def split(url: str) -> SplitResult:
    """Raises ValueError for what is not http(s)://host/…"""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"'{url[:80]}' is no address of the web")
    _ = parts.port      # or it is no number
    return parts


@lru_cache(64)
def origin(url: str) -> str:
    """Scheme, host and port: who is asked."""
    parts = split(url)
    host = f'[{parts.hostname}]' if ':' in str(parts.hostname) else parts.hostname
    return f'{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}'


def bare(url: str) -> str:
    """Without name and password."""
    parts = split(url)
    return parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()


def target(url: str) -> str:
    """What is asked of the host: path and query."""
    parts = split(url)
    return parts._replace(scheme='', netloc='', fragment='').geturl() or '/'


def is_web(url: str) -> bool:
    try:
        return bool(split(url))
    except ValueError:
        return False
