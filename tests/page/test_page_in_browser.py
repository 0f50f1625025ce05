"""The page in headless Chromium (Debian's ``chromium``), by Playwright."""

import http.client
import io
import json
import os
import shutil
import threading
import time
import urllib.parse

import pytest
from page.conftest import EVIL
from painted_persons import paint
from PIL import Image

pytest.importorskip("gradio", reason="the page needs Gradio (extra serve)")
playwright = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright (extra dev)")

from mmpersonsearch.page.server import listen, serving  # noqa: E402

LISTING = 5  # of the page's functions, that which takes a text and a camera
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def start(desk):
    """Start servers of the page; each ends with the module."""
    ends = []

    def start(auth=None):
        address = listen("127.0.0.1", 0)
        making = serving(desk, "painted.gallery", address, auth, most_megabytes=1)
        server = making.__enter__()
        thread = threading.Thread(target=server.run, kwargs=dict(sockets=[address]), daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        ends.append((server, thread, making))
        return f"127.0.0.1:{address.getsockname()[1]}"

    yield start
    for server, thread, making in ends:
        server.should_exit = True
        thread.join(10)
        making.__exit__(None, None, None)


@pytest.fixture(scope="module")
def host(start):
    return start()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def ask(host, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_a_search_from_the_upload_to_the_marks(host, desk, browser, tmp_path):
    page = browser.new_page(viewport=dict(width=1200, height=900))
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"http://{host}")
    upload = page.locator(".drop input")
    (tmp_path / "notes.jpg").write_text("no picture")
    upload.set_input_files(tmp_path / "notes.jpg")
    page.get_by_text("notes.jpg is no picture that can be read").wait_for()
    (tmp_path / "large.bmp").write_bytes(bytes(2**20 + 1))
    upload.set_input_files(tmp_path / "large.bmp")
    page.get_by_text("large.bmp has 1.0 MB: expected a smaller picture").wait_for()
    upload.set_input_files(paint(tmp_path / "nobody.png"))
    page.get_by_text("Nobody was detected in this picture.").wait_for()

    upload.set_input_files(paint(tmp_path / "me.png", (960, 640), red=(500, 100, 600, 400), blue=(50, 50, 170, 350)))
    page.get_by_label("person 1").click()
    page.get_by_text("3 hits").wait_for()
    cards = page.locator("figure")
    assert EVIL in cards.nth(0).inner_text() and "0900" in cards.nth(0).inner_text()
    assert "camera c1" in cards.nth(1).inner_text()
    shown = page.locator("figure .scene > img").first.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert shown == [320, 213]
    assert page.locator(".track button").count() == 3
    with page.expect_download() as download:
        page.get_by_text("Download as JSON").click()
    written = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename == "hits.json" and len(written["hits"]) == 3
    assert written["hits"][1]["similarity"] > 0.99 > 0.5 > written["hits"][2]["similarity"]

    with desk.lock:  # the second click comes before the first is answered
        page.get_by_label("hit 1 is right").click()
        page.get_by_label("hit 3 is wrong").click()
    page.get_by_text("1 marked right, 1 marked wrong").wait_for()
    page.get_by_text("Search again with the marks").click()
    page.get_by_text("2 hits").wait_for()
    assert page.locator(".query img").count() == 2

    page.get_by_text("Filters and order").click()
    page.get_by_label("Rank with context persons (RCP)").check()
    page.locator("figure", has_text="camera c1").locator(".rank", has_text="1").wait_for()
    page.get_by_label("From").fill("2026-01-01 08:30")
    page.get_by_label("From").press("Enter")
    page.get_by_text("1 hit", exact=True).wait_for()
    page.get_by_label("From").fill("2030-01-01")
    page.get_by_label("From").press("Enter")
    page.get_by_text("No hit: no picture passes the filters").wait_for()

    page.get_by_role("tab", name="Of the archive").click()
    page.get_by_label("Part of the name").fill("_0800")
    page.get_by_label("Part of the name").press("Enter")
    page.get_by_text("1 to 1 of 1").wait_for()
    page.locator(".archive button").click()
    page.get_by_text("c1/20260101_080000.png, 2 persons").wait_for()
    page.get_by_label("From").fill("")
    page.get_by_text("Set a box by two clicks").click()
    place = page.locator(".stage").bounding_box()
    for x, y in ((52, 35), (40, 5)):
        page.locator(".stage").click(position=dict(x=x / 96 * place["width"], y=y / 64 * place["height"]))
    page.locator(".box.chosen[tabindex='-1']").wait_for()
    page.get_by_text("3 hits").wait_for()
    assert page.locator(".query img").count() == 1
    page.close()
    assert faults == []
    assert {urllib.parse.urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))} == {host}


