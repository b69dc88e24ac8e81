"""The command `unroll describe`."""

import click


@click.command()
@click.argument("overrides", nargs=-1)
def describe(overrides: tuple[str, ...]) -> None:
    """Look at data before training: sizes, lengths, vocabulary, classes, features, padding.

    OVERRIDES are those of train.py, such as data=series data.path=FILE data.target=COLUMN.
    """
    from unroll.config import registry
    from unroll.config.compose import compose
    from unroll.config.plain import plain

    composed = compose(overrides)
    data_config = registry.from_dict("data", plain(composed.data, resolve=True))
    data_config.require_ready()

    from unroll.data.describe.summary import summarize
    from unroll.data.describe.text import summary_text
    from unroll.data.module import build_data
    from unroll.terminal import for_terminal

    data = build_data(data_config, composed.seed)
    print(for_terminal(summary_text(summarize(data))))
