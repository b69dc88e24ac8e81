"""A run's folder: its files by name, one way to write them, one to read them."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from unroll.errors import InputError, MissingEnvironmentError
from unroll.runs.folder import RunFolder, as_yaml

VALUES = {"seed": 3, "optimizer": {"lr": 1e-05}, "data": {"path": "1e-3", "name": "${x}"}, "tags": []}


def test_no_torch_is_imported():
    code = "import sys, unroll.runs.folder; print({'torch', 'lightning', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_file_that_it_names_is_explained_to_people():
    explained = (ROOT / "outputs" / "README.md").read_text()
    folder = RunFolder(ROOT)
    names = {value.name for key, value in vars(folder).items() if key not in ("path", "writes")}
    for name in names - {"slurm.txt", "model.safetensors"}:  # of jobs, and of exports
        assert name in explained, name


def test_a_folder_of_a_taken_name_gets_a_number(tmp_path):
    made = [RunFolder.make(tmp_path / "a" / "run").path.name for _ in range(3)]
    assert made == ["run", "run-2", "run-3"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"run_dir=.*file/run: cannot be made \(.*\); name another"):
        RunFolder.make(tmp_path / "file" / "run")


def test_what_is_written_is_read_and_no_secret_stands_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "logger.api_key=abcdefgh", "x=a b"])
    folder = RunFolder.make(tmp_path / "run")
    assert not folder.has_started
    assert not folder.holds_a_run()
    folder.write_record(VALUES, {"threads": 1})
    assert folder.has_started
    assert folder.read_config() == VALUES
    assert folder.read_environment() == {"threads": 1}
    assert folder.command.read_text() == "python train.py logger.api_key=REDACTED 'x=a b'\n"
    assert folder.read_results() is None
    folder.write_json(folder.results, {"test": {"loss": 0.5}})
    assert folder.read_results() == {"test": {"loss": 0.5}}
    folder.write_csv(folder.confusion, ["a", "b"], [[1, 2]])
    assert folder.confusion.read_text() == "a,b\n1,2\n"
    assert RunFolder.of(folder.path).path == folder.path
    folder.checkpoints.mkdir()
    folder.last.touch()
    assert RunFolder.of(folder.last).path == folder.path


def test_a_process_that_is_not_the_first_writes_nothing(tmp_path):
    first, other = RunFolder.make(tmp_path / "run"), RunFolder(tmp_path / "run", writes=False)
    other.write_record(VALUES, {})
    other.write_json(other.results, {})
    other.write_csv(other.confusion, ["a"], [])
    other.checkpoints.mkdir()
    half = other.checkpoints / "last.ckpt.tmp"
    half.touch()
    other.clean()
    with first.log.open("a") as log:
        first.lock(log.fileno())
        other.require_free()
        other.lock(log.fileno())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoints", half.name, "run", "run.log"]
    first.clean()
    assert not half.exists()


@pytest.mark.parametrize("content", ["", "{", "{}", "[1]", '{"a": 1', '{"test": 1}'])
def test_results_that_somebody_has_changed_are_told(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=r"results\.json: .*; remove it to resume the run"):
        RunFolder(tmp_path).read_results()


def test_a_folder_in_which_nothing_was_begun_has_no_config(tmp_path):
    with pytest.raises(InputError, match=r"config\.yaml: no such file: no run has started in this folder"):
        RunFolder(tmp_path).read_config()


def test_curves_are_read_with_their_lines(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.read_curves() == {}
    folder.metrics.write_text("epoch,lr-Adam,step,valid/loss\n,0.1,1,\n0,,2,3.5\n1,,4,2.5\n")
    curves = folder.read_curves()
    assert curves["valid/loss"].steps == [2, 4]
    assert curves["valid/loss"].epochs == [0, 1]
    assert curves["valid/loss"].values == [3.5, 2.5]
    assert curves["lr-Adam"].epochs == [None]
    folder.metrics.write_text("epoch,step,valid/loss\n0,1,2.0\n1,x,2.0\n")
    with pytest.raises(InputError, match=r"metrics\.csv:3: is not a line of metrics"):
        folder.read_curves()
    folder.metrics.write_bytes(b"epoch,step\n\xff")
    with pytest.raises(InputError, match=r"metrics\.csv: cannot be read"):
        folder.read_curves()


def test_an_error_of_the_disk_names_the_file_and_what_to_do(tmp_path):
    folder = RunFolder(tmp_path)
    told = pytest.raises(MissingEnvironmentError, match=r"full: cannot be written .*`unroll resume ")
    with told, folder.disk_errors():
        raise OSError(28, os.strerror(28), "full")
    with pytest.raises(FileNotFoundError), folder.disk_errors():
        raise FileNotFoundError(2, "no such file", "x")


def test_the_config_is_written_as_it_always_was():
    assert re.search(r"^data:\n  path: '1e-3'$", as_yaml(VALUES), flags=re.M)


def test_emptying_keeps_one_file(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.empty(besides=folder.trial)  # there is none yet
    folder.checkpoints.mkdir(parents=True)
    for file in (folder.trial, folder.last, folder.log):
        file.touch()
    folder.empty(besides=folder.trial)
    assert list(folder.path.iterdir()) == [folder.trial]
