# A thin face: each word goes to `python -m workbook`, which does the work and is the same on every system.
# The first goal that names a step joins the words: `make gs1 run` is one call, `make lint test` are two.

PYTHON ?= $(shell command -v python3 >/dev/null 2>&1 && echo python3 || echo python)
WORKBOOK := $(PYTHON) -m workbook
export WORKBOOK_FACE := make

words := $(or $(MAKECMDGOALS),help)
first := $(firstword $(words))

# Phony, so that a folder or file of that name (tests, notes) does not count as made.
.PHONY: $(words)
.NOTPARALLEL:

ifneq ($(filter gs%,$(words)),)
$(first):
	@$(WORKBOOK) $(words) $(ARGS)
$(filter-out $(first),$(words)):
	@:
else
$(words):
	@$(WORKBOOK) $@ $(ARGS)
endif
