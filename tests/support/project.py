"""The project under test, and what makes a process its Django process."""

import os
import runpy
import sys
from pathlib import Path

import pytest

from workbook.steps import all_steps

ROOT = Path(__file__).resolve().parents[2]
STEPS = {step.name: step for step in all_steps(ROOT)}
PROJECT = pytest.StashKey[Path]()


def enter(config, name, project=None):
    """Make this process the Django process of step `name`: of the copy in the folder `project`, or the finished one.

    Raises pytest.UsageError when its settings do not load.
    """
    project = (project or STEPS[name].folder).resolve()
    config.option.step = name
    config.stash[PROJECT] = project
    sys.path.insert(0, str(project))
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{name}.settings"
    from django.conf import settings

    try:
        settings.INSTALLED_APPS  # noqa: B018  (loads the settings)
    except Exception as error:
        raise pytest.UsageError(f"{name}/settings.py does not load: {type(error).__name__}: {error}") from error


def run_settings(step):
    """Run the settings of `step` afresh, in the environment as it is now; return what they are."""
    known = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == step}
    # What they import beside them may look into the environment, too.
    forget(step)
    try:
        return runpy.run_module(f"{step}.settings")
    finally:
        forget(step)
        sys.modules.update(known)


def forget(package):
    """Forget that a package was imported, and all that is in it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
