"""Hooks of MkDocs (``mkdocs.yml``): what the site shows that does not stand in ``docs/``.

Pages of methods and projects and the changelog stay where they are in the repository. A link between files of the
repository leads to the page that the site has of it, or to a copy of the file. The API has one page a folder of the
package, and Sphinx' roles in docstrings become links.
"""

import ast
import html
import posixpath
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mmpersonsearch"
# Pages outside docs/, and where the site has them.
OUTSIDE = {
    r"configs/(\w+)/README\.md": r"methods/\1.md",
    r"projects/(\w+)/README\.md": r"projects/\1.md",
    r"projects/README\.md": "projects/index.md",
    r"projects/(\w+)/\w+/(\w+\.md)": r"projects/\1/\2",
    r"README\.md": "index.md",
    r"docs/(.*)": r"\1",
}
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
ROLE = re.compile(r":(?:func|class|meth|attr|data|mod|obj|exc):<code>~?([\w.]+)</code>")
FORMULA = re.compile(r":math:<code>(.*?)</code>", re.S)


def site_path(path: str) -> str:
    """Return where the site has a file of the repository; both relative to their roots."""
    for pattern, place in OUTSIDE.items():
        if found := re.fullmatch(pattern, path):
            return found.expand(place)
    return path.lower() if re.fullmatch(r"\w+\.md", path) else f"files/{path}"


def repository_path(page: str, link: str) -> str | None:
    """Return the file of the repository that a page's link leads to; None where there is none."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    if (ROOT / path / "README.md").is_file():
        path = f"{path}/README.md"
    return path if not path.startswith("..") and (ROOT / path).is_file() else None


def list_modules() -> dict[str, list[str]]:
    """List the package's modules by the folder that they stand in, both by their dotted names."""
    modules: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if ".mim" not in path.parts and path.stem not in ("__init__", "__main__"):
            modules.setdefault(name.rpartition(".")[0], []).append(name)
    return modules


def list_names() -> Iterator[tuple[str, str]]:
    """List the public functions, classes and methods: what a docstring may call them, and their full names."""
    definitions = ast.FunctionDef | ast.ClassDef
    for module in (name for names in list_modules().values() for name in names):
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        for node in (node for node in tree.body if isinstance(node, definitions)):
            yield node.name, f"{module}.{node.name}"
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", f"{module}.{node.name}.{inner.name}"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace patterns in the navigation by the pages that they stand for."""
    config.nav = [{title: _expand(entry)} for item in config.nav for title, entry in item.items()]
    return config


def _expand(entry: str | list) -> str | list:
    if isinstance(entry, str):
        return entry
    pages = []
    for item in entry:
        if item == "mmpersonsearch":
            folders = sorted(list_modules())
            pages += [{folder.removeprefix("mmpersonsearch."): f"api/{folder}.md"} for folder in folders]
        elif isinstance(item, str) and "*" in item:
            pages += [site_path(str(path.relative_to(ROOT))) for path in sorted(ROOT.glob(item))]
        else:
            pages.append(item)
    return pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/, all files that pages link to, and the API's pages."""
    outside = [*ROOT.glob("configs/*/README.md"), *ROOT.glob("projects/**/README.md"), *ROOT.glob("*.md")]
    waiting = [f"docs/{file.src_uri}" for file in files] + [str(path.relative_to(ROOT)) for path in outside]
    known = {"README.md"}  # the site has a first page of its own
    while waiting:
        path = waiting.pop()
        if path in known:
            continue
        known.add(path)
        if files.get_file_from_path(site_path(path)) is None:
            files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            links = LINK.findall((ROOT / path).read_text())
            waiting += filter(None, (repository_path(path, link) for link in links))
    for folder, modules in list_modules().items():
        text = f"# {folder}\n\n" + "\n\n".join(f"::: {module}" for module in modules) + "\n"
        files.append(File.generated(config, f"api/{folder}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links between files of the repository lead to what the site has of them."""
    source = Path(page.file.abs_src_path or ROOT / page.file.src_uri)
    if not source.is_relative_to(ROOT):
        return markdown
    own = str(source.relative_to(ROOT))

    def place(link: re.Match) -> str:
        path = repository_path(own, link[1])
        return link[1] if path is None else posixpath.relpath(site_path(path), posixpath.dirname(page.file.src_uri))

    return LINK.sub(place, markdown)


def on_page_content(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the roles of docstrings into links, and their formulas into MathML."""
    if not page.file.src_uri.startswith("api/"):
        return text
    text = FORMULA.sub(lambda formula: convert(html.unescape(formula[1])), text)
    return ROLE.sub(lambda role: _link(role[1]), text)


def _link(name: str) -> str:
    full = _full_names().get(name.removeprefix("mmpersonsearch.").rpartition(".")[2] if name.count(".") > 1 else name)
    code = f"<code>{name.rpartition('.')[2] if name.count('.') > 1 else name}</code>"
    return f'<autoref optional identifier="{full}">{code}</autoref>' if full else code


@cache
def _full_names() -> dict[str, str]:
    names: dict[str, set[str]] = {}
    for name, full in list_names():
        names.setdefault(name, set()).add(full)
    return {name: next(iter(full)) for name, full in names.items() if len(full) == 1}
