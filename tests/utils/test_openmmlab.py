import pytest

from mmpersonsearch.utils.openmmlab import describe_packages, name_packages_in_errors


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The only packages that are found: a folder of them, by name and version."""

    def install(**packages):
        monkeypatch.setattr("sys.path", [str(tmp_path)])
        for name, version in packages.items():
            (tmp_path / f"{name}-{version}.dist-info").mkdir()
            name = name.replace("_", "-")
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (tmp_path / f"{name.replace('-', '_')}-{version}.dist-info/METADATA").write_text(text)

    return install


def test_both_sets_of_names_are_found(installed):
    installed(mmengine="0.10.7", mmcv_lite="2.1.0", onedl_mmcv="2.3.6", onedl_mmdetection="3.5.1")
    expected = "mmengine 0.10.7, mmcv-lite 2.1.0 and onedl-mmcv 2.3.6, onedl-mmdetection 3.5.1, no mmpretrain"
    assert describe_packages() == expected


@pytest.mark.parametrize("kind", [AssertionError, ImportError])
def test_packages_that_do_not_fit_are_named_with_their_versions(installed, kind):
    installed(mmengine="0.10.7", mmcv="2.2.0", mmdet="3.3.0", mmpretrain="1.2.0")
    with pytest.raises(ImportError) as raised, name_packages_in_errors():
        raise kind("MMCV==2.2.0 is used but incompatible.")
    message = str(raised.value)
    assert message.startswith("MMCV==2.2.0 is used but incompatible.")
    assert "Installed: mmengine 0.10.7, mmcv 2.2.0, mmdet 3.3.0, mmpretrain 1.2.0." in message
    assert "mmcv-lite==2.1.0" in message


def test_a_missing_package_and_other_errors_pass():
    for error in (ModuleNotFoundError("No module named 'mmdet'", name="mmdet"), RuntimeError("no operator")):
        with pytest.raises(type(error)) as raised, name_packages_in_errors():
            raise error
        assert raised.value is error
