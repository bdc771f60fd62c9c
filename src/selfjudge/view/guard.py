"""What keeps others out of a viewer: a key in the address, known hosts, posts of its own pages alone, a strict content policy."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

HOSTS = ("127.0.0.1", "localhost")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def guarded(pages: FastAPI, key: str) -> FastAPI:
    """An app that serves `pages` under `/KEY` and refuses everything else with 403."""
    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @outer.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.url.path.split("/")[1]
        if not secrets.compare_digest(given.encode(), key.encode()):
            response: Response = PlainTextResponse(
                "Use the whole address that `selfjudge view` printed: its key is missing.", 403
            )
        elif request.method not in ("GET", "HEAD") and not _from_here(request):
            response = PlainTextResponse("Only the viewer's own pages may send this.", 403)
        else:
            response = await call(request)
        response.headers.update(_HEADERS)
        return response

    outer.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    outer.mount(f"/{key}", pages)
    return outer


def _from_here(request: Request) -> bool:
    """Whether a browser says that a page of this server sent the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    return (
        site in (None, "same-origin")
        and origin in (None, f"http://{request.headers.get('host')}")
        and (site or origin) is not None
    )
