"""Unroll's sweeper and launcher, where Hydra looks at every start: what they need they import in a sweep."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class TrialSweeper(Sweeper):
    """hydra/sweeper=unroll: trials that are not run twice, by `unroll.sweep.sweeper`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context = hydra_context
        self._task_function = task_function
        self._config = config

    def sweep(self, arguments: list[str]) -> None:
        from unroll.report.scoreboard.show import after_sweep
        from unroll.sweep.classical import add_classical
        from unroll.sweep.search.space import Space
        from unroll.sweep.sweeper import run_sweep
        from unroll.terminal import boundary

        def show_more(folder: Path, space: Space) -> None:
            add_classical(folder, space)
            after_sweep(folder, space)

        own = self._config.hydra.runtime.choices["hydra/launcher"] == "unroll"
        loader = self._context.config_loader
        with boundary():  # what a sweep raises is no matter of composition
            run_sweep(self._config, loader, arguments, None if own else self._instantiate_launcher, show_more)

    def _instantiate_launcher(self) -> Launcher:
        return Plugins.instance().instantiate_launcher(
            hydra_context=self._context, task_function=self._task_function, config=self._config
        )


class TrialLauncher(Launcher):
    """hydra/launcher=unroll: processes on this machine, which the sweeper starts by `unroll.sweep.jobs`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing is to be set up."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from unroll.errors import InputError

        raise InputError("hydra/launcher=unroll: needs hydra/sweeper=unroll, the default")


for group, plugin in (("hydra/sweeper", TrialSweeper), ("hydra/launcher", TrialLauncher)):
    node = {"_target_": f"{plugin.__module__}.{plugin.__name__}"}
    ConfigStore.instance().store("unroll", node, group=group, provider="unroll")
