"""`optillm [serve] [flags]`: start the server.

It is assembled here from its parts; imports that other commands do not need wait until it starts.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from optillm import __version__, logs
from optillm.commands import Invocation
from optillm.config.keys import readable_by_others
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError
from optillm.config.values import is_loopback, masked

if TYPE_CHECKING:
    import socket

    from flask import Flask

    from optillm.observe.record import Observer

MEMORY: Final = "memory"
"""The setting of traces that end with the server."""
SHARED: Final = ("optillm.engine.engine", "optillm.observe.metrics", "optillm.server.app")
"""What all workers need: imported before they are forked, so that they share most of its memory."""

logger = logging.getLogger(__name__)


def run(invocation: Invocation) -> None:
    """Serve until stopped."""
    from optillm.observe.folder import counting_folder
    from optillm.server.http.listener import first_steps, url_of
    from optillm.server.http.serve import serve

    settings = invocation.read()
    logs.configure(settings.log, settings.secrets(), settings.log_format)
    listener = bind(settings)  # before anything slow, or anything to clean up
    _check_workers_needs(settings)
    with (
        own_model(settings) as own,
        common_traces(own) as effective,
        counting_folder(settings.workers),
    ):
        for part in SHARED:
            import_module(part)
        announce(effective, invocation.faults, no_upstream=settings.demo == "auto")
        for line in first_steps(effective, url_of(listener)):
            logger.info("%s", line)
        load = partial(load_app, session_secret=secrets.token_bytes(32))  # one for all workers
        serve(effective, listener, load, partial(reread, invocation.read, effective))


def bind(settings: Settings) -> socket.socket:
    """Return the listening socket; raises `SettingsError` if the address cannot be used."""
    from optillm.server.http.listener import listener_for

    try:
        return listener_for(settings)
    except OSError as error:
        host, port = settings.host, settings.port
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            "choose another port with --port (0: any free one) or another address with --host"
        ) from None


def reread(read: Callable[[], Settings], serving: Settings) -> Settings:
    """Read the settings again, keys included.

    A model that we started remains the upstream; no other is started.
    """
    settings = read()
    _check_workers_needs(settings)
    logs.configure(settings.log, settings.secrets(), settings.log_format)
    if settings.traces == MEMORY:
        settings = settings.model_copy(update={"traces": serving.traces})
    if serving.local or serving.demo == "on":
        return served_by_own(settings, serving.base_url, local=serving.local)
    return settings


def load_app(settings: Settings, session_secret: bytes) -> Flask:
    """Create the WSGI application and its engine, in the process that serves it."""
    from optillm import sandbox
    from optillm.engine.engine import Engine
    from optillm.observe.access import log_request
    from optillm.observe.metrics import Metrics
    from optillm.observe.traces.store import open_traces
    from optillm.server.access.budgets import Accounts
    from optillm.server.app import create_app
    from optillm.techniques import registry

    sandbox.configure(language_only=settings.solver_sandbox == "language-only")
    accounts = Accounts.of(settings)
    accepted = settings.option_models
    techniques = {slug: technique for slug, technique in registry().items() if slug in accepted}
    metrics = Metrics(techniques, settings.model)
    observers: list[Observer] = [accounts.note, log_request, metrics]
    if settings.otel:
        from optillm.observe.otel import connect

        observers.append(connect(settings, __version__))
    traces = open_traces(settings)
    engine = Engine.from_settings(settings, techniques, observers, traces)
    return create_app(
        settings,
        engine,
        accounts=accounts,
        metrics=metrics,
        traces=traces,
        session_secret=session_secret,
    )


def _check_workers_needs(settings: Settings) -> None:
    """Raise `SettingsError` for settings with which a worker could not do its work.

    Only warn if a shared store does not answer: it may come up later.
    """
    if settings.otel:
        try:
            from optillm.observe import otel  # noqa: F401 - to fail here, not in each worker
        except ImportError:
            raise SettingsError(
                "otel needs packages that are missing: pip install '.[otel]' in a checkout"
            ) from None
    if not settings.client_keys.counted:
        return
    from optillm.server.access.store import FileStorage, open_storage

    try:
        storage = open_storage(settings.counters)
    except ValueError as error:
        raise SettingsError(f"store: {masked(str(error))}") from None
    if isinstance(storage, FileStorage):
        storage.close()  # each worker opens its own
    elif not storage.check():
        logger.warning(
            "The store at %s does not answer; until it does, keys with a daily budget are refused",
            masked(settings.counters),
        )


@contextmanager
def own_model(settings: Settings) -> Iterator[Settings]:
    """Yield the settings to serve with, running the model of ours that they ask for.

    That is the demo model, or a local one.
    """
    if settings.local:
        from optillm.local import llama

        name = settings.model if "model" in settings.model_fields_set else Path(settings.local).stem
        model = llama.Model(Path(settings.local), name, settings.local_slots, settings.local_context)
        logger.info("Loading %s", settings.local)
        with llama.launch(model) as server:
            yield served_by_own(settings, server.base_url, local=settings.local)
    elif settings.demo == "off" or (settings.demo == "auto" and settings.upstream_configured):
        yield settings
    else:
        from optillm.local.demo import launch

        with launch(latency=settings.demo_latency) as demo:
            yield served_by_own(settings, demo.base_url)


@contextmanager
def common_traces(settings: Settings) -> Iterator[Settings]:
    """Yield the settings to serve with.

    Several workers keep traces in a private file instead of in memory.
    """
    if settings.traces != MEMORY or settings.workers == 1:
        yield settings
        return
    owner = os.getpid()
    folder = tempfile.mkdtemp(prefix="optillm-traces-")
    try:
        yield settings.model_copy(update={"traces": str(Path(folder, "traces.sqlite3"))})
    finally:
        if os.getpid() == owner:  # a worker leaves this block as well when it ends
            shutil.rmtree(folder, ignore_errors=True)


def served_by_own(settings: Settings, base_url: str | None, local: str | None = None) -> Settings:
    """Return the settings with a model that we started as the upstream.

    Vendors' keys and headers are left out. `local` is the file of that model, `None` for the demo model.
    """
    vendors = ("openai_api_key", "cerebras_api_key", "azure_openai_api_key", "azure_api_base")
    own: dict[str, Any] = {"base_url": base_url, "upstream": (), "upstream_headers": {}}
    own |= {"local": local, "demo": "off" if local else "on"}
    if "model" not in settings.model_fields_set:
        own["model"] = Path(local).stem if local else "demo-small"
    return settings.model_copy(update=dict.fromkeys(vendors) | own)


def announce(settings: Settings, faults: Sequence[str], *, no_upstream: bool = False) -> None:
    """Log what is served, from which upstreams and with which keys; warn of unsafe settings."""
    logger.info("Starting server with approach: %s", settings.approach)
    logger.info("Server configuration: %s; everything else is at its default", settings.changed())
    _announce_upstreams(settings, no_upstream=no_upstream)
    keys = settings.client_keys
    clients = len(keys.clients)
    logger.info("Client keys: %s", f"{clients} configured" if clients else "none, every client is served")
    if keys.counted:
        logger.info("The use of keys is counted in %s", masked(settings.counters))
    for fault in faults:
        logger.warning("%s", fault)
    if settings.keys and readable_by_others(settings.keys):
        logger.warning("Other users can read or change %s: run chmod 600 on it", settings.keys)
    if not clients and not is_loopback(settings.host):
        logger.warning(
            "Anyone who can reach %s may use this server: no client key is configured", settings.host
        )
    if not settings.ssl_verify:
        logger.warning("The upstream's certificate is not checked (--no-ssl-verify)")


def _announce_upstreams(settings: Settings, *, no_upstream: bool) -> None:
    upstreams = settings.upstreams()
    if settings.demo == "on":
        reason = "No upstream configured: using" if no_upstream else "Using"
        base_url = upstreams[0].base_url
        logger.info("%s the embedded demo model (demo-small, demo-large) at %s", reason, base_url)
        return
    if settings.local:
        slots = f"{settings.local_slots} slots of {settings.local_context} tokens"
        logger.info(
            "Upstream: %s behind llama-server at %s, %s", settings.model, upstreams[0].base_url, slots
        )
        return
    # A client's key that opens the proxy is not one for the upstream.
    without = "none" if settings.client_keys.clients else "passed through from the client"
    for upstream in upstreams:
        name = f" {upstream.name}" if settings.upstream else ""
        logger.info("Upstream%s: %s; upstream key: %s", name, upstream, "set" if upstream.key else without)
