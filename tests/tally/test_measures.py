"""The table of measures: complete, unambiguous, and the same as its page."""

from pathlib import Path

import numpy as np

from sim.tally.measure_page import page
from sim.tally.measures import MEASURES, SURVIVAL, curves_at, measures_at
from sim.tally.outcomes import ORIGINS, POPULATIONS

from .made_up import tallied

DOCS = Path(__file__).parents[2] / "docs"

#: Names that the project promises.
PROMISED = """cr efs efs_censored efs_stringent rfs os cif_relapse_cd19pos cif_relapse_cd19neg cif_lineage_switch
cif_relapse_cns cif_relapse cif_nrm hct hct_first hct_second reinfusion maintenance infused manufacturing_failure
crs_ge1 crs_ge3 icans_ge1 icans_ge3 iec_hs icaht_ge3 neutropenia_ge30 severe_infection sos agvhd_ge3 cgvhd late_effect
second_cancer icu_days ward_days bca_lost bca_lost_seen life_years infections tocilizumab_doses wait_days""".split()


def test_the_page_is_written_from_the_table():
    assert (DOCS / "measures.md").read_text(encoding="utf-8") == page()


def test_promised_measures_exist_once():
    names = [m.name for m in MEASURES]
    assert len(names) == len(set(names))
    assert set(PROMISED) <= set(names)
    assert all(name == name.lower() for name in names)


def test_every_measure_is_defined():
    for m in MEASURES:
        assert m.among in POPULATIONS
        assert m.meaning
        assert m.unit in ("probability", "days", "months", "years", "count")
        assert m.since in (("origin", "infusion", "response", "relapse") if m.months else ("",)), m.name
    for origin in ORIGINS:
        survivals = {m.name for m in curves_at(origin) if m.kind == SURVIVAL}
        assert {m.event_free for m in curves_at(origin) if m.event_free} <= survivals


def test_every_measure_has_its_rows_at_every_origin():
    for origin in ORIGINS:
        summary, curves, paired = tallied(3000, 2, origin=origin).frames()
        rows = summary[(summary["policy"] == "watch") & (summary["stratum"] == "all")]
        expected = [(m.name, float(x or np.nan)) for m in measures_at(origin) for x in (m.months or (None,))]
        found = list(zip(rows["measure"], rows["months"], strict=True))
        assert str(found) == str(expected)
        assert rows["value"].notna().mean() > 0.95
        ours = paired[(paired["policy"] == "twin") & (paired["stratum"] == "all")]
        assert list(ours["measure"].unique()) == [m.name for m in measures_at(origin) if m.paired]
        assert set(curves["curve"]) >= {m.name for m in curves_at(origin)}
        grid = curves[(curves["policy"] == "watch") & (curves["stratum"] == "all") & (curves["curve"] == "os")][
            "months"
        ]
        assert grid.tolist() == [*range(121), *range(132, 961, 12)]
