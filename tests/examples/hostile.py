"""Hostile texts: markup, scripts, bidi controls, halves of characters, endless lines."""

from __future__ import annotations

HOSTILE = (
    "<script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "\"'><svg onload=window.hacked=1>",
    "<a href='javascript:window.hacked=1'>x</a>",
    "{{ 7*7 }}{% raw %}",
    "%{customdata}",
    "\u202etxt.exe\u2066",
    "nul\x00byte\x1b[31m",
    "half \ud800 pair",
    "line\u2028separator",
    "\U0001f600\U0001f469\u200d\U0001f467",
    "x" * 5000,
    "a b " * 3000,
    "__proto__",
    "<!--",
    "&lt;b&gt;",
    "$\\href{javascript:window.hacked=1}{x}$",
)
