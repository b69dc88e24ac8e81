"""The first use on a machine: matplotlib has no cache of fonts yet, or no folder that it may write one to."""

import pytest
from commands import train, unroll


@pytest.fixture(params=["empty", "unwritable"])
def cache(request, tmp_path, monkeypatch):
    """Where matplotlib is to keep its cache."""
    folder = tmp_path / "matplotlib"
    if request.param == "empty":
        folder.mkdir()
    else:
        folder.write_text("a file, in which nobody can make a file, not even root")
    monkeypatch.setenv("MPLCONFIGDIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where it goes instead
    return folder


def built(cache):
    """The font caches that were built, which is when matplotlib says so."""
    return list(cache.parent.rglob("fontlist*.json"))


def test_a_run_says_nothing_of_fonts(cache, tmp_path):
    assert not built(cache)
    done = train("debug=fast", f"run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("model ")
    assert done.stderr == ""
    assert "font" not in (tmp_path / "run" / "run.log").read_text()
    assert built(cache) or cache.is_file()


def test_a_command_says_nothing_of_fonts(cache, tmp_path):
    picture = tmp_path / "packing.png"
    done = unroll("packing", "5", "3", "--output", str(picture))
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == f"wrote {picture}"
