"""The page: one self-contained ``report.html``, built from a registry of sections.

Any module of `sim.report.sections` may register sections; the page shows those whose frames and figures the run
contains. Everything that a user wrote passes through Jinja's escaping. No request, no style attribute: the content
security policy allows the page's own style sheet and its own script, each named by its hash, and nothing else. Scripts
are plain files of `sim/report/scripts`, put in when a section asks for them (`Page.script`); what they show travels as
data (`Page.data`), and the page says the same without them.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from sim.report import style, words
from sim.report.frames import Frames
from sim.report.svg import Sheet, inline

if TYPE_CHECKING:
    from jinja2 import Environment

    from sim.report.gallery import Figure

_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = Path(__file__).parent / "scripts"
#: Titles of pages that do not ask which policy is best.
TITLES: Final = {
    "verify": "Verification: changes of which the answer is known",
    "capacity": "CAR T-cell therapy in a hospital with limited places",
    "budget": "What it costs the payer when a policy spreads",
    "voi": "After CAR T-cell therapy for B-ALL: what is worth knowing?",
}


class Page:
    """What a section may use: the frames, the figures, and the means to turn both into markup.

    Parameters
    ----------
    frames
        The frames of a run.
    figures
        The figures drawn from them.
    """

    def __init__(self, frames: Frames, figures: Sequence[Figure]) -> None:
        self.frames = frames
        self.figures = {figure.name: figure for figure in figures}
        self.sheet = Sheet()
        self.scripts: list[str] = []

    def script(self, name: str) -> None:
        """Put a script of `sim/report/scripts` into the page, once."""
        if name not in self.scripts:
            self.scripts.append(name)

    def data(self, name: str, content: Any) -> Markup:
        """Put data for scripts into the page, as JSON that no browser runs, under an id."""
        text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(text))

    @cached_property
    def environment(self) -> Environment:
        """Jinja with autoescape on and undefined names refused."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(frames=self.frames, swatch=self.swatch)
        environment.filters["sentence"] = words.sentence
        return environment

    def template(self, name: str, values: Mapping[str, Any]) -> Markup:
        """Fill a template of `sim/report/templates`."""
        return Markup(self.environment.get_template(name).render(values))

    def figure(self, name: str) -> Markup:
        """Show a figure with its caption; empty when the run has no such figure."""
        figure = self.figures.get(name)
        if figure is None:
            return Markup("")
        drawing = Markup(inline(figure.svg, figure.name, figure.alt, self.sheet))
        return self.template("figure.html.j2", {"figure": figure, "drawing": drawing})

    def swatch(self, policy: str) -> Markup:
        """Draw a policy's stroke as a short line, as in the figures."""
        own = style.stroke(policy, self.frames.colour(policy))
        dashes = f";stroke-dasharray:{','.join(f'{2 * d:g}' for d in own.dash)}" if own.dash else ""
        name = self.sheet.name(f"stroke:{own.ink.light};stroke-width:3{dashes}")
        return Markup(
            f'<svg class="swatch" viewBox="0 0 24 8" aria-hidden="true"><path class="{name}" d="M0 4H24"></path></svg>'
        )


class Section(NamedTuple):
    """A registered section."""

    order: int
    name: str
    title: str
    needs: tuple[str, ...]
    figures: tuple[str, ...]
    write: Callable[[Page], Markup | None]


_SECTIONS: dict[str, Section] = {}


def section(
    order: int, title: str, needs: Sequence[str] = (), figures: Sequence[str] = ()
) -> Callable[[Callable[[Page], Markup | None]], Callable[[Page], Markup | None]]:
    """Register a function as a section of the page; the function's name becomes the section's anchor.

    Parameters
    ----------
    order
        Sections appear in this order.
    title
        Heading.
    needs
        Names of the frames without which the section does not appear.
    figures
        Names of figures: the section appears only when at least one of them was drawn. Empty: none is needed.

    Raises
    ------
    ValueError
        When another function owns the anchor.
    """

    def register(write: Callable[[Page], Markup | None]) -> Callable[[Page], Markup | None]:
        name = write.__name__
        if name in _SECTIONS and _SECTIONS[name].write.__module__ != write.__module__:
            raise ValueError(f"section '{name}' is written by {_SECTIONS[name].write.__module__}: choose another name")
        _SECTIONS[name] = Section(order, name, title, tuple(needs), tuple(figures), write)
        return write

    return register


def sections() -> list[Section]:
    """List the registered sections in order, after importing every module of `sim.report.sections`."""
    from sim.report import sections as package

    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
    return sorted(_SECTIONS.values(), key=lambda entry: (entry.order, entry.name))


def render(frames: Frames, figures: Sequence[Figure], path: Path) -> Path:
    """Write the page.

    Parameters
    ----------
    frames
        The frames of a run.
    figures
        What `sim.report.gallery.figures` drew from them.
    path
        The file to write; it is put in place whole.

    Returns
    -------
    pathlib.Path
        `path`. The same frames and figures give the same bytes.
    """
    page = Page(frames, figures)
    parts = []
    for entry in sections():
        drawn = not entry.figures or any(name in page.figures for name in entry.figures)
        if drawn and frames.has(*entry.needs):
            body = entry.write(page)
            if body:
                parts.append({"name": entry.name, "title": entry.title, "body": body})
    css = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    css = f"\n{css}\n{page.sheet.css()}".replace("</", "<\\/")
    code = "\n".join((_SCRIPTS / name).read_text(encoding="utf-8") for name in sorted(page.scripts))
    html = page.template(
        "page.html.j2",
        {
            "sections": parts,
            "css": Markup(css),
            "script": Markup(code),
            "policy": content_policy(css, code),
            "title": title(frames),
        },
    )
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_text(html, encoding="utf-8")
    os.replace(scratch, path)
    return path


def content_policy(css: str, script: str = "") -> str:
    """Write a content security policy that allows this style sheet, this script and nothing else."""
    allowed = f"; script-src 'sha256-{_digest(script)}'" if script else ""
    return f"default-src 'none'; style-src 'sha256-{_digest(css)}'{allowed}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def title(frames: Frames) -> str:
    """Say in a line what the run asked."""
    if frames.manifest.get("experiment") == "validate":
        return "Published against simulated"
    if frames.manifest.get("patient") is not None:
        return f"Patient {frames.manifest['patient']}: one life under every policy"
    if frames.manifest.get("experiment") == "report":
        return f"Runs compared: {', '.join(frames.manifest.get('runs', {}))}"
    if frames.manifest.get("experiment") == "calibrate":
        return f"Calibration: {dict(frames.manifest.get('structure', {})).get('label', 'fit to what was published')}"
    return TITLES.get(str(frames.manifest.get("experiment")), "After CAR T-cell therapy for B-ALL: which policy?")
