"""Keeps secrets out of files, logs, dashboards and messages."""

import os
import re
from typing import Any

HIDDEN_VALUE = "REDACTED"
SHORTEST_SECRET = 6
"""In characters. A shorter value of an environment variable would be found inside ordinary words."""

# Anchored to the beginning of a word: a search from each letter of a long word would take hours.
_NAME = (
    r"\b\w*(?:secret|passw|passphrase|credential|api_?key|access_?key|private_?key|auth_?token|access_?token)"
    r"\w*"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
# `/etc/passwd: no such file` names a file, not a password. In doubt, hide too much rather than too little.
_ASSIGNED = re.compile(rf"({_NAME}\s*=\s*|(?<!/){_NAME}\s*:\s*)([^\s,;&]+)", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(\b\w+://[^\s/:@]*):[^\s/@]+@")


def is_secret(name: str) -> bool:
    """Whether the name of a key or environment variable is that of a secret."""
    return _SECRET_NAME.search(name) is not None or name.lower() in ("token", "auth")


def redact(text: str) -> str:
    """`text` with REDACTED in place of secrets.

    Secrets are values after a secret's name, passwords in addresses, and the values of environment variables
    whose names are those of secrets.
    """
    for name, value in os.environ.items():
        if len(value) >= SHORTEST_SECRET and (is_secret(name) or name.upper().endswith("_TOKEN")):
            text = text.replace(value, HIDDEN_VALUE)
    text = _ASSIGNED.sub(rf"\1{HIDDEN_VALUE}", text)
    return _IN_ADDRESS.sub(rf"\1:{HIDDEN_VALUE}@", text)


def redacted(values: Any) -> Any:
    """Plain values with every text in them redacted, and REDACTED as the value of every secret's key."""
    if isinstance(values, dict):
        return {
            key: HIDDEN_VALUE if is_secret(str(key)) else redacted(value) for key, value in values.items()
        }
    if isinstance(values, list):
        return [redacted(value) for value in values]
    return redact(values) if isinstance(values, str) else values
