"""Plain dicts, lists, strings and numbers in place of OmegaConf's nodes."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf


def plain(node: DictConfig | ListConfig, *, resolve: bool = False, complete: bool = False) -> dict[str, Any]:
    """The keys and values of a node. Enums become their names.

    With `resolve`, ${…} is replaced by what it refers to. With `complete`, every key must have a value.

    Raises:
        OmegaConfBaseException: a ${…} refers to nothing, or a value is missing.
    """
    values = OmegaConf.to_container(node, resolve=resolve, throw_on_missing=complete, enum_to_str=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
