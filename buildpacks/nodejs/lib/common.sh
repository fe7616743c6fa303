# What the programs of this pack share. Sourced by bash; expects cwd = the pack's folder.

topic() { echo "-----> $*"; }
detail() { echo "       $*"; }
indent() { sed -u 's/^/       /'; }
fail() {
  local line
  # To stderr: what some programs of a pack print to stdout is read by the platform.
  for line in "$@"; do echo " !     $line" >&2; done
  exit 1
}

# Config vars become environment, but not those that would change the build's own ground.
export_env_dir() {
  local file name value
  for file in "$1"/*; do
    [[ -f "$file" ]] || continue
    name=${file##*/}
    [[ "$name" =~ ^(PATH|GIT_DIR|CPATH|CPPATH|LD_PRELOAD|LIBRARY_PATH|LANG|BUILD_DIR|CACHE_DIR|ENV_DIR|BASH_ENV)$ ]] && continue
    value=''
    IFS= read -r -d '' value <"$file"
    export "$name=$value"
  done
}

need_node() {
  command -v node >/dev/null || fail "Node.js is not installed on this server." \
    "Its operator can install it: apt-get install nodejs npm"
}

# Reads package.json and all that decides about the installation into variables; says what is wrong with it.
# The platform gives every build a fresh copy of this folder, so bin/layers can leave its findings here for the others.
inspect() {
  if [[ -n "${FLOWLINE_LAYERS+set}" && -f inspected ]]; then
    . ./inspected
    return
  fi
  need_node
  found=$(node lib/inspect.js "$BUILD_DIR" "$ENV_DIR") || exit 1
  eval "$found"
}

prepare_env() {
  unset GIT_DIR
  export_env_dir "$ENV_DIR"
  if [[ -n "$FLOWLINE_TEST" ]]; then NODE_ENV="${NODE_ENV:-test}"; fi
  export NODE_ENV="${NODE_ENV:-production}"
  export npm_config_cache="$CACHE_DIR/npm" npm_config_update_notifier=false npm_config_logs_max=0
  export PATH="$BUILD_DIR/node_modules/.bin:$PATH"
  export NODE_HOME=/usr
}

say_versions() {
  topic "Installing binaries"
  detail "engines.node (package.json):   ${engines_node:-unspecified}"
  if [[ "$node_satisfies" == yes ]]; then
    detail "Using Node.js $node_version from this server"
  else
    detail "Using Node.js $node_version from this server (asked $engines_node: not available)"
  fi
  [[ "$manager" == npm ]] && detail "Using npm $npm_version"
  return 0
}

# A lock file without its program cannot be honoured.
need_manager() {
  command -v "$manager" >/dev/null || fail "The app has a $lockfile, but $manager is not installed on this server." \
    "Its operator can install it: npm install --global $manager" \
    "Or use npm: remove $lockfile, run \`npm install\`, commit package-lock.json."
}

# $1: `whole` also runs the app's own lifecycle scripts, `dependencies` leaves those to run_lifecycle.
install_dependencies() {
  local flags=(--no-audit --no-fund --no-progress --loglevel=error) verb=install
  topic "Installing dependencies"
  case "$manager" in
    npm)
      [[ -n "$lockfile" ]] && verb=ci
      if [[ "$with_dev" == yes ]]; then flags+=(--include=dev); else flags+=(--omit=dev); fi
      if [[ -n "$lockfile" ]]; then
        detail "Installing node modules (npm ci, from $lockfile)"
      else
        detail "Installing node modules (npm install; commit a package-lock.json to get the same versions every time)"
        flags+=(--no-package-lock)
      fi
      if [[ "$1" == dependencies && -n "$lifecycle" ]]; then
        run_in_app npm "$verb" "${flags[@]}" --ignore-scripts && run_dependency_scripts
      else
        run_in_app npm "$verb" "${flags[@]}"
      fi
      ;;
    yarn)
      detail "Installing node modules (yarn, from yarn.lock)"
      if [[ "$yarn_berry" == yes ]]; then
        YARN_CACHE_FOLDER="$CACHE_DIR/yarn" run_in_app yarn install --immutable
      else
        YARN_CACHE_FOLDER="$CACHE_DIR/yarn" NODE_ENV=development run_in_app yarn install --frozen-lockfile --ignore-engines --non-interactive
      fi
      ;;
    pnpm)
      detail "Installing node modules (pnpm, from pnpm-lock.yaml)"
      run_in_app env CI=true pnpm install --prod=false --frozen-lockfile --store-dir "$CACHE_DIR/pnpm"
      ;;
  esac
}

# By name: a plain `npm rebuild` would run the app's own scripts as well.
run_dependency_scripts() {
  local names
  mapfile -t names < <(node lib/scripted.js "$BUILD_DIR/node_modules")
  [[ ${#names[@]} -eq 0 ]] || run_in_app npm rebuild --loglevel=error "${names[@]}"
}

# Runs a program in the app's folder with its output indented; its own exit status counts.
run_in_app() {
  (cd "$BUILD_DIR" && "$@") 2>&1 | indent
  return "${PIPESTATUS[0]}"
}

run_script() {
  case "$manager" in
    npm) run_in_app npm run --if-present "$1" ;;
    *) run_in_app "$manager" run "$1" ;;
  esac
}
