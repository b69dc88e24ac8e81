"""Checks whether the W&B server can be reached. Imports nothing heavy, and waits for two seconds at most."""

import os
import threading
from urllib.parse import urlparse

import requests
from requests.utils import get_netrc_auth

PROBE_SECONDS = 2.0


def why_not_online() -> str | None:
    """Why W&B cannot use its server: no key, or no answer within two seconds. None if it can."""
    address = (os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").rstrip("/")
    if not os.environ.get("WANDB_API_KEY") and get_netrc_auth(address) is None:
        return "no API key is set (`wandb login`, or WANDB_API_KEY)"
    found: list[str | None] = []
    # In a thread, since resolving an unknown host name has no time limit.
    probe = threading.Thread(target=lambda: found.append(_fault(address)), daemon=True)
    probe.start()
    probe.join(PROBE_SECONDS)
    fault = found[0] if found else "no answer"
    return fault and f"the server {urlparse(address).hostname or address} cannot be reached ({fault})"


def _fault(address: str) -> str | None:
    """Why a request gets no answer; None if it gets one. A refusal is an answer."""
    try:
        answer = requests.post(f"{address}/graphql", json={"query": "{__typename}"}, timeout=PROBE_SECONDS)
    except requests.Timeout:
        return "no answer"
    except requests.ConnectionError:
        return "no connection"
    except (requests.RequestException, ValueError) as error:  # such as an invalid address
        return " ".join(str(error).split())
    return f"{answer.status_code} {answer.reason}" if answer.status_code >= 500 else None
