"""What a tired person gets wrong with files ends in one line that names the place, the value and the fix."""

import gzip
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_data import data_in, sequences_table, series_table, write

from unroll.errors import InputError

SERIES = {"target": "x", "window": 4, "horizon": 2}
ROWS = "".join(f"{i},{i % 7}\n" for i in range(40))
STEPS = "t,x\n" + ROWS
SEQUENCES = {"target": "label", "step": "step"}
LABELLED = "id,step,x,label\n" + "".join(
    f"s{i},{t},{i + t},{'ab'[i % 2]}\n" for i in range(20) for t in (1, 2)
)
PAIRS = "".join(f"a{i} b\tc d{i}\n" for i in range(20))
LABELS = "".join(f"a{i} b\t{'xy'[i % 2]}\n" for i in range(20))


@dataclass
class Bad:
    """A mistake: the file's name and content, the config, and parts of the message (FILE is its path)."""

    mistake: str
    file: str
    content: str | bytes | None
    data: str
    says: list[str]
    config: dict[str, Any] = field(default_factory=dict)


def series(mistake: str, content: str | bytes | None, *says: str, file: str = "s.csv", **config: Any) -> Bad:
    return Bad(mistake, file, content, "series", list(says), {**SERIES, **config})


def sequences(mistake: str, content: str, *says: str, file: str = "s.csv", **config: Any) -> Bad:
    return Bad(mistake, file, content, "sequences", list(says), {**SEQUENCES, **config})


def tokens(mistake: str, content: str, *says: str, file: str = "t.tsv", **config: Any) -> Bad:
    return Bad(mistake, file, content, "token_file", list(says), config)


def line(text: str, number: int, new: str) -> str:
    """The text with another line in the place of one, counted from 1."""
    lines = text.splitlines()
    lines[number - 1] = new
    return "\n".join(lines) + "\n"


