from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.trail import Step
from glassmail.explain.steps import printable, shown, step_row, step_text

TRAIL = (
    Step("routing.locals", b"tommy.gov", "no", "control/locals (3 entries)"),
    Step("routing.virtualdomains", b"dude@tommy.gov", "no", "control/virtualdomains (7 entries)"),
    Step("routing.virtualdomains", b"tommy.gov", "yes", "control/virtualdomains:4 tommy.gov:fred"),
)


def test_columns_are_aligned():
    assert step_text(TRAIL) == [
        "is tommy.gov in locals?               no    control/locals (3 entries)",
        "is dude@tommy.gov in virtualdomains?  no    control/virtualdomains (7 entries)",
        "is tommy.gov in virtualdomains?       yes   control/virtualdomains:4",
        "                                            tommy.gov:fred",
    ]


def test_a_long_sentence_has_a_line_of_its_own():
    steps = (*TRAIL[:1], Step("routing.locals", b"a-very-long-domain.example.test", "no", "there"))
    assert step_text(steps, indent=2) == [
        "  is tommy.gov in locals?  no    control/locals (3 entries)",
        "  is a-very-long-domain.example.test in locals?",
        "                           no    there",
    ]


def test_a_source_that_is_one_long_word_has_a_line_of_its_own():
    path = "domains/example.test/" + "d" * 44 + "/.qmail:1"
    assert step_text((Step("routing.locals", b"x", "yes", path),)) == [
        "is x in locals?  yes",
        "      " + path,
    ]
    long = path + "e" * 20
    assert step_text((Step("routing.locals", b"x", "yes", long),)) == [
        "is x in locals?  yes",
        "      " + long,  # whole: what is broken cannot be copied
    ]


def test_the_json_object():
    assert step_row(TRAIL[0]) == {
        "question": "routing.locals",
        "sentence": "is tommy.gov in locals?",
        "subject": "tommy.gov",
        "answer": "no",
        "source": "control/locals (3 entries)",
    }


def test_directories_that_may_all_be_entered_are_one_line():
    def may_enter(path, answer):
        return Step("routing.directory", path, answer, "owner 0:0, mode 0755")

    steps = [may_enter(b"/", "yes"), may_enter(b"/a", "yes"), may_enter(b"/a/b", "yes")]
    line = "may the user enter /a/b?  yes   owner 0:0, mode 0755; the 2 above too"
    assert step_text(steps) == [line]
    steps[1] = may_enter(b"/a", "no")
    assert [line.split("?")[0] for line in step_text(steps)] == [
        "may the user enter /", "may the user enter /a", "may the user enter /a/b",
    ]  # fmt: skip
    assert len([step_row(step) for step in steps]) == 3


def test_no_steps_no_lines():
    assert step_text(()) == []


def test_nothing_steers_a_terminal():
    hostile = b"\x1b[2J\r\n\xe2\x80\xae\xff"
    line = "".join(step_text((Step("routing.locals", hostile, "no\x07", "x\x9by"),)))
    assert line.isprintable()
    assert "\\x1b[2J" in line
    assert shown(hostile) == "\\x1b[2J\\r\\n\\u202e\\xff"
    assert printable("plain") == "plain"


@given(
    st.lists(
        st.builds(
            Step,
            st.sampled_from(["routing.locals", "unknown.question"]),
            st.binary(max_size=120),
            st.text(min_size=1, max_size=60),
            st.text(max_size=200),
        ),
        max_size=5,
    ),
    st.integers(0, 8),
)
def test_any_trail_gives_printable_lines(steps, indent):
    for line in step_text(steps, indent):
        assert line.isprintable()
