"""Every way a table of patients can be wrong is named with file, row, column, value and rule."""

import numpy as np
import pytest

from sim.cohort import GIVEN, read_patients
from sim.patient import attribute_names
from sim.problems import Problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty, a header and at least one row"),
        ("\n\n , ,\n", "the file is empty"),
        ("age,weight\n", "a header but no patient"),
        ("aeg\n5\n", r"patients\.csv: unknown column 'aeg', did you mean 'age'"),
        ("age,quux\n5,1\n", "unknown column 'quux', one of: age, female"),
        ("age,\n5,\n", "unknown column ''"),
        ("age;weight\n5;20\n", "separated by semicolons"),
        ("age,age\n5,6\n", "column 'age' occurs 2 times"),
        ("burden,blasts_percent\n-1,10\n", "only one of them"),
        ("age,weight\n5\n", r"row 1 \(line 2\), has 1 cells where the header has 2"),
        ("age\n5\n\n-1\n", r"patients\.csv, row 2 \(line 4\), column age: '-1' must lie between 0 and 100 \(years\)"),
        ("age\n101\n", "must lie between 0 and 100"),
        ("age\nold\n", r"column age: 'old' must be a number \(years\)"),
        ("age\nnan\n", "must lie between 0 and 100"),
        ("weight\n0\n", r"between 2 and 300 \(kg\)"),
        ("blasts_percent\n140\n", r"between 0 and 100 \(percent\)"),
        ("burden\n0.4\n", "log10 of the fraction"),
        ("dose\ninf\n", r"10\^6/kg"),
        ("prior_hct\n2\n", "column prior_hct: '2' must be a whole number from 0 to 1 or a name"),
        ("female\n0.5\n", "must be a whole number from 0 to 1"),
        ("relapses\n-1\n", "must be a whole number from 0 to 20"),
        ("donor\nsibbling\n", "column donor: 'sibbling' is not a name: did you mean 'sibling'"),
        ("product\ntisacel\n", "column product: 'tisacel' is not a name: did you mean 'tisa_cel'"),
        ("product\n9\n", "must be a whole number from 0 to 5"),
        ("blinatumomab\n3\n", "naive, responder, nonresponder"),
        ("site\neye\n", "is not a name"),
        ("prior_hct,months_hct_to_relapse\n0,5\n", "must be empty where prior_hct is 0"),
        ("prior_hct,hct_tbi\n0,1\n", "must not be 1 where prior_hct is 0"),
        ("relapses,prior_hct\n0,1\n", "column relapses: '0' must be at least 1 after a prior HCT"),
        ("relapses,refractory\n0,0\n", "primary refractory"),
        ("blasts_percent,burden_class\n3,above_40\n", "class of the blasts given in the same row"),
        ("blasts_percent,burden_class\n0,below_5\n", "must not be 0 where burden_class is not"),
        ("site,blasts_percent\nisolated_cns,30\n", "isolated_cns must go with less than 5 %"),
        ("site,burden_class\nisolated_cns,from_5\n", "isolated_cns must go with less than 5 %"),
        ('age\n"5\n', "cannot be read as comma-separated UTF-8 text"),
    ],
)
def test_refused(table, text, message):
    with pytest.raises(Problem, match=message):
        table(text)


def test_missing_file(tmp_path, products):
    with pytest.raises(Problem, match=r"cohort\.patients=.*none\.csv: cannot be read.*No such file"):
        read_patients(tmp_path / "none.csv", products)
    (tmp_path / "bytes.csv").write_bytes(b"age\n\xff\xfe\n")
    with pytest.raises(Problem, match="cannot be read as comma-separated UTF-8"):
        read_patients(tmp_path / "bytes.csv", products)


def test_all_problems_at_once(table):
    with pytest.raises(Problem) as caught:
        table("age,donor\n-1,uncle\n" + "200,none\n" * 30)
    text = str(caught.value)
    assert text.startswith("cohort.patients: 32 problems")
    assert "column age: '-1'" in text
    assert "column donor: 'uncle'" in text
    assert text.endswith("and 12 more")


def test_names_and_codes(table):
    given = table(
        "female,donor,product,blinatumomab,site,tp53,burden_class,relapses,prior_hct\n"
        "Female,Sibling,brexu_cel,nonresponder,cns,wild_type,from_25,second,yes\n"
        "0,1,2,2,1,0,3,2,1\n"
        "male,,,,,,,,\n"
    )
    assert given[0].tolist()[2:] != given[2].tolist()[2:]
    assert given["female"].tolist() == [1, 0, 0]
    for name in ("donor", "product", "blinatumomab", "site", "tp53", "burden_class", "relapses", "prior_hct"):
        assert given[name][0] == given[name][1]
        assert np.isnan(given[name][2])


def test_blasts(table):
    given = table("blasts_percent\n0\n0.01\n50\n100\n1e-30\n")
    assert given["burden"][1:].tolist() == pytest.approx([-4, np.log10(0.5), 0, -12])
    assert np.isnan(given["burden"][0])
    assert given["burden_class"][0] == 0


def test_layout():
    assert list(GIVEN.names) == attribute_names()