CASES = [
    # files
    series("no such file", None, "data.path=FILE: no such file", "give an existing one"),
    series("a folder", None, "data.path=FILE: is a folder; give a file in it", file=""),
    series("unknown suffix", STEPS, "unknown suffix '.xlsx'; name the file .csv", file="s.xlsx"),
    series("no suffix", STEPS, "unknown suffix ''; name the file .csv", file="steps"),
    series("gzip of what", STEPS, "unknown suffix '.gz'; name the file .csv", file="s.gz"),
    series("empty", "", "FILE: is empty; write something in it"),
    series("blank lines alone", "\n  \n\n", "FILE: is empty"),
    series("header only", "t,x\n\n", "FILE: has a header and no rows"),
    series("Latin-1", b"t,x\n1,2\n\xe9,3\n", "FILE:3: is not UTF-8 text (byte 0xe9); save it as UTF-8"),
    series("UTF-16", STEPS.encode("utf-16"), "FILE: is UTF-16 text; save it as UTF-8"),
    series(
        "an Excel file", b"PK\x03\x04\xff\xfe", "FILE: is an Excel file or other zip archive; save it as CSV"
    ),
    series("gzip not called so", gzip.compress(STEPS.encode()), "FILE: is gzip; let its name end in .gz"),
    series(
        "cut-off gzip",
        gzip.compress(STEPS.encode())[:-20],
        "FILE: is not gzip, or cut short",
        "make the file anew",
        file="s.csv.gz",
    ),
    series("no gzip", STEPS, "FILE: is not gzip, or cut short (Not a gzipped file", file="s.csv.gz"),
    series("no Parquet", STEPS, "FILE: is not a complete Parquet file", file="s.parquet"),
    series("empty Parquet", b"", "FILE: is not a complete Parquet file", file="s.parquet"),
    # rows and columns
    series("CSV called TSV", STEPS, "FILE:1: values seem to be separated by commas", "tabs", file="s.tsv"),
    series(
        "TSV called CSV", STEPS.replace(",", "\t"), "FILE:1: values seem to be separated by tabs", "commas"
    ),
    series("semicolons", STEPS.replace(",", ";"), "FILE:1: values seem to be separated by semicolons"),
    series(
        "too few values", line(STEPS, 5, "3"), "FILE:5: 1 value, where line 1 has 2 (separated by commas)"
    ),
    series(
        "too many values", line(STEPS, 9, "7,0,0"), "FILE:9: 3 values, where line 1 has 2", "double quotes"
    ),
    series("decimal commas", line(STEPS, 2, "0,0,5"), "FILE:2: 3 values, where line 1 has 2"),
    series(
        "an open quote", line(STEPS, 6, '4,"4'), "FILE:6: double quotes do not match in the row that begins"
    ),
    series("two columns of a name", "x,x\n1,2\n", "FILE:1: two columns are called 'x'; the first line gives"),
    series("a column without a name", ",x\n0,1\n", "FILE:1: column 1 has no name", "index=False"),
    series(
        "missing column",
        STEPS,
        "FILE: no column 'load', which data.target names; there are: t, x",
        target="load",
    ),
    series(
        "missing feature", STEPS, "no column 'y', which data.features names; there are: t, x", features=["y"]
    ),
    series("missing time", STEPS, "no column 'date', which data.time names; there are: t, x", time="date"),
    series("no header", "5,6\n" + ROWS, "FILE: no column 'x', which data.target names; there are: 5, 6"),
    # numbers
    series(
        "an empty cell",
        line(STEPS, 4, "2,"),
        "FILE:4: '' in column 'x' is a missing value",
        "missing=previous",
    ),
    series(
        "NaN", line(STEPS, 4, "2,NaN"), "FILE:4: 'NaN' in column 'x' is a missing value; write a number there"
    ),
    series("infinity", line(STEPS, 4, "2,-inf"), "FILE:4: '-inf' in column 'x' is infinite or beyond ±1e+30"),
    series("a huge number", line(STEPS, 4, "2,1e39"), "FILE:4: '1e39' in column 'x' is infinite or beyond"),
    series(
        "text for a number", line(STEPS, 8, "6,six"), "FILE:8: 'six' in column 'x' is not a number", "1234.5"
    ),
    series(
        "true lines after blank ones",
        "\n" + line(STEPS, 4, "\n\n2,two"),
        "FILE:7: 'two' in column 'x' is not a number",
    ),
    # time
    series(
        "time stands still",
        line(STEPS, 5, "2,0"),
        "FILE:5: '2' in column 't' is the same as in FILE:4",
        time="t",
    ),
    series(
        "time goes back",
        line(STEPS, 5, "1,0"),
        "FILE:5: '1' in column 't' comes before '2' in FILE:4",
        time="t",
    ),
    series(
        "no date",
        "t,x\n2024-01-01,1\n32.1.2024,2\n",
        "FILE:3: '32.1.2024' in column 't' is not a date",
        time="t",
    ),
    series("no time", line(STEPS, 5, ",0"), "FILE:5: column 't' is empty; write a value", time="t"),
    series(
        "a series comes back",
        "id,x\na,1\nb,2\na,3\n",
        "FILE:4: 'a' in column 'id' comes back, after other rows, from FILE:2; keep its rows together",
        id="id",
    ),
    # too little
    series("fewer rows than a window", "x\n1\n2\n3\n4\n5\n", "leaves none for the valid split", "take other"),
    series(
        "a window too long",
        STEPS,
        "FILE:2: the series has 32 steps in the train part, and a window needs 52 there",
        "take a smaller data.window or data.horizon",
        window=50,
    ),
    series(
        "a horizon too long", STEPS, "has 4 steps in the valid part, and a window needs 5 there", horizon=5
    ),
    series(
        "one series too short",
        "id,x\n" + "".join(f"a,{i}\n" for i in range(40)) + "".join(f"b,{i}\n" for i in range(20)),
        "FILE:42: series 'b' has 2 steps in the valid part, and a window needs 3 there",
        id="id",
        horizon=3,
    ),
    # labelled sequences
    sequences(
        "the label changes",
        line(LABELLED, 5, "s1,2,3,a"),
        "FILE:5: sequence 's1' has 'a' in column 'label', but 'b' in FILE:4; give it one",
    ),
    sequences(
        "the value changes",
        line(LABELLED.replace("a\n", "1\n").replace("b\n", "2\n"), 3, "s0,2,1,1.5"),
        "FILE:3: sequence 's0' has '1.5' in column 'label', but '1.0' in FILE:2",
        task="value",
    ),
    sequences(
        "steps do not increase",
        line(LABELLED, 5, "s1,1,3,b"),
        "FILE:5: '1' in column 'step' is the same as in FILE:4",
    ),
    sequences(
        "no label", line(LABELLED, 7, "s2,2,4,"), "FILE:7: column 'label' is empty; write a value there"
    ),
    sequences("no id", line(LABELLED, 7, ",2,4,a"), "FILE:7: column 'id' is empty; write a value there"),
    sequences(
        "one class",
        LABELLED.replace("b\n", "a\n"),
        "'a' is the only class in training; give data of two or more",
    ),
    sequences(
        "too long", LABELLED, "FILE:2: sequence 's0' has 2 steps, more than data.max_length=1", max_length=1
    ),
    sequences(
        "a name among the features",
        LABELLED,
        "'a' in column 'label' is not a number",
        task="next",
        target=None,
    ),
    sequences(
        "neither 0 nor 1",
        LABELLED.replace("a\n", "0\n").replace("b\n", "2\n"),
        "FILE:4: '2' in column 'label' is neither 0 nor 1; write one",
        task="labels",
    ),
    sequences(
        "features neither 0 nor 1",
        line(LABELLED, 2, "s0,1,0.5,a"),
        "FILE:2: '0.5' in column 'x' is neither 0 nor 1",
        task="next_labels",
        target=None,
        features="x",
    ),
    sequences(
        "nothing after",
        "id,x\na,1\nb,1\n",
        "FILE:2: sequence 'a' has too few steps, 1",
        task="next",
        target=None,
        step=None,
    ),
    sequences(
        "no features", "id,label\na,x\n", "FILE: has no columns beside id, label to learn from", step=None
    ),
    sequences(
        "too few to split", "id,x,label\na,1,p\nb,2,q\n", "of 2 sequences (FILE) this leaves none", step=None
    ),
    # tokens
    tokens("no tab", line(PAIRS, 3, "a b c d"), "FILE:3: 1 value, where line 1 has 2 (separated by tabs)"),
    tokens("two tabs", line(PAIRS, 3, "a\tb\tc"), "FILE:3: 3 values, where line 1 has 2"),
    tokens(
        "commas for tabs",
        PAIRS.replace("\t", ","),
        "FILE:1: 1 columns where a line has 2: source, a tab, target",
    ),
    tokens("an empty source", line(PAIRS, 3, "\tc d"), "FILE:3: source: has no tokens; write at least one"),
    tokens("an empty target", line(PAIRS, 4, "a b\t "), "FILE:4: target: has no tokens"),
    tokens(
        "too long",
        line(PAIRS, 6, "a b c\td"),
        "FILE:6: source: 3 tokens, more than data.max_length=2",
        max_length=2,
    ),
    tokens(
        "too long a target", line(PAIRS, 6, "a\td e f"), "FILE:6: target: 3 tokens, more than", max_length=2
    ),
    tokens(
        "a reserved token",
        line(PAIRS, 5, "<s> a\tb"),
        "FILE:5: source: token '<s>' is reserved for the model",
    ),
    tokens(
        "a header", "source\ttarget\n" + PAIRS, "FILE:1: 'source' and 'target' look like names", "header=true"
    ),
    tokens(
        "fewer tags",
        line(PAIRS, 2, "a b c\tX Y"),
        "FILE:2: 3 tokens and 2 tags; write a tag for each",
        task="tags",
    ),
    tokens("an empty label", line(LABELS, 2, "a b\t"), "FILE:2: label is empty; write one", task="label"),
    tokens(
        "contexts differ",
        "1 2\ta\n1\tb\n",
        "FILE:2: context: 1 of 2 numbers",
        task="context",
    ),
    tokens("no context", "1 2\ta\n\tb\n", "FILE:2: context: has no context; write numbers", task="context"),
    tokens("text for context", "1 two\ta\n", "FILE:1: context: 'two' is not a finite number", task="context"),
    tokens("NaN in a context", "1 nan\ta\n", "FILE:1: context: 'nan' is not a finite number", task="context"),
    tokens("no tokens so frequent", PAIRS, "data.min_count=50: no token of the training data", min_count=50),
    tokens(
        "too few to split",
        "a\tb\nc\td\n",
        "of 2 different inputs (FILE) this leaves none for the valid split",
    ),
    # options
    series("no target", STEPS, "data.target: not given; name the column", target=None),
    series("an empty list", STEPS, "target=[]: must be a column's name, or a list of names", target=[]),
    series("a name of names", STEPS, "target={'a': 1}: must be a column's name", target={"a": 1}),
    series("the target twice", STEPS, "target=['x', 'x']: 'x' stands twice in it", target=["x", "x"]),
    series(
        "time is the target",
        STEPS,
        "target=x: 'x' is data.time too",
        time="x",
    ),
    series(
        "id is a feature",
        STEPS,
        "features=['t']: 't' is data.id too; name each column once",
        id="t",
        features=["t"],
    ),
    series("horizon 0", STEPS, "horizon=0: must be 1 or more", horizon=0),
    series("stride 0", STEPS, "stride=0: must be 1 or more", stride=0),
    series("a long season", STEPS, "season=9: must be at most window=4", season=9),
    series("one ahead of more", STEPS, "horizon=2: must be 1 with task=one_ahead", task="one_ahead"),
    series("no such task", STEPS, "task: Invalid value 'guess'", task="guess"),
    series("a fraction of 0", STEPS, "valid_fraction=0.0: must be in (0, 1)", valid_fraction=0),
    series(
        "fractions of all",
        STEPS,
        "test_fraction=0.6: must be below 1 together",
        valid_fraction=0.5,
        test_fraction=0.6,
    ),
    sequences(
        "the id is the target", LABELLED, "target=id: 'id' is data.id too; name each column once", target="id"
    ),
    sequences("two labels", LABELLED, "must be one column with task=label", target=["label", "x"]),
    sequences("a target for next", LABELLED, "target=label: must be null with task=next", task="next"),
    sequences("no target", LABELLED, "data.target: not given; name the column to learn", target=None),
    tokens("min_count 0", PAIRS, "min_count=0: must be 1 or more", min_count=0),
    tokens("max_length 0", PAIRS, "max_length=0: must be 1 or more, or null", max_length=0),
]


