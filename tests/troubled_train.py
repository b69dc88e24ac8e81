"""train.py, but that some seeds make trouble, and that every process writes down what it was to run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def troubled_run(values, **options):
    rank = os.environ.get("LOCAL_RANK", "0")
    seen = {"values": values, "argv": sys.argv, "threads": os.environ.get("OMP_NUM_THREADS")}
    (Path(values["run_dir"]) / f"rank_{rank}.json").write_text(json.dumps(seen))
    match values["seed"]:
        case 11:
            raise ValueError("no such luck\nand more")
        case 12:
            sys.exit(7)
        case 13:
            os._exit(8)
        case 14:
            os.kill(os.getpid(), signal.SIGKILL)
        case 15:
            raise MemoryError
        case 16:  # does not listen, and has a child that does not either
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            (Path(values["run_dir"]) / "pids").write_text(f"{os.getpid()} {child.pid}")
            time.sleep(1000)
    return run(values, **options)


if __name__ == "__mp_main__" or "LOCAL_RANK" in os.environ:  # a trial's own process
    from unroll.sweep import run_trial

    run = run_trial.run
    run_trial.run = troubled_run

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    import train

    with train.boundary(), train.composition_errors(train.CONF):
        train.composition.register()
        train.main()
