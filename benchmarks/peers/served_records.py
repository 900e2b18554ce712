"""The records that are served, and the bodies of the pages. Pure: the same numbers give the same bytes."""

from __future__ import annotations

import json
from random import Random
from string import ascii_letters
from typing import Any

__all__ = ["bodies", "cursor_of", "page_of"]

DISTINCT = 10_000
"""Records that differ in all fields; further ones differ in `id` and `updated_at`."""
SEED = 1


def _record(number: int, random: Random) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": _time(number),
        "name": "".join(random.choices(ascii_letters, k=40)),
        "email": f"user{number}@example.com",
        "amount": round(random.random() * 1_000, 2),
        "tags": ["a", "b", "c"],
        "address": {"street": "Some street 12", "city": "Berlin", "zip": "10115"},
        "active": True,
        "note": "".join(random.choices(ascii_letters, k=90)),
        "score": random.randint(0, 10**6),
    }


def _time(number: int) -> str:
    day, hour, minute, second = number // 86_400 % 28, number // 3_600 % 24, number // 60 % 60, number % 60
    return f"2024-01-{1 + day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"


def cursor_of(page: int) -> str:
    """Give the cursor from which a page is read."""
    return f"page-{page}"


def page_of(cursor: str) -> int:
    """Give the page that a cursor stands for."""
    return int(cursor.removeprefix("page-"))


def bodies(records: int, page_size: int) -> list[bytes]:
    """Give the body of each page: `{"data": [...], "next": "page-1"}`, null at the end."""
    random = Random(SEED)
    distinct = [_record(number, random) for number in range(min(records, DISTINCT))]
    found = []
    for start in range(0, records, page_size):
        numbers = range(start, min(start + page_size, records))
        data = [{**distinct[n % DISTINCT], "id": n, "updated_at": _time(n)} for n in numbers]
        following = cursor_of(start // page_size + 1) if numbers.stop < records else None
        found.append(json.dumps({"data": data, "next": following}, separators=(",", ":")).encode())
    return found