def check(error: InputError, says: list[str], file: str) -> None:
    message = str(error)
    assert "\n" not in message
    for part in says:
        assert part.replace("FILE", file) in message, message


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: f"{bad.data}: {bad.mistake}")
def test_it_is_told_in_one_line(tmp_path, bad):
    path = tmp_path / bad.file
    if bad.content is not None and bad.file:
        write(tmp_path, bad.file, bad.content)
    with pytest.raises(InputError) as caught:
        data_in(path, bad.data, **bad.config).spec  # noqa: B018
    check(caught.value, bad.says, str(path))


def test_there_are_enough_and_they_differ():
    assert len(CASES) >= 80
    assert len({(bad.data, bad.mistake) for bad in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "data.path: not given; give a file, as data.path=FILE"),
        (
            {"path": "a.csv", "train": "b.csv"},
            "data.train=b.csv: give either this or data.path=a.csv, not both",
        ),
        (
            {"train": "a.csv", "test": "b.csv"},
            "data.valid: not given; give data.train, data.valid and data.test",
        ),
        (
            {"train": "a.csv", "valid": "b.csv", "test": "./a.csv"},
            "data.test=a.csv: is also data.train; give files that share no data",
        ),
        ({"train": "a.csv", "valid": "b.csv", "test": "c.csv"}, "data.valid=b.csv: no such file"),
    ],
)
@pytest.mark.parametrize("name", ["series", "sequences", "token_file"])
def test_files_that_are_not_given_are_told_before_anything_is_read(tmp_path, monkeypatch, given, says, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.csv", STEPS)
    data = data_in(None, name, **given)
    assert data.config.signature()  # known without any file
    with pytest.raises(InputError) as caught:
        data.config.require_ready()
    check(caught.value, [says], "FILE")


@pytest.mark.parametrize(
    ("name", "texts", "says"),
    [
        (
            "sequences",
            ("id,x,label\na,1,p\nb,2,q\n", "id,x,label\nc,1,p\n", "id,x,label\nd,3,zebra\n"),
            "test.csv:2: class 'zebra' is not in the training data, which have: p, q; mend it",
        ),
        (
            "token_file",
            ("a,p\nb,q\n", "a,p\n\nc,zebra\n", "a,q\n"),
            "valid.csv:3: class 'zebra' is not in the training data, which have: p, q; mend it",
        ),
    ],
)
def test_labels_that_training_lacks(tmp_path, name, texts, says):
    keys = ("train", "valid", "test")
    files = {key: str(write(tmp_path, f"{key}.csv", text)) for key, text in zip(keys, texts, strict=True)}
    config = {"target": "label"} if name == "sequences" else {"task": "label"}
    with pytest.raises(InputError) as caught:
        data_in(None, name, **files, **config).spec  # noqa: B018
    check(caught.value, [says], "FILE")


def test_contexts_of_all_files_are_alike(tmp_path):
    texts = {"train": "1 2,a\n3 4,b\n", "valid": "1,a\n", "test": "1 2,a\n"}
    files = {key: str(write(tmp_path, f"{key}.csv", text)) for key, text in texts.items()}
    with pytest.raises(InputError, match=r"valid\.csv:1: context: 1 of 2 numbers"):
        data_in(None, "token_file", task="context", **files).spec  # noqa: B018


def test_columns_of_the_same_name_in_parquet(tmp_path):
    columns = [pa.array([1.0]), pa.array([2.0])]
    pq.write_table(pa.Table.from_arrays(columns, names=["x", "x"]), tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"s\.parquet: two columns are called 'x'"):
        data_in(tmp_path / "s.parquet", "series", **SERIES).spec  # noqa: B018
    pd.DataFrame({"x": pd.Series([], dtype=float)}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"s\.parquet: has no rows"):
        data_in(tmp_path / "s.parquet", "series", **SERIES).spec  # noqa: B018
    table = series_table().astype({"load": object})
    table.loc[7, "load"] = None
    table.to_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"s\.parquet:row 8: '.*' in column 'load' is a missing value"):
        data_in(tmp_path / "s.parquet", "series", **{**SERIES, "target": "load"}).spec  # noqa: B018


