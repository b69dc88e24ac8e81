"""What is exported does what the model does: loaded by Unroll again, by torch, and by ONNX Runtime."""

import json
import sys

import jaxtyping
import numpy as np
import pytest
import torch
from commands import command  # noqa: F401  # a fixture
from conftest import ROOT, entries
from helpers import any_batch, any_spec, small_model, token_spec
from recurrences import STRANGE

from unroll.errors import InputError
from unroll.export import safetensors
from unroll.export.parts import model_parts, random_inputs
from unroll.export.programs import require_packages, write_programs
from unroll.export.traceable import traceable
from unroll.runs.checkpoints import find
from unroll.spec import (
    END,
    PAD,
    SPECIAL_TOKENS,
    START,
    Alignment,
    DataSpec,
    ForecastScaling,
    Kind,
    Signature,
)
from unroll.training import checkpoints

# Of torch's own modules, which running a program imports.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

LETTERS = (*SPECIAL_TOKENS, *"abcde")
VALUES = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
SCALED = any_spec(
    Kind.CONTINUOUS,
    Kind.CONTINUOUS,
    Alignment.SEQUENCE,
    input_mean=(9.0, 0.0, -4.0),
    input_std=(3.0, 1.0, 0.1),
    target_mean=(70.0,),
    target_std=(8.0,),
)
FORECAST = DataSpec(
    signature=Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE),
    input_size=2,
    target_size=3,
    input_mean=(9.0, 0.0),
    input_std=(3.0, 1.0),
    target_mean=(9.0,),
    target_std=(3.0,),
    target_inputs=(0,),
    horizon=3,
    season=2,
    scaling=ForecastScaling.season,
    least_error=(0.5,),
    lowest=(-9.0,),
    highest=(20.0,),
)
WORDS = any_spec(Kind.TOKENS, Kind.CLASSES, Alignment.STEP, letters=LETTERS)

POINTWISE = {
    **{f"cell {cell}": ("many_to_one", VALUES, {"cell": {"name": cell}}) for cell in entries("model/cell")},
    "matrices": ("many_to_one", VALUES, {"cell": STRANGE[0], "num_layers": 2, "bidirectional": True}),
    "a buffer and a count": ("many_to_one", VALUES, {"cell": STRANGE[1], "bidirectional": True}),
    "two layers, two directions": ("many_to_one", VALUES, {"num_layers": 2, "bidirectional": True}),
    "units of the data": ("many_to_one", SCALED, {"pooling": "mean", "initial_state": "learned"}),
    "quantiles of a forecast": ("many_to_one", FORECAST, {"quantiles": [0.1, 0.5, 0.9]}),
    "packed tokens": ("many_to_many", WORDS, {"padding": "packed"}),
    "spelling by a convolution": ("many_to_many", WORDS, {"embedding": {"name": "spelling"}}),
    "spelling by an LSTM": ("many_to_many", WORDS, {"embedding": {"name": "spelling", "encoder": "rnn"}}),
    "convolution": ("many_to_one", VALUES, {"front_end": {"name": "conv"}, "pooling": "max"}),
    "vmap": ("many_to_one", VALUES, {"front_end": {"name": "mlp", "strategy": "vmap"}}),
    "no recurrence": ("many_to_one", VALUES, {"front_end": {"name": "time_distributed"}, "num_layers": 0}),
    "values from values": (
        "seq2seq_continuous",
        any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.UNALIGNED),
        {"bidirectional": True},
    ),
}
WRITERS = {
    "dot attention": ("seq2seq", token_spec(), {"cell": {"name": "lstm"}}),
    "additive attention": (
        "seq2seq",
        token_spec(),
        {"attention": {"name": "additive"}, "bidirectional": False},
    ),
    "no attention": ("seq2seq", token_spec(), {"attention": {"name": "none"}, "num_layers": 2}),
    "matrices": ("seq2seq", token_spec(), {"cell": STRANGE[0], "num_layers": 2}),
    "a buffer and a count": ("seq2seq", token_spec(), {"cell": STRANGE[1], "attention": {"name": "none"}}),
    "from a context": (
        "one_to_many",
        any_spec(Kind.CONTEXT, Kind.TOKENS, Alignment.UNALIGNED),
        {"cell": {"name": "lstm"}, "num_layers": 2},
    ),
}
CASES = [*POINTWISE.values(), *WRITERS.values()]
every_model = pytest.mark.parametrize("case", CASES, ids=[*POINTWISE, *WRITERS])


