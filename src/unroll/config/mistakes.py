"""What Hydra and OmegaConf say of a bad command line, in one line that names key, value and fix."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from unroll.config import registry
from unroll.config.broken_files import place
from unroll.config.choices import choices, schema_of
from unroll.errors import InputError, nearest, reason


@contextmanager
def composition_errors(conf: Path) -> Iterator[None]:
    """Around Hydra's work on a command line: raises an `InputError` in place of what it raises.

    What a run or a sweep raises does not come here: a `boundary` of its own is around it.
    """
    # Hydra prints its own errors and exits with 1, unless this asks for the exception itself.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except MissingConfigException as error:
        raise InputError(_missing_choice(error, conf)) from error
    except ConfigCompositionException as error:
        raise InputError(_composition(error, conf)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise InputError(_first_lines(error)) from error
    except OSError as error:
        if error.filename is None:  # of standard output
            raise
        raise InputError(
            f"{error.filename}: cannot be made ({reason(error)}); name another folder"
        ) from error


def _missing_choice(error: MissingConfigException, conf: Path) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    schema_group = group.removeprefix("schema/")
    if schema_group in registry.GROUPS and name in registry.names(schema_group):
        file = place(registry.file_of(schema_group, name))
        if schema_group != group:
            registry.config_class(schema_group, name)  # raises what is wrong with its file
        elif all(schema_of(choice) != f"{group}/{name}" for choice in (conf / group).glob("*.yaml")):
            return (
                f"{group}={name}: {file} has no config file; write conf/{group}/{name}.yaml with the line "
                f"'defaults: [/schema/{group}/{name}@_here_, _self_]'"
            )
    elif schema_group in registry.GROUPS and schema_group != group:
        home = registry.GROUPS[schema_group].replace(".", "/")
        decorator = f'@register("{schema_group}", "{name}")'
        return f"{schema_group}: no file in src/{home} has {decorator}; write it"
    if not group or error.options is None:
        return str(error).splitlines()[0]
    return f"{group}={name}: no such choice, {_one_of(name, error.options)}"


def _composition(error: ConfigCompositionException, conf: Path) -> str:
    cause = error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        parent = cause.parent_node
        keys = {str(key) for key in parent} - {"hydra"} if isinstance(parent, DictConfig) else set()
        if "/" in str(cause.key):  # a group was meant, and is named with slashes
            keys = {str(folder.relative_to(conf)) for folder in conf.rglob("*") if folder.is_dir()}
        if not keys:
            return f"{cause.full_key}: no such key; to add it, write +{cause.full_key}=VALUE"
        return f"{cause.full_key}: no such key, {_one_of(str(cause.key), keys)}"
    if isinstance(cause, OmegaConfBaseException):
        group = str(cause.full_key).replace(".", "/")
        if group in registry.GROUPS:
            return (
                f"{cause.full_key}: is a group; choose with a slash: {group}={'|'.join(choices(conf, group))}"
            )
        if "Invalid type assigned" in str(cause):
            return f"{cause.full_key}: holds keys of its own; set one of them, as {cause.full_key}.KEY=VALUE"
        return of_a_value(cause)
    return _first_lines(error)


def of_a_value(error: OmegaConfBaseException) -> str:
    """What is wrong with the value of a key."""
    reason = str(error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        reason = "not given; give it a value"
    elif reason.endswith("is not Optional"):
        reason = "is null, and must have a value; give it one"
    return f"{error.full_key}: {reason}"


def _first_lines(error: Exception) -> str:
    if sign := re.match(r"LexerNoViableAltException: (.*)\n", str(error)):
        return f"{sign[1]}: cannot be read; put a value in quotes that has other signs than a-z, A-Z, 0-9, _"
    if ambiguous := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'", str(error)):
        return f"{ambiguous[1]}: several values make a sweep; add -m"
    if isinstance(error, OverrideParseException) and "missing EQUAL" in str(error):
        return f"{error.override}: has no value; write KEY=VALUE"
    lines = [line.rstrip(":.") for line in str(error).splitlines()[:2]]
    if isinstance(error, OverrideParseException) and error.override not in lines[0]:
        return f"{error.override}: cannot be read ({lines[0]})"
    return ": ".join(lines)


def _one_of(word: str, known: Iterable[str]) -> str:
    hint = nearest(word, known)
    everything = f"there are: {', '.join(sorted(known))}"
    return f"{hint} ({everything})" if hint.startswith("did you mean") else hint
