"""Which requests the page answers."""

import asyncio

import pytest

from mmpersonsearch.page.guard import Guard

OWN = {"host": "127.0.0.1:7860"}
LOCAL = ("127.0.0.1", "localhost", "::1")


def refusal(path, hosts=LOCAL, **headers):
    headers = {**OWN, **{key.replace("_", "-"): value for key, value in headers.items()}}
    found = Guard(None, hosts, most_bytes=1000).refusal(path, headers)
    return found and found[0]


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/assets/index-abc.js", "/static/js/iframeResizer.contentWindow.min.js", "/login",
     "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/heartbeat/x1"],
)  # fmt: skip
def test_what_the_page_needs_is_answered(path):
    assert refusal(path) is None


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=/etc/passwd", "/gradio_api/file/etc/passwd", "/file=/etc/passwd", "/gradio_api/upload",
     "/gradio_api/proxy=http://other/", "/gradio_api/component_server", "/gradio_api/info", "/gradio_api/call/act",
     "/gradio_api/stream/x", "/assets/../../../etc/passwd", "/static//etc/passwd", "/static/.x", "/monitoring",
     "/gradio_api/vibe-code", "/x"],
)  # fmt: skip
def test_nothing_else_is(path):
    assert refusal(path) == 404


def test_hosts_origins_and_sizes():
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860"):
        assert refusal("/", host=host) is None
    for host in ("evil.example:7860", "", "127.0.0.1.evil.example"):
        assert refusal("/", host=host) == 403  # a name that was led to this machine
        assert refusal("/", hosts=None, host=host) is None
    assert refusal("/", origin="http://127.0.0.1:7860") is None
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8000"):
        assert refusal("/", origin=origin) == 403
    assert refusal("/gradio_api/queue/join", content_length="1000") is None
    assert refusal("/gradio_api/queue/join", content_length="1001") == 413
    assert refusal("/gradio_api/queue/join", content_length="-1") == 411
    assert refusal("/gradio_api/queue/join", transfer_encoding="chunked") == 411


def test_answers_keep_the_browser_from_other_hosts():
    async def app(scope, receive, send):
        await send(dict(type="http.response.start", status=200, headers=[(b"x-own", b"1")]))

    def ask(path):
        sent = []

        async def send(message):
            sent.append(message)

        scope = dict(type="http", path=path, headers=[(b"host", b"localhost")])
        asyncio.run(Guard(app, LOCAL, 1000)(scope, None, send))
        return sent

    headers = dict(ask("/")[0]["headers"])
    assert headers[b"x-own"] == b"1" and b"connect-src 'self'" in headers[b"content-security-policy"]
    start, body = ask("/file=x")
    assert start["status"] == 404 and body["body"] == b"there is nothing here"