@pytest.fixture(autouse=True)
def _no_shape_checks():
    """torch cannot follow what checks the shapes' annotations in the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def model_of(case):
    name, spec, values = case
    return small_model(name, spec, **values)


@every_model
@pytest.mark.parametrize("sizes", [(5, 11), (1, 1)])
def test_the_model_that_is_followed_does_the_same(case, sizes):
    """The same weights through a scan of single steps: what programs are made of, before any exporter."""
    model = model_of(case)
    inputs = random_inputs(model, *sizes)
    for own, followed in zip(model_parts(model, inputs), model_parts(traceable(model), inputs), strict=True):
        with torch.no_grad():
            torch.testing.assert_close(
                followed.module(**own.inputs), own.module(**own.inputs), rtol=1e-5, atol=1e-5
            )


def test_a_part_of_a_pointwise_model_predicts_what_the_model_predicts():
    model = small_model("many_to_one", SCALED)
    batch = any_batch(SCALED, [4, 1, 6])
    (part,) = model_parts(model, {"inputs": batch.inputs, "lengths": batch.lengths})
    with torch.no_grad():
        found = part.module(batch.inputs, batch.lengths).numpy()
    np.testing.assert_array_equal(found, np.stack(model.predict_step(batch)))


def load_program(path):
    module = torch.export.load(path).module()

    def run(**inputs):
        with torch.no_grad():
            return torch.utils._pytree.tree_leaves(module(**inputs))

    return run


def load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes())

    def run(**inputs):
        flat = {}
        for name, value in inputs.items():
            flat |= value if isinstance(value, dict) else {name: value}
        found = session.run(None, {name: value.numpy() for name, value in flat.items()})
        return [torch.from_numpy(each) for each in found]

    return run


LOADERS = {"program": load_program, "onnx": load_onnx}
kinds = pytest.mark.parametrize("kind", LOADERS)


@kinds
def test_programs_predict_for_sizes_that_they_were_not_made_with(kind, tmp_path):
    model = model_of(POINTWISE["two layers, two directions"])
    ((path, difference),) = write_programs(tmp_path, model, kind).items()
    assert difference < 1e-5
    run = LOADERS[kind](path)
    for lengths in ([5, 2, 9, 1], [3]):
        batch = any_batch(model.spec, lengths)
        (found,) = run(inputs=batch.inputs, lengths=batch.lengths)
        np.testing.assert_allclose(found, np.stack(model.predict_step(batch)), atol=1e-5)


@kinds
def test_encoder_and_decoder_write_what_the_model_writes(kind, tmp_path):
    model = model_of(WRITERS["dot attention"])
    encoder, decoder = (LOADERS[kind](path) for path in write_programs(tmp_path, model, kind))
    batch = any_batch(model.spec, [4, 2, 7])
    *memory, h, c = encoder(inputs=batch.inputs, lengths=batch.lengths)
    memory, state = dict(zip(("values", "keys", "mask"), memory, strict=True)), {"h_0": h, "c_0": c}
    tokens, ended, written = torch.full((3,), START), torch.zeros(3, dtype=torch.bool), []
    for _ in range(12):  # one and a half times the longest target of the spec
        scores, h, c = decoder(tokens=tokens, memory=memory, state=state)
        tokens, state = scores.argmax(dim=-1), {"h_0": h, "c_0": c}
        ended = ended | (tokens == END)
        written.append(tokens.masked_fill(ended, PAD))
    decoded = model.decode(batch)
    expected = torch.zeros(3, 12, dtype=torch.long)
    expected[:, : decoded.tokens.shape[1]] = decoded.tokens
    assert torch.equal(torch.stack(written, dim=1), expected)


@kinds
def test_programs_name_no_files_of_this_machine(kind, tmp_path):
    for path in write_programs(tmp_path, model_of(POINTWISE["cell gru"]), kind):
        content = path.read_bytes()
        assert str(ROOT).encode() not in content
        assert sys.prefix.encode() not in content


@pytest.mark.slow
@kinds
@every_model
def test_every_model_becomes_a_program(case, kind, tmp_path):
    assert max(write_programs(tmp_path, model_of(case), kind).values()) < 1e-5


@pytest.mark.slow
@kinds
def test_a_model_of_one_length_becomes_a_program(kind, tmp_path):
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE, length=6)
    model = small_model("many_to_one", spec, front_end={"name": "feature_conv"})
    assert max(write_programs(tmp_path, model, kind).values()) < 1e-5


def test_a_program_that_differs_is_not_written(tmp_path, monkeypatch):
    """The model that is followed is another one than it is then held against."""
    from unroll.errors import NumericError
    from unroll.export import programs

    def another(model):
        return traceable(model_of(POINTWISE["no recurrence"]))

    monkeypatch.setattr(programs, "traceable", another)
    with pytest.raises(NumericError, match=r"model\.pt2: differs from the model by .*, and was not written"):
        write_programs(tmp_path, model_of(POINTWISE["no recurrence"]), "program")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_torch_cannot_follow_is_refused_in_one_line(tmp_path, monkeypatch):
    model = model_of(POINTWISE["no recurrence"])
    monkeypatch.setattr(
        type(model), "forward", lambda self, batch: self.output(batch.inputs[batch.lengths.tolist()])
    )
    with pytest.raises(InputError) as caught:
        write_programs(tmp_path, model, "program")
    message = str(caught.value)
    assert message.startswith("--format program: the model of this model cannot be exported (")
    assert "\n" not in message


def test_what_onnx_lacks_is_named(tmp_path, monkeypatch):
    model = model_of(POINTWISE["no recurrence"])

    def largest(self, batch):
        return batch.inputs.cummax(dim=1).values[:, -1] @ torch.ones(3, 4)

    monkeypatch.setattr(type(model), "forward", largest)
    with pytest.raises(InputError, match=r"--format onnx: the model .* \(ONNX has no aten\.cummax\); leave"):
        write_programs(tmp_path, model, "onnx")


def test_onnx_without_its_packages_is_refused(monkeypatch):
    import importlib.util

    from unroll.errors import MissingEnvironmentError

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    require_packages("program")
    with pytest.raises(
        MissingEnvironmentError, match=r"--format onnx needs onnx, onnxscript, onnxruntime: pip"
    ):
        require_packages("onnx")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The checkpoint of an untrained model in a run's folder, as a run writes it."""
    folder = tmp_path_factory.mktemp("run") / "run"
    model = small_model("seq2seq", token_spec(), cell={"name": "lstm"})
    data = {"name": "tokens", "task": "copy"}
    (folder / "checkpoints").mkdir(parents=True)
    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "datamodule_hyper_parameters": {"data": data, "seed": 1},
    }
    torch.save(content, folder / "checkpoints" / "best.ckpt")
    return folder


