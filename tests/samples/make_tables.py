"""Makes the tiny tables, in the layouts of the real datasets. Everything in them is invented.

python tests/samples/make_tables.py
"""

import random
from pathlib import Path

HERE = Path(__file__).parent

OCEAN = ["<1H OCEAN", "INLAND", "NEAR BAY", "NEAR OCEAN"]
WORK = {
    "workclass": ["Private", "State-gov", "?"],
    "education": ["HS-grad", "Bachelors", "11th"],
    "marital_status": ["Never-married", "Divorced"],
    "occupation": ["Sales", "Craft-repair", "?"],
    "relationship": ["Husband", "Wife", "Own-child"],
    "race": ["White", "Black"],
    "sex": ["Male", "Female"],
    "native_country": ["United-States", "Mexico", "?"],
}


def california(rng: random.Random) -> None:
    folder = HERE / "california_housing"
    folder.mkdir(exist_ok=True)
    lines = [
        "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,"
        "median_house_value,ocean_proximity"
    ]
    for row in range(60):
        homes, income = rng.randint(50, 900), rng.uniform(1, 9)
        bedrooms = "" if row % 20 == 3 else f"{homes * rng.uniform(1, 1.2):.1f}"
        numbers = [f"{-rng.uniform(115, 124):.2f}", f"{rng.uniform(33, 41):.2f}", f"{rng.randint(2, 52)}.0"]
        numbers += [f"{homes * rng.uniform(4, 7):.1f}", bedrooms, f"{homes * rng.uniform(2, 4):.1f}", f"{homes}.0"]
        lines.append(",".join([*numbers, f"{income:.4f}", f"{40000 * income:.1f}", rng.choice(OCEAN)]))
    (folder / "housing.csv").write_text("\n".join(lines) + "\n")


def diamonds(rng: random.Random) -> None:
    folder = HERE / "diamonds"
    folder.mkdir(exist_ok=True)
    lines = ['"carat","cut","color","clarity","depth","table","price","x","y","z"']
    for _ in range(60):
        carat = rng.uniform(0.2, 2)
        words = [f'"{rng.choice(values)}"' for values in (["Ideal", "Fair"], ["D", "G"], ["SI1", "VS2"])]
        edge = 6.4 * carat ** (1 / 3)
        sizes = [f"{edge * rng.uniform(0.98, 1.02):.2f}" for _ in range(2)] + [f"{edge * 0.61:.2f}"]
        price = int(4000 * carat**1.7)
        depth, table = f"{rng.uniform(59, 64):.1f}", str(rng.randint(54, 61))
        lines.append(",".join([f"{carat:.2f}", *words, depth, table, str(price), *sizes]))
    (folder / "diamonds.csv").write_text("\n".join(lines) + "\n")


def adult(rng: random.Random) -> None:
    folder = HERE / "adult"
    folder.mkdir(exist_ok=True)
    header = "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,"
    header += "capital_gain,capital_loss,hours_per_week,native_country,income"
    # In the test file a blank stands before each cell, and a dot behind the class.
    for name, size, between, end in (("adult.csv", 60, ",", ""), ("adult.test", 30, ", ", ".")):
        lines = [header]
        for row in range(size):
            word = {column: rng.choice(values) for column, values in WORK.items()}
            years = rng.randint(5, 16)
            cells = [rng.randint(18, 70), word["workclass"], rng.randint(20000, 400000), word["education"], years]
            cells += [word[c] for c in ("marital_status", "occupation", "relationship", "race", "sex")]
            cells += [rng.choice([0, 0, 2174]), rng.choice([0, 0, 1902]), rng.randint(20, 60), word["native_country"]]
            lines.append(between.join(map(str, [*cells, (">50K" if years > 11 else "<=50K") + end])))
            if row == 0:
                assert lines[-1].count(",") == header.count(",")
        (folder / name).write_text("\n".join(lines) + ("\n\n" if end else "\n"))


if __name__ == "__main__":
    california(random.Random(0))
    diamonds(random.Random(1))
    adult(random.Random(2))
