"""The house stands: what imports what, how long files are, and how many rooms a batch passes."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mmpersonsearch"

# From the ground up: a room imports from its own floor's rooms only itself, else from floors below.
FLOORS = [
    {"utils", "structures"},
    {"ops"},
    {"registry"},
    {"visualization"},
    {"evaluation.index"},
    {"evaluation.rankings"},
    {"evaluation.match", "evaluation.detection"},
    {"evaluation.search"},
    {"evaluation"},
    {"evaluation.metrics"},
    {"testing", "datasets", "models"},
    {"engine"},
    {"apis"},
    {"page"},
    {"cli"},
]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if ".mim" not in path.parts
}


def floor_of(module):
    name = module.removeprefix("mmpersonsearch").removeprefix(".")
    while name:
        for height, rooms in enumerate(FLOORS):
            if name in rooms:
                return height
        name = name.rpartition(".")[0]
    return len(FLOORS)  # the package's own face and __main__


@cache
def imports_of(module):
    """Modules of the package that a module imports, anywhere in it."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
            base = base if node.level else node.module
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return {name for name in found if name in MODULES}


@pytest.mark.parametrize("module", [name for name in MODULES if floor_of(name) < len(FLOORS)])
def test_no_import_leads_upward(module):
    height = floor_of(module)
    assert [name for name in imports_of(module) if floor_of(name) > height] == []


def test_no_imports_run_in_a_circle():
    done, path = set(), []

    def visit(module):
        if module in path:
            pytest.fail(" -> ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for name in sorted(imports_of(module)):
                visit(name)
            done.add(path.pop())

    for module in MODULES:
        visit(module)


def test_no_import_is_for_type_checkers_alone():
    assert [name for name, path in MODULES.items() if "TYPE_CHECKING" in path.read_text()] == []


def test_no_file_of_code_is_long():
    folders = ("mmpersonsearch", "tools", "configs", "projects")
    lengths = {
        path: len(path.read_text().splitlines()) for folder in folders for path in ROOT.glob(f"{folder}/**/*.py")
    }
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 300} == {}


def test_files_of_tests_have_names_of_their_own():
    """pytest imports them by their name alone, and leaves out the second of a name."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_package_is_small():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert sum(lengths.values()) < 22_700
    assert sum(n for name, n in lengths.items() if name.split(".")[1:2] not in (["cli"], ["ops"])) < 18_100


def test_no_script_imports_another():
    """Files that are run import what they share from modules that are not."""
    scripts = {
        path.stem: path
        for folder in ("tools", "projects")
        for path in ROOT.glob(f"{folder}/**/*.py")
        if 'if __name__ == "__main__"' in path.read_text()
    }
    verbs = {path.stem for path in (PACKAGE / "cli").glob("*.py") if "def main(" in path.read_text()}
    for name, path in scripts.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("mmpersonsearch"):
                assert (node.module or "").rpartition(".")[2] not in scripts.keys() - {name}, path
    for verb in verbs - {"main"}:
        others = {f"mmpersonsearch.cli.{other}" for other in verbs - {verb}}
        assert not imports_of(f"mmpersonsearch.cli.{verb}") & others, verb
