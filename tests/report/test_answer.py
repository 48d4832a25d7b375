"""The answer: the right policy named, the right amount of certainty."""

import dataclasses

import pandas as pd
import pytest

from sim.report.frames import Frames
from sim.report.numbers import number, plain, signed, unit_name
from sim.report.sections.answer import Column, best_of, sentences, shown_columns, table

POLICIES = {"watch": "Watch", "hct": "HCT", "mild": "Mild"}


def frames(values: dict[str, float], gaps: dict[str, tuple[float, float]], reference: str = "watch") -> Frames:
    """Make frames of one measure: life-years by policy, and paired gaps to the reference with their errors."""
    summary = pd.DataFrame(
        [{"policy": p, "measure": "life_years", "months": None, "value": v, "mc_se": 0.5, "unit": "years"}
         for p, v in values.items()]
    )  # fmt: skip
    paired = pd.DataFrame(
        [{"policy": p, "reference": reference, "measure": "life_years", "months": None, "difference": d, "mc_se": e,
          "unpaired_se": 0.7, "variance_reduction": 4.0, "nnt": None, "gain": 0.3, "lose": 0.1, "same": 0.6}
         for p, (d, e) in gaps.items()]
    )  # fmt: skip
    return Frames(manifest={"policies": POLICIES, "reference": reference}, summary=summary, paired=paired)


def test_a_clear_winner_is_called_clear() -> None:
    run = frames({"watch": 20, "hct": 23, "mild": 20.2}, {"hct": (3.0, 0.4), "mild": (0.2, 0.2)})
    text = sentences(run, list(POLICIES))[0]
    assert text.startswith(
        "HCT gives the most life-years: 23.00 ± 0.50 years, that is +3.00 ± 0.40 years against Watch"
    )
    assert "+2.10 to +3.90 years" in text  # 2.2414 standard errors: two comparisons
    assert "does not explain it" in text
    assert "Not clearly behind" not in text


def test_a_narrow_winner_is_not() -> None:
    run = frames({"watch": 20, "hct": 20.5, "mild": 20.4}, {"hct": (0.5, 0.4), "mild": (0.4, 0.3)})
    text = sentences(run, list(POLICIES))[0]
    assert "could explain it" in text
    assert text.endswith("Not clearly behind it: Mild.")


def test_the_reference_can_win() -> None:
    run = frames({"watch": 20, "hct": 17, "mild": 19.9}, {"hct": (-3.0, 0.4), "mild": (-0.1, 0.2)})
    text = sentences(run, list(POLICIES))[0]
    assert text.startswith("Watch gives the most life-years")
    assert "1 of the 2 other policies does worse beyond chance" in text


def test_equal_policies_are_called_equal() -> None:
    run = frames({"watch": 20, "hct": 20}, {"hct": (0.0, 0.0)})
    assert sentences(run, ["watch", "hct"])[0] == "All policies give the same life-years."


def test_one_policy_is_not_compared() -> None:
    run = dataclasses.replace(frames({"watch": 20}, {}), paired=None)
    assert sentences(run, ["watch"])[0] == "Life-years: Watch 20.00 ± 0.50 years."


def test_weak_parameters_are_counted() -> None:
    run = frames({"watch": 20}, {})
    run = dataclasses.replace(run, paired=None, parameters=pd.DataFrame({"status": ["found", "assumed", "recalled"]}))
    assert "2 of 3 parameters are recalled or assumed" in sentences(run, ["watch"])[-1]


def test_the_table_marks_the_best_and_what_is_clear(world: Frames) -> None:
    columns = shown_columns(world)
    rows = table(world, world.policies, columns)
    for place, column in enumerate(columns):
        stars = [p for p, cells in rows.items() if cells[place].best]
        best = best_of(world, world.policies, column)
        assert stars == ([best] if best else [])
        assert rows["watch"][place].difference is None
        values = {p: cells[place].estimate.value for p, cells in rows.items()}
        if best:
            extreme = min if column.measure in ("cif_relapse", "cif_nrm") else max
            assert values[best] == extreme(values.values())


def test_a_share_of_transplants_has_no_best(world: Frames) -> None:
    assert best_of(world, world.policies, Column("hct", None, "HCT")) is None


def test_who_never_reaches_remission_is_not_best_at_avoiding_relapse() -> None:
    rows = [("a", "cr", None, 0.0), ("b", "cr", None, 0.8), ("c", "cr", None, 0.8)]
    rows += [("a", "cif_relapse", 60.0, 0.0), ("b", "cif_relapse", 60.0, 0.3), ("c", "cif_relapse", 60.0, 0.2)]
    summary = pd.DataFrame(rows, columns=["policy", "measure", "months", "value"]).assign(
        mc_se=0.01, unit="probability"
    )
    assert best_of(Frames(summary=summary), ["a", "b", "c"], Column("cif_relapse", 60.0, "Relapse")) == "c"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.1234, "probability", "12.3"), (1234.5, "years", "1,234"), (12.345, "years", "12.35"), (150.25, "days", "150.2"),
     (float("nan"), "", "–"), (float("inf"), "", "∞")],
)  # fmt: skip
def test_numbers_carry_the_digits_they_deserve(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_signs_units_and_parameters() -> None:
    assert signed(0.012, "probability") == "+1.2"
    assert signed(-0.5, "years") == "-0.50"
    assert unit_name("probability") == "%"
    assert unit_name("probability", difference=True) == "percentage points"
    assert [plain(v) for v in (0.08, 21.0, 1e-12, 12345.0, float("nan"))] == ["0.08", "21", "1e-12", "12,345", ""]
