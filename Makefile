# Every target makes what it needs: a virtual environment in .venv, installed once and again when its recipe changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# uv takes a fifth of pip's time. pip does it where uv finds no packages, such as behind an index that only pip knows.
PACKAGES = --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
INSTALL = { $(BIN)/python -m pip install --quiet --constraint constraints.txt uv && \
	$(BIN)/uv pip install --python $(BIN)/python $(PACKAGES); } || $(BIN)/python -m pip install $(PACKAGES)

.PHONY: demo test soak bench bench-page ablations weights page pictures patchmatch docs release-check check check-page clean

demo: $(VENV)/.installed
	$(BIN)/onar demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder --max-worker-restart 0

# The long tests, which are not part of CI.
soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m soak

# Side-by-side timings, about ten minutes on two idle cores; writes benchmarks/results.md.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

# From the photo that is dropped on the page to the hole that is filled, some minutes; needs Chromium.
bench-page: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.page

# What each setting of the training gains, from photos in DATA, scored on those in VAL, and with mask files in MASKS when
# given: three hours on two idle cores; writes docs/ablations.md. What was stopped goes on from where it was.
ablations: $(VENV)/.installed-dev
	@test -n '$(DATA)' -a -n '$(VAL)' || \
		{ echo "Say where the photos are: make ablations DATA=FOLDER VAL=FOLDER [MASKS=FOLDER]"; exit 1; }
	$(BIN)/python -m benchmarks.ablations --data '$(DATA)' --val '$(VAL)' $(if $(MASKS),--masks '$(MASKS)')

# The weights that come with Onar, from the photos in DATA: hours on two cores. What was stopped goes on from where it
# was, and a stage that is done is not done again.
FIRST := weights_training/first/generator_final.pth
SECOND := weights_training/second/generator_final.pth
THIRD := weights_training/third/generator_final.pth

PLAIN := weights_training/plain.safetensors
NETWORK := weights_training/onar.safetensors
BLEND := weights_training/texture.safetensors

weights: $(NETWORK) $(BLEND)
	cp $^ src/onar/assets/weights

$(BLEND): $(NETWORK)
	$(BIN)/onar blend --data '$(DATA)' --weights $(NETWORK) --output $@ --overwrite

$(NETWORK): $(PLAIN)
	$(BIN)/onar colours --data '$(DATA)' --weights $(PLAIN) --output $@ --overwrite

$(PLAIN): $(THIRD)
	$(BIN)/onar export --weights $(THIRD) --correction_window 17 --output $@

$(THIRD): $(SECOND)
	$(BIN)/onar train --config bundled --data '$(DATA)' --results_dir $(@D) --init_weights $(SECOND)

$(SECOND): $(FIRST)
	$(BIN)/onar train --config bundled --data '$(DATA)' --results_dir $(@D) --init_weights $(FIRST) \
		--epochs 6 --learning_rate_g 1e-3 --lambda_content 1 --lambda_style 0 --lambda_adv 0 --no-pretrained_features

$(FIRST): | $(VENV)/.installed-dev
	@test -n '$(DATA)' || { echo "Say where the photos are: make weights DATA=FOLDER"; exit 1; }
	$(BIN)/onar train --config laptop --data '$(DATA)' --results_dir $(@D) --epochs 12 --mask_type mixed

# The page that `onar serve` shows, from the folder web; needs node.
PAGE := src/onar/assets/page

page: web/node_modules/.installed
	cd web && npm run build

# The pictures in docs/images of fills and of the page, with a short training; needs Chromium.
pictures: $(VENV)/.installed-dev
	$(BIN)/python -m tools.pictures.fills
	$(BIN)/python -m tools.pictures.page

# PatchMatch for Python and browsers; needs Emscripten. `make page` puts it into the package.
patchmatch:
	web/native/build.sh

# The documents as a site, in build/site.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "To read it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

# Builds the release in dist and tries it as those who install it will: minutes, and 6 GB for a while.
release-check: $(VENV)/.installed-dev
	$(BIN)/python -m tools.release

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v npm > /dev/null; then $(MAKE) check-page; else echo "The page is not checked: there is no npm."; fi

# The built page that is committed must be the one that its sources give.
check-page: page
	cd web && npm run check && npm test
	@test -z "$$(git diff --name-only $(PAGE); git ls-files --others --exclude-standard $(PAGE))" || \
		{ echo "The built page differs from the committed one: add $(PAGE)"; exit 1; }

clean:
	rm -rf $(VENV) onar_demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Onar needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci
	@touch $@

$(VENV)/.installed: EXTRAS := train,offline
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL)
	@touch $@

$(VENV)/.installed-docs: EXTRAS := docs
$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL)
	@touch $@

$(VENV)/.installed-dev: EXTRAS := dev
$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL)
	@touch $@ $(VENV)/.installed $(VENV)/.installed-docs
