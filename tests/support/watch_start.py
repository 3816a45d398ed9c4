"""Loads a project as a server does, and tells how far it came: settings, apps, checks, asgi, ready.

`python watch_start.py PROJECT STEP FILE SECONDS`, in the project's folder. What it has to tell goes to FILE, a line of
JSON each, because the project may print what it likes. After SECONDS it prints where it stands, and ends.
"""

import faulthandler
import importlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(project, step, file, limit):
    """Go through the stages; each is told when it begins."""
    # The tools first, because something in the project may have the name of what they import.
    sys.path[0] = str(ROOT)
    from tests.support.frames import chain_of
    from tests.support.shape import shape_of

    sys.path[0] = project
    faulthandler.dump_traceback_later(float(limit), exit=True)

    def tell(**entry):
        with open(file, "a", encoding="utf-8") as told:
            told.write(json.dumps(entry) + "\n")

    def load_settings():
        from django.conf import settings

        settings.INSTALLED_APPS  # noqa: B018  (loads the settings)

    def load_apps():
        import django

        django.setup()

    def run_checks():
        from django.core.management import call_command

        call_command("check")

    def load_asgi():
        importlib.import_module(f"{step}.asgi").application  # noqa: B018

    os.environ["DJANGO_SETTINGS_MODULE"] = f"{step}.settings"
    try:
        for stage, do in (
            ("settings", load_settings),
            ("apps", load_apps),
            ("checks", run_checks),
            ("asgi", load_asgi),
        ):
            tell(stage=stage)
            do()
    except BaseException as error:
        exceptions = chain_of(error, project)
        try:
            shape = shape_of(project, step)
        except Exception:
            shape = None  # channels itself may be what cannot be imported
        tell(message=f"{type(error).__name__}: {error}", exceptions=exceptions, shape=shape)
        return
    tell(stage="ready")


if __name__ == "__main__":
    main(*sys.argv[1:])
