"""Economics: what lives cost and are worth, read from the journal; decision analysis for any pair of arrays.

``from sim.economics import incremental, nmb, ceac, ceaf, expected_loss, evpi, evppi, evsi, enbs`` works on anybody's
draws of costs and effects; nothing of a simulation is needed. The modules are imported when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sim.economics.acceptability import ceac as ceac
    from sim.economics.acceptability import ceaf as ceaf
    from sim.economics.acceptability import evpi as evpi
    from sim.economics.acceptability import expected_loss as expected_loss
    from sim.economics.acceptability import mc_se as mc_se
    from sim.economics.acceptability import nhb as nhb
    from sim.economics.acceptability import nmb as nmb
    from sim.economics.frontier import incremental as incremental
    from sim.economics.information import evppi as evppi
    from sim.economics.information import evppi_table as evppi_table
    from sim.economics.sampling import enbs as enbs
    from sim.economics.sampling import evsi as evsi
    from sim.economics.sampling import evsi_table as evsi_table
    from sim.economics.sampling import population_size as population_size

_HOMES: Final = {
    "incremental": "frontier",
    "nmb": "acceptability",
    "nhb": "acceptability",
    "ceac": "acceptability",
    "ceaf": "acceptability",
    "expected_loss": "acceptability",
    "evpi": "acceptability",
    "mc_se": "acceptability",
    "evppi": "information",
    "evppi_table": "information",
    "evsi": "sampling",
    "evsi_table": "sampling",
    "enbs": "sampling",
    "population_size": "sampling",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List what can be imported."""
    return sorted({*globals(), *_HOMES})
