"""Words for codes: none is missing, and those that the clinic owns agree with the clinic's own lists."""

import pytest

from sim import journal
from sim.clinic import salvage, vocabulary
from sim.clinic.events import POOLS
from sim.clinic.policy import ACTIONS
from sim.patient import CAUSE_NAMES, attribute_names
from sim.report import style, words
from sim.tally.measures import MEASURES


def test_every_event_of_the_journal_has_a_word() -> None:
    for code, name in journal.event_names().items():
        assert code in words.NAMES, name
    assert set(style.PHASES) == set(words.PHASES)
    assert set(style.OVERLAYS) == set(words.OVERLAYS)


def test_the_clinics_codes_are_named_in_its_order() -> None:
    assert len(words.CODES["actions"]) == len(vocabulary.ACTIONS) == len(ACTIONS)
    assert len(words.CODES["pools"]) == len(POOLS)
    assert words.CODES["therapies"][salvage.BLINATUMOMAB] == "blinatumomab"
    assert words.CODES["therapies"][salvage.INOTUZUMAB] == "inotuzumab"
    assert words.CODES["therapies"][salvage.CD22_CAR] == "CD22 CAR T"
    assert words.CODES["therapies"][salvage.SECOND_CAR] == "second CD19 CAR T"
    assert words.CODES["therapies"][salvage.CHEMOTHERAPY] == "chemotherapy"


def test_every_measure_has_a_name_and_the_same_better_direction() -> None:
    for measure in MEASURES:
        assert measure.name in words.MEASURES, measure.name
        assert words.MEASURES[measure.name][1] == measure.better, measure.name


def test_traits_are_attributes_of_a_patient() -> None:
    assert set(words.TRAITS) <= set(attribute_names())


@pytest.mark.parametrize(
    ("event", "detail", "phrase"),
    [
        (journal.CRS, 3, "cytokine release syndrome: grade 3"),
        (journal.RELAPSE, 21, "relapse: CD19-negative, marrow"),
        (journal.RELAPSE, 12, "relapse: CD19+, CNS"),
        (journal.RELAPSE, 31, "relapse: lineage switch, marrow"),
        (journal.INFUSION, 1, "CAR T infusion: brexu-cel"),
        (journal.INFUSION, 101, "CAR T infusion: brexu-cel, out of specification"),
        (journal.INFUSION, 200, "CAR T infusion: tisa-cel, donor-derived"),
        (journal.INFUSION, 400, "CAR T infusion: sequential CD22 CAR T"),
        (journal.HCT, 1, "transplant (HCT): TBI"),
        (journal.HCT, 13, "transplant (HCT): reduced intensity, not the first"),
        (journal.MRD_SEEN, 6, "MRD found: qPCR, NGS"),
        (journal.TOCILIZUMAB, 1, "tocilizumab: 1 dose"),
        (journal.DECISION, 1, "decision: transplant (HCT)"),
        (journal.DEATH, 4, f"death: {CAUSE_NAMES[4]}"),
        (journal.NOT_INFUSED, 5, "no infusion: manufacturing failure"),
        (journal.ICU, 0, "intensive care"),
        (journal.DECISION, 77, "decision: code 77"),
        (999, 0, "event 999"),
    ],
)
def test_details_are_decoded(event: int, detail: int, phrase: str) -> None:
    assert words.phrase(event, detail, {"products": ["tisa_cel", "brexu_cel"]}) == phrase
