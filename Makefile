# Entry points of this repository. They need Python 3.11 or newer, make and a package index. Packages are installed into
# .venv, weights into MODELS_DIR or the platform's cache folder.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# Each marker file stands for a set of packages; a set is installed once and contains the previous one.
READY := .venv/.ready
READY_TEST := .venv/.ready-test
READY_DEV := .venv/.ready-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test-fast test test-end-to-end test-browser test-recipes test-rest recipes
.PHONY: setup weights serve run-client run-editor
.PHONY: check format lint typecheck bench bench-peers pictures protos clean
.PHONY: docker-build docker-run docker-logs docker-stop docker-status deploy remote-logs remote-status

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(READY) weights ## recognize an English and a Russian recording with live text: the quickest look
	@$(BIN)/python -m benchmarks.demo

test-fast: $(READY_TEST) ## run the tests that need no weights, processes or network: under a minute
	@$(BIN)/python -m pytest -m fast $(ARGS) $(FAST_TESTS)

test: setup check ## run all checks, then all tests
	@$(MAKE) --no-print-directory --jobs=3 --keep-going test-end-to-end test-rest test-browser test-recipes

test-end-to-end: $(READY_DEV) ## run the tests of server and client processes
	$(BIN)/python -m pytest tests/end_to_end $(ARGS) $(MAY_BE_EMPTY)

test-browser: $(READY_DEV) ## run the tests of the web page in Chromium and Firefox
	$(BIN)/python -m pytest tests/browser $(ARGS) $(MAY_BE_EMPTY)

test-recipes: $(READY_DEV) ## run the tests of the recipes whose clients are installed
	$(BIN)/python -m pytest tests/recipes $(ARGS) $(MAY_BE_EMPTY)

test-rest: $(READY_DEV) ## run all other tests
	$(BIN)/python -m pytest tests $(addprefix --ignore ,$(OWN_TARGET)) $(ARGS) $(MAY_BE_EMPTY)

recipes: setup ## run unchanged OpenAI, LiveKit, Pipecat, Riva and Wyoming clients against a server, each in its own environment
	ALL_RECIPES=1 $(BIN)/python -m pytest tests/recipes $(ARGS)

setup: $(READY_DEV) weights ## create .venv, install all packages, download the weights of base and tiny.en (once)

serve: $(READY) ## run the server; settings come from the environment and .env
	@$(BIN)/stt-server

run-client: $(READY) ## dictate into the microphone; ARGS="talk.mp3 --language en" for a file
	@$(BIN)/stt-cli recognize $(ARGS)

run-editor: $(READY) ## dictate and type into one text; ARGS="notes.txt --language en"
	@$(BIN)/stt-tui $(ARGS)

check: lint typecheck ## run all static checks: lint and typecheck

format: $(READY_DEV) ## format the code and sort its imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

lint: $(READY_DEV) ## check format, code style, import rules, proto style and prose
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python -m tools.prose

typecheck: $(READY_DEV) ## check types with mypy
	$(BIN)/mypy

bench: setup ## compare this server with raw faster-whisper: latency, accuracy, CPU; ARGS="FOLDER --language ru"
	@$(BIN)/python -m benchmarks.compare $(ARGS)

bench-peers: setup ## the same with other systems, which are installed first: minutes, and 5 GB
	@$(BIN)/python -m benchmarks.peers.install
	@$(BIN)/python -m benchmarks.compare --systems ours,raw,offline,realtimestt,realtimestt-multiuser,whisperlive,whisperlivekit $(ARGS)

pictures: setup ## record the README's pictures again, with recordings in place of a microphone
	@$(BIN)/python -m benchmarks.pictures

protos: $(READY_DEV) ## generate the stubs from protos/
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=protos --pyi_out=protos --grpc_python_out=protos protos/stt/v1/*.proto
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=protos --pyi_out=protos protos/stt/riva/v1/*.proto

docker-build: ## build the GPU image; ARGS=stt-cpu for the CPU image
	@$(NEEDS_COMPOSE)
	@docker compose build $(or $(ARGS),stt)

docker-run: ## start the server in a container; ARGS=stt-cpu without a GPU, ARGS=envoy for several
	@$(NEEDS_COMPOSE)
	@docker compose up --detach --build $(ARGS)

docker-logs: ## follow the logs of the containers
	@$(NEEDS_COMPOSE)
	@docker compose --profile '*' logs --follow --tail 100 $(ARGS)

docker-stop: ## drain and stop all containers; weights and measurements stay
	@$(NEEDS_COMPOSE)
	@docker compose --profile '*' down

docker-status: ## list the running containers and their health
	@$(NEEDS_COMPOSE)
	@docker compose --profile '*' ps $(ARGS)

deploy: ## deploy the committed version to SERVER_HOST over ssh; needs Docker there (docs/deployment.md)
	@docker/remote.sh deploy $(ARGS)

remote-logs: ## follow the logs of the containers on SERVER_HOST
	@docker/remote.sh logs $(ARGS)

remote-status: ## list the containers on SERVER_HOST and their health
	@docker/remote.sh status $(ARGS)

clean: ## remove .venv and all build output; the weights stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Many tests wait for audio and processes: three of the four parts run at once, also on two cores; the longest is first.
OWN_TARGET := tests/end_to_end tests/browser tests/recipes
MAY_BE_EMPTY = $(if $(ARGS),|| [ $$? -eq 5 ])  # ARGS may select tests of one part only
INSTALL := $(BIN)/python -m pip install --no-build-isolation --constraint constraints.txt
FAST_TESTS := $(wildcard tests/stt_*)

NEEDS_COMPOSE = docker compose version > /dev/null 2>&1 || { \
	  echo "Docker with its Compose plugin is needed: https://docs.docker.com/engine/install" >&2; exit 1; }

# The command knows the weights folder and downloads only what is missing.
weights: $(READY)
	@for model in base tiny.en; do $(BIN)/stt-server download $$model > /dev/null || exit 1; done

# The package is built with the pinned setuptools; an isolated build would download another version.
$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, but $(PYTHON) is older: try make PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo "$(PYTHON) cannot create virtual environments: install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip setuptools
	$(INSTALL) --editable '.[server,client,tui]'
	@$(PORTAUDIO)
	@touch $@

$(READY_TEST): $(READY)
	$(INSTALL) --editable '.[test]'
	@touch $@

$(READY_DEV): $(READY_TEST)
	$(INSTALL) --editable '.[dev]'
	@touch $@

# PortAudio, the microphone library, is a system package on Linux; wheels contain it elsewhere. Nothing else needs it.
HAS_PORTAUDIO = $(BIN)/python -c 'import sounddevice' 2> /dev/null
APT_GET = DEBIAN_FRONTEND=noninteractive apt-get
PORTAUDIO = $(HAS_PORTAUDIO) || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
	  { $(APT_GET) install -qq libportaudio2 || { $(APT_GET) update -qq && $(APT_GET) install -qq libportaudio2; }; } > /dev/null 2>&1; \
	  $(HAS_PORTAUDIO) || echo "The microphone needs PortAudio (Debian: apt-get install libportaudio2); everything else works without it." >&2; }
