"""Secrets stay out of everything that a run writes."""

import subprocess
import sys

import pytest
from conftest import ROOT

from unroll.redact import is_secret, redact, redacted

CANARY = "c0ffee-canary-4711"


@pytest.mark.parametrize(
    "name", ["WANDB_API_KEY", "password", "client_secret", "AWS_SECRET_ACCESS_KEY", "auth_token", "token"]
)
def test_names_of_secrets(name):
    assert is_secret(name)
    assert redacted({"a": [{name: CANARY}]}) == {"a": [{name: "REDACTED"}]}


@pytest.mark.parametrize("name", ["tokens", "token_pairs", "max_length", "key", "author", "data.path"])
def test_names_of_ordinary_keys(name):
    assert not is_secret(name)
    assert redacted({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a +logger.api_key=abc b", "a +logger.api_key=REDACTED b"),
        ("password: abc, x", "password: REDACTED, x"),
        ("/etc/passwd: no such file", "/etc/passwd: no such file"),
        ("/my/password=abc", "/my/password=REDACTED"),
        ("https://me:pw@host/x", "https://me:REDACTED@host/x"),
        ("12:30 model=gru https://host:80/", "12:30 model=gru https://host:80/"),
    ],
)
def test_texts(text, wanted):
    assert redact(text) == wanted


def test_values_of_the_environment(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", CANARY)
    monkeypatch.setenv("MY_API_KEY_2", "abc")  # too short to be one
    assert redact(f"x{CANARY}y abc") == "xREDACTEDy abc"


@pytest.mark.parametrize(
    "place",
    [
        "logger.tags=[{}]",
        pytest.param("logger.group={}", marks=pytest.mark.slow),
        pytest.param("logger.project={}", marks=pytest.mark.slow),
    ],
)
def test_a_run_writes_none(tmp_path, monkeypatch, place):
    """In its folder, in W&B's, and in what it prints."""
    monkeypatch.setenv("SOME_SERVICE_TOKEN", CANARY)
    overrides = [
        "model=many_to_one",
        "debug=fast",
        "logger=wandb",
        "model.hidden_size=4",
        place.format(CANARY),
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *overrides, "run_dir=run"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.suffix == ".wandb" for file in files)
    for content in (done.stdout, done.stderr, *(file.read_bytes() for file in files)):
        assert CANARY.encode() not in content


def test_a_message_holds_none(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "train.py"),
            f"+logger.api_key={CANARY}",
            f"data.path=x-password={CANARY}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert CANARY not in done.stdout + done.stderr
