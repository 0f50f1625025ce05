"""The server of the page: address, password, Gradio's settings."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from mmpersonsearch.utils.errors import InputError

from .desk import Desk
from .guard import Guard

_LOCAL = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Tell whether a host is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_auth(text: str | None, host: str) -> tuple[str, str] | None:
    """Read ``user:password``.

    Raises:
        InputError: It is something else, or missing although other machines reach the host.
    """
    if text is None:
        if is_loopback(host):
            return None
        raise InputError(f"--host {host} is reached from other machines, expected --auth user:password")
    user, _, password = text.partition(":")
    if not user or not password:
        raise InputError("--auth: expected user:password")
    return user, password


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address; port 0 takes a free one. InputError if that cannot be."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen at {host}, port {port}: {error}") from error


@contextmanager
def serving(
    desk: Desk, name: str, address: socket.socket, auth: tuple[str, str] | None, most_megabytes: float
) -> Iterator[object]:
    """Make the server of a page (``uvicorn.Server``), whose ``run(sockets=[address])`` serves it.

    Args:
        desk: What the page does.
        name: Of the gallery.
        address: Of :func:`listen`.
        auth: User and password; None asks for none, and accepts only requests for this machine's own names.
        most_megabytes: Size of pictures that a visitor may bring.

    Raises:
        InputError: Gradio is missing.
    """
    with tempfile.TemporaryDirectory(prefix="mmpersonsearch-page-") as folder:
        # Nothing is to be asked of other hosts or kept: Gradio's files, of which the page has none, go with the folder.
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")
        os.environ.update(HF_HUB_OFFLINE="1")
        try:
            import gradio as gr
            import uvicorn
            from fastapi import FastAPI

            from .blocks import CSS, build_blocks
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("mmpersonsearch"):
                raise
            raise InputError("the page needs Gradio: pip install 'mmpersonsearch[gallery,serve]'") from error
        fonts = dict(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
        blocks = build_blocks(desk, name, most_megabytes)
        app = gr.mount_gradio_app(
            FastAPI(openapi_url=None),
            blocks,
            "/",
            auth=auth,
            auth_message="Person search",
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=gr.themes.Default(**fonts),
            css=CSS,
        )
        hosts = (*_LOCAL, address.getsockname()[0]) if auth is None else None  # a proxy may have other names
        guarded = Guard(app, hosts, int(most_megabytes * 2**20 * 4 / 3) + 100_000)  # base64
        yield uvicorn.Server(uvicorn.Config(guarded, log_level="warning", ws="none", timeout_graceful_shutdown=1))
