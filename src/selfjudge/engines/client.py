"""Exchanges with one server, many at once, over connections that are kept: a whole reply of bounded size, or a `Trouble`.

It is aiohttp, told what to leave alone: no redirect is followed, no cookie kept, nothing unpacked beyond the limit, and no proxy
asked for a server on this machine.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Mapping
from enum import Enum, auto
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi

from ..errors import EngineError

_CONNECT_SECONDS = 10.0
_KEEP_SECONDS = 4.0
"""An idle connection is dropped before uvicorn drops it (5 s), so that no request meets a closed one."""
_LONGEST_REPLY = 32 * 2**20


class Again(Enum):
    """Whether to try again after an exchange that failed."""

    REFUSED = auto()  # no: the server has considered this request and refused it
    NO = auto()  # no, and the server may be at fault
    LATER = auto()
    BUSY = auto()  # later, and with fewer requests at once
    SILENT = auto()  # the same, once: no reply in all the time that it was given
    UNREACHABLE = auto()  # later; nothing answered at the address


class Trouble(Exception):
    """An exchange failed: why, whether to try again, and after how many seconds if the server says so."""

    def __init__(self, reason: str, again: Again, *, wait: float | None = None, details: str = "") -> None:
        super().__init__(reason)
        self.again = again
        self.wait = wait
        self.details = details
        """What the server said, for finding the parameter that it refuses."""


Reply = tuple[int, Mapping[str, str], bytes]
"""A whole reply: its status, headers, and body, unpacked."""


class Client:
    """Connections to the server at `url`; a whole exchange may take `seconds`.

    The proxy is the environment's (http_proxy, https_proxy, all_proxy, no_proxy); certificates are the system's (or those of
    SSL_CERT_FILE), or certifi's where it has none. Raises EngineError.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, seconds: float) -> None:
        self._url, self._headers, self._seconds = url, headers, seconds
        self._proxy = _proxy(url)
        self._certificates = _certificates() if url.startswith("https:") else True

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_SECONDS, ssl=self._certificates),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            auto_decompress=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        """Raises Trouble."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(method, path, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise Trouble(f"cannot connect: {error}", Again.UNREACHABLE) from None
        except TimeoutError:
            raise Trouble(f"no reply within {self._seconds:g} seconds", Again.SILENT) from None
        except (aiohttp.ClientError, OSError, ValueError, zlib.error) as error:
            raise Trouble(f"the connection broke: {error or type(error).__name__}", Again.LATER) from None

    async def _exchange(self, method: str, path: str, body: bytes) -> Reply:
        data, parts, size = io.BytesIO(body) if body else None, [], 0
        asked = self._session.request(method, self._url + path, data=data, allow_redirects=False, proxy=self._proxy)
        async with asked as reply:
            async for part in reply.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > _LONGEST_REPLY:
                    raise Trouble(f"the reply is longer than {_LONGEST_REPLY} bytes", Again.NO)
            packing = reply.headers.get("Content-Encoding", "").strip().lower()
            return reply.status, reply.headers, _unpacked(b"".join(parts), packing)


def _unpacked(body: bytes, packing: str) -> bytes:
    """A body without its gzip: some gateways pack whatever was asked. Raises Trouble, zlib.error."""
    if packing in ("", "identity"):
        return body
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise Trouble(f"the reply is packed as {packing}, which was not asked for", Again.NO)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    plain = unpacker.decompress(body, _LONGEST_REPLY)
    if unpacker.unconsumed_tail:
        raise Trouble(f"the reply is longer than {_LONGEST_REPLY} bytes when unpacked", Again.NO)
    return plain


def _certificates() -> ssl.SSLContext:
    file = ssl.get_default_verify_paths().cafile or certifi.where()
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise EngineError(
            f"{file} holds no certificates: {error}", hint="Name another file in SSL_CERT_FILE, or unset it."
        ) from error


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address; none for this machine."""
    address, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy or is_local(address.hostname or "", private=False) or proxy_bypass(address.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_local(host: str, *, private: bool) -> bool:
    """Whether a host is this machine, or also one of a private network, by any spelling of its address or by its name."""
    host = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host if ":" in host else socket.inet_aton(host))  # 127.1 is an address too
    except OSError:
        if host == "localhost" or host.endswith(".localhost"):
            return True
        return private and ("." not in host or host.endswith((".local", ".internal")))
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified or (private and address.is_private)
