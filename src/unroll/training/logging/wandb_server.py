"""Whether the W&B server can be asked. Imports nothing heavy, and never waits for long."""

import os
import threading
from urllib.parse import urlparse

import requests
from requests.utils import get_netrc_auth

PROBE_SECONDS = 2.0


def why_not_online() -> str | None:
    """What keeps W&B from its server, or None: no key, or no answer within two seconds."""
    address = (os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").rstrip("/")
    if not os.environ.get("WANDB_API_KEY") and get_netrc_auth(address) is None:
        return "no API key is set (`wandb login`, or WANDB_API_KEY)"
    found: list[str | None] = []
    # In a thread: a name that no server resolves takes as long as the system likes.
    probe = threading.Thread(target=lambda: found.append(_fault(address)), daemon=True)
    probe.start()
    probe.join(PROBE_SECONDS)
    fault = found[0] if found else "no answer"
    return fault and f"the server {urlparse(address).hostname or address} cannot be reached ({fault})"


def _fault(address: str) -> str | None:
    """What keeps a request from its answer. A server that refuses it is one that answers."""
    try:
        answer = requests.post(f"{address}/graphql", json={"query": "{__typename}"}, timeout=PROBE_SECONDS)
    except requests.Timeout:
        return "no answer"
    except requests.ConnectionError:
        return "no connection"
    except (requests.RequestException, ValueError) as error:  # as of an address that is none
        return " ".join(str(error).split())
    return f"{answer.status_code} {answer.reason}" if answer.status_code >= 500 else None