NEW = [
    ("series", "x\n1\n2\n", "FILE:3: the series ends after 2 steps; the model reads data.window=4"),
    ("series", "y\n1\n2\n", "FILE: no column 'x', which data.target names; there are: y"),
    ("series", "x\n1\n2\n3\nfour\n", "FILE:5: 'four' in column 'x' is not a number"),
    (
        "sequences",
        "id,step,y\na,1,2\n",
        "FILE: no column 'x', which data.features names; there are: id, step, y",
    ),
    ("sequences", "id,step,x\na,2,2\na,1,3\n", "FILE:3: '1' in column 'step' comes before '2' in FILE:2"),
    ("sequences", "id,step,x\na,1,\n", "FILE:2: '' in column 'x' is a missing value"),
    ("sequences", "id,step,x\n", "FILE: has a header and no rows"),
    ("token_file", "a,b,c\n", "FILE:1: 3 columns; give the input's alone, or two"),
    ("token_file", "a1\n,x\n", "FILE:2: 2 values, where line 1 has 1"),
    ("token_file", "a1 <pad>\n", "FILE:1: token '<pad>' is reserved for the model"),
    ("token_file", "a1 b b b\n", "FILE:1: 4 tokens, more than data.max_length=3"),
]


@pytest.mark.parametrize(("name", "content", "says"), NEW, ids=[f"{n}: {s[:40]}" for n, _, s in NEW])
def test_files_to_predict_for_are_checked_in_the_same_way(tmp_path, name, content, says):
    good = {"series": STEPS, "sequences": LABELLED, "token_file": PAIRS.replace("\t", ",")}
    config = {"series": SERIES, "sequences": SEQUENCES, "token_file": {"max_length": 3}}
    data = data_in(write(tmp_path, "good.csv", good[name]), name, **config[name])
    path = write(tmp_path, "new.csv", content)
    with pytest.raises(InputError) as caught:
        data.read_inputs(path, data.spec)
    check(caught.value, [says], str(path))


