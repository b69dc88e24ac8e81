"""Keeping secrets out of what is written down: files, logs, dashboards and messages."""

import os
import re
from typing import Any

HIDDEN = "REDACTED"
SHORTEST = 6
"""A shorter value of an environment variable is no secret, and would be found in ordinary words."""

# From the beginning of a word: from each letter of a long one, the search would take hours.
_NAME = (
    r"\b\w*(?:secret|passw|passphrase|credential|api_?key|access_?key|private_?key|auth_?token|access_?token)"
    r"\w*"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
# `/etc/passwd: no such file` tells of a file. Where it is not clear, rather too much is hidden.
_ASSIGNED = re.compile(rf"({_NAME}\s*=\s*|(?<!/){_NAME}\s*:\s*)([^\s,;&]+)", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(\b\w+://[^\s/:@]*):[^\s/@]+@")


def is_secret(name: str) -> bool:
    """Whether a key or environment variable is, by its name, one of a secret."""
    return _SECRET_NAME.search(name) is not None or name.lower() in ("token", "auth")


def redact(text: str) -> str:
    """`text` with REDACTED for values that follow a secret's name, passwords in addresses, and the values of
    environment variables that are secrets by their names."""
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and (is_secret(name) or name.upper().endswith("_TOKEN")):
            text = text.replace(value, HIDDEN)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    return _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", text)


def redacted(values: Any) -> Any:
    """The same for plain values: every text in dicts and lists, and whatever a secret's key holds."""
    if isinstance(values, dict):
        return {key: HIDDEN if is_secret(str(key)) else redacted(value) for key, value in values.items()}
    if isinstance(values, list):
        return [redacted(value) for value in values]
    return redact(values) if isinstance(values, str) else values
