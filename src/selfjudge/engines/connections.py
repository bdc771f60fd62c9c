"""Posts to one address, many at once, over connections that are kept: libcurl, in the thread that waits for the replies.

libcurl is told which sockets are ready (its multi_socket_action), and each reply is handed over before the next is read, so that
another request can take its place at once. Its simpler multi_perform reads all that has come before anything is sent: with many
short replies the server then runs out of work.
"""

from __future__ import annotations

import ipaddress
import math
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

import certifi
import pycurl

_CONNECT_SECONDS = 10
_KEEP_SECONDS = 4
"""An idle connection is dropped before uvicorn drops it (5 s), so that no request meets a closed one."""
_LONGEST_REPLY = 32 * 2**20
_LARGE = 2**20
"""A longer body goes out part by part: images are not copied for each try."""


class Loss(Enum):
    """Why there is no reply."""

    UNREACHED = auto()
    BROKEN = auto()
    LATE = auto()
    LONG = auto()


@dataclass(frozen=True, slots=True)
class Lost:
    """A post without a reply: why, and in words."""

    loss: Loss
    words: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `head` is its header lines as they came, after those of a proxy."""

    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case."""
        found: dict[str, str] = {}
        for line in self.head.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                found[name.strip().lower()] = value.strip()
            elif name.startswith("HTTP/"):
                found.clear()
        return found


class _Parts:
    """A long body, read without being joined."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts
        self._number = self._at = 0

    def read(self, size: int) -> bytes:
        while self._number < len(self._parts):
            if chunk := self._parts[self._number][self._at : self._at + size]:
                self._at += len(chunk)
                return chunk
            self._number, self._at = self._number + 1, 0
        return b""

    def seek(self, *_: int) -> int:
        """To the start: libcurl goes nowhere else."""
        self._number = self._at = 0
        return pycurl.SEEKFUNC_OK


@dataclass(slots=True, eq=False)
class Post:
    """One that is under way. `tag` is whatever it was posted with; `parts` and `head` grow as the reply comes."""

    curl: pycurl.Curl
    tag: Any = None
    deadline: float = 0.0
    again: bool = True
    """Whether another body may follow this one."""
    parts: list[bytes] = field(default_factory=list)
    head: list[bytes] = field(default_factory=list)


class _Sockets:
    """What libcurl waits for.

    It leaves a socket after each reply and comes back with the next request. One that it left stays registered, which spares two
    calls of the system a request, until it has something to say. The system forgets those that are closed.
    """

    def __init__(self) -> None:
        self._poll = getattr(select, "epoll", select.poll)()  # they differ in their units of time
        self._units = 1 if hasattr(select, "epoll") else 1_000
        self._watched: set[int] = set()
        self._left: set[int] = set()
        self._interrupt: KeyboardInterrupt | None = None

    def watch(self, events: int, fd: int, *_: Any) -> None:
        """Tell `ready` of these events of a socket from now on: POLL_IN, POLL_OUT, both, or POLL_REMOVE.

        libcurl calls this, and would never recover from an error: an interrupt waits for `check`.
        """
        try:
            self._watch(events, fd)
        except KeyboardInterrupt as interrupt:
            self._interrupt = interrupt
            self._watch(events, fd)

    def check(self) -> None:
        """Raise the interrupt that came while libcurl was at work."""
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt

    def _watch(self, events: int, fd: int) -> None:
        if events == pycurl.POLL_REMOVE:
            self._watched.discard(fd)
            self._left.add(fd)
            return
        known = fd in self._watched or fd in self._left
        self._watched.add(fd)
        self._left.discard(fd)
        mask = (events & pycurl.POLL_IN and select.POLLIN) | (events & pycurl.POLL_OUT and select.POLLOUT)
        try:
            (self._poll.modify if known else self._poll.register)(fd, mask)
        except FileNotFoundError:  # another socket had this number
            self._poll.register(fd, mask)

    def ready(self, seconds: float) -> Iterator[tuple[int, int]]:
        """Sockets with events that they have, as libcurl's CSELECT_IN and CSELECT_OUT."""
        for fd, mask in self._poll.poll(-1 if seconds == math.inf else math.ceil(seconds * 1e3) / 1e3 * self._units):
            if fd in self._watched:
                yield fd, (mask & ~select.POLLOUT and pycurl.CSELECT_IN) | (mask & select.POLLOUT and pycurl.CSELECT_OUT)
            elif fd in self._left:
                self._left.discard(fd)
                with suppress(OSError):  # closed meanwhile
                    self._poll.unregister(fd)

    def close(self) -> None:
        if hasattr(self._poll, "close"):
            self._poll.close()


