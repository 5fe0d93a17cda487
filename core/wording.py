"""Numbers in sentences, as people write them."""


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 call``, ``1,204 calls``.

    :param many: the plural, where it is not ``one`` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
