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
        if ROOT / "tests/fixtures" in path.parents:  # small files of earlier versions
            continue
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
    extras = [line for name in ("onnx", "gallery", "serve") for line in project["optional-dependencies"][name]]
    declared = {re.split(r"[<>= ;]", line)[0] for line in (*project["dependencies"], *extras)}
    named_otherwise = {"cv2": "opencv-python", "PIL": "pillow", "sklearn": "scikit-learn", "grpc": "grpcio"}
    imported = {named_otherwise.get(name, name) for name in imported_packages()}
    openmmlab = {"mmengine", "mmcv", "mmdet", "mmpretrain"}
    # Configs name MMPretrain's parts, and pymilvus imports milvus-lite.
    assert imported | {"mmpretrain", "milvus-lite"} == declared | openmmlab
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
    project = pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    required = [
        line
        for name in ("onedl", "dev", "docs", "onnx", "gallery", "serve")
        for line in (*project["dependencies"], *extras[name])
    ]
    required += (ROOT / "requirements/compile.txt").read_text().splitlines()
    names = [re.match(r"[\w.-]+", line)[0].lower() for line in required if not line.startswith("#")]
    assert "onedl-mmcv" in names
    assert [name for name in names if name not in pinned] == []


def test_model_index_lists_every_algorithm():
    listed = yaml.safe_load((ROOT / "model-index.yml").read_text())["Import"]
    paths = [*ROOT.glob("configs/*/metafile.yml"), *ROOT.glob("projects/*/metafile.yml")]
    assert listed == sorted(str(path.relative_to(ROOT)) for path in paths)


def test_links_for_mmengine_lead_to_what_they_are_named_after():
    for name in ("configs", "tools", "projects", "model-index.yml"):
        assert (ROOT / "mmpersonsearch/.mim" / name).resolve() == ROOT / name


def test_what_the_readme_names_exists():
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?:tools|configs|projects|docs)/[\w./-]+\.(?:py|sh|md|png)", text))
    for start, names, end in re.findall(r"`(\w+/[\w.-]+_)\{([\w,]+)\}([\w.-]*\.py)`", text):
        named |= {f"configs/{start}{name}{end}" for name in names.split(",")}
    assert len(named) > 40
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def run_setup_function(script, folder):
    """Run lines of bash after the functions of tools/setup.sh, without its last part that acts."""
    functions = (ROOT / "tools/setup.sh").read_text().partition("\nops=$(chosen_ops)")[0]
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


# A Python whose pip does as told and says so in the file "called"; MMCV gets operators where it is not built apart from
# PyTorch, and loses them where it is.
PYTHON = """
case "$*" in
  *"pip list"*) echo numpy==2.0; echo torch==${TORCH:-2.13.0}; echo onedl-mmcv==2.3.6 ;;
  *"import mmcv._ext"*) [ -z "${BROKEN:-}" ] || { echo "undefined symbol" >&2; exit 1; } ;;
  *"pip install"*onedl-mmcv*)
    echo "$*" >>called
    ext=.venv/lib/python3.11/site-packages/mmcv/_ext.so
    case "$*" in *--no-build-isolation*) touch "$ext" ;; *) rm -f ${STUCK:-"$ext"} ;; esac ;;
  *"pip install"*) echo "$*" >>called ;;
esac
"""


@pytest.fixture
def environment(tmp_path):
    """Folder with a stand-in for the virtual environment, MMCV in it without operators, a compiler and make."""
    stand_in(tmp_path / ".venv/bin/python", PYTHON)
    stand_in(tmp_path / "bin/g++", "")
    stand_in(tmp_path / "bin/make", "")
    (tmp_path / ".venv/lib/python3.11/site-packages/mmcv").mkdir(parents=True)
    (tmp_path / ".venv/lib/python3.11/site-packages/mmcv/__init__.py").touch()
    return tmp_path


def calls(folder):
    path = folder / "called"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_setup_compiles_operators_past_the_cache_once_for_a_pytorch(environment):
    compile_ops = 'PATH="bin:$PATH"; compile_ops'
    done = run_setup_function(compile_ops, environment)
    assert done.returncode == 0, done.stderr
    assert "Compiling MMCV's operators" in done.stdout
    assert calls(environment)[-1].split(" install ")[1].split() == [
        *("--disable-pip-version-check", "-c", "requirements/constraints.txt"),
        *("--no-cache-dir", "--force-reinstall", "--no-deps", "--no-build-isolation", "onedl-mmcv"),
    ]
    assert run_setup_function(compile_ops, environment).stdout == ""
    assert calls(environment) == []
    # Operators that were compiled for another PyTorch may load all the same.
    assert "Compiling" in run_setup_function(f"export TORCH=2.12.0; {compile_ops}", environment).stdout


