"""Words of sentences that several rooms write."""


def number_of(count: int, noun: str, nouns: str = "") -> str:
    """Write a number of things: `1 vendor job`, `2 vendor jobs`, `1,200 cities`.

    Args:
        count: how many.
        noun: the word for one.
        nouns: the word for several; empty = with an s.
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
