"""Images at http(s) addresses that rows name, for sources with `fetch_urls`: limited in size and time, and never from inside.

A data set must not make this machine ask its own network. So each name is resolved here, all of its addresses must be public, and
the connection goes to the address that was looked at; a redirect starts anew. Proxies of the environment are not used.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from threading import Timer
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ..ports import Given, Remote
from ..run.disk import write_whole
from ..run.image_files import BadImage
from .rows import Find

MOST_BYTES = 50 * 2**20
SECONDS = 30.0
"""CHOSEN, as MOST_BYTES: for one image, from the connection to the last byte."""
REDIRECTS = 5
_TRIES, _PAUSE = 2, 1.0
_CHUNK = 2**16
_SAFE = "%/:=&?~#+!$,;'@()*[]"
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host, for a port. Raises OSError."""
Connect = Callable[[str, int, float], socket.socket]
"""A connection to an address and port within so many seconds. Raises OSError."""


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine knows for a name. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """A connection. Raises OSError."""
    return socket.create_connection((address, port), timeout=seconds)


class _Failed(Exception):
    """An attempt that may do better when it is repeated."""


class Fetcher:
    """Fetches images, each once where there is a `cache`. May be used by several threads."""

    def __init__(self, cache: Path | None, *, resolve: Resolve = resolve, connect: Connect = connect) -> None:
        self._cache = cache
        self._resolve = resolve
        self._connect = connect

    def finding(self, find: Find) -> Find:
        """What finds the image of a row: by its address if it has one, else by `find`."""

        def found(name: str) -> Given:
            return Remote(url=name, get=self.get) if name.lower().startswith(("http://", "https://")) else find(name)

        return found

    def get(self, url: str) -> bytes:
        """The bytes at an address. Raises BadImage."""
        kept = None if self._cache is None else self._cache / hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
        if kept is not None and kept.exists():
            return kept.read_bytes()
        for tries in range(1, _TRIES + 1):
            try:
                data = self._followed(url)
                break
            except _Failed as error:
                if tries == _TRIES:
                    raise BadImage("fetch_failed", f"{url[:200]!r}: {error}") from error
                time.sleep(_PAUSE)
        if kept is not None:
            write_whole(kept, data, durable=False)
        return data

    def _followed(self, url: str) -> bytes:
        at = url
        for _ in range(REDIRECTS + 1):
            found = self._once(at)
            if isinstance(found, bytes):
                return found
            if at.lower().startswith("https:") and not found.lower().startswith("https:"):
                raise BadImage("fetch_failed", f"{url[:200]!r} redirects from https to {found[:200]!r}")
            at = found
        raise BadImage("fetch_failed", f"{url[:200]!r}: more than {REDIRECTS} redirects")

    def _once(self, url: str) -> bytes | str:
        """The bytes at an address, or where it redirects to."""
        parts = _split(url)
        target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
        headers = {"User-Agent": f"selfjudge/{version('selfjudge')}", "Accept": "image/*"}
        try:
            with self._connected(parts) as connection:
                connection.request("GET", target, headers=headers)
                with connection.getresponse() as response:
                    return _answer(response, url)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _Failed(str(error) or type(error).__name__) from error

    @contextmanager
    def _connected(self, parts: SplitResult) -> Iterator[http.client.HTTPConnection]:
        """A connection to a host, cut off after SECONDS."""
        host, secure = str(parts.hostname), parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        held = self._connect(self._public(host, port), port, SECONDS)
        if secure:
            held = ssl.create_default_context().wrap_socket(held, server_hostname=host, do_handshake_on_connect=False)
        timer = Timer(SECONDS, _cut, [held])
        timer.start()
        try:
            if isinstance(held, ssl.SSLSocket):
                held.do_handshake()
            connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(host, port)
            connection.sock = held
            yield connection
        finally:
            timer.cancel()
            held.close()

    def _public(self, host: str, port: int) -> str:
        """The address of a host, all of which must be public. Raises BadImage."""
        try:
            addresses = self._resolve(host, port)
        except (OSError, ValueError) as error:
            raise _Failed(f"the name {host[:80]!r} cannot be resolved: {error}") from error
        if not addresses or not all(map(_is_public, addresses)):
            raise BadImage(
                "private_address",
                f"{host[:80]!r} is {', '.join(addresses) or 'nowhere'}: images are fetched from public addresses",
            )
        return addresses[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.password is not None:
        raise BadImage("fetch_failed", f"{url[:200]!r} is no address of an image")
    return parts


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return _is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _answer(response: http.client.HTTPResponse, url: str) -> bytes | str:
    if response.status in (301, 302, 303, 307, 308) and (to := response.headers.get("Location")):
        return urljoin(url, to)
    if response.status in _BUSY:
        raise _Failed(f"HTTP {response.status}")
    if response.status != 200:
        raise BadImage("fetch_failed", f"{url[:200]!r}: HTTP {response.status}")
    data = bytearray()
    while chunk := response.read(_CHUNK):
        data += chunk
        if len(data) > MOST_BYTES:
            raise BadImage("too_many_bytes", f"{url[:200]!r} has more than {MOST_BYTES} bytes")
    if response.length:
        raise _Failed(f"the connection ended after {len(data)} bytes")
    return bytes(data)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
