"""The report on one page that needs nothing else: no script, no address outside, pictures drawn in SVG.

The template is data of the package; every value is escaped as it is put in, so that a client's name can be nothing but
text. Nothing of a message is on the page: neither an address nor a subject.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from responder.core import heat
from responder.core.report_words import make_page

if TYPE_CHECKING:
    from jinja2 import Template

    from responder.core.report import Report


def report_html(report: Report, language: str) -> str:
    """Return the page in that language."""
    return _template().render(page=make_page(report, language), heat=heat)


@cache
def _template() -> Template:
    # No owner's template is ever rendered here: those have an environment of their own (``templates``).
    environment = Environment(
        loader=PackageLoader("responder", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
