"""The command `unroll describe`."""

from pathlib import Path

import click


@click.command()
@click.argument("overrides", nargs=-1)
def describe(overrides: tuple[str, ...]) -> None:
    """Look at data before training: sizes, lengths, vocabulary, classes, features, padding.

    OVERRIDES are those of train.py, such as data=series data.path=FILE data.target=COLUMN. A FILE alone is
    looked at to find them, and the command that trains on it is printed.
    """
    from unroll.config import registry
    from unroll.config.compose import compose
    from unroll.config.plain import plain
    from unroll.terminal import for_terminal

    if len(overrides) == 1 and "=" not in overrides[0]:
        from unroll.data.describe.guess import guess

        path = Path(overrides[0])
        found = guess(path)
        print(for_terminal(f"{path} seems to hold {found.what}. Train on it:\n\n  {found.command(path)}\n"))
        overrides = tuple(found.overrides(path))
    composed = compose(overrides)
    data_config = registry.from_dict("data", plain(composed.data, resolve=True))
    data_config.require_ready()

    from unroll.data.describe.summary import summarize
    from unroll.data.describe.text import summary_text
    from unroll.data.module import build_data

    data = build_data(data_config, composed.seed)
    print(for_terminal(summary_text(summarize(data))))
