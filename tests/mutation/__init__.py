"""Mutation: small edits of the finished steps, each of which some check has to notice.

`make gs2 mutate` makes the mutants of one step (mutants.py; the Python by python.py, the pages' scripts by scripts.py),
checks each in a copy until the first check fails (judging.py; reach.py tells which checks come by an edit at all), and
keeps what came of it in results/. A mutant that lives and changes nothing that is promised is listed in
equivalent.toml, with the reason. notes/mutation.md is made of both (report.py).
"""
