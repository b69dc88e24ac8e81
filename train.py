"""Train and test a model: composes and checks the config, then hands it to `unroll.training.run`.

Nothing heavy is imported before the config is known to be right, so that a typo is told at once.
"""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from unroll import config
from unroll.errors import boundary

CONF = Path(__file__).parent / "conf"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(composed: DictConfig) -> None:
    """Check what was composed, and run it."""
    with boundary():
        values = config.check(composed, CONF, sweep=HydraConfig.get().mode is RunMode.MULTIRUN)
        # Threads that spin while they wait are many times slower where another program wants the cores too.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from unroll.training.run import run

        run(values)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        print(
            config.help_text(CONF), end=""
        )  # Hydra takes a second to list groups that this text does not use
    else:
        with boundary(), config.composition_errors(CONF):
            config.register()
            main()
