from modules.nets.tagging.word_features import word_features


def test_features_go_from_general_to_particular() -> None:
    features = list(word_features("U2-style"))
    assert features[-2:] == ["^u0-style$", "=U2-style"]
    assert len(features) == len(list(word_features("a"))) == len(set(features))
    assert features[1].endswith("e")
    assert features[2].endswith("le")
    assert (
        next(iter(word_features("Leiden"))) == next(iter(word_features("Delft"))) != next(iter(word_features("delft")))
    )
