"""The STRESS checklist for discrete-event simulation, filled where the program knows the answer.

Items: Monks et al. 2019, doi:10.1080/17477778.2018.1442155; their topics are named here in our words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sim.report import words
from sim.report.cheers import NOT_REPORTED
from sim.report.frames import Frames
from sim.units import DAYS_PER_YEAR

#: What each experiment is for.
_AIMS: Final = {
    "compare": "comparison of policies on the same patients",
    "psa": "probabilistic analysis: the same patients under every policy in joint draws of all uncertain parameters",
    "tornado": "deterministic sensitivity analysis: each parameter at its own low and high, thresholds, structures",
    "sweep": "policies over a designed grid of settings",
    "voi": "value of information, from a probabilistic analysis",
    "validate": "published results against simulated ones, each study emulated in its own cohort and practice",
    "capacity": "what policies do to a hospital of limited places: waits, lines, losses",
    "budget": "what it costs the payer, year by year, when a policy spreads",
    "verify": "verification: worlds and books changed so that the answer is known",
    "value": "a finished run valued with other prices, utilities, discounting or payment",
    "price": "prices at which the product is worth its cost",
}


class Item(NamedTuple):
    """An item of the checklist and what this run says to it."""

    number: str
    part: str
    topic: str
    answer: str


def stress_checklist(frames: Frames) -> list[Item]:
    """Fill the checklist from a run's frames; what the program cannot know is ``Not reported``."""
    return [Item(number, part, topic, answer(frames) or NOT_REPORTED) for number, part, topic, answer in _ITEMS]


def _known(frames: Frames) -> bool:
    return "version" in frames.manifest


def _said(text: str) -> Callable[[Frames], str]:
    """Answer what holds for every run of the program."""
    return lambda frames: text if _known(frames) else ""


def _purpose(frames: Frames) -> str:
    if not frames.policies:
        return ""
    listed = ", ".join(frames.label(p) for p in frames.policies)
    return (
        f"which policy after CAR T-cell therapy for B-ALL in children and young adults serves patients best: {listed}"
    )


def _outputs(frames: Frames) -> str:
    if not frames.has("summary"):
        return "costs and effects by policy and world" if frames.has("psa") or frames.has("tornado") else ""
    names = list(dict.fromkeys(frames.summary["measure"]))  # type: ignore[index]
    return (
        f"{len(names)} measures with Monte-Carlo error (listed under 'Every number'; definitions in docs/measures.md)"
    )


def _aims(frames: Frames) -> str:
    return _AIMS.get(str(frames.manifest.get("experiment")), "")


def _diagram(frames: Frames) -> str:
    return "shown under 'The pathway', counted from this run's journal" if frames.has("pathway") else ""


def _scenarios(frames: Frames) -> str:
    parts = [
        frames.label(p) + (f": {frames.description(p).rstrip('.')}" if frames.description(p) else "")
        for p in frames.policies
    ]
    return f"{'; '.join(parts)}; a policy changes decisions only, never a patient's luck" if parts else ""


def _entities(frames: Frames) -> str:
    manifest = frames.manifest
    if "n" not in manifest:
        return ""
    count = f"{manifest['n']:,}" if isinstance(manifest["n"], int) else str(manifest["n"])
    return f"patients ({count}; cohort {manifest.get('cohort', '')}), each with traits drawn before anything happens"


def _activities(frames: Frames) -> str:
    if not _known(frames):
        return ""
    phases = ", ".join(words.PHASES.values())
    return f"phases: {phases}; beside them: {', '.join(words.OVERLAYS.values())}"


def _resources(frames: Frames) -> str:
    if frames.has("times"):
        pools = frames.times["pool"].unique()  # type: ignore[index]
        return (
            f"pools with limited places: {', '.join(str(p).replace('_', ' ') for p in pools)} (config.yaml: hospital)"
        )
    return "unlimited: nobody waits for a place" if _limitless(frames) else ""


def _limitless(frames: Frames) -> bool:
    return _known(frames) and frames.manifest.get("experiment") in ("compare", "psa", "tornado", "validate", "value")


def _queues(frames: Frames) -> str:
    if frames.has("waits"):
        return (
            "a line per pool, by urgency and then order of arrival; impatient patients are diverted (docs/hospital.md)"
        )
    return "none, as nobody waits for a place" if _limitless(frames) else ""


def _entry(frames: Frames) -> str:
    if not _known(frames):
        return ""
    horizon = frames.manifest.get("horizon_years")
    end = "death" if horizon is None else f"death or {horizon:g} years"
    return f"entry: referral (results count from {frames.origin}); exit: {end}"


def _sources(frames: Frames) -> str:
    if not frames.has("parameters"):
        return ""
    table = frames.parameters
    assert table is not None
    cited = table["source"].astype(object).fillna("").astype(str).str.split(";").explode().str.strip()
    known = {s for s in cited if s and s not in ("-", "assumed")}
    return f"{len(known)} rows of the evidence table, named beside each parameter; its hash is in the run record"


def _inputs(frames: Frames) -> str:
    if not frames.has("parameters"):
        return ""
    counts = frames.parameters["status"].value_counts()  # type: ignore[index]
    listed = ", ".join(f"{int(counts[s])} {s}" for s in words.STATUSES if s in counts)
    return f"{int(counts.sum())} parameters with unit, distribution, range, source and status ({listed}): listed above"


