#!/bin/sh
# `sh setup.sh DIRECTORY ARGUMENT…`: a virtual environment with what these arguments of `pip install` name, by uv
# where it is installed, else by pip. PYTHON3 names the Python to use. Whatever is missing is said in one line.
set -eu
venv=$1
shift

stop() {
  echo "optillm: $*" >&2
  exit 1
}

recent() {
  [ "$("$1" -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)" = True ]
}

# The Python that PYTHON3 names, or `python3`, or a newer one beside it; nothing if none is recent.
recent_python() {
  if [ -n "${PYTHON3:-}" ]; then set -- "$PYTHON3"; else set -- python3 python3.13 python3.12 python3.11 python3.14; fi
  for python; do
    if recent "$python"; then
      echo "$python"
      return
    fi
  done
}

refuse_old() {
  python=${PYTHON3:-python3}
  version=missing
  if command -v "$python" >/dev/null; then version=$("$python" --version 2>&1) || version=broken; fi
  stop "Python 3.11 or newer is needed, and $python is $version: install it, or uv," \
    "or say where it is: make run PYTHON3=/path/to/python3.12"
}

make_environment() {
  python=$(recent_python)
  if [ -z "$python" ] && { [ -n "${PYTHON3:-}" ] || ! command -v uv >/dev/null; }; then refuse_old; fi
  if command -v uv >/dev/null; then # it fetches a Python where there is none
    announce
    UV_VENV_CLEAR=1 uv venv --quiet --python "${python:->=3.11}" "$venv" && return
    [ -n "$python" ] || refuse_old
    echo "optillm: uv could not make $venv; trying without it" >&2
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "$python lacks its venv module: install it (on Debian and Ubuntu: sudo apt install python3-venv), or uv"
  announce
  "$python" -m venv --clear "$venv"
}

announce() {
  echo "Setting up $venv, once: this takes a minute or two." >&2
}

has_installer() {
  command -v uv >/dev/null || "$venv/bin/python" -c 'import pip' 2>/dev/null
}

install() {
  if command -v uv >/dev/null; then
    uv pip install --python "$venv/bin/python" "$@" && return
    echo "optillm: uv could not install this; trying pip" >&2
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$venv/bin/python" -m ensurepip >/dev/null
  fi
  "$venv/bin/python" -m pip install --disable-pip-version-check "$@"
}

recent "$venv/bin/python" && has_installer || make_environment
install "$@"
