"""What the browser may ask of the page, before Gradio sees it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

# All that the page needs of Gradio's routes. Those for files, uploads, proxies and the interface for programs are not.
_ROUTES = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|login|logout)/?|/(static|assets|svelte)(/[\w-][\w.-]*)+"
    r"|/gradio_api/(queue/(join|data)|heartbeat/\w+|startup-events|cancel|reset|login_check|user|app_id)/?"
)
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,  # the browser asks no other host
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Guard:
    """An ASGI application in front of another: known routes, own hosts, limited bodies, no other host in the page.

    Args:
        app: The application behind.
        hosts: Names by which the page may be asked for, so that no foreign name leads to it; None accepts all.
        most_bytes: Of a request's body.
    """

    def __init__(self, app: Any, hosts: tuple[str, ...] | None, most_bytes: int) -> None:
        self.app, self.hosts, self.most_bytes = app, hosts, most_bytes

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope["path"], {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]})
        if refusal is not None:
            status, text = refusal
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send(dict(type="http.response.start", status=status, headers=headers))
            await send(dict(type="http.response.body", body=text.encode()))
            return

        async def send_with_headers(message: dict) -> None:
            if message["type"] == "http.response.start":
                own = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def refusal(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return status and text for a request that is refused, None for one that is not."""
        host = headers.get("host", "")
        if self.hosts is not None and urlsplit(f"//{host}").hostname not in self.hosts:
            return 403, f"host {host}: expected {' or '.join(self.hosts)}"
        if "origin" in headers and urlsplit(headers["origin"]).netloc != host:
            return 403, "a page of another host cannot ask this one"
        if not _ROUTES.fullmatch(path):
            return 404, "there is nothing here"
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit():
            return 411, "expected a Content-Length"
        if int(length) > self.most_bytes:
            return 413, f"the request has {length} bytes: expected {self.most_bytes} or fewer"
        return None
