"""One claim about many rows: one test, which lists every row that breaks it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["every"]

Test = Callable[..., None]


def every(
    names: str, rows: Sequence[Any], label: Callable[..., str] = str
) -> Callable[[Test], Test]:
    """Return a decorator that runs a test on all rows, as one test.

    Args:
        names: of the test's arguments that a row gives, with commas between them.
        rows: their values; for one name the value itself.
        label: what to call a row in the message.
    """
    own = [name.strip() for name in names.split(",")]

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def on_all(**fixtures: object) -> None:
            failed = []
            for row in rows:
                values = row if len(own) > 1 else (row,)
                try:
                    test(**fixtures, **dict(zip(own, values, strict=True)))
                except AssertionError as error:
                    failed.append(f"{label(*values)}: {error}")
            assert rows, "there is no row"
            assert not failed, f"{len(failed)} of {len(rows)} rows:\n" + "\n".join(failed)

        signature = inspect.signature(test)
        kept = [each for each in signature.parameters.values() if each.name not in own]
        on_all.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # inspect reads it
        return on_all

    return decorate
