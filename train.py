"""Train and test a model: composes and checks the config, then hands it to `unroll.training.run`.

Nothing heavy is imported before the config is known to be right, so that a typo is told at once.
"""

import os
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from unroll.config import command_line
from unroll.config import compose as composition
from unroll.config.compose import CONF
from unroll.config.mistakes import composition_errors
from unroll.config.registry import typed
from unroll.config.sweep import TRIAL, SweepConfig
from unroll.startup import escape_letters, open_streams, require_environment
from unroll.terminal import boundary, take_debug_flag
from unroll.training.processes.rank import is_first
from unroll.training.processes.started import told_once


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(composed: DictConfig) -> None:
    """Check what was composed, and run it: as a trial if it is one of a sweep."""
    with boundary():
        hydra_config = HydraConfig.get()
        choices = hydra_config.runtime.choices
        in_sweep = hydra_config.mode is RunMode.MULTIRUN  # and under a launcher that is not Unroll's
        with told_once():
            values = composition.check(
                composed, CONF, launcher=choices["hydra/launcher"] if in_sweep else None
            )
        sweep = values.pop("sweep")
        # Threads that spin while they wait are many times slower where another program wants the cores too.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        is_trial = in_sweep and choices["hydra/sweeper"] == "unroll"
        if is_trial or os.environ.get(TRIAL) == values["run_dir"]:
            from unroll.sweep.run_trial import run_trial

            code = run_trial(values, typed(SweepConfig, sweep, "sweep"))
            if not in_sweep:
                sys.exit(code)
        else:
            from unroll.training.run import run

            run(values)


if __name__ == "__main__":
    take_debug_flag()
    open_streams()
    escape_letters()
    if {"-h", "--help"} & set(sys.argv):
        # Hydra takes a second to list groups that this text does not use.
        print(composition.help_text(CONF), end="")
    else:
        with boundary(), told_once(), composition_errors(CONF):
            require_environment()
            words = command_line.overrides(sys.argv[1:], CONF)
            for model in composition.complete(words, CONF)[len(words) :]:
                if is_first():
                    print(f"{model} fits these data; choose another one by model=NAME", file=sys.stderr)
                # Beside the others: Hydra refuses overrides that stand apart.
                sys.argv.insert(sys.argv.index(words[0]), model)
            if command_line.prints_a_job(sys.argv[1:]):
                from unroll.training.open_keys import settled

                end = sys.argv.index(words[-1]) + 1 if words else len(sys.argv)
                sys.argv[end:end] = settled(words)
            composition.prepare(words, CONF)
            main()
