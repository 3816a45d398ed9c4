"""Imports asgi.py as a server does, and prints which modules of the project came before the apps were loaded.

`python watch_import.py gs2.asgi`, in the project's folder. A fresh interpreter is needed: runserver, and the suite's
own process, have loaded the apps already and hide a wrong order.
"""

import importlib
import json
import os
import sys

from django.apps import apps


class Watch:
    """An import hook that finds nothing, and remembers what was asked for too early."""

    def __init__(self):
        self.early = []

    def find_spec(self, name, path=None, target=None):
        if name.startswith("app.") and not apps.ready and not apps.loading:
            self.early.append(name)


if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    watch = Watch()
    sys.meta_path.insert(0, watch)
    importlib.import_module(sys.argv[1])
    print(json.dumps(watch.early))
