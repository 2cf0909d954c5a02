"""Why a request gave its answer, in sentences, from its trace document alone."""

from optillm.observe.traces.explain.why import why

__all__ = ["why"]
