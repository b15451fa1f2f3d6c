"""Colours of every picture: the Okabe-Ito palette, safe for colour-blind readers, and the page's inks.

Okabe and Ito, "Color Universal Design" (2008). Yellow is left out: it is not readable on white paper.
"""

from collections.abc import Iterable

BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"
INK, MUTED, RULE, WASH, PAPER = "#1b1f24", "#5f6873", "#d5dae0", "#eef0f3", "#ffffff"

VARIABLES = {
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PURPLE: "--purple",
    VERMILLION: "--vermillion",
    SKY: "--sky",
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    WASH: "--wash",
    PAPER: "--paper",
}
"""Colour to the style sheet's variable that takes its place on a page, where dark mode may change it."""

_HOSTS = (BLUE, ORANGE, GREEN, SKY, VERMILLION)


def host_colours(hosts: Iterable[str]) -> dict[str, str]:
    """A colour for each host: the cloud's is always purple, the others' follow the order given, repeating."""
    mec = [host for host in hosts if host != "cloud"]
    return {"cloud": PURPLE} | {host: _HOSTS[i % len(_HOSTS)] for i, host in enumerate(mec)}
