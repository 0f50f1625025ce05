"""Names and versions of the installed packages of OpenMMLab, for errors of incompatible versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions

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
    """List the installed packages of OpenMMLab with their versions."""
    parts = []
    for import_name, names in _PACKAGES.items():
        installed = [f"{name} {one.version}" for name in names for one in distributions(name=name)]
        parts.append(" and ".join(installed) or f"no {import_name}")
    return ", ".join(parts)


@contextmanager
def name_packages_in_errors() -> Iterator[None]:
    """Add the installed versions to the errors of MMDetection's import, which checks the versions of MMCV and MMEngine.

    Raises:
        ImportError: The packages do not fit each other.
    """
    try:
        yield
    except ModuleNotFoundError:
        raise
    except (AssertionError, ImportError) as error:
        raise ImportError(f"{error}\nInstalled: {describe_packages()}. {_REMEDY}") from error
