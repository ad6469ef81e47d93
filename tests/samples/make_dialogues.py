"""Makes ``daily_dialog/*.zip``, invented dialogues in the layout of DailyDialog.

python tests/samples/make_dialogues.py
"""

import random
import zipfile
from pathlib import Path

THINGS = ["tea", "coffee", "bread", "soup", "rice", "fish", "cake", "milk", "salad", "juice", "toast", "honey"]
ASKED = ["Do you like {} ?", "Shall we have some {} ?", "Is there any {} left , Tom ?"]
ANSWERED = [
    "Yes , I \u2019 m fond of {} .",
    "No , I don \u2019 t want {} .",
    "Let \u2019 s have {} at 7 o \u2019 clock .",
]
CLOSED = ["Good ! I \u2019 ll get the {} .", "Then no {} for $ 5 .", "All right , {} it is ."]


def dialogue(rng: random.Random) -> str:
    thing = rng.choice(THINGS)
    kind = rng.randrange(3)
    turns = [rng.choice(ASKED), ANSWERED[kind], CLOSED[kind], "Thank you ."][: rng.randint(2, 4)]
    return "".join(f"{turn.format(thing)} __eou__ " for turn in turns).rstrip() + "\n"


def main() -> None:
    folder = Path(__file__).parent / "daily_dialog"
    folder.mkdir(exist_ok=True)
    rng = random.Random(0)
    for split, size in (("train", 60), ("validation", 24), ("test", 24)):
        text = "".join(dialogue(rng) for _ in range(size))
        with zipfile.ZipFile(folder / f"{split}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            # With a fixed date the archives are the same every time.
            info = zipfile.ZipInfo(f"{split}/dialogues_{split}.txt", (2026, 1, 1, 0, 0, 0))
            archive.writestr(info, text, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
