# The course in two commands: `make lab` to learn, `make test` to check everything.
# Without make (Windows, some Macs): python tools/bootstrap.py, then .venv/bin/course lab (.venv\Scripts\course lab).

PYTHON ?= $(shell command -v python3 2>/dev/null || command -v python 2>/dev/null || echo python3)
TORCH_INDEX ?=
ARGS ?=
BOOTSTRAP = $(PYTHON) tools/bootstrap.py $(if $(TORCH_INDEX),--torch-index='$(subst ','\'',$(TORCH_INDEX))')

.PHONY: help lab lab-scale setup test test-all build book

help:
	@echo "make lab         set up if needed, then open JupyterLab on your copies of the lessons"
	@echo "                 make lab ARGS=\"--no-browser --port 8899\" passes options on"
	@echo "                 make lab TORCH_INDEX=URL takes torch from another index (the small CPU build on Linux)"
	@echo "make lab-scale   the same, with the packages of lesson 15's last part (trl, peft, datasets)"
	@echo "make setup       set up only"
	@echo "make test        set up if needed, then the whole suite: under 25 minutes"
	@echo "make test-all    the suite, the slow proofs, and every claim on other processors: under 90 minutes"
	@echo "make book        the course as a web site, in build/book/html (ARGS=--epub: for e-readers, too)"
	@echo "make build       for authors: lessons/ into notebooks/, exercises/ and solutions/"

lab: setup
	@.venv/bin/course lab $(ARGS)

lab-scale:
	@$(BOOTSTRAP) --scale
	@.venv/bin/course lab $(ARGS)

setup:
	@$(BOOTSTRAP)

test:
	@$(BOOTSTRAP) --test
	@.venv/bin/python tools/run_tests.py $(ARGS)

test-all:
	@$(BOOTSTRAP) --test
	@.venv/bin/python tools/run_tests.py --all $(ARGS)

build: setup
	@.venv/bin/course build

book:
	@$(BOOTSTRAP) --test
	@.venv/bin/python tools/book.py $(ARGS)