def test_other_data_sets_say_that_they_read_no_file(tmp_path):
    data = data_in(None, "sine", train_size=5, valid_size=5, test_size=5)
    with pytest.raises(
        InputError, match=r"data\.name=sine: this data set cannot read inputs from .*new\.csv"
    ):
        data.read_inputs(tmp_path / "new.csv", data.spec)


@pytest.mark.parametrize(
    "harmless",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n  \n",
        lambda text: "\n" + text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(",", " , ").replace("\t", " \t "),
    ],
    ids=[
        "byte-order mark",
        "CRLF",
        "blank lines at the end",
        "blank lines",
        "no last newline",
        "blanks around",
    ],
)
@pytest.mark.parametrize("name", ["series", "sequences", "token_file"])
def test_what_does_no_harm_is_accepted(tmp_path, name, harmless):
    good = {"series": STEPS, "sequences": LABELLED, "token_file": PAIRS}[name]
    config = {"series": {**SERIES, "time": "t"}, "sequences": SEQUENCES, "token_file": {}}[name]
    suffix = "tsv" if name == "token_file" else "csv"
    plain = data_in(write(tmp_path, f"a.{suffix}", good), name, **config)
    other = data_in(write(tmp_path, f"b.{suffix}", harmless(good)), name, **config)
    assert other.spec == plain.spec
    for split in plain.splits:
        for one, two in zip(plain.splits[split].samples, other.splits[split].samples, strict=True):
            assert one.inputs.tolist() == two.inputs.tolist()
            assert one.targets.tolist() == two.targets.tolist()


def test_the_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "s.csv", sequences_table().to_csv(index=False))
    data = data_in(None, "sequences", path="~/s.csv", target="label", features=["x"])
    data.config.require_ready()
    assert data.spec.input_size == 1
