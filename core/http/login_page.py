"""The pages in front of the door, as plain HTML: nothing is loaded, nothing runs, both themes."""

import base64
import hashlib
from html import escape

from core.errors import DatabaseDown, MigrationNeeded, PatchbayError

STYLE = """
:root { color-scheme: light dark; --ink: #14181f; --soft: #4d5866; --paper: #f4f6f8; --card: #ffffff; --line: #8b95a1;
  --act: #0b57d0; --on-act: #ffffff; --bad: #b3261e; --bad-paper: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f3f6; --soft: #b3bdc8; --paper: #0f1318; --card: #1b2027;
  --line: #7b8794; --act: #79b4ff; --on-act: #0f1318; --bad: #ffb4ab; --bad-paper: #3a1512; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1.75rem; }
h1 { font-size: 1.2rem; margin: 0 0 .25rem; } p { margin: .5rem 0; } .soft { color: var(--soft); }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
input { width: 100%; padding: .55rem .65rem; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; }
button { margin-top: 1.25rem; width: 100%; padding: .6rem; font: inherit; font-weight: 600; color: var(--on-act);
  background: var(--act); border: 0; border-radius: 6px; cursor: pointer; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
.bad { color: var(--bad); background: var(--bad-paper); border-radius: 6px; padding: .6rem .75rem; margin-top: 1rem; }
pre { margin: .5rem 0; padding: .55rem .65rem; background: var(--paper); border: 1px solid var(--line);
  border-radius: 6px; white-space: pre-wrap; user-select: all; }
a { color: var(--act); } code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def form(*, error: str | None, way_back: str, name: str = "", by_email: bool = False) -> str:
    """Name and password.

    :param error: what was wrong with the last attempt.
    :param way_back: the path to go to afterwards.
    :param by_email: accounts are e-mail addresses of a Supabase project.
    """
    label, kind = ("E-mail", "email") if by_email else ("Name", "text")
    fields = (
        _field("name", label, kind, "username", error=error, value=name, focus=not name)
        + _field("password", "Password", "password", "current-password", error=error, focus=bool(name))
    )  # fmt: skip
    return _page("Sign in", _form("/login", fields, "Sign in", way_back), error)


def first_account(*, error: str | None, way_back: str, name: str = "") -> str:
    """No account exists yet: whoever has the code from the server's log creates the first one."""
    told = (
        '<p class="soft">There is no account yet. Create the first one, an administrator, with the one-time code that '
        "stands in the server's log.</p>"
    )
    fields = (
        _field("code", "One-time code", "text", "one-time-code", error=error, focus=True)
        + _field("name", "Name", "text", "username", error=error, value=name)
        + _field("password", "Password (at least 10 characters)", "password", "new-password", error=error)
    )
    return _page("Create the first account", told + _form("/login", fields, "Create account", way_back), error)


def open_the_link(*, error: str | None) -> str:
    """This machine's user signs in with the printed link; there is nothing to type."""
    told = (
        "<p>Open the sign-in link that stands where Patchbay was started (the terminal or the log). It works once and "
        "for 15 minutes; when the last one was used or is too old, a new one has just been printed there.</p>"
        '<p class="soft">To let other people sign in with accounts, set <code>PUBLIC_URL</code>.</p>'
    )
    return _page("Sign in", told, error)


def sign_out() -> str:
    """Asks before signing out, where another page may have sent the visitor."""
    return _page("Sign out?", _form("/logout", "", "Sign out", "/"), None)


def notice(title: str, text: str) -> str:
    """One sentence, and the way to the front page."""
    return _page(title, f'<p>{escape(text)}</p><p><a href="/">Go to the console</a></p>', None)


def migration_needed(text: str) -> str:
    """Nobody can come in before the database has our schema; for whoever runs Patchbay, how it gets it.

    Anybody may read this, so it names commands and nothing of the database.
    """
    told = (
        f"<p>{escape(text)}</p><p>Whoever runs Patchbay brings the database up to date, in its folder:</p>"
        "<pre><code>python -m core migrate</code></pre>"
        '<p class="soft">For a Supabase project without <code>DATABASE_URL</code>, this prints the script to paste '
        "into the project's SQL editor:</p><pre><code>python -m core migrate --print</code></pre>"
        '<p><a href="/">Try again</a></p>'
    )
    return _page("Not right now", told, None)


def reason(error: PatchbayError, *, to_anybody: bool) -> str:
    """Why nobody can come in.

    :param to_anybody: strangers read it too, so it names no server and nothing of the database.
    """
    if to_anybody and isinstance(error, MigrationNeeded):
        return "The database is not set up for this Patchbay yet."
    if to_anybody and isinstance(error, DatabaseDown):
        return "The database does not answer. Try again in a moment."
    return f"{error.message} {error.hint}" if error.hint and not isinstance(error, MigrationNeeded) else error.message


def _page(title: str, body: str, error: str | None) -> str:
    alert = f'<p class="bad" role="alert" id="problem">{escape(error)}</p>' if error else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Patchbay</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        f'<body><main><h1>{escape(title)}</h1><p class="soft">Patchbay</p>{alert}{body}</main></body></html>'
    )


def _form(action: str, fields: str, button: str, way_back: str) -> str:
    hidden = f'<input type="hidden" name="next" value="{escape(way_back)}">'
    return (
        f'<form method="post" action="{action}">{hidden}{fields}<button type="submit">{escape(button)}</button></form>'
    )


def _field(
    name: str, label: str, kind: str, fills: str, *, error: str | None, value: str = "", focus: bool = False
) -> str:
    described = ' aria-describedby="problem"' if error else ""
    return (
        f'<label for="{name}">{escape(label)}</label><input id="{name}" name="{name}" type="{kind}" required '
        f'autocomplete="{fills}" autocapitalize="none" spellcheck="false" maxlength="1024" value="{escape(value)}"'
        f"{described}{' autofocus' if focus else ''}>"
    )