def test_an_export_is_a_run(run, tmp_path, command):  # noqa: F811
    """By the commands: the same predictions from its folder and from the file of its weights."""
    folder = tmp_path / "mine"
    done = command("export", str(run), "--output", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    names = ("model.safetensors", "config.json")
    assert done.stdout.splitlines() == [f"wrote {folder / name}" for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    text = ["--text", "t1 t2 t3", "--text", "t0"]
    wanted = command("predict", str(run), *text)
    assert wanted.returncode == 0, wanted.stderr
    for exported in (folder, folder / "model.safetensors"):
        assert command("predict", str(exported), *text) == wanted


def test_an_export_stands_in_its_run_unless_told_otherwise(run, command, tmp_path):  # noqa: F811
    for given, folder in (
        (run, run / "export"),
        (run / "checkpoints" / "best.ckpt", run / "checkpoints" / "best-export"),
    ):
        assert command("export", str(given)).returncode == 0
        assert (folder / "model.safetensors").is_file()
    done = command("export", str(run), "--output", "/proc/no/such")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --output /proc/no/such: cannot be written (No such file or directory); name another\n",
    )
    done = command("export", str(tmp_path / "none"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "none: no such run" in done.stderr


def test_what_is_exported_is_all_that_makes_the_model(run, tmp_path):
    checkpoint = checkpoints.read(find(run))
    model = checkpoints.load(run)
    safetensors.write(tmp_path, model, checkpoint)
    again = checkpoints.load(tmp_path)
    assert again.spec == model.spec
    assert again.hparams == model.hparams
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    assert checkpoints.read(find(tmp_path)).keys() == checkpoint.keys()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["versions"]["torch"] == torch.__version__
    assert (config["model"]["name"], config["data"]["name"], config["seed"]) == ("seq2seq", "tokens", 1)


def test_an_export_leaves_no_program_of_another_model(run, tmp_path):
    for name in ("model.pt2", "decoder.onnx", "mine.onnx"):
        (tmp_path / name).touch()
    safetensors.write(tmp_path, checkpoints.load(run), checkpoints.read(find(run)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "mine.onnx",
        "model.safetensors",
    ]
