#!/bin/sh
# Makes .venv-references: what is in .venv, torch included, and the implementations of references.lock.
set -eu
cd "$(dirname "$0")/.."

echo "setting up .venv-references (once; a minute)"
[ -x .venv-references/bin/python ] || .venv/bin/python -m venv .venv-references
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
own=$(.venv-references/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "import site; site.addsitedir('$packages')" >"$own/packages_of_venv.pth"
.venv-references/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r references.lock
touch .venv-references/.ready
