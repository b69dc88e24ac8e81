"""The command `unroll keys`."""

import click


@click.command()
@click.argument("words", nargs=-1)
def keys(words: tuple[str, ...]) -> None:
    """List what can be set: each key with its default and what it means.

    WORDS are choices, such as model=seq2seq or model/cell=lstm, whose keys are listed; or groups, such as
    data, whose choices are listed. Without WORDS it lists the top of the config.
    """
    from unroll.config.explanation import explain

    print("\n\n".join(explain(words)))
