"""The command line of train.py: its options, which begin with a dash, are Hydra's, but for some."""

import argparse
import re
from pathlib import Path

from hydra._internal.utils import get_args_parser

from unroll.errors import InputError, nearest

OPTIONS_OF_OTHER_FILES = ("config_path", "config_dir", "config_name", "experimental_rerun")
"""Options by which Hydra would read other files, and one of them is a pickle."""


def prints_a_job(arguments: list[str]) -> bool:
    """Whether these arguments, which are right, ask for the config of a run in place of the run."""
    given, _ = get_args_parser().parse_known_args(arguments)
    return given.cfg == "job" and not given.multirun


def overrides(arguments: list[str], conf: Path) -> list[str]:
    """The words that are overrides of the config, once all others are known to be right.

    Raises:
        InputError: an option that is none, or a word that names code or config files outside `conf`.
    """
    parser = get_args_parser()
    parser.exit_on_error = False  # argparse prints several lines
    parser.allow_abbrev = False
    try:
        given, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"{error.argument_name}: {error.message}") from error
    for word in unknown:
        if word.startswith("-"):
            option = word.partition("=")[0]
            raise InputError(f"{option}: no such option, {nearest(option, parser._option_string_actions)}")
        raise InputError(f"{word}: stands apart from the other overrides; give options such as -m before all")
    for name in OPTIONS_OF_OTHER_FILES:
        if getattr(given, name) is not None:
            raise _elsewhere("--" + name.replace("_", "-"), conf)
    if given.package is not None:  # of one that is none Hydra tells in its own way
        raise InputError(f"--package {given.package}: give --cfg job alone, which prints all of the config")
    words: list[str] = given.overrides
    for word in words:
        if searchpath := re.match(r"\+*hydra\.searchpath\b", word):
            raise _elsewhere(searchpath[0], conf)
        if target := re.match(r"\W*hydra\b[^=]*\b_target_\b", word):
            raise InputError(f"{target[0]}: names code to run; choose hydra/launcher=NAME instead")
    return words


def _elsewhere(what: str, conf: Path) -> InputError:
    return InputError(f"{what}: config files are read from {conf} alone; put yours there")
