"""llama.cpp's server from the package `xllamacpp`.

It has those flags of `llama-server` that `--local` uses. The Python of `make real` runs it, which has that package but
not optillm.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until a signal ends the process."""
    import xllamacpp

    options = _read_arguments(argv)
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = options.ctx_size
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.use_jinja = options.jinja
    params.endpoint_metrics = options.metrics
    params.endpoint_slots = options.slots
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:  # the reason is in the server's own log
        sys.exit(str(error))
    print(server.listening_address, flush=True)  # noqa: T201 - as `llama-server` does
    signal.pause()


def _read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llama-server", description=__doc__)
    parser.add_argument("--model", required=True, metavar="FILE")
    parser.add_argument("--alias", required=True, metavar="NAME")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True, metavar="SLOTS")
    parser.add_argument("--ctx-size", type=int, required=True, metavar="TOKENS", help="of all slots together")
    parser.add_argument("--threads", type=int, default=os.environ.get("LLAMA_ARG_THREADS", _processors()))
    for switch in ("jinja", "metrics", "slots"):
        parser.add_argument(f"--{switch}", action="store_true")
    return parser.parse_args(argv)


def _processors() -> int:
    """Return how many processors this process may use; the server itself would count all cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
