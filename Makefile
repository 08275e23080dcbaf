# All that one does with this repository. Python 3.11 or newer, make and a package index are enough: packages go
# into .venv, weights into MODELS_DIR or the platform's cache folder.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test setup weights serve run-client run-editor check bench bench-peers pictures protos clean
.PHONY: docker-build docker-run docker-logs docker-stop docker-status deploy remote-logs remote-status

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: setup ## recognise an English and a Russian recording, live: the quickest look
	@$(BIN)/python -m benchmarks.demo

test: setup check ## run the checks, then all tests
	$(BIN)/python -m pytest $(ARGS)

setup: $(READY) weights ## make .venv, install, fetch the weights of base and tiny.en (once)

serve: $(READY) ## run the server; settings come from the environment and .env
	@$(BIN)/stt-server

run-client: $(READY) ## dictate into the microphone; ARGS="talk.mp3 --language en" for a file
	@$(BIN)/stt-cli recognize $(ARGS)

run-editor: $(READY) ## dictate and type into one text; ARGS="notes.txt --language en"
	@$(BIN)/stt-tui $(ARGS)

check: $(READY) ## format, lint, types, import rules, the wire's style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint

bench: setup ## latency, accuracy and cost of this server beside raw faster-whisper; ARGS="FOLDER --language ru"
	@$(BIN)/python -m benchmarks.compare $(ARGS)

bench-peers: setup ## the same beside other systems, installed first: minutes, and 5 GB
	@$(BIN)/python -m benchmarks.peers.install
	@$(BIN)/python -m benchmarks.compare --systems ours,raw,offline,realtimestt,realtimestt-multiuser,whisperlive,whisperlivekit $(ARGS)

pictures: setup ## record the README's pictures anew: a server, terminals, and recordings in place of a microphone
	@$(BIN)/python -m benchmarks.pictures

protos: $(READY) ## make the stubs anew from protos/
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=protos --pyi_out=protos --grpc_python_out=protos protos/stt/v1/*.proto

docker-build: ## build the image for GPUs; ARGS=stt-cpu for the one without
	@$(NEEDS_COMPOSE)
	@docker compose build $(or $(ARGS),stt)

docker-run: ## start the server in a container; ARGS=stt-cpu without a GPU, ARGS=envoy for several
	@$(NEEDS_COMPOSE)
	@docker compose up --detach --build $(ARGS)

docker-logs: ## follow what the containers say
	@$(NEEDS_COMPOSE)
	@docker compose --profile '*' logs --follow --tail 100 $(ARGS)

docker-stop: ## drain and stop all containers; weights and measurements stay
	@$(NEEDS_COMPOSE)
	@docker compose --profile '*' down

docker-status: ## tell which containers run, and whether they are healthy
	@$(NEEDS_COMPOSE)
	@docker compose --profile '*' ps $(ARGS)

deploy: ## run what is committed on SERVER_HOST, over ssh, with Docker there (docs/deployment.md)
	@docker/remote.sh deploy $(ARGS)

remote-logs: ## follow what the containers on SERVER_HOST say
	@docker/remote.sh logs $(ARGS)

remote-status: ## tell which containers run on SERVER_HOST, and whether they are healthy
	@docker/remote.sh status $(ARGS)

clean: ## remove .venv and all that was built; the weights stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

NEEDS_COMPOSE = docker compose version > /dev/null 2>&1 || { \
	  echo "Docker with its Compose plugin is needed: https://docs.docker.com/engine/install" >&2; exit 1; }

# The command itself knows where weights lie and whether they are there.
weights: $(READY)
	@for model in base tiny.en; do $(BIN)/stt-server download $$model > /dev/null || exit 1; done

# The package is built with the pinned setuptools: a build of its own would fetch another.
$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is not: try make PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip setuptools
	$(BIN)/python -m pip install --no-build-isolation --constraint constraints.txt --editable '.[dev]'
	@$(PORTAUDIO)
	@touch $@

# The microphone's library is a system package on Linux; wheels carry it elsewhere. Nothing else needs it.
HAS_PORTAUDIO = $(BIN)/python -c 'import sounddevice' 2> /dev/null
APT_GET = DEBIAN_FRONTEND=noninteractive apt-get
PORTAUDIO = $(HAS_PORTAUDIO) || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
	  { $(APT_GET) install -qq libportaudio2 || { $(APT_GET) update -qq && $(APT_GET) install -qq libportaudio2; }; } > /dev/null 2>&1; \
	  $(HAS_PORTAUDIO) || echo "The microphone will need PortAudio (Debian: apt-get install libportaudio2); all else works without it." >&2; }
