"""The template environment: templates of this package, always escaped, filters and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fyke import __version__
from fyke.console import formats, reasons, texts, waits
from fyke.console.guide import help_for_hint
from fyke.console.hues import hue_of
from fyke.console.markdown import to_html, with_code
from fyke.console.once import once_field
from fyke.console.problems import nothing_to_split
from fyke.console.run_bars import success_rate
from fyke.console.run_options import name_options
from fyke.console.statics import Statics, icon_shape


@cache
def make_environment(statics: Statics) -> Environment:
    """The environment for these files. It is shared, so that each template is compiled once; the
    values of a visitor are passed to each rendering (see ``view.py``).
    """
    environment = Environment(
        loader=PackageLoader("fyke.console", "templates"),
        autoescape=True,
        auto_reload=False,  # a running server has the templates with which it started
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # from its i18n extension
        texts.gettext, texts.ngettext, newstyle=True, pgettext=texts.pgettext
    )
    environment.globals.update(
        _=_text,
        gettext=_text,
        ngettext=_plural_text,
        icon=icon,
        static=statics.address,
        product_version=__version__,
        languages=texts.LANGUAGES,
        formats=formats,
        once_field=once_field,
        success_rate=success_rate,
    )
    environment.filters.update(
        duration=formats.duration,
        size=formats.size,
        memory=formats.memory,
        room=formats.room,
        money=formats.money,
        count=formats.count,
        number=formats.number,
        machine_name=formats.machine_name,
        hue=hue_of,
        memory_time=formats.memory_time,
        memory_exact=formats.memory_exact,
        iso=formats.iso,
        markdown=to_html,
        code_marks=with_code,
        json=pretty,
        why=reasons.why,
        why_shortly=reasons.why_shortly,
        reason_text=reasons.text_of,
        wait_text=waits.wait_text,
        name_options=name_options,
        nothing_to_split=nothing_to_split,
        error_text=reasons.error_text,
        reason_name=reasons.name_of,
        check_name=reasons.check_name_of,
        health_text=reasons.health_text_of,
        detail_text=reasons.detail_text,
        alert_text=reasons.alert_text,
        cause=reasons.cause_of,
        next_step=reasons.next_step_of,
        help_page=help_for_hint,
    )
    return environment


# A page has thousands of texts. Those of Jinja's extension take 5 us each, because they are called
# with the context, which these do without.


def _text(message: str, /, **variables: Any) -> Markup:
    """The text in the visitor's language, with the escaped variables."""
    if not variables:
        return _fixed_text(message, texts.current_language().locale)
    return Markup(texts.gettext(message)) % variables  # noqa: S704 - a text of ours


@lru_cache(maxsize=8192)
def _fixed_text(message: str, _locale: str) -> Markup:
    return Markup(texts.gettext(message)) % {}  # noqa: S704 - a text of ours


def _plural_text(singular: str, plural: str, number: int, /, **variables: Any) -> Markup:
    """The same for a number, whose ``num`` is written as the filter ``count`` writes it."""
    variables.setdefault("num", formats.count(number))
    return Markup(texts.ngettext(singular, plural, number)) % variables  # noqa: S704 - a text of ours


@lru_cache(maxsize=1024)
def icon(name: str, label: str = "", spin: bool = False) -> Markup:
    """An icon as SVG. Without a label it is hidden from assistive technology."""
    role = 'role="img"' if label else 'aria-hidden="true"'
    title = Markup("<title>{}</title>").format(label) if label else Markup("")
    head = Markup(
        '<svg class="icon{}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="2" stroke-linecap="round" stroke-linejoin="round" focusable="false" '
        "{}>{}"
    ).format(" spin" if spin else "", Markup(role), title)  # noqa: S704 - two constants
    return head + Markup(icon_shape(name)) + Markup("</svg>")  # noqa: S704 - a file of ours


def pretty(value: Any) -> str:
    """JSON with indentation."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def render(environment: Environment, template: str, values: Mapping[str, Any]) -> str:
    """The whole template."""
    return environment.get_template(template).render(values)


def render_block(
    environment: Environment, template: str, block: str, values: Mapping[str, Any]
) -> str:
    """One block of the template, for a request that replaces a part of a page."""
    loaded = environment.get_template(template)
    context = loaded.new_context(dict(values))
    blocks = context.blocks
    # blocks see what the template imports and sets at its top level, so that part must run first
    context.blocks = _EmptyBlocks()
    for _ in loaded.root_render_func(context):
        pass
    context.blocks = blocks
    return "".join(loaded.blocks[block](context))


class _EmptyBlocks(dict[str, list[Any]]):
    """Replaces the blocks of a template while only its top level runs."""

    def __getitem__(self, name: str) -> list[Any]:
        return [lambda context: iter(())]

    def setdefault(self, name: str, default: Any = None) -> Any:
        return []
