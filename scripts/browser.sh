#!/bin/sh
# Debian's Chromium, in which the tests look at the page of `unroll report`. Without it those tests are skipped.
command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium and chromium-driver for the tests (once)"
    apt-get update -qq && apt-get install -qq --no-install-recommends chromium chromium-driver >/dev/null && exit 0
fi
echo "note: no chromium and chromedriver: the tests of the report in a browser are skipped" \
    "(Debian: apt-get install chromium chromium-driver)" >&2
