"""The Sovereign's colour and logo. A colour that people cannot read, or an unsafe logo, stops the start."""

import re
from xml.etree import ElementTree

from config.parts.environment import Environment

# The backgrounds of pages.css, in its light and its dark colours.
LIGHT_GROUNDS = ("#f7f8fa", "#ffffff")
DARK_GROUNDS = ("#14181f", "#1c222b")
# WCAG 2.2, 1.4.3: text against its background.
MIN_CONTRAST = 4.5
MAX_LOGO_BYTES = 50_000
COLOR_PATTERN = "#[0-9A-Fa-f]{6}"
_STEPS = 20
_ALLOWED = re.compile(r"\{http://www\.w3\.org/2000/svg\}(?!script$|foreignObject$|image$|use$|a$|set$|animate)\w+")


def contrast(one: str, other: str) -> float:
    """Returns the contrast ratio of two colours such as #5b2bb5, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def least_contrast(color: str, grounds: tuple[str, ...]) -> float:
    return min(contrast(color, ground) for ground in grounds)


def lighten_for_dark(color: str) -> str:
    """Returns the colour mixed with as little white as makes it readable on the dark backgrounds."""
    mixed = (_mix_with_white(color, step / _STEPS) for step in range(_STEPS + 1))
    return next(each for each in mixed if least_contrast(each, DARK_GROUNDS) >= MIN_CONTRAST)


def problem_of_color(name: str, color: str, grounds: tuple[str, ...]) -> str:
    """Returns why the variable's colour cannot be used; empty where it can."""
    if not re.fullmatch(COLOR_PATTERN, color):
        return ""
    found = least_contrast(color, grounds)
    if found >= MIN_CONTRAST:
        return ""
    return (
        f"{name} has a contrast of {found:.1f} to 1 with the pages' background, and must have {MIN_CONTRAST} to 1: "
        f"choose a {'darker' if grounds == LIGHT_GROUNDS else 'lighter'} colour"
    )


def problem_of_logo(svg: str) -> str:
    """Returns why the logo cannot be used; empty where it can: a small SVG that draws and does nothing else."""
    if not svg:
        return ""
    if len(svg.encode()) > MAX_LOGO_BYTES:
        return f"BRAND_LOGO must have at most {MAX_LOGO_BYTES} bytes"
    # Entities can make a small file large.
    if "<!" in re.sub("<!--.*?-->", "", svg, flags=re.DOTALL):
        return "BRAND_LOGO must have no document type and no entities"
    try:
        root = ElementTree.fromstring(svg)  # noqa: S314 - it has no entities
    except ElementTree.ParseError:
        root = ElementTree.Element("malformed")
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        return "BRAND_LOGO must be an SVG image"
    return "" if all(map(_only_draws, root.iter())) else "BRAND_LOGO must hold no scripts, links or other images"


def _only_draws(element: ElementTree.Element) -> bool:
    attributes = [name.rpartition("}")[2].lower() for name in element.attrib]
    acts = any(name.startswith("on") or name == "href" for name in attributes)
    return bool(_ALLOWED.fullmatch(str(element.tag))) and not acts


def _luminance(color: str) -> float:
    def linear(part: int) -> float:
        value = part / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - WCAG's own

    red, green, blue = (linear(part) for part in _parts(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix_with_white(color: str, share: float) -> str:
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in _parts(color))


def _parts(color: str) -> list[int]:
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]


def read_colors(environment: Environment) -> tuple[str, str]:
    """Reads the colour on light and on dark pages; the second is made of the first where it is absent."""
    color = environment.text("BRAND_COLOR", pattern=COLOR_PATTERN)
    dark = environment.text("BRAND_COLOR_DARK", pattern=COLOR_PATTERN)
    for name, given, grounds in (("BRAND_COLOR", color, LIGHT_GROUNDS), ("BRAND_COLOR_DARK", dark, DARK_GROUNDS)):
        problem = problem_of_color(name, given, grounds)
        environment.refuse(problem, problem)
    environment.refuse(dark and not color, "BRAND_COLOR is missing, which BRAND_COLOR_DARK needs")
    if re.fullmatch(COLOR_PATTERN, color) and not dark:
        dark = lighten_for_dark(color)
    return color, dark


def read_logo(environment: Environment) -> str:
    """Reads the logo, an SVG image."""
    logo = environment.text("BRAND_LOGO")
    problem = problem_of_logo(logo)
    environment.refuse(problem, problem)
    return logo
