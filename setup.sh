#!/bin/sh
# `sh setup.sh DIRECTORY ARGUMENT…` creates a virtual environment in DIRECTORY and passes the arguments to
# `uv pip install` if uv is installed, else to `pip install`. PYTHON3 names the Python to use. If something is
# missing, one line on stderr says what.
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

# Print the first recent enough Python: the one that PYTHON3 names, else `python3` or a versioned one; or nothing.
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
    "or pass the path of one: make run PYTHON3=/path/to/python3.12"
}

make_environment() {
  python=$(recent_python)
  if [ -z "$python" ] && { [ -n "${PYTHON3:-}" ] || ! command -v uv >/dev/null; }; then refuse_old; fi
  if command -v uv >/dev/null; then # uv downloads a Python if none is installed
    announce
    UV_VENV_CLEAR=1 uv venv --quiet --python "${python:->=3.11}" "$venv" && return
    [ -n "$python" ] || refuse_old
    echo "optillm: uv could not create $venv; trying python -m venv" >&2
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "$python lacks its venv module: install it (on Debian and Ubuntu: sudo apt install python3-venv), or uv"
  announce
  "$python" -m venv --clear "$venv"
}

announce() {
  echo "Setting up $venv. This happens only once and takes a minute or two." >&2
}

has_installer() {
  command -v uv >/dev/null || "$venv/bin/python" -c 'import pip' 2>/dev/null
}

install() {
  if command -v uv >/dev/null; then
    uv pip install --python "$venv/bin/python" "$@" && return
    echo "optillm: uv could not install the packages; trying pip" >&2
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$venv/bin/python" -m ensurepip >/dev/null
  fi
  "$venv/bin/python" -m pip install --disable-pip-version-check "$@"
}

recent "$venv/bin/python" && has_installer || make_environment
install "$@"
