"""Text between tags is written as the standard library writes it, which imports an HTTP client for that."""

from __future__ import annotations

import subprocess
import sys
from xml.sax import saxutils

from hypothesis import given
from hypothesis import strategies as st

from maos_sup.agents.kinds.shared.marked import escape, quoteattr

TEXTS = st.text(st.sampled_from("ab &<>'\"\n\r\t;#é"))


@given(TEXTS)
def test_text_is_escaped_as_by_the_standard_library(text: str) -> None:
    assert escape(text) == saxutils.escape(text)
    assert quoteattr(text) == saxutils.quoteattr(text)


def test_no_kind_imports_an_http_client_before_it_asks() -> None:
    code = (
        "import sys; from maos_sup.agents.registry import kind_shapes; kind_shapes(print)\n"
        "heavy = {'urllib.request', 'http.client', 'xml.sax'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
