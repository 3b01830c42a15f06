"""One value of a good config replaced."""

from __future__ import annotations


def spoil(plain, key, value):
    *path, last = key.split(".")
    for part in path:
        plain = plain[part]
    plain[last] = value
