# What people type. Each target is one command that works without make, too.
PYTHON ?= python3

.PHONY: run bot test ci lab export lock clean

run:     ## prepare, train, gate, release on the sample; ends in a report
	$(PYTHON) -m mlbot run

bot:     ## the bot of the company with its pages, on http://127.0.0.1:8000; trains a model first, where there is none
	$(PYTHON) -m mlbot serve --demo --train

test:    ## all tests
	$(PYTHON) -m mlbot test

ci:      ## the steps of the workflow, as they run elsewhere, in a clone of the last commit
	$(PYTHON) -m mlbot ci run

lab:     ## the notebooks in JupyterLab
	$(PYTHON) -m mlbot lab

export:  ## after editing a notebook: clean it, export the package, write the README
	$(PYTHON) -m mlbot export

lock:    ## after changing requirements in settings.ini: renew constraints.txt
	$(PYTHON) -m mlbot lock

clean:   ## remove the environment and what runs left; released models and added data stay
	rm -rf .venv build dist *.egg-info runs .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
