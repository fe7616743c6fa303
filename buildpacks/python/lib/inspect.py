"""Prints what decides about the installation as shell assignments: inspect.py BUILD_DIR ENV_DIR."""

import hashlib
import json
import os
import re
import shlex
import sys

build_dir, env_dir = sys.argv[1:3]
# For tests: with what only they need. The platform says it in every step, others in bin/test-compile.
for_tests = bool(os.environ.get("FLOWLINE_TEST") or os.environ.get("INSTALL_TEST"))


def fail(*lines):
    for line in lines:
        print(" !     " + line, file=sys.stderr)
    sys.exit(1)


def read(name):
    try:
        with open(os.path.join(build_dir, name), encoding="utf-8-sig") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{name} cannot be read: {error}")


def has(name):
    return os.path.isfile(os.path.join(build_dir, name))


def gather(name, seen):
    """The text of a requirements file and of those it includes; None when it takes anything from the app's folder."""
    if name in seen:
        return ""
    seen.add(name)
    text = read(name)
    if text is None:
        fail(f"{name} is not in the app, but a requirements file names it.")
    parts = [text]
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        include = re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", line)
        if include:
            if "://" in include[1]:
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(name), include[1]))
            inner = gather(path, seen)
            if inner is None:
                return None
            parts.append(inner)
        elif re.match(r"(-e|--editable|-f|--find-links)\b|[./~]|file:", line) or "@ file:" in line or "@file:" in line:
            return None
    return "\n".join(parts)


def from_list(lines):
    """A requirements file in the pack's own folder, for lists that come from another format."""
    if not lines:
        return ""
    path = os.path.abspath("requirements-of-this-app.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


def pipfile_lock():
    if not has("Pipfile.lock"):
        fail("The app has a Pipfile but no Pipfile.lock.", "Run `pipenv lock` and commit Pipfile.lock.")
    try:
        locked = json.loads(read("Pipfile.lock"))
        packages = {**(locked.get("develop", {}) if for_tests else {}), **locked["default"]}
    except (ValueError, KeyError, TypeError) as error:
        fail(f"Pipfile.lock cannot be read: {error}. Run `pipenv lock` and commit the result.")
    lines = []
    for name, found in sorted(packages.items()):
        if "version" not in found:
            fail(f"Pipfile.lock takes {name} from somewhere else than a package index, which is not possible here.",
                 "Write the dependencies to a requirements.txt: `pipenv requirements > requirements.txt`.")
        extras = f"[{','.join(found['extras'])}]" if found.get("extras") else ""
        markers = f" ; {found['markers']}" if found.get("markers") else ""
        hashes = "".join(f" --hash={digest}" for digest in found.get("hashes", []))
        lines.append(f"{name}{extras}{found['version']}{markers}{hashes}")
    return lines


def project():
    """The dependencies of pyproject.toml, and how the app itself gets installed; None: pip has to find out."""
    try:
        import tomllib
    except ImportError:
        return None, "whole"
    try:
        table = tomllib.loads(read("pyproject.toml"))
    except tomllib.TOMLDecodeError as error:
        fail(f"pyproject.toml is not valid TOML: {error}")
    named = table.get("project", {})
    itself = "alone" if "build-system" in table else "no"
    if "poetry" in table.get("tool", {}) and not named.get("dependencies"):
        fail("The app's dependencies are written for Poetry, which this server does not use.",
             "Export them: `poetry export -f requirements.txt -o requirements.txt`, and commit the file.")
    if "dependencies" in named.get("dynamic", []):
        return None, "whole"
    return list(named.get("dependencies", [])), itself


def key(*parts):
    names = sorted(os.listdir(env_dir)) if os.path.isdir(env_dir) else []
    settings = []
    for name in names:
        if re.match(r"(PIP|UV)_", name):
            with open(os.path.join(env_dir, name), "rb") as file:
                settings.append((name, file.read().decode("utf-8", "replace")))
    site = sorted((name, value) for name, value in os.environ.items()
                  if re.match(r"(PIP|UV)_", name) and name not in ("PIP_CACHE_DIR", "UV_CACHE_DIR"))
    whole = json.dumps(["v1", sys.version, sys.executable, settings, site, *parts])
    return hashlib.sha256(whole.encode()).hexdigest()[:40]


def decide():
    """how, source_file, requirements (a path for pip), text for the key (None: not reusable), and the app itself."""
    if has("requirements.txt"):
        return "pip", "requirements.txt", "requirements.txt", gather("requirements.txt", set()), "no"
    if has("Pipfile") or has("Pipfile.lock"):
        lines = pipfile_lock()
        return "pip", "Pipfile.lock", from_list(lines), "\n".join(lines), "no"
    if has("uv.lock"):
        uv = any(os.access(os.path.join(path, "uv"), os.X_OK) for path in os.environ.get("PATH", "").split(":"))
        if not uv:
            fail("The app has a uv.lock, but uv is not installed on this server.",
                 "Its operator can install it: pip install uv (to a folder in the server's PATH).",
                 "Or commit a requirements.txt: `uv export --no-dev -o requirements.txt`.")
        return "uv", "uv.lock", "", read("uv.lock") + (read("pyproject.toml") or ""), project()[1]
    if has("pyproject.toml"):
        lines, itself = project()
        if lines is None:
            return "pip", "pyproject.toml", "", None, itself
        return "pip", "pyproject.toml", from_list(lines), "\n".join(lines), itself
    if has("setup.py"):
        return "pip", "setup.py", "", None, "whole"
    fail("Nothing names the app's dependencies: add a requirements.txt (it may be empty).")


how, source_file, requirements, text, itself = decide()
if requirements == "requirements.txt" and not read("requirements.txt").strip():
    requirements = ""
found = {
    "how": how,
    "groups": "" if for_tests else "--no-default-groups",
    "source_file": source_file,
    "requirements": requirements,
    "itself": itself,
    "reusable": "no" if text is None else "yes",
    "key": "" if text is None else key(how, text, for_tests),
}
for name, value in found.items():
    print(f"{name}={shlex.quote(value)}")
