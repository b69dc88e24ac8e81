"""Where metrics go: metrics.csv in the run's folder, and Weights & Biases in one folder for all runs."""

import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from requests.utils import get_netrc_auth

from unroll.config import LoggerConfig, LoggerKind, LoggerMode

METRICS_FILE = "metrics.csv"
WANDB_FOLDER = Path("outputs")
"""W&B makes its folder `wandb` in it: one for all runs, so that its terminal dashboard shows them all."""


def build_loggers(
    config: LoggerConfig, run_dir: Path, values: dict[str, Any]
) -> tuple[list[Logger], str | None]:
    """The loggers that the config names, and a line for the user where W&B had to fall back to offline."""
    if config.kind is LoggerKind.none:
        return [], None
    loggers: list[Logger] = [CSVLogger(run_dir, name="", version="", flush_logs_every_n_steps=100)]
    if config.kind is LoggerKind.csv:
        return loggers, None
    reason = why_not_online() if config.mode is LoggerMode.online else None
    _keep_to_one_folder()
    WANDB_FOLDER.mkdir(exist_ok=True)
    if config.mode is LoggerMode.online and reason is None:
        try:
            run = _start(config, run_dir, values, "online")
        except wandb.errors.Error as error:  # a key that is none, a server that does not answer as one
            reason = str(error).splitlines()[0]
            run = _start(config, run_dir, values, "offline")
    else:
        run = _start(config, run_dir, values, "offline")
    loggers.append(WandbLogger(experiment=run))
    note = (
        f"W&B: offline, since {reason}; `wandb sync {run.dir.removesuffix('/files')}` sends it later"
        if reason
        else None
    )
    return loggers, note


def _start(
    config: LoggerConfig, run_dir: Path, values: dict[str, Any], mode: Literal["online", "offline"]
) -> wandb.Run:
    return wandb.init(
        dir=WANDB_FOLDER,
        project=config.project,
        group=config.group,
        tags=config.tags,
        name="/".join(run_dir.parts[-3:]),
        config=values,
        mode=mode,
        settings=wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, save_code=False
        ),
    )


def finish(exit_code: int = 0) -> None:
    """Close the W&B run, if there is one, so that the next in this process is a run of its own."""
    if wandb.run is not None:
        wandb.finish(exit_code)


def why_not_online(timeout_s: float = 2.0) -> str | None:
    """What keeps W&B from its server, or None: no key, or no connection within the time."""
    address = os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai"
    if not os.environ.get("WANDB_API_KEY") and get_netrc_auth(address) is None:
        return "no API key is set (`wandb login`, or WANDB_API_KEY)"
    url = urlparse(address)
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), timeout=timeout_s).close()
    except OSError as error:
        return f"the server {url.hostname} cannot be reached ({error})"
    return None


def _keep_to_one_folder() -> None:
    """Keep W&B's caches beside its runs, not in the user's home."""
    for variable in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ.setdefault(variable, str((WANDB_FOLDER / "wandb").absolute()))


def log_table(name: str, columns: list[str | int], rows: list[Iterable[Any]]) -> None:
    """Put a table on the dashboard, if there is one."""
    if wandb.run is not None:
        wandb.log({name: wandb.Table(columns=columns, data=rows)})


def log_image(name: str, path: Path) -> None:
    """Put a picture on the dashboard, if there is one."""
    if wandb.run is not None:
        wandb.log({name: wandb.Image(str(path))})
