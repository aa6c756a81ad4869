"""The layout of the sandbox's pages: plain HTML without scripts, and clearly not Stripe."""

from html import escape

STYLE = """
:root { color-scheme: light; --ink: #1d2433; --soft: #5b6477; --line: #dfe3ea; --go: #1f5fd6; --warn: #8a5300; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
.banner { background: #fff3d6; border-bottom: 1px solid #ecd699; color: var(--warn); }
.banner { padding: .5rem 1rem; text-align: center; }
main { max-width: 34rem; width: calc(100% - 1rem); margin: 2rem auto; padding: 1.75rem; }
main { background: #fff; border: 1px solid var(--line); border-radius: 12px; }
main.wide { max-width: 72rem; }
@media (max-width: 30rem) { main { margin: .5rem auto; padding: 1.1rem; } }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.soft { color: var(--soft); margin: 0 0 1rem; font-size: .92rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
td, th { padding: .5rem .5rem .5rem 0; text-align: left; vertical-align: top; }
tr + tr td, thead + tbody td { border-top: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; font-size: .85rem; }
.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-right: 0; }
tr.total td { border-top: 2px solid var(--ink); font-weight: 650; font-size: 1.15rem; }
form { margin: 0; }
form.inline { display: inline; }
label { display: block; margin: 1rem 0; color: var(--soft); font-size: .9rem; }
input[type=email] { width: 100%; padding: .6rem; border: 1px solid var(--line); border-radius: 8px; font: inherit; }
button, a.button { display: block; width: 100%; margin-top: .6rem; padding: .7rem 1rem; cursor: pointer; }
button, a.button { border: 1px solid var(--line); border-radius: 8px; background: #fff; color: var(--ink); }
button, a.button { font: inherit; text-align: center; text-decoration: none; }
button.go { background: var(--go); border-color: var(--go); color: #fff; font-weight: 600; }
button:hover, a.button:hover { filter: brightness(.96); }
button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid #9bbcf5; }
form.inline button { display: inline-block; width: auto; margin: 0; padding: .3rem .7rem; font-size: .9rem; }
form.inline button { white-space: nowrap; }
.notice { border-left: 4px solid #c33; background: #fdf0f0; padding: .6rem .9rem; border-radius: 4px; }
.exact { white-space: nowrap; }
.choices { margin-top: 1.25rem; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; }
.scroll { overflow-x: auto; }
code { font-size: .85rem; overflow-wrap: anywhere; }
a { color: var(--go); }
"""
BANNER = "Sandbox: a stand-in for Stripe on this machine. It needs no card and moves no money."


def page(title: str, body: str, *, wide: bool = False) -> str:
    """Render a document. `body` must be HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)} · Stripe sandbox</title><style>{STYLE}</style></head>"
        f'<body><div class="banner" role="note">{BANNER}</div>'
        f"<main{' class=wide' if wide else ''}>{body}</main></body></html>"
    )


def button(action: str, text: str, *, main: bool = False, inline: bool = False) -> str:
    """Render a form with one button that posts to the address."""
    return (
        f'<form method="post" action="{escape(action)}"{" class=inline" if inline else ""}>'
        f"<button{' class=go' if main else ''}>{escape(text)}</button></form>"
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """Render a table. Its cells must be HTML."""
    if not rows:
        return '<p class="soft">None yet.</p>'
    heads = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"


def message(title: str, text: str, link: tuple[str, str] | None = None) -> str:
    """Render a page with a single message."""
    go_on = f'<a class="button" href="{escape(link[0])}">{escape(link[1])}</a>' if link else ""
    return page(title, f'<h1>{escape(title)}</h1><p class="soft">{escape(text)}</p>{go_on}')
