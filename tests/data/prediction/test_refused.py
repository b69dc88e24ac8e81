"""An input that cannot be read takes no other with it; the fault of a whole file still ends at once."""

import pandas as pd
import pytest
from file_data import FEATURES, data_in, preset, sequences_table, series_table, write

from unroll.data.prediction.inputs import text_inputs
from unroll.data.prediction.refused import MOST_TOLD, Refused
from unroll.errors import InputError


def inputs_of(data, path):
    """What can be read of a file, and what is told of the rest, without the file's name."""
    refused = Refused()
    inputs = data.read_inputs(path, data.spec, refused=refused)
    return inputs, [str(error).replace(f"{path}:", "line ") for error in refused.first]


@pytest.fixture
def sequences(tmp_path):
    path = write(tmp_path, "s.csv", sequences_table().to_csv(index=False))
    return data_in(path, "sequences", step="step", target="label", **FEATURES)


@pytest.mark.parametrize(
    ("name", "bad", "fault"),
    [
        ("token_labels", "w0 unheard", "line 2: 'unheard': not in the training data"),
        ("token_pairs", "<pad>", "line 2: token '<pad>' is reserved"),
        ("token_labels", "w0\tx\ty", "line 2: 3 values, where line 1 has 1"),
        ("token_pairs", "zz", "line 2: 'zz': not in the training data"),
        ("token_tags", "zz", "line 2: 'zz': not in the training data"),
        ("context_tokens", "1 x", "line 2: 'x' is not a finite number"),
        ("context_tokens", "1", "line 2: 1 of 2 numbers"),
    ],
)
def test_a_bad_line(tmp_path, name, bad, fault):
    good = {"token_tags": "the w0", "context_tokens": "1 2"}.get(name, "w0 w1")
    data = preset(tmp_path, name)
    path = write(tmp_path, "new.tsv", f"{good}\n{bad}\n{good}\n")
    inputs, told = inputs_of(data, path)
    assert [sample.index for sample in inputs.samples] == [0, 1]
    assert inputs.columns.get("line", ["1", "3"]) == ["1", "3"]
    assert [line.startswith(fault) for line in told] == [True]
    with pytest.raises(InputError):  # as a trace does, which needs the one that it is given
        data.read_inputs(path, data.spec)


def test_every_sequence_that_can_be_read_is_the_same_as_alone(tmp_path, sequences):
    table = sequences_table(12).astype({"x": object, "step": object})
    first = {name: int(rows[0]) for name, rows in table.groupby("id", sort=False).indices.items()}
    table.loc[first["s3"], "x"] = "?"
    table.loc[first["s4"], "y"] = None
    table.loc[first["s8"] + 1, "step"] = 1
    inputs, told = inputs_of(sequences, write(tmp_path, "bad.csv", table.to_csv(index=False)))
    good = sequences_table(12)
    good = good[~good["id"].isin(["s3", "s4", "s8"])]
    alone = sequences.read_inputs(write(tmp_path, "good.csv", good.to_csv(index=False)), sequences.spec)
    assert inputs.columns == alone.columns
    assert inputs.steps == alone.steps
    for found, wanted in zip(inputs.samples, alone.samples, strict=True):
        assert found.index == wanted.index
        assert found.inputs.equal(wanted.inputs)
    assert told[0].startswith(f"line {first['s3'] + 2}: '?' in column 'x' is not a number")
    assert told[1].startswith(f"line {first['s4'] + 2}: '' in column 'y' is a missing value")
    assert told[2].startswith(f"line {first['s8'] + 3}: '1' in column 'step'")
    assert len(told) == 3


HEAD = "id,step,x,y\n"


@pytest.mark.parametrize("torn", ["a,2\n", "a,2,1,5,0.5\n"])
def test_a_torn_row_takes_its_sequence_alone(tmp_path, sequences, torn):
    path = write(tmp_path, "new.csv", f"{HEAD}a,1,1,1\n{torn}b,1,2,2\nb,2,2,2\n")
    inputs, told = inputs_of(sequences, path)
    assert inputs.columns == {"id": ["b"]}
    assert len(told) == 1
    assert told[0].startswith(f"line 3: {torn.count(',') + 1} values, where line 1 has 4")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,step,x\na,1,2\nb,1,2\n", "no column 'y', which data.features names"),
        ("id,step,x,y\na,1,1,?\nb,1,1,1\n,2,1,1\n", ":4: column 'id' is empty"),
        ("id,step,x,y\na,1,1,1\n2,1,1\na,3,1,1\nb,1,1,1\n", ":3: 3 values, where line 1 has 4"),
        ("step,id,x,y\n1,a,1,1\na,1,1\n1,b,1,1\n", ":3: 3 values, where line 1 has 4"),
        ("", "is empty"),
    ],
    ids=["column", "no id", "lost id", "id not first", "empty"],
)
def test_a_fault_of_the_file_ends_at_once(tmp_path, sequences, content, says):
    refused = Refused()
    with pytest.raises(InputError) as caught:
        sequences.read_inputs(write(tmp_path, "new.csv", content), sequences.spec, refused=refused)
    assert says in str(caught.value)


def test_rows_that_come_back_are_a_fault_of_the_file(tmp_path):
    data = preset(tmp_path, "series_one_ahead")  # without times
    table = series_table(8, ("a", "b", "a")).astype({"load": object})
    table.loc[9, "load"] = "?"
    with pytest.raises(InputError, match="comes back"):
        inputs_of(data, write(tmp_path, "new.csv", table.to_csv(index=False)))


def test_series_that_are_too_short_or_torn(tmp_path):
    data = preset(tmp_path, "series")
    table = pd.concat([series_table(3, ("short",)), series_table(9, ("a", "b"))]).astype({"wind": object})
    table = table.reset_index(drop=True)
    table.loc[4, "wind"] = "?"
    inputs, told = inputs_of(data, write(tmp_path, "new.csv", table.to_csv(index=False)))
    assert inputs.columns == {"id": ["b"]}
    assert told[0].startswith("line 4: series 'short' ends after 3 steps")
    assert told[1].startswith("line 6: '?' in column 'wind' is not a number")


def test_nothing_that_can_be_read(tmp_path, sequences):
    inputs, told = inputs_of(sequences, write(tmp_path, "new.csv", f"{HEAD}a,1,?,1\nb,1,1,?\n"))
    assert inputs.samples == []
    assert len(told) == 2


def test_of_many_faults_the_first_are_kept(tmp_path):
    spec = preset(tmp_path, "token_labels").spec
    refused = Refused()
    lines = [(f"f:{number}", "w0" if number % 7 == 0 else f"unheard{number}") for number in range(1, 100)]
    inputs = text_inputs(lines, spec, refused=refused)
    assert refused.count == 99 - len(inputs.samples) == 85
    assert str(refused.first[0]).startswith("f:1: 'unheard1': not in the training data")
    assert len(refused.first) == MOST_TOLD
