"""The submission guide as one self-contained HTML page."""

import re
from importlib.resources import files
from string import Template

import markdown2

from mobility_pipeline.cities.boundaries import MAX_AREA_KM2, MIN_AREA_KM2
from mobility_pipeline.cities.uploads.archive import LIMITS, MEBIBYTE
from mobility_pipeline.cities.uploads.layers import BOUNDARY_SUFFIXES
from mobility_pipeline.cities.uploads.simplify import MAX_VERTICES

_CODE = re.compile(r"<td><code>[^<]*</code>")
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Submission guide for city boundaries</title>
<style>
$style</style>
</head>
<body>
<main>
$body</main>
</body>
</html>
""")


def render_guide() -> str:
    """Render the guide as HTML: no script, nothing loaded from anywhere, prints well."""
    folder = files("mobility_pipeline.cities.guide")
    source = Template((folder / "guide.md").read_text(encoding="utf-8"))
    text = source.substitute(
        admin=BOUNDARY_SUFFIXES[0],
        urban=BOUNDARY_SUFFIXES[1],
        max_mb=LIMITS.file_bytes // MEBIBYTE,
        max_vertices=f"{MAX_VERTICES:,}",
        min_km2=MIN_AREA_KM2,
        max_km2=f"{MAX_AREA_KM2:,}",
    )
    # With its options it returns text that also holds the table of contents: a str.
    body = str(markdown2.markdown(text, extras=["tables", "header-ids"]))
    style = (folder / "guide.css").read_text(encoding="utf-8")
    # A table wider than a telephone scrolls by itself; the page does not.
    body = body.replace("<table>", '<div class="wide"><table>')
    body = body.replace("</table>", "</table></div>")
    body = _CODE.sub(lambda code: code[0].replace("_", "_<wbr>"), body)
    return _PAGE.substitute(style=style, body=body)