class Connections:
    """Connections to `url`, of which `most` are kept. A whole exchange may take `seconds`. For one thread at a time.

    The proxy is the environment's (https_proxy, all_proxy, no_proxy), but this machine is asked directly; certificates are the
    system's (or SSL_CERT_FILE's), or certifi's where it has none.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, most: int, seconds: float) -> None:
        self._url = url
        self._headers = [*(f"{name}: {value}" for name, value in headers.items()), "Expect:"]
        self._certificates = ssl.get_default_verify_paths().cafile or certifi.where()
        self._direct = _is_this_machine(url)
        self._seconds = seconds
        self._idle: list[Post] = []
        self._under_way: dict[pycurl.Curl, Post] = {}
        """In the order of their deadlines."""
        self._ended: deque[tuple[pycurl.Curl, Lost | None]] = deque()
        self._sockets = _Sockets()
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)
        self._sockets.watch(pycurl.POLL_IN, self._woken.fileno())
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._sockets.watch)

    def post(self, tag: Any, body: Sequence[bytes]) -> Post:
        """Send a body, given in parts; `wait` yields what comes of it, with the tag."""
        size = sum(map(len, body))
        post = self._idle.pop() if self._idle and size <= _LARGE else self._fresh()
        if size <= _LARGE:
            post.curl.setopt(pycurl.POSTFIELDS, b"".join(body))
        else:
            parts = _Parts(body)
            post.curl.setopt(pycurl.POSTFIELDSIZE_LARGE, size)
            post.curl.setopt(pycurl.READFUNCTION, parts.read)
            post.curl.setopt(pycurl.SEEKFUNCTION, parts.seek)
            post.again = False
        post.tag = tag
        post.deadline = time.monotonic() + self._seconds
        self._under_way[post.curl] = post
        self._multi.add_handle(post.curl)
        self._act(pycurl.SOCKET_TIMEOUT, 0)
        return post

    def wait(self, seconds: float) -> Iterator[tuple[Any, Reply | Lost]]:
        """The posts that came to an end, with their tags, as soon as there is one; nothing if none did within so many seconds.

        Others may be posted and dropped between two of them. Whatever has come is read before a deadline counts: a caller that
        was away for long loses no reply.
        """
        for ended in self._take():
            yield ended
            seconds = 0
        for fd, events in self._sockets.ready(self._patience(seconds)):
            if fd == self._woken.fileno():
                self._woken.recv(4096)
            else:
                self._act(fd, events)
                yield from self._take()
        if self._multi.timeout() == 0:
            self._act(pycurl.SOCKET_TIMEOUT, 0)
            yield from self._take()
        yield from self._late()

    def drop(self, post: Post) -> None:
        """Forget a post; the server sees its connection close. One that has ended is let be."""
        if self._under_way.pop(post.curl, None) is not None:
            self._multi.remove_handle(post.curl)
            post.curl.close()

    def wake(self) -> None:
        """End a wait in another thread."""
        with suppress(OSError):  # closed, or full of wakes
            self._wakes.send(b"!")

    def close(self) -> None:
        """Drop all that is under way, and close all connections."""
        for post in list(self._under_way.values()):
            self.drop(post)
        for post in self._idle:
            post.curl.close()
        self._multi.close()
        self._sockets.close()
        self._woken.close()
        self._wakes.close()

    def _act(self, fd: int, events: int) -> None:
        self._multi.socket_action(fd, events)
        self._sockets.check()

    def _fresh(self) -> Post:
        curl = pycurl.Curl()
        post = Post(curl)
        curl.setopt(pycurl.URL, self._url)
        curl.setopt(pycurl.HTTPHEADER, self._headers)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.WRITEFUNCTION, post.parts.append)
        curl.setopt(pycurl.HEADERFUNCTION, post.head.append)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT, _CONNECT_SECONDS)
        curl.setopt(pycurl.MAXAGE_CONN, _KEEP_SECONDS)
        curl.setopt(pycurl.MAXFILESIZE, _LONGEST_REPLY)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.CAINFO, self._certificates)
        if self._direct:
            curl.setopt(pycurl.PROXY, "")
        return post

    def _take(self) -> Iterator[tuple[Any, Reply | Lost]]:
        """What has ended, each as it is taken."""
        more = 1
        while more:
            more, whole, broken = self._multi.info_read()
            for curl in whole:
                self._ended.append((curl, None))
            for curl, code, words in broken:
                self._ended.append((curl, _lost(code, words)))
        while self._ended:
            curl, lost = self._ended.popleft()
            if (post := self._under_way.pop(curl, None)) is not None:  # else it was dropped
                yield self._result(post, lost)

    def _result(self, post: Post, lost: Lost | None) -> tuple[Any, Reply | Lost]:
        self._multi.remove_handle(post.curl)
        reply = lost or Reply(post.curl.getinfo(pycurl.RESPONSE_CODE), b"".join(post.head), b"".join(post.parts))
        tag, post.tag = post.tag, None
        post.parts.clear()
        post.head.clear()
        if post.again:
            self._idle.append(post)
        else:
            post.curl.close()
        return tag, reply

    def _late(self) -> Iterator[tuple[Any, Lost]]:
        while self._under_way and (post := next(iter(self._under_way.values()))).deadline <= time.monotonic():
            self.drop(post)
            yield post.tag, Lost(Loss.LATE, f"no reply within {self._seconds:g} seconds")

    def _patience(self, seconds: float) -> float:
        """Seconds until something must be done, if no socket is ready before."""
        if (milliseconds := self._multi.timeout()) >= 0:
            seconds = min(seconds, milliseconds / 1000)
        if self._under_way:
            seconds = min(seconds, next(iter(self._under_way.values())).deadline - time.monotonic())
        return max(0.0, seconds)


_UNREACHED = {
    pycurl.E_COULDNT_RESOLVE_PROXY,
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_OPERATION_TIMEDOUT,  # of connecting: the only time that it is given
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CACERT_BADFILE,
}


def _lost(code: int, words: str) -> Lost:
    """An error of libcurl in our words."""
    if code == pycurl.E_FILESIZE_EXCEEDED:
        return Lost(Loss.LONG, f"the reply is longer than {_LONGEST_REPLY} bytes")
    if code in _UNREACHED:
        return Lost(Loss.UNREACHED, f"cannot connect: {words}")
    return Lost(Loss.BROKEN, f"the connection broke: {words}")


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
