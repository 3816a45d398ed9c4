"""From the words of a call to the verb that does the work, and from a failure to a sentence."""

import argparse
import difflib
import os
import re
import sys
from pathlib import Path

from workbook.environment import enter
from workbook.speech import Refusal, spell
from workbook.steps import all_steps
from workbook.verbs import Call, verbs_of

LOOKS_LIKE_A_STEP = re.compile(r"gs\d")
NO = ("", "0", "no", "off", "false")  # what a flag may be given to say that it is not meant


def main(root, words):
    """Do what words say in the workbook at root. Returns the exit status; 2 means that the call was wrong."""
    try:
        call = parse(Path(root).resolve(), words)
        if call.verb.needs:
            enter(call.root, call.verb.needs, words)
        status = call.verb(call)
        sys.stdout.flush()
        return status
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, `head` say, has seen enough. Python would complain when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parse(root, words):
    """Return the Call that words mean. Raises Refusal for what the command does not know."""
    if words and words[0] in ("-h", "--help"):
        words = ["help", *words[1:]]
    step, words = (find_step(root, words[0]), words[1:]) if is_step_like(words[:1]) else (None, words)
    if is_step_like(words[:2]):
        raise Refusal(f"One step at a time, and its name comes first: {spell('test', 'gs1')}.")
    verb, words = find_verb(step, words[0] if words else ""), words[1:]
    if verb.passes_words_to:
        return Call(root, verb, step, words=words)
    return Call(root, verb, step, options=read_options(step, verb, words))


def is_step_like(words):
    """Return whether one of words is meant as a step's name."""
    return any(LOOKS_LIKE_A_STEP.match(word) for word in words)


def find_step(root, word):
    """Return the step with that name or folder (the shell may have added a slash). Raises Refusal."""
    steps = all_steps(root)
    for step in steps:
        if word.rstrip("/\\") in (step.name, step.folder.name):
            return step
    raise Refusal(f"There is no step {word}. The steps are: {', '.join(step.folder.name for step in steps)}.")


def find_verb(step, word):
    """Return the verb called word, for step or for the whole. Raises Refusal."""
    here, elsewhere = ("step", "whole") if step else ("whole", "step")
    name = step.name if step else ""
    known = verbs_of(here)
    word = word or ("about" if step else "help")
    if word in known:
        return known[word]
    if word in verbs_of(elsewhere) and step:
        raise Refusal(f"{word} is for the whole workbook: {spell(word)}.")
    if word in verbs_of(elsewhere):
        raise Refusal(f"{word} needs a step: {spell(word, step='gs1')}.")
    close = difflib.get_close_matches(word, known, 1)
    hint = f" Did you mean {spell(close[0], name)}?" if close else ""
    here_it_knows = f"{name} knows" if step else "The workbook knows"
    raise Refusal(f"There is no {word!r}.{hint} {here_it_knows}: {', '.join(known)}.")


class OptionParser(argparse.ArgumentParser):
    """An argument parser whose errors are ours."""

    def error(self, message):
        """Raise message as a Refusal that ends with how the call looks."""
        raise Refusal(f"{message[0].upper()}{message[1:]}. The call is: {self.prog}")


def read_options(step, verb, words):
    """Return the verb's options by name: from words or, where absent, from the environment (PORT=8001)."""
    shape = {option.name: option.is_flag or "…" for option in verb.options}
    prog = spell(verb.name, step.name if step else "", **shape)
    parser = OptionParser(prog=prog, usage=prog, description=verb.help, allow_abbrev=False)
    for option in verb.options:
        given = os.environ.get(option.name.upper(), "")
        if option.is_flag:
            how = {"action": "store_true", "default": given.lower() not in NO}
        else:
            how = {"type": option.type, "default": given or None}
        parser.add_argument(f"--{option.name}", help=option.help, **how)
    return vars(parser.parse_args(words))
