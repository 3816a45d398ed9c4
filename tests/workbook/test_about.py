"""`make gs3`: what the step is, and what can be done with it."""

LESSON = """# gs2 · Accept, receive

*Reading: 10 minutes · building: 15 minutes.*

*You learn: how a socket is answered.*
"""


def test_a_step_tells_what_it_is_and_what_is_next(steps):
    steps.write("gs2_middle/README.md", LESSON)
    steps.write("gs2_middle/app/consumers.py", "")
    steps.write("gs2_middle/app/routing.py", "")
    done = steps.call("gs2")
    assert done.stdout.splitlines()[:3] == [
        "gs2 · Accept, receive",
        "Reading: 10 minutes · building: 15 minutes.",
        "You learn: how a socket is answered.",
    ]
    for line in ("gs2_middle/README.md", "gs2_middle/app/consumers.py", "gs2_middle/app/routing.py"):
        assert f"  {line}\n" in done.stdout
    assert "  python -m workbook gs2 run " in done.stdout
    assert done.stdout.endswith("Next: python -m workbook gs10\n")


def test_without_a_lesson_the_folder_has_to_do(steps):
    done = steps.call("gs10")
    assert done.stdout.startswith("gs10_last\n")
    assert "README" not in done.stdout
    assert done.stdout.endswith("This is the last step.\n")
