# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own policy
#
# Would it be enough to transplant those who lose B-cell aplasia within a year? A policy is a short list of rules in a
# file. We write one, run it beside two others, and see whom it changes.

# %%
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import pandas as pd

from sim.program import ask

folder = Path(mkdtemp())

# %% [markdown]
# ## The file
#
# `at` names a decision point, `when` the conditions, `then` the action. The first rule that holds decides; where none
# does, the patient is watched. Words that may be used are listed on the page *Tables and codes* of the documentation.

# %%
policies = folder / "mine" / "policy"
policies.mkdir(parents=True)
(policies / "late_window.yaml").write_text("""
late_window:
  label: HCT for aplasia lost within a year
  description: transplant when B-cell aplasia is lost within twelve months
  source: RULE04
  status: assumed
  bca_window_months: 12
  rules:
    - {at: bca_lost, when: {eligible: true, prior_hct: false, months_since_infusion: {max: 12}}, then: hct}
""")

# %% [markdown]
# ## The run
#
# `ask` does what the command line does. `folders` says where your own files are.

# %%
results = ask(
    "policy=[watch,selective,late_window]",
    "engine=batch",
    "cohort.n=4096",
    "economics=none",
    f"out={folder}/run",
    folders=[folder / "mine"],
)

# %% [markdown]
# ## How often it acts, and what it gives
#
# `hct` is the share transplanted in the first remission after CAR T; `mc_se` is the error of the simulation itself.

# %%
summary = pd.read_csv(results / "summary.csv")
chosen = summary["measure"].isin(["hct", "life_years"]) | (
    summary["measure"].isin(["os", "efs"]) & (summary["months"] == 60)
)
table = summary[chosen & (summary["stratum"] == "all")]
table.pivot(index="measure", columns="policy", values="value").round(3)

# %% [markdown]
# ## The same patients, pair by pair
#
# Every patient lives under every policy with the same luck, so most lives do not differ at all. The difference of the
# means comes from the few that do: some gain, some lose.

# %%
paired = pd.read_csv(results / "paired.csv")
paired = paired[paired["stratum"] == "all"]
paired.loc[paired["measure"] == "life_years", ["policy", "difference", "mc_se", "gain", "lose", "same"]].round(3)

# %%
shares = paired[paired["measure"] == "life_years"].set_index("policy")[["gain", "lose"]]
axes = shares.plot.barh(color=["#0067a8", "#d1480f"], figsize=(7, 2.2))
axes.set(xlabel="share of patients whose life-years change", ylabel="")
plt.show()

# %% [markdown]
# ## What it means
#
# A rule with a wider window transplants more patients. Whether that helps is the difference of life-years above, to
# be read against its error: within two errors of zero, this many patients cannot tell. What happens after a loss of
# aplasia between months 6 and 12 is hardly known from data; run the notebook again with `structure=no_eradication`
# among the overrides before believing either answer.
