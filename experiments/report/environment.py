"""The templates of the pages, with autoescape, and how numbers are written in them."""

from functools import lru_cache
from pathlib import Path

import jinja2

from experiments.report import words

_FOLDER = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def templates() -> jinja2.Environment:
    """The environment that every page and the topology picture are rendered with."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "cell": words.cell,
        "spread": words.spread,
        "share": words.share,
        "plural": words.plural,
        "size": words.size,
        "duration": words.duration,
    }
    return environment
