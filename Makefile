# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
REFERENCES := .venv-references

.PHONY: run test test-slow test-gpu test-references lint browser reference setup clean

run: $(READY) ## set up, then letters to phonemes on real words, about ten minutes
	$(BIN)/python train.py experiment=words

test: $(READY) lint browser ## set up, then lint, types and tests
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(READY) ## the faithful checks that take long
	$(BIN)/python -m pytest -m slow

test-gpu: $(READY) ## what has to hold on a GPU, where there is one
	$(BIN)/python -m pytest -m gpu tests/gpu

test-references: $(REFERENCES)/.ready ## the cells against other implementations, in an environment of its own
	$(REFERENCES)/bin/python -m pytest -m references tests/references

$(REFERENCES)/.ready: $(READY) references.lock scripts/references.sh
	sh scripts/references.sh

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser: ## Chromium, for the tests of the report, where apt-get may install it
	@sh scripts/browser.sh

reference: $(READY) ## docs/configuration.md, from the config dataclasses
	$(BIN)/python -m unroll.config.reference > docs/configuration.md

setup: $(READY) ## the environment alone: .venv with the pinned packages and Unroll itself, editable

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) sh scripts/setup.sh

clean:
	rm -rf .venv $(REFERENCES) .mypy_cache .pytest_cache .ruff_cache .hypothesis
