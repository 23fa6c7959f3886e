#!/bin/bash
# Installs the Debian packages whose programs some tests run, where that is possible; says which are missing otherwise.
# Never fails by itself: tests that lack a program are skipped with the reason, or fail where CI is set (conftest.py).
set -euo pipefail

missing=()
command -v bwrap >/dev/null || missing+=(bubblewrap)
command -v dot >/dev/null || missing+=(graphviz)
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
  missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if apt-get update >"$log" 2>&1 && apt-get install --yes --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    exit 0
  fi
  tail -n 20 "$log" >&2
fi
{
  echo "!!! Missing: ${missing[*]}. Tests that need them are skipped (or fail, where CI is set)."
  echo "!!! To run them all: sudo apt-get install ${missing[*]}"
} >&2
