"""What is known of a word from its spelling."""

import re
from collections.abc import Iterator

LONGEST = 8  # characters of an ending


def word_features(word: str) -> Iterator[str]:
    """What is known of a word, from the general to the particular: kinds of its characters, its endings, itself.

    Yields:
        ``LONGEST + 3`` names: kinds, endings of 1 to ``LONGEST`` characters, the word in lower case, the word.
    """
    kinds = (
        ("X", word[:1].isupper()),
        ("x", any(c.islower() for c in word)),
        ("Y", any(c.isupper() for c in word[1:])),
        ("d", any(c.isdigit() for c in word)),
        ("-", "-" in word[1:-1]),
        (".", not any(c.isalnum() for c in word)),
    )
    kind = "".join(mark for mark, there in kinds if there)
    plain = re.sub(r"\d", "0", word.lower())
    yield kind
    for length in range(1, LONGEST + 1):
        # Capitalised words and others end alike but are not alike; a word shorter than that has a border before it.
        yield f"{kind[:1] == 'X':d}{('^' + plain)[-length:]}"
    yield f"^{plain}$"
    yield f"={word}"
