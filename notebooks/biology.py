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
# # How the biology works
#
# Why does one child relapse with CD19-positive disease, another with CD19-negative disease, and a third not at all?
# In this model each clone of the leukaemia is a straight line in log space; what happens follows from where the lines
# cross.

# %%
from math import log10

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from sim.compose import settings_from
from sim.experiments.clone_courses import clone_courses, fates
from sim.report.slider import slider

settings = settings_from(["policy=watch"])

# %% [markdown]
# ## Forty patients, no treatment after the cells
#
# From infusion to day 28 the CD19-positive clone falls to the depth of its kill. While CAR T cells work it goes on
# falling; when B-cell aplasia ends it grows again, unless less than one cell is left. The CD19-negative clone grows
# whatever the cells do. A line that reaches 5 % is a relapse.

# %%
base = clone_courses(settings, 40)
axes = sns.lineplot(base.lines, x="day", y="level", hue="clone", units="patient", estimator=None, linewidth=0.7)
axes.axhline(log10(0.05), color="grey", linestyle="--")
axes.set(xlabel="days since infusion", ylabel="log10 of marrow cells", ylim=(-12, 0))
plt.show()

# %%
base.patients["fate"].value_counts()

# %% [markdown]
# ## The same patients with more leukaemia
#
# Move the slider. The patients keep their luck: only the marrow blasts before treatment change.

# %%
percent = [0.01, 1, 5, 25, 50, 90]
burdens = [clone_courses(settings, 40, burden=log10(share / 100)) for share in percent]
labels = [f"{share:g} % blasts" for share in percent]
slider(
    {label: one.lines for label, one in zip(labels, burdens, strict=True)},
    x="day",
    y="level",
    line="patient",
    group="clone",
    moves="marrow blasts before lymphodepletion",
    xlabel="days since infusion",
    ylabel="log10 of marrow cells",
    marks={"5 % (relapse)": log10(0.05), "flow 10⁻⁴": -4.0, "NGS 10⁻⁶": -6.0},
    ylim=(-12, 0),
)

# %%
fates(burdens, labels)

# %% [markdown]
# More leukaemia means more cells that may lack CD19 from the start, and fewer remissions. It also drives the
# expansion of the CAR T cells, which then last longer: so the balance moves from CD19-positive to CD19-negative
# relapse.

# %% [markdown]
# ## Expansion, and how long aplasia lasts
#
# One latent number, the expansion, deepens the kill and lengthens aplasia. That is why early loss of aplasia predicts
# relapse here without any hazard ratio for it.

# %%
people = pd.concat([one.patients for one in burdens], keys=labels, names=["blasts"]).reset_index("blasts")
people = people.reset_index(drop=True)
axes = sns.scatterplot(people, x="expansion", y="aplasia_months", hue="fate", s=18)
axes.set(yscale="log", ylim=(0.8, 600), xlabel="latent expansion (SD)", ylabel="B-cell aplasia, months")
plt.show()

# %% [markdown]
# ## A product that does not last
#
# A CD28 product is gone within months. In the same patients, at 5 % blasts:

# %%
products = list(settings.product.catalogue)
pair = ["tisa_cel", "academic_cd28"]
two = [clone_courses(settings, 40, burden=log10(0.05), product=products.index(name)) for name in pair]
fates(two, pair)

# %% [markdown]
# ## What it means
#
# A relapse before aplasia ends is either CD19-negative, or one of CAR T cells that only slowed the leukaemia. A
# transplant at the loss of aplasia can only prevent the relapses of the other kind. How many there are of each
# decides the whole comparison. The lines are a hypothesis that fits published curves, not an observation.
