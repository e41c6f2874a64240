"""Templates of Prometheus in annotations and labels: the labels and queries in them."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count

from twin.translation.lexer import PromqlToken, tokens
from twin.translation.renaming import Renaming
from twin.translation.rewriting import rewritten

__all__ = ["labels_in", "template"]

_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_LABELS = r"((?:\$labels|\.Labels)\.){}\b"
_INDEXED = r'((?:\$labels|\.Labels)\s+["`]){}(?=["`])'
_VERB = re.compile(r"%(?=[qsvd](?!\w))")


def labels_in(text: str, way: Renaming) -> frozenset[str]:
    """Return the labels of a text's own alert that are called otherwise in the other edition."""
    actions = " ".join(_ACTION.findall(text))
    return frozenset(
        label
        for label in way.labels
        if re.search(_LABELS.format(label), actions) or re.search(_INDEXED.format(label), actions)
    )


def template(
    text: str, way: Renaming, *, both: bool = False, labelled: Collection[str] = ()
) -> str:
    """Return a template as the other edition needs it, or as both do.

    Args:
        text: an annotation or the value of a label.
        way: from one edition to the other.
        both: whether series of both editions are read, under the old names of labels.
        labelled: recorded metrics that carry the exporter's labels.
    """

    def action(match: re.Match[str]) -> str:
        own = match[0]
        if not both:
            for old, new in way.labels.items():
                own = re.sub(_LABELS.format(old), rf"\g<1>{new}", own)
                own = re.sub(_INDEXED.format(old), rf"\g<1>{new}", own)
        inside = own[2:-2]
        for token in reversed(tokens(inside)):
            if token.kind == "string":
                query = _query(token, way, both, labelled)
                inside = inside[: token.start] + query + inside[token.end :]
        return f"{{{{{inside}}}}}"

    return _ACTION.sub(action, text)


def _query(token: PromqlToken, way: Renaming, both: bool, labelled: Collection[str]) -> str:
    """Return the string of a query; a verb that stands twice then is told by its number."""
    quote, text = token.text[0], token.value
    found = rewritten(text, way, both=both, labelled=labelled)
    if not found.metrics and not found.labels:
        return token.text
    if len(_VERB.findall(found.text)) != len(_VERB.findall(text)):
        numbers = count(1)
        indexed = _VERB.sub(lambda _: f"%[{next(numbers)}]", text)
        found = rewritten(indexed, way, both=both, labelled=labelled)
    if quote == "`":
        return f"`{found.text}`"
    escaped = found.text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
