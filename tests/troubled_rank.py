"""train.py, but that one of several processes, the second by default, makes trouble."""

import os
import signal
import sys
import time
from pathlib import Path

import lightning.pytorch as pl

ROOT = Path(__file__).parent.parent
STEP = 3
TROUBLED = int(os.environ.get("TROUBLED_RANK", "1"))


class Trouble(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if "SAMPLES" in os.environ:
            with Path(f"samples{trainer.global_rank}.txt").open("a") as file:
                print(trainer.current_epoch, *batch.index.tolist(), file=file)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step != STEP or trainer.global_rank != TROUBLED:
            return
        match os.environ["TROUBLE"]:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "kill-first":
                os.kill(int(os.environ["UNROLL_FIRST_PROCESS"]), signal.SIGKILL)
                time.sleep(1)
            case "raise":
                raise ValueError("no such luck")
            case "nan":
                batch.inputs[0] = float("nan")

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if trainer.global_rank == TROUBLED and os.environ["TROUBLE"] == "nan-valid":
            batch.inputs[0] = float("nan")

    def on_test_end(self, trainer, pl_module):
        if trainer.global_rank == TROUBLED and os.environ["TROUBLE"] == "late":
            os._exit(9)

    def on_fit_start(self, trainer, pl_module):
        if trainer.global_rank == 0 and os.environ["TROUBLE"] == "hang":
            time.sleep(1000)  # as in a kernel on a GPU that waits for the other
        if trainer.global_rank == TROUBLED and os.environ["TROUBLE"] == "hang":
            os._exit(9)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    import train
    from unroll.training import run

    own = run.own_callbacks
    run.own_callbacks = lambda *arguments: [*own(*arguments), Trouble()]
    with train.boundary(), train.composition_errors(train.CONF):
        train.composition.register()
        train.main()
