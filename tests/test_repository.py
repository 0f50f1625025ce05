import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ABSOLUTE_PATH = re.compile(r"""(?<![\w.:/}<>])/(?:home|root|work|Users|tmp|mnt|data)/[\w.]""")


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_large_or_compiled_files():
    for path in tracked_files():
        assert path.stat().st_size < 500_000, path
        assert path.suffix not in {".pth", ".pkl", ".so", ".o", ".pyc", ".mat", ".jpg", ".ipynb"}, path


def test_no_absolute_paths():
    for path in tracked_files():
        if path == Path(__file__) or path.suffix not in {".py", ".md", ".toml", ".yml", ".sh", ".txt", ""}:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not ABSOLUTE_PATH.search(line), f"{path}:{number}: {line}"


def test_shell_scripts_parse_and_are_executable():
    scripts = [path for path in tracked_files() if path.suffix == ".sh"] + [ROOT / ".ci/run"]
    assert scripts
    for path in scripts:
        assert path.stat().st_mode & 0o111, path
        subprocess.run(["bash", "-n", str(path)], check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", str(path)], check=True)


def test_no_module_of_the_package_works_at_import():
    """No printing, reading of arguments, changing of folders or limits at a module's top level."""
    forbidden = re.compile(r"^(print|os\.chdir|sys\.path|resource\.|torch\.set_|torch\.manual_seed|os\.environ)")
    for path in (ROOT / "mmpersonsearch").rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.Expr | ast.Assign):
                assert not forbidden.search(ast.unparse(statement)), f"{path}:{statement.lineno}"


def imported_packages():
    """Top-level names that the package imports, at a module's head or in a function, of other distributions."""
    names = set()
    for path in (ROOT / "mmpersonsearch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"mmpersonsearch"}


def test_dependencies_are_what_is_imported():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no toml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>= ]", line)[0] for line in project["dependencies"]}
    named_otherwise = {"cv2": "opencv-python", "PIL": "pillow", "sklearn": "scikit-learn"}
    imported = {named_otherwise.get(name, name) for name in imported_packages()}
    openmmlab = {"mmengine", "mmcv", "mmdet", "mmpretrain"}
    assert imported | {"mmpretrain"} == declared | openmmlab  # configs name MMPretrain's parts
    for extra in ("openmmlab", "onedl"):
        sets = {re.split(r"[<>= ]", line)[0].removeprefix("onedl-") for line in project["optional-dependencies"][extra]}
        sets = {name.replace("mmcv-lite", "mmcv").replace("mmdetection", "mmdet") for name in sets}
        assert openmmlab <= sets


def test_every_requirement_is_pinned():
    pinned = {
        re.split("==", line)[0].lower()
        for line in (ROOT / "requirements/constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    for name in ("build", "openmmlab", "tests"):
        for line in (ROOT / f"requirements/{name}.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                assert line.lower() in pinned, line


def test_model_index_lists_every_algorithm():
    listed = yaml.safe_load((ROOT / "model-index.yml").read_text())["Import"]
    assert listed == sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("configs/*/metafile.yml"))


def test_links_for_mmengine_lead_to_what_they_are_named_after():
    for name in ("configs", "tools", "model-index.yml"):
        assert (ROOT / "mmpersonsearch/.mim" / name).resolve() == ROOT / name


def test_what_the_readme_names_exists():
    named = set(re.findall(r"(?:tools|configs)/[\w./-]+\.(?:py|sh)", (ROOT / "README.md").read_text()))
    named -= {"configs/tdn/tdn_r50ibn_prw_small-steps.py"}  # the reader's own
    assert len(named) > 10
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def run_setup_function(script, folder):
    """Run lines of bash after the functions of tools/setup.sh, without its last part that acts."""
    functions = (ROOT / "tools/setup.sh").read_text().partition('\nif [ -f "$STAMP" ]')[0]
    functions = functions.replace('cd "$(dirname "${BASH_SOURCE[0]}")/.."', f'cd "{folder}"')
    return subprocess.run(["bash", "-c", f"{functions}\n{script}"], capture_output=True, text=True, timeout=60)


def stand_in(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


def test_setup_names_the_pythons_that_it_looked_for(tmp_path):
    done = run_setup_function("PYTHON=no-such-python; find_python", tmp_path)
    assert done.returncode == 1
    assert "no Python 3.10, 3.11 or 3.12 found (looked for: no-such-python)" in done.stderr


def test_setup_rebuilds_mmcv_without_operators_past_the_cache(tmp_path):
    # A Python whose mmcv._ext loads only after pip has installed MMCV again.
    stand_in(
        tmp_path / ".venv/bin/python",
        'case "$*" in\n'
        '  *"import mmcv._ext"*) [ -f rebuilt ] || { echo "No module named \'mmcv._ext\'" >&2; exit 1; } ;;\n'
        '  *"pip install"*) echo "$*" >rebuilt ;;\n'
        "esac",
    )
    done = run_setup_function("ensure_mmcv_ops", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "without working operators: No module named 'mmcv._ext'" in done.stdout
    command = (tmp_path / "rebuilt").read_text()
    for option in ("--no-build-isolation", "--no-cache-dir", "--force-reinstall", "--no-deps"):
        assert option in command
    assert "rebuil" not in run_setup_function("ensure_mmcv_ops", tmp_path).stdout.lower()


def test_setup_does_not_recompile_for_another_fault(tmp_path):
    stand_in(
        tmp_path / ".venv/bin/python",
        'case "$*" in\n'
        "  *import*) echo \"No module named 'mmengine'\" >&2; exit 1 ;;\n"
        "  *install*) touch rebuilt ;;\n"
        "esac",
    )
    done = run_setup_function("ensure_mmcv_ops", tmp_path)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (tmp_path / "rebuilt").exists()


@pytest.mark.parametrize(("failing", "status"), [("none", 0), ("lint", 1), ("test", 1)])
def test_ci_fails_where_lint_or_tests_fail_and_ends_with_the_tests(tmp_path, failing, status):
    stand_in(tmp_path / "make", f'echo "ran $1"; [ "$1" != {failing} ]')
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CI": "true", "MMPERSONSEARCH_SLURM_PARTITION": "given"}
    done = subprocess.run([str(ROOT / ".ci/run")], env=env, capture_output=True, text=True)
    assert done.returncode == status
    assert "ran lint" in done.stdout
    assert done.stdout.splitlines()[-1] == "ran test"


def test_setup_asks_for_a_compiler(tmp_path):
    stand_in(tmp_path / ".venv/bin/python", "exit 0")
    done = run_setup_function("PATH=/nowhere; check_compiler", tmp_path)
    assert done.returncode == 1
    assert "g++ is missing" in done.stderr
