"""What MkDocs does beside the pages in docs/: generated pages, and formulas drawn without a script.

- ``parameters.md`` is made from ``conf/`` and ``notebooks/*.md`` from ``notebooks/*.py``, so none can be out of date.
- A block marked ``math`` becomes an SVG drawn by matplotlib: no script, no font and no network is needed to read it.
"""

from __future__ import annotations

import re
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
MATH = re.compile(r"```math\n(.*?)```", re.DOTALL)
BLACK = re.compile(r"(fill|stroke): ?#000000")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    from sim.compose import settings_from
    from sim.experiments.parameter_page import page

    files.append(File.generated(config, "parameters.md", content=page(settings_from())))
    for script in sorted((ROOT / "notebooks").glob("*.py")):
        files.append(File.generated(config, f"notebooks/{script.stem}.md", content=notebook_page(script)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Draw the formulas."""
    return MATH.sub(lambda block: "\n".join(drawn(line) for line in block[1].splitlines() if line.strip()), markdown)


def notebook_page(script: Path) -> str:
    """Turn a notebook's script into a page: its text and its code, without results."""
    import jupytext

    cells = jupytext.read(script).cells
    parts = [cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```" for cell in cells]
    how = f"*This is `notebooks/{script.stem}.ipynb`. Open it in Jupyter to see what the code prints and draws.*"
    return "\n\n".join([parts[0], how, *parts[1:]]) + "\n"


def drawn(formula: str) -> str:
    """Draw one line of TeX as an SVG in the colour of the text around it, with the TeX as its name for readers."""
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    file = BytesIO()
    with rc_context({"svg.hashsalt": formula, "mathtext.fontset": "cm", "svg.fonttype": "path"}):
        math_to_image(f"${formula}$", file, prop=FontProperties(size=12), format="svg")
    text = file.getvalue().decode("utf-8")
    svg = BLACK.sub(r"\1: currentColor", text[text.index("<svg") :])
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="\w+"|<!--.*?-->', lambda part: "<g" if part[0].startswith("<g") else "", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(formula, quote=True)}" ', 1)
    return f'<p class="formula">{" ".join(svg.split())}</p>\n'
