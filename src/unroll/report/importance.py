"""The importance of each setting: its share in the variance of the results."""

from typing import TYPE_CHECKING

from unroll.report.comparison import Comparison, Objective
from unroll.report.settings import SEED, setting
from unroll.report.values import is_wide, number_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MINIMUM_RUNS = 10


def importances(comparison: Comparison, objective: Objective) -> dict[str, float] | str:
    """The importance of each varied setting, the largest first; or the reason why there is none.

    The method is fANOVA (Hutter, Hoos & Leyton-Brown, ICML 2014) in Optuna's implementation: the share of
    each setting in the variance of a random forest's predictions. Optuna's default, PED-ANOVA, uses only the
    best runs. Of a dozen runs these are too few: it often gave a setting without effect the largest share.
    """
    runs = comparison.runs_with(objective)
    keys = [key for key in comparison.settings.varied if key != SEED]
    columns = {key: [setting(run, key) for run in runs] for key in keys}
    columns = {key: column for key, column in columns.items() if len(set(column)) > 1}
    if not columns:
        return f"Nothing but the seed varies among the runs with {objective.name}."
    if len(columns) == 1:
        return f"Only {next(iter(columns))} varies among the runs with {objective.name}, apart from the seed."
    if len(runs) < MINIMUM_RUNS:
        return f"Too few runs have a result: there are {len(runs)}, and this takes {MINIMUM_RUNS}."
    if len({run.objectives[objective.name] for run in runs}) == 1:
        return f"All runs have the same {objective.name}."
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    values, spaces = {}, {}
    for key, column in columns.items():
        values[key], spaces[key] = _values_and_space(column)
    study = optuna.create_study()
    for index, run in enumerate(runs):
        params = {key: column[index] for key, column in values.items()}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=spaces, value=objective.loss(run))
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {
        key: float(share)
        for key, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()
    }


def _values_and_space(texts: list[str]) -> "tuple[list[float] | list[str], BaseDistribution]":
    """Settings as numbers in an interval, on a logarithmic scale if it is wide; otherwise as words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [number for text in texts if (number := number_of(text)) is not None]
    if len(numbers) < len(texts):
        return texts, CategoricalDistribution(sorted(set(texts)))
    return numbers, FloatDistribution(min(numbers), max(numbers), log=is_wide(numbers))
