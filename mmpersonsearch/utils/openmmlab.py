"""Which packages of OpenMMLab are installed, for errors about packages that do not fit each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

# The original packages and the maintained forks, by the name under which both are imported.
_PACKAGES = {
    "mmengine": ("mmengine", "mmengine-lite", "onedl-mmengine"),
    "mmcv": ("mmcv", "mmcv-lite", "onedl-mmcv"),
    "mmdet": ("mmdet", "onedl-mmdetection"),
    "mmpretrain": ("mmpretrain", "onedl-mmpretrain"),
}
_REMEDY = (
    "Install packages that fit each other: the maintained forks (onedl-mmengine onedl-mmcv onedl-mmdetection "
    "onedl-mmpretrain), or the original ones (mmengine mmcv-lite==2.1.0 mmdet==3.3.0 mmpretrain==1.2.0)."
)


def describe_packages() -> str:
    """Name the installed packages of OpenMMLab with their versions; several of one import name are all named."""
    return ", ".join(" and ".join(_installed(names)) or f"no {import_name}" for import_name, names in _PACKAGES.items())


@contextmanager
def name_packages_in_errors() -> Iterator[None]:
    """Have errors of MMDetection's import name all versions.

    MMDetection asserts that MMCV's and MMEngine's versions fit its own, which its message does not name.

    Raises:
        ImportError: The packages do not fit each other; names them, their versions and some that do.
    """
    try:
        yield
    except ModuleNotFoundError:
        raise
    except (AssertionError, ImportError) as error:
        raise ImportError(f"{error}\nInstalled: {describe_packages()}. {_REMEDY}") from error


def _installed(names: tuple[str, ...]) -> list[str]:
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
