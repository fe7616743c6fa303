# What the programs of this pack share. Sourced by bash; expects cwd = the pack's folder.

# The virtual environment is made and used under the path that it has in a dyno; during the build that is a link.
HOME_DIR=/app/.heroku/python

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
    [[ "$name" =~ ^(PATH|GIT_DIR|CPATH|CPPATH|LD_PRELOAD|LIBRARY_PATH|LANG|BUILD_DIR|CACHE_DIR|ENV_DIR|BASH_ENV|PYTHONHOME|PYTHONPATH)$ ]] && continue
    value=''
    IFS= read -r -d '' value <"$file"
    export "$name=$value"
  done
}

# What the app asks for: `3.12` or `3.12.4`, from .python-version or runtime.txt.
asked_version() {
  local file line
  for file in .python-version runtime.txt; do
    [[ -f "$BUILD_DIR/$file" ]] || continue
    while IFS= read -r line || [[ -n "$line" ]]; do
      line=${line%%#*}
      line=${line//[[:space:]]/}
      [[ -n "$line" ]] && { echo "${line#python-}"; return; }
    done <"$BUILD_DIR/$file"
  done
}

# Chooses the server's Python that comes nearest, into $python and $python_version.
choose_python() {
  asked=$(asked_version)
  local minor
  minor=$(cut -d. -f1,2 <<<"$asked")
  python=
  [[ "$minor" =~ ^3\.[0-9]+$ ]] && python=$(command -v "python$minor")
  [[ -n "$python" ]] || python=$(command -v python3)
  [[ -n "$python" ]] || fail "Python is not installed on this server." \
    "Its operator can install it: apt-get install python3 python3-venv"
  # Another pack's virtual environment in PATH leads to the Python that it was made from.
  { read -r python_version; read -r python; } < <("$python" -I -c \
    'import platform, sys; print(platform.python_version(), getattr(sys, "_base_executable", sys.executable), sep="\n")')
  [[ -n "$python_version" && -x "$python" ]] || fail "The Python of this server does not run."
}

# Sets how, reusable and key; says what is wrong with the app's files.
# The platform gives every build a fresh copy of this folder, so bin/layers can leave its findings here for the others.
inspect() {
  if [[ -n "${FLOWLINE_LAYERS+set}" && -f inspected ]]; then
    . ./inspected
    return
  fi
  choose_python
  found=$("$python" -I lib/inspect.py "$BUILD_DIR" "$ENV_DIR") || exit 1
  eval "$found"
}

prepare_env() {
  unset GIT_DIR PYTHONHOME PYTHONPATH
  export_env_dir "$ENV_DIR"
  export PIP_CACHE_DIR="$CACHE_DIR/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
  export PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1 UV_CACHE_DIR="$CACHE_DIR/uv"
  # The link that makes the paths of the build those of the dyno. One folder up: venv refuses a folder that is a link.
  mkdir -p "$BUILD_DIR/.heroku/python"
  if [[ "$BUILD_DIR" != /app && "$(readlink /app/.heroku)" != "$BUILD_DIR/.heroku" ]]; then
    # Another pack's folder there holds links to the same place.
    rm -rf /app/.heroku
    ln -s "$BUILD_DIR/.heroku" /app/.heroku
  fi
  export PATH="$HOME_DIR/bin:$PATH"
}

say_version() {
  if [[ -z "$asked" ]]; then
    detail "No Python version was asked for: add a .python-version file to choose one"
    topic "Using Python $python_version from this server"
  elif [[ "$python_version" == "$asked" || "$python_version" == "$asked".* ]]; then
    topic "Using Python $python_version from this server, as asked"
  else
    topic "Using Python $python_version from this server (asked $asked: not available)"
  fi
}

need_venv() {
  local minor=${python_version%.*}
  "$python" -I -c 'import venv, ensurepip' 2>/dev/null || fail \
    "This server's Python has no module to make virtual environments with." \
    "Its operator can install it: apt-get install python$minor-venv (or python3-venv)"
}

# The virtual environment with what the app's files name; without the app itself.
install_dependencies() {
  if [[ "$how" == uv ]]; then
    topic "Installing dependencies with uv, from uv.lock"
    (cd "$BUILD_DIR" && UV_PROJECT_ENVIRONMENT="$HOME_DIR" UV_PYTHON="$python" UV_PYTHON_DOWNLOADS=never \
      uv sync --frozen $groups --no-install-project --no-progress) 2>&1 | indent
    return "${PIPESTATUS[0]}"
  fi
  need_venv
  "$python" -I -m venv "$HOME_DIR" 2>&1 | indent
  [[ "${PIPESTATUS[0]}" == 0 ]] || return 1
  [[ -n "$requirements" ]] || { topic "Nothing to install: $source_file names no dependencies"; return 0; }
  topic "Installing dependencies with pip, from $source_file"
  (cd "$BUILD_DIR" && "$HOME_DIR/bin/python" -m pip install -r "$requirements") 2>&1 | indent
  return "${PIPESTATUS[0]}"
}