def test_visitors_are_apart_and_may_come_together(host, browser, tmp_path):
    pages = [browser.new_page() for _ in range(2)]
    for page in pages:
        page.goto(f"http://{host}")
    for page, color in zip(pages, ("blue", "green")):
        page.locator(".drop input").set_input_files(paint(tmp_path / f"{color}.png", **{color: (5, 5, 17, 35)}))
    for page in pages:
        page.get_by_label("person 1").click()
    for page, name in zip(pages, ("0900", "1000")):
        page.get_by_text("3 hits").wait_for()
        assert name in page.locator("figure").first.inner_text()
        page.close()


def test_no_file_is_served(host, archive_root):
    image = urllib.parse.quote(str(archive_root / "c1/20260101_080000.png"))
    paths = [f"/{prefix}file={file}" for prefix in ("", "gradio_api/") for file in ("/etc/passwd", image)]
    paths += ["/static/../../../../../../etc/passwd", "/assets/%2e%2e/%2e%2e/%2e%2e/LICENSE", "/static/%2fetc%2fpasswd"]
    for path in paths:
        assert ask(host, path)[0] == 404, path
    assert ask(host, "/gradio_api/upload", "POST", b"x")[0] == 404
    assert ask(host, "/", Host="evil.example")[0] == 403
    assert ask(host, "/gradio_api/queue/join", "POST", b"x", **{"Content-Length": str(2**21)})[0] == 413
    status, page = ask(host, "/")
    assert status == 200 and b"googleapis" not in page and b"cdnjs" not in page


def test_no_file_that_a_request_names_is_copied(host):
    """Gradio takes files by their path or address where a text is expected."""
    folder = os.environ["GRADIO_TEMP_DIR"]
    for path in ("/etc/passwd", f"http://{host}/theme.css"):
        for name in (file := dict(path=path, meta={"_type": "gradio.FileData"}), [file], dict(a=[file])):
            body = json.dumps(dict(data=[None, name, ""], fn_index=LISTING, session_hash="x", trigger_id=None)).encode()
            assert ask(host, "/gradio_api/queue/join", "POST", body, **{"Content-Type": "application/json"})[0] == 200
            answer = ask(host, "/gradio_api/queue/data?session_hash=x")[1].decode()
            assert "expected texts and numbers" in answer, answer
    assert [name for _, _, names in os.walk(folder) for name in names] == []


def test_an_upload_is_in_no_file(host, browser, tmp_path):
    folder = os.environ["GRADIO_TEMP_DIR"]
    page = browser.new_page()
    page.goto(f"http://{host}")
    page.locator(".drop input").set_input_files(paint(tmp_path / "me.png", blue=(5, 5, 17, 35)))
    page.get_by_label("person 1").click()
    page.get_by_text("3 hits").wait_for()
    page.close()
    assert [name for _, _, names in os.walk(folder) for name in names] == []


def test_a_password_is_asked_for(start, browser):
    host = start(("me", "secret"))
    assert ask(host, "/config")[0] == 401
    body = json.dumps(dict(data=[], fn_index=0, session_hash="x")).encode()
    assert ask(host, "/gradio_api/queue/join", "POST", body, **{"Content-Type": "application/json"})[0] == 401
    assert EVIL.encode() not in ask(host, "/")[1] and b"painted" not in ask(host, "/")[1]
    page = browser.new_page()
    page.goto(f"http://{host}")
    page.get_by_label("username").fill("me")
    page.get_by_label("password").fill("wrong")
    page.get_by_role("button", name="Login").click()
    page.get_by_text("Incorrect Credentials").wait_for()
    page.get_by_label("username").fill("me")  # Gradio has emptied both
    page.get_by_label("password").fill("secret")
    page.get_by_role("button", name="Login").click()
    page.locator(".drop").wait_for()
    page.close()


def test_a_narrow_page_fits(host, browser):
    page = browser.new_page(viewport=dict(width=400, height=800))
    page.goto(f"http://{host}")
    page.locator(".drop").wait_for()
    width = page.evaluate("document.documentElement.scrollWidth")
    picture = Image.open(io.BytesIO(page.screenshot()))
    page.close()
    assert width <= 400 and picture.width == 400
