"""The report of ``script/compare-pages``: one HTML file beside the pictures."""

from html import escape

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem; }
h2 { margin: 2.5rem 0 0.5rem; font-size: 1.1rem; }
h2 small { font-weight: normal; }
.fault { color: light-dark(#a92119, #ff9d93); }
.pictures { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1rem; }
figure { margin: 0; }
img { max-inline-size: 100%; border: 1px solid light-dark(#ccc, #555); }
"""


def percent(share):
    """A share of pixels: two digits, and never 0 for a single pixel."""
    return f"{share:.2%}" if share >= 0.0001 else "under 0.01%"


def report(before, after, results):
    """The page. ``results`` are ``PictureResult``s; what differs most comes first."""
    failed = [result for result in results if result.faults]
    changed = sorted(
        (result for result in results if result.difference),
        key=lambda result: -result.difference.share,
    )
    same = [result for result in results if not result.faults and not result.difference]
    return "".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(before)} and '
            f"{escape(after)}</title><style>{STYLE}</style>",
            f"<h1>{escape(before)} and {escape(after)}</h1>",
            f"<p>{len(changed)} of {len(results)} pictures differ, {len(failed)} could not be "
            "taken.</p>",
            *map(_failure, failed),
            *(_change(result, before, after) for result in changed),
            _list("The same in both", [result.name for result in same]),
            "</html>\n",
        ]
    )


def _failure(result):
    faults = "".join(f"<li>{escape(fault)}</li>" for fault in result.faults)
    return f'<h2 class="fault">{escape(result.name)}</h2><ul>{faults}</ul>'


def _change(result, before, after):
    left, top, right, bottom = result.difference.bounds
    figures = "".join(
        f'<figure><figcaption>{escape(caption)}</figcaption><a href="{escape(file)}">'
        f'<img src="{escape(file)}" alt="{escape(f"{result.name}, {caption}")}" loading="lazy">'
        "</a></figure>"
        for caption, file in (
            (before, result.before),
            (after, result.after),
            ("what differs", result.marked),
        )
    )
    return (
        f"<h2>{escape(result.name)} <small>{percent(result.difference.share)} of the pixels, "
        f"from {left}, {top} to {right}, {bottom}</small></h2>"
        f'<div class="pictures">{figures}</div>'
    )


def _list(title, names):
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f"<h2>{title}: {len(names)}</h2><ul>{items}</ul>"
