"""The recognisers, by the ids of the mistakes. Each takes Clues and returns details for the sentence, or None."""

RECOGNISERS = {}


def recognises(*names):
    """Register a function as the recogniser of the mistakes with these ids."""

    def register(function):
        for name in names:
            assert name not in RECOGNISERS, f"{name} has two recognisers"
            RECOGNISERS[name] = function
        return function

    return register


# At the end, because they register themselves here.
from tests.mistakes import (  # noqa: E402
    recognise_consumers,  # noqa: F401
    recognise_coroutines,  # noqa: F401
    recognise_database,  # noqa: F401
    recognise_layers,  # noqa: F401
    recognise_pages,  # noqa: F401
    recognise_project,  # noqa: F401
    recognise_settings,  # noqa: F401
    recognise_time,  # noqa: F401
    recognise_users,  # noqa: F401
)
