"""The command `unroll keys`."""

import click


@click.command()
@click.argument("words", nargs=-1)
def keys(words: tuple[str, ...]) -> None:
    """Tell what can be set: each key with its default and what it means.

    WORDS are choices, as model=seq2seq or model/cell=lstm, whose keys are told, or groups, as data, whose
    choices are. Without any, what stands at the top of the config.
    """
    from unroll.config.explanation import explain

    print("\n\n".join(explain(words)))
