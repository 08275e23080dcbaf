#!/usr/bin/env bash
# The server on another machine, over ssh: deploy, logs, status. `make deploy`, `remote-logs`, `remote-status` call it.
#
#   SERVER_HOST   host name; a port for clients (HOST:8012) is ignored
#   SERVER_USER   user name; default: that of the ssh configuration
#   DEPLOY_DIR    remote folder, relative to the home folder; default: realtime-stt
#   DEPLOY_ENV    local file to copy as .env; default: the remote .env stays unchanged
#   SSH           ssh command with options; default: ssh
#
# Arguments after the first one go to Docker Compose: `deploy stt-cpu`, `logs stt`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

NO_DOCKER=10 NO_COMPOSE=11 NO_ENGINE=12 NOTHING_THERE=13

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

# Print the arguments, quoted for the remote shell.
quoted() {
  local word
  for word; do
    printf "'%s' " "${word//\'/\'\\\'\'}"
  done
}

remote() {
  "${ssh[@]}" "$destination" "$1"
}

# Exit with a sentence that explains the exit code of a remote command.
explain() {
  case $1 in
    255) fail "$destination cannot be reached over ssh, or refuses the key: try \`${ssh[*]} $destination\`." ;;
    "$NO_DOCKER") fail "Docker is not installed on $destination: install Docker Engine there first." ;;
    "$NO_COMPOSE") fail "Docker Compose 2 is not installed on $destination: install its plugin (docker-compose-plugin) there first." ;;
    "$NO_ENGINE") fail "Docker on $destination does not respond to this user: start it, or add the user to the group docker." ;;
    "$NOTHING_THERE") fail "Nothing is deployed in $folder on $destination: run \`make deploy\` first." ;;
    *) fail "$2 on $destination failed with exit code $1." ;;
  esac
}

deploy() {
  command -v git > /dev/null || fail "git is not installed here: it packs the files to deploy."
  git rev-parse --verify --quiet HEAD > /dev/null || fail "This folder is not a git checkout: only committed files are deployed."
  [[ -z ${DEPLOY_ENV:-} || -r $DEPLOY_ENV ]] || fail "DEPLOY_ENV=$DEPLOY_ENV cannot be read."
  [[ -z $(git status --porcelain --untracked-files=no) ]] || echo "Uncommitted changes are not deployed." >&2

  remote "command -v docker > /dev/null || exit $NO_DOCKER
    docker compose version > /dev/null 2>&1 || exit $NO_COMPOSE
    docker info > /dev/null 2>&1 || exit $NO_ENGINE
    rm -rf $there.new && mkdir -p $there.new $there" || explain $? "The check for Docker"
  echo "Copying $(git rev-parse --short HEAD) to $folder on $destination." >&2
  git archive --format=tar HEAD | remote "tar -x -C $there.new" || explain $? "Unpacking"
  if [[ -n ${DEPLOY_ENV:-} ]]; then
    remote "umask 077 && cat > $there/.env" < "$DEPLOY_ENV" || explain $? "Copying $DEPLOY_ENV"
  fi
  # The new version replaces the old one in one step; .env and secrets move to the new folder.
  remote "for item in .env secrets; do
      if [ -e $there/\$item ]; then mv $there/\$item $there.new/ || exit; fi
    done
    rm -rf $there.old && mv $there $there.old && mv $there.new $there && cd $there &&
    docker compose up --detach --build $(quoted "$@")" || explain $? "docker compose up"
}

compose() {
  remote "cd $there 2> /dev/null || exit $NOTHING_THERE; docker compose --profile '*' $(quoted "$@")" || explain $? "docker compose"
}

[[ -n ${SERVER_HOST:-} ]] || fail "SERVER_HOST is not set: it names the machine, as in SERVER_HOST=gpu-box."
[[ $SERVER_HOST != *,* ]] || fail "SERVER_HOST=$SERVER_HOST names several machines: give one."
read -ra ssh <<< "${SSH:-ssh}"
command -v "${ssh[0]}" > /dev/null || fail "${ssh[0]} is not installed here (Debian: apt-get install openssh-client)."
destination=${SERVER_USER:+$SERVER_USER@}${SERVER_HOST%%:*}
folder=${DEPLOY_DIR:-realtime-stt}
case ${folder##*/} in '' | . | ..) fail "Invalid DEPLOY_DIR=$folder: must be a folder of its own, as in DEPLOY_DIR=realtime-stt." ;; esac
there=$(quoted "$folder")
there=${there% }

case ${1:-} in
  deploy) deploy "${@:2}" ;;
  logs) compose logs --follow --tail 100 "${@:2}" ;;
  status) compose ps "${@:2}" ;;
  *) fail "Usage: docker/remote.sh deploy|logs|status [SERVICE...]" ;;
esac
