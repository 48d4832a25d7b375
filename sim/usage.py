"""The command line: what may stand on it, and the text that teaches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sim.conf import groups, headline, options
from sim.problems import Problem, did_you_mean

EXAMPLES: Final = """\
usage: python -m sim [-m] [--config-dir DIR] [key=value ...]

Virtual patients with B-ALL live through CAR T-cell therapy, each under every policy.

type first
  python -m sim engine=batch cohort.n=500                    compare all policies: a table here, and report.html
  python -m sim experiment=replay patient=47                 one patient's life under every policy
  python -m sim experiment=parameters                        every parameter with its range, source and status

change something
  python -m sim cohort=eliana 'policy=[watch,selective]' product=brexu_cel seed=7 out=outputs/mine
  python -m sim clinic.transplant.trm.value=0.1              any number; --show prints all that can be changed
  python -m sim cohort.patients=my_patients.csv              real patients
  python -m sim engine=batch cohort.n=100000                 more patients: four times as many halve the errors
  python -m sim -m clinic.transplant.trm.value=0.02,0.08,0.15   a small sweep, collected into one table

ask more
  python -m sim experiment=report runs=[outputs/a,outputs/b]    finished runs compared in one report
  python -m sim experiment=psa psa.draws=1000                joint draws of all uncertain parameters
  python -m sim experiment=voi run=outputs/psa/latest        then: what is worth knowing, and which study pays
  python -m sim experiment=tornado                           every parameter at its own low and high
  python -m sim experiment=sweep sweep=transplant_risk       a grid of any settings, resumable, one table
  python -m sim experiment=value run=outputs/compare/latest economics=uk_nice   a finished run at other prices
  python -m sim experiment=capacity years=5 replications=10  what policies do to a hospital
  python -m sim experiment=validate                          published | model, for every target; or for your own study:
  python -m sim experiment=validate validate.file=my_study.yaml
"""

OPTIONS: Final = """\
options
  -m, --multirun     run every combination of the values given (a,b,c or range(1,4)), one folder each, and collect
  --config-dir DIR   use your own files as well: DIR/policy/mine.yaml, DIR/cohort/ours.yaml, DIR/experiment/...
  --show             print the composed settings as YAML and stop
  --completion bash  print what makes the shell complete keys and choices (or zsh):  source <(cartwin --completion bash)
  --version, -h, --help
"""

KEYS: Final = """\
keys
  any number may be changed: clinic.transplant.trm.value=0.1, policy.selective.bca_window_months=9,
  hospital.pools.icu=2 (with hospital=small_centre)
  seed, engine=simpy|batch|ward, origin=referral|infusion|remission, horizon_years, reference=POLICY,
  journal=auto|on|off, threads, out=DIR, cohort.n, cohort.patients=FILE.csv
  quiet=true (nothing but the folder), json=true (the answer as JSON, for scripts)
  executor=local|serial|dask, executor.workers, executor.address=tcp://host:8786; run=DIR extends an earlier run
  a policy's own care: policy.watch.set.clinic.supportive.early_tocilizumab=1

look next
  report.html in the folder that a run prints last; README.md; docs/measures.md (what is counted), docs/tables.md
  (files, columns, rules of policies), docs/economics.md, docs/uncertainty.md, docs/hospital.md, docs/running.md
"""

#: Groups that the help explains one by one, in this order.
EXPLAINED: Final = ("experiment", "policy", "cohort", "product", "hospital", "structure")
FLAGS: Final = ("-m", "--multirun", "--config-dir", "--show", "--completion", "--version", "-h", "--help")


@dataclass
class Arguments:
    """What stood on the command line."""

    overrides: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    multirun: bool = False
    show: bool = False
    version: bool = False
    help: bool = False
    completion: str | None = None
    complete: list[str] | None = None


def read(argv: Sequence[str]) -> Arguments:
    """Sort the arguments into flags and overrides.

    Raises
    ------
    Problem
        When a flag is unknown or lacks its value.
    """
    found = Arguments()
    rest = list(argv)
    if rest[:1] == ["--complete"]:  # asked by the shell (`sim.completion`)
        found.complete = rest[1:]
        return found
    while rest:
        word = rest.pop(0)
        if word in ("-m", "--multirun"):
            found.multirun = True
        elif word in ("-h", "--help"):
            found.help = True
        elif word in ("--show", "--version"):
            setattr(found, word.removeprefix("--"), True)
        elif word in ("-c", "--cfg"):  # as Hydra calls it
            found.show = True
            _value(word, rest)
        elif word == "--completion" or word.startswith("--completion="):
            found.completion = _value(word, rest)
        elif word == "--config-dir" or word.startswith("--config-dir="):
            found.folders.append(Path(_value(word, rest)))
        elif word.startswith("-") and not word.startswith("-="):
            raise Problem(f"unknown option {word!r}, {did_you_mean(word, FLAGS)}")
        else:
            found.overrides.append(word)
    return found


def _value(word: str, rest: list[str]) -> str:
    _, equals, value = word.partition("=")
    if equals:
        return value
    if not rest:
        raise Problem(f"{word} needs a value behind it")
    return rest.pop(0)


def help_text() -> str:
    """Teach the command line: examples, choices with what they are, keys."""
    parts = [EXAMPLES, OPTIONS, "choices"]
    for group in EXPLAINED:
        parts.append(f"  {group}=")
        parts += [f"    {name:<18} {headline(group, name)}" for name in options(group)]
    parts.append("  others: " + _others())
    return "\n".join([*parts, "", KEYS])


def _others() -> str:
    found = [f"{group}={'|'.join(options(group))}" for group in groups() if group not in EXPLAINED]
    several = [text for text in found if not text.endswith("=default")]
    single = [text.removesuffix("=default") for text in found if text.endswith("=default")]
    lines = [*several, f"{', '.join(single)} (=default)"]
    return _wrapped("; ".join(lines))


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 110, subsequent_indent="    ", break_on_hyphens=False)
