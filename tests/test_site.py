"""The documentation's site, where ``make docs`` built it after the last change."""

import ast
import contextlib
import functools
import http.server
import json
import re
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "site"
INDEX = SITE / "search/search_index.json"
SOURCES = [
    ROOT / "mkdocs.yml",
    ROOT / "tools/site_hooks.py",
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "mmpersonsearch") for path in ROOT.glob(f"{folder}/**/*.*")),
    *(path for folder in ("configs", "projects") for path in ROOT.glob(f"{folder}/**/*.md")),
]


def last_change():
    return max(path.stat().st_mtime for path in SOURCES if path.is_file() and path.suffix != ".pyc")


pytestmark = pytest.mark.skipif(
    not INDEX.exists() or INDEX.stat().st_mtime < last_change(), reason="no site of the sources as they are: make docs"
)


def public_names():
    """Functions and classes of all modules."""
    for path in (ROOT / "mmpersonsearch").rglob("*.py"):
        for node in ast.parse(path.read_text()).body if ".mim" not in path.parts else ():
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name


def test_the_search_knows_every_public_name():
    titles = {re.sub("<[^>]+>", "", one["title"]) for one in json.loads(INDEX.read_text())["docs"]}
    words = {word for title in titles for word in re.findall(r"\w+", title)}
    names = {name for name in public_names() if name[0] != "_"} - {"main", "parse_args"}  # which each command has
    assert len(names) > 500
    assert sorted(names - words) == []


def test_pages_load_nothing_from_elsewhere_and_are_rendered():
    faults = []
    for path in SITE.rglob("*.html"):
        text = path.read_text()
        faults += re.findall(r"<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)=\"?(https?:[^\"\s>]*)", text)
        prose = re.sub(r"<(pre|script|style)\b.*?</\1>", "", text, flags=re.S)
        faults += re.findall(r":(?:func|class|meth|attr|data|mod|exc|math|ref):.{20}", prose)
        faults += re.findall(r"(?:<p>|\n)(?:[-*] |\|).{40}", prose)  # no list, no table for want of an empty line
    assert faults == []


@pytest.fixture(scope="module")
def host():
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


@contextlib.contextmanager
def open_browser(**options):
    """A page in headless Chromium, what it asks for, and what its scripts complain of."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright (extra dev)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(**options)
        page.set_default_timeout(120_000)  # of a busy machine
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, asked, complaints
        browser.close()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
@pytest.mark.parametrize("width", [390, 1400])
def test_a_reader_searches_a_name_and_changes_the_palette(host, width):
    with open_browser(viewport=dict(width=width, height=900)) as (page, asked, complaints):
        page.goto(f"http://{host}/index.html", wait_until="networkidle")
        if width < 1000:
            page.click("label.md-header__button[for=__search]")
        page.fill("input.md-search__input", "evaluate_search")
        page.locator(
            "a.md-search-result__link[href*='#mmpersonsearch.evaluation.search.evaluate_search']"
        ).first.click()
        page.wait_for_url("**/api/mmpersonsearch.evaluation.html*")
        scheme = page.get_attribute("body", "data-md-color-scheme")
        page.click("form.md-header__option label:visible", force=True)
        assert page.get_attribute("body", "data-md-color-scheme") != scheme
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {host}
    assert complaints == []