def test_setup_removes_operators_that_nobody_asked_for(environment):
    assert run_setup_function("remove_compiled_ops", environment).stdout == ""
    assert calls(environment) == []
    # From pip's cache, which keeps what an earlier set-up compiled, or from OPS=compiled.
    operators = environment / ".venv/lib/python3.11/site-packages/mmcv/_ext.so"
    operators.touch()
    done = run_setup_function("export STUCK=other; remove_compiled_ops", environment)
    assert done.returncode == 1
    assert "still has compiled operators" in done.stderr
    done = run_setup_function("remove_compiled_ops", environment)
    assert done.returncode == 0
    assert "MMCV has compiled operators here" in done.stdout
    assert not operators.exists()
    assert "--no-cache-dir --force-reinstall --no-deps onedl-mmcv" in calls(environment)[-1]


def test_setup_names_operators_that_do_not_load(environment):
    done = run_setup_function('export BROKEN=1; PATH="bin:$PATH"; compile_ops', environment)
    assert done.returncode == 1
    assert "undefined symbol" in done.stderr
    assert "do not load after they were compiled" in done.stderr


def test_setup_keeps_the_choice_of_operators(environment):
    assert run_setup_function("chosen_ops", environment).stdout == "none\n"
    assert run_setup_function("OPS=compiled; chosen_ops", environment).stdout == "compiled\n"
    (environment / ".venv/ops").write_text("compiled\n")
    assert run_setup_function("chosen_ops", environment).stdout == "compiled\n"
    assert run_setup_function("OPS=none; chosen_ops", environment).stdout == "none\n"
    done = run_setup_function("OPS=yes; chosen_ops", environment)
    assert done.returncode == 1
    assert "OPS=yes is unknown" in done.stderr


def test_setup_is_done_anew_where_it_was_interrupted_or_operators_changed(environment):
    (environment / "requirements").mkdir()
    for name in ("requirements/constraints.txt", "pyproject.toml", "setup.py", "tools/setup.sh"):
        (environment / name).parent.mkdir(exist_ok=True)
        (environment / name).touch()
    script = 'fingerprint none >"$STAMP"; in_place none && echo complete'
    assert run_setup_function(script, environment).stdout == "complete\n"
    assert run_setup_function("in_place none || echo anew", environment).stdout == ""
    assert run_setup_function("in_place compiled || echo anew", environment).stdout == "anew\n"
    (environment / ".venv/lib/python3.11/site-packages/mmcv/_ext.so").touch()
    assert run_setup_function("in_place none || echo anew", environment).stdout == "anew\n"
    script = 'fingerprint compiled >"$STAMP"; in_place compiled && echo complete'
    assert run_setup_function(script, environment).stdout == "complete\n"
    assert run_setup_function("export BROKEN=1; in_place compiled || echo anew", environment).stdout == "anew\n"
    (environment / "requirements/constraints.txt").write_text("torch==2.13.0\n")
    assert run_setup_function("in_place compiled || echo anew", environment).stdout == "anew\n"


@pytest.mark.parametrize(("failing", "status"), [("none", 0), ("lint", 1), ("docs", 1), ("test", 1)])
def test_ci_fails_where_lint_or_tests_fail_and_ends_with_the_tests(tmp_path, failing, status):
    stand_in(tmp_path / "make", f'echo "ran $1"; [ "$1" != {failing} ]')
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CI": "true", "MMPERSONSEARCH_SLURM_PARTITION": "given"}
    env["MMPERSONSEARCH_MILVUS_SERVER"] = "given"
    done = subprocess.run([str(ROOT / ".ci/run")], env=env, capture_output=True, text=True)
    assert done.returncode == status
    assert "ran lint" in done.stdout and "ran docs" in done.stdout
    assert done.stdout.splitlines()[-1] == "ran test"


def test_setup_asks_for_a_compiler(tmp_path):
    stand_in(tmp_path / ".venv/bin/python", "exit 0")
    done = run_setup_function("PATH=/nowhere; check_compiler", tmp_path)
    assert done.returncode == 1
    assert "g++ is missing" in done.stderr
