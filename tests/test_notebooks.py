"""Notebooks run from a clean state, in silence, leave nothing behind, and are committed without outputs."""

import json
import re
import sys

import nbformat
import pytest
from conftest import ROOT
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets import default

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT = 600  # seconds for a cell


class OwnKernel(AsyncKernelManager):
    """A kernel of this interpreter, whatever kernels the user has."""

    @default("kernel_spec_manager")
    def _only_ipykernels_own(self):
        return KernelSpecManager(kernel_dirs=[])


def execute(notebook, folder, monkeypatch):
    """Run all cells in `folder`, whatever settings the user has."""
    home = folder.parent / "jupyter"
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(home / name))
    for name in ("MPLBACKEND", "PYTHONWARNINGS"):
        monkeypatch.delenv(name, raising=False)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, kernel_name="python3", kernel_manager_class=OwnKernel, timeout=TIMEOUT, resources=where
    ).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_a_clean_state_in_any_folder(path, tmp_path, monkeypatch):
    notebook = nbformat.read(path, as_version=4)
    folder, temporary = tmp_path / "empty", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    execute(notebook, folder, monkeypatch)
    assert list(folder.iterdir()) == []
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds & {"image/png", "image/svg+xml"}, "no picture"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_without_outputs_and_says_what_it_is_for(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert "execution" not in cell.metadata
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S", first.source)
    assert re.search(r"after this notebook you (can|will be able to)\b", first.source, re.IGNORECASE)


def test_the_kernel_is_this_interpreter(tmp_path, monkeypatch):
    """Also where the user's kernel of the same name is another."""
    spec = tmp_path / "user" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["/no/such/python"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "user"))
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import sys; print(sys.executable)")]
    )
    execute(notebook, tmp_path, monkeypatch)
    assert notebook.cells[0].outputs[0].text.strip() == sys.executable


def test_an_error_in_a_cell_fails(tmp_path, monkeypatch):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 1 == 2")])
    with pytest.raises(CellExecutionError, match="1 == 2"):
        execute(notebook, tmp_path, monkeypatch)
