"""Makes the samples with several labels an example, with numbers to predict, and of pairs of texts."""

import csv
import random
from pathlib import Path

HERE = Path(__file__).parent
GENRES = {"comedy": "laugh", "drama": "weep", "war": "march"}
ANIMALS, DEEDS = ("otter", "heron", "pike", "vole"), ("sleeps", "swims", "sings")


def write(path: str, rows: list[dict[str, object]]) -> None:
    with (HERE / path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    chance = random.Random(0)
    films: list[dict[str, object]] = []
    for _ in range(40):
        genres = [genre for genre in GENRES if chance.random() < 0.4]
        words = [GENRES[genre] for genre in genres] + [chance.choice(ANIMALS)]
        flags = {genre: int(genre in genres) for genre in GENRES}
        films.append({"text": " ".join(words), "genres": ";".join(genres), **flags, "minutes": 90 + 10 * len(genres)})
    write("texts/films.csv", films)
    pairs: list[dict[str, object]] = []
    for _ in range(40):
        animal, deed, other = chance.choice(ANIMALS), chance.choice(DEEDS), chance.choice(DEEDS)
        label = "same" if deed == other else "other"
        pairs.append({"premise": f"the {animal} {deed}", "hypothesis": f"it {other}", "label": label})
    write("texts/pairs.csv", pairs)
    images: list[dict[str, object]] = []
    for number in range(16):
        animal = ("cat", "dog")[number % 2]
        tags = [animal, *(["big"] if chance.random() < 0.5 else [])]
        images.append({"path": f"{animal}/{number // 2:02}.jpg", "tags": "|".join(tags), "age": 0.5 * number})
    write("my_images/tags.csv", images)
    people: list[dict[str, object]] = []
    for _ in range(30):
        age, city = chance.randint(18, 80), chance.choice(("Bern", "Basel", "Genf"))
        likes = {"chess": age > 50, "skiing": city == "Bern", "reading": age > 30}
        hobbies = [name for name, some in likes.items() if some]
        people.append({"age": age, "city": city, "hobbies": ", ".join(hobbies)})
    write("tables/hobbies.csv", people)


if __name__ == "__main__":
    main()
