#!/bin/sh
# Makes .venv with the packages of requirements.lock and Unroll itself in editable mode.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "error: PYTHON=$PYTHON is not Python 3.11 or newer; name one: make PYTHON=python3.12 run" >&2
    exit 3
}
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -qq --no-install-recommends "$package"
    else
        echo "error: $PYTHON cannot make virtual environments; install Debian's package $package" >&2
        exit 3
    fi
fi

echo "setting up .venv (once; a minute or two)"
[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
touch .venv/.ready