def _assumptions(frames: Frames) -> str:
    if not frames.has("parameters"):
        return ""
    assumed = int((frames.parameters["status"] == "assumed").sum())  # type: ignore[index]
    verb = "parameter is" if assumed == 1 else "parameters are"
    return f"{assumed} {verb} assumed (filter the parameter table by status); structural ones: docs/model.md"


def _initial(frames: Frames) -> str:
    if frames.has("times"):
        return (
            "the hospital starts empty; the years before the observed ones are left out as warm-up (docs/hospital.md)"
        )
    return "no warm-up: every patient starts at referral and patients share nothing" if _limitless(frames) else ""


def _length(frames: Frames) -> str:
    manifest = frames.manifest
    if not _known(frames):
        return ""
    if frames.has("times"):
        window = manifest.get("window_days")
        if not window:
            return ""
        first, last = (float(day) / DAYS_PER_YEAR for day in window)
        return f"observed from year {first:.1f} to year {last:.1f} of arrivals"
    horizon = manifest.get("horizon_years")
    return "each life to its end" if horizon is None else f"{horizon:g} years a patient"


def _estimation(frames: Frames) -> str:
    manifest = frames.manifest
    if frames.has("psa"):
        return f"{manifest.get('draws', 0):,} draws, {manifest.get('n', 0):,} patients in each; error split by source"
    if manifest.get("replications"):
        return f"{manifest['replications']} replications; intervals over replications"
    if not frames.has("summary") and not frames.has("tornado"):
        return ""
    return f"{manifest.get('n', 0):,} patients under every policy (common random numbers), paired standard errors"


def _software(frames: Frames) -> str:
    manifest = frames.manifest
    if not _known(frames):
        return ""
    libraries = manifest.get("libraries") or {}
    listed = ", ".join(f"{name} {libraries[name]}" for name in ("simpy", "numba", "numpy") if name in libraries)
    python = f", Python {manifest['python']}" if "python" in manifest else ""
    return f"cartwin {manifest['version']}{python}{f' ({listed})' if listed else ''}"


def _random(frames: Frames) -> str:
    if "seed" not in frames.manifest:
        return ""
    return (
        "every number is a function of seed, patient, decision and occurrence (counter-based generator), so a patient "
        f"is their own twin under every policy; seed {frames.manifest['seed']}"
    )


def _execution(frames: Frames) -> str:
    engine = frames.manifest.get("engine")
    kinds = {
        "simpy": "next-event simulation in SimPy, one process a patient",
        "batch": "the same pathway compiled (Numba), next event by patient",
        "ward": "the same pathway compiled, one calendar for all patients of a hospital",
    }
    return f"{kinds.get(str(engine), engine)}; ties by a fixed order of events" if engine else ""


def _system(frames: Frames) -> str:
    return "run time, cores and libraries: manifest.json (left out here so that the page repeats byte for byte)"


def _sharing(frames: Frames) -> str:
    if not _known(frames):
        return ""
    version = frames.manifest["version"]
    return f"cartwin {version} is open source (MIT licence); the run record holds the command of this run"


_ITEMS: Final[tuple[tuple[str, str, str, Callable[[Frames], Any]], ...]] = (
    ("1.1", "Objectives", "Purpose of the model", _purpose),
    ("1.2", "Objectives", "Model outputs", _outputs),
    ("1.3", "Objectives", "Aims of experimentation", _aims),
    ("2.1", "Logic", "Diagram of the base model", _diagram),
    ("2.2", "Logic", "Logic of the base model", _said("docs/model.md; sim/clinic/pathway.py reads from top to bottom")),
    ("2.3", "Logic", "Logic of scenarios", _scenarios),
    (
        "2.4",
        "Logic",
        "Algorithms",
        _said("hazard budgets, clone kinetics in closed form: docs/model.md and docstrings"),
    ),
    ("2.5.1", "Logic", "Entities", _entities),
    ("2.5.2", "Logic", "Activities", _activities),
    ("2.5.3", "Logic", "Resources", _resources),
    ("2.5.4", "Logic", "Queues", _queues),
    ("2.5.5", "Logic", "Entry and exit", _entry),
    ("3.1", "Data", "Data sources", _sources),
    (
        "3.2",
        "Data",
        "Pre-processing",
        _said("calibration to published results where a status says so: docs/calibration.md"),
    ),
    ("3.3", "Data", "Input parameters", _inputs),
    ("3.4", "Data", "Assumptions", _assumptions),
    ("4.1", "Experimentation", "Initialisation", _initial),
    ("4.2", "Experimentation", "Run length", _length),
    ("4.3", "Experimentation", "Estimation approach", _estimation),
    ("5.1", "Implementation", "Software and language", _software),
    ("5.2", "Implementation", "Random sampling", _random),
    ("5.3", "Implementation", "Model execution", _execution),
    ("5.4", "Implementation", "System specification", lambda frames: _system(frames) if _known(frames) else ""),
    ("6.1", "Code access", "Statement on sharing", _sharing),
)
