from glassmail.core.model.questions import sentence


def test_a_subject_stands_in_its_sentence_without_blanks_around_it():
    assert sentence("routing.instruction", b" vdelivermail '' bounce") == (
        "what does vdelivermail '' bounce do?"
    )


def test_an_empty_subject_is_seen():
    assert sentence("routing.rcpthosts", b"") == "is '' in rcpthosts?"
