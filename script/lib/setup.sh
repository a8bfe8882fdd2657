# Shared by the commands in script/: system packages, uv, the program. Sourced, not run.
#
# All packages come from the registries that are configured on this machine. Neither this file nor the requirement files
# contain an address; the hashes in the requirement files determine what may be installed.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=/usr/bin/python3
sources=src:clients/python/src # the folders of Python packages in a clone

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# need_packages COMMAND-OR-CHECK=PACKAGE...: install the packages whose check fails.
need_packages() {
  local missing=() item check package
  for item in "$@"; do
    check=${item%%=*} package=${item#*=}
    "have_$check" || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] || install_packages "${missing[@]}"
}

# install_packages PACKAGE...: with apt, as root or by sudo.
install_packages() {
  command -v apt-get >/dev/null || die "Please install with your package manager, then run this again: $*"
  local sudo=()
  if ! find_sudo; then
    die "These system packages are missing and you are not root. Ask an administrator to run
  apt-get update && apt-get install -y --no-install-recommends $*
and then run this again."
  fi
  say "Installing system packages: $*"
  "${sudo[@]}" apt-get update -qq 9<&-
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null 9<&-
}

# find_sudo: set "sudo" to what commands of root begin with; fail if this user has no right to them.
find_sudo() {
  sudo=()
  [[ $EUID -ne 0 ]] || return 0
  command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; } && sudo=(sudo)
}

# want_packages PURPOSE COMMAND=PACKAGE...: the same for optional packages, which only root installs.
want_packages() {
  local use=$1 item
  shift
  for item in "$@"; do
    "have_${item%%=*}" && continue
    if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
      (need_packages "$item") || say "Continuing without ${item#*=}, which is needed $use."
    else
      say "The package ${item#*=}, which is needed $use, is missing. Everything else works without it."
    fi
  done
}

have_bwrap() { command -v bwrap >/dev/null; }
have_python() { [[ -x $python ]] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }
have_venv() { [[ -x $python ]] && "$python" -c 'import ensurepip' 2>/dev/null; }
have_certificates() { [[ -s /etc/ssl/certs/ca-certificates.crt ]]; }
have_chromium() { command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null; }
have_driver() { command -v chromedriver >/dev/null; }
have_display() { command -v Xvfb >/dev/null; }
have_fonts() { has_font 'Liberation*'; }
have_emoji() { has_font '*[Ee]moji*'; }
have_cjk() { has_font 'wqy-*' "$@" || has_font 'Noto*CJK*' "$@" || has_font 'SourceHan*' "$@" || has_font 'unifont*' "$@"; }
has_font() { [[ -n $(find "${2:-/usr/share/fonts}" -iname "$1" -print -quit 2>/dev/null) ]]; } # PATTERN [FOLDER]
have_git() { command -v git >/dev/null; }
have_npm() { command -v npm >/dev/null; }

# The user of all processes except the launcher, when Fyke is started as root.
make_service_user() {
  getent passwd fyke >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /var/lib/fyke --shell /usr/sbin/nologin fyke
}

# lock_prefix PREFIX: wait until no other script/up installs there. The lock is that of descriptor 9.
lock_prefix() {
  exec 9<"$1"
  flock -n 9 && return
  say "Another script/up is installing Fyke into $1; waiting until it has finished."
  flock 9
}
unlock_prefix() { exec 9<&-; }

# refuse_if_packaged PREFIX: end with a message if the program there belongs to the Debian package.
refuse_if_packaged() {
  ! dpkg -S "$1/.venv/bin/fyke" >/dev/null 2>&1 ||
    die "Fyke in $1 belongs to the Debian package fyke. Upgrade that package, or remove it first: apt remove fyke"
}

# refuse_if_running PREFIX: end with a message if a Fyke runs from there, whose files may not be replaced.
refuse_if_running() {
  local process words
  for process in /proc/[0-9]*; do
    [[ $process/root -ef / ]] || continue # of a container
    mapfile -d '' -t words 2>/dev/null <"$process/cmdline" || continue
    [[ ${words[0]:-} == "$1/.venv/bin/python"* && " ${words[*]} " == *" -m fyke."* ]] || continue
    die "Fyke is running from $1 (process ${process#/proc/}), and this clone has another version or other packages, which
would replace its files. Stop it (Ctrl-C in its terminal, or the service), then run this again."
  done
}

digest_of() { (cd "$here" && find "$@" -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-64); }

# once STAMP DIGEST COMMAND...: run the command unless it has been done for this digest.
once() {
  local stamp=$1 digest=$2
  shift 2
  [[ -f $stamp && $(<"$stamp") == "$digest" ]] && return
  "$@"
  printf '%s' "$digest" >"$stamp"
}

# install_uv PREFIX: uv from the package index, in a separate virtual environment.
install_uv() {
  local prefix=$1
  uv=$prefix/uv/bin/uv
  once "$prefix/.uv-installed" "$(digest_of requirements/bootstrap.txt)" _install_uv "$prefix"
}
_install_uv() {
  say "Installing uv"
  "$python" -m venv --clear "$1/uv"
  "$1/uv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements/bootstrap.txt"
}

# install_requirements PREFIX REQUIREMENTS: a virtual environment with the packages that Fyke imports.
install_requirements() {
  once "$1/.requirements-installed" "$(digest_of "requirements/$2" requirements/build.txt)" _install_requirements "$1" "$2"
}

# install_program PREFIX REQUIREMENTS MODE: a virtual environment with the requirements and Fyke.
# MODE is "editable" (runs from the clone) or "copy" (for a clone that other users cannot read).
install_program() {
  local prefix=$1 requirements=$2 mode=$3
  install_requirements "$prefix" "$requirements"
  local digest
  digest=editable-$(digest_of pyproject.toml)  # it names the folders with source
  [[ $mode == copy ]] && digest=$(digest_of src clients/python/src sdk workers worker-templates pyproject.toml README.md LICENSE)
  once "$prefix/.program-installed" "$digest" _install_program "$prefix" "$mode"
}
_install_requirements() {
  refuse_if_running "$1"
  say "Installing Python packages. This takes one to five minutes."
  rm -f "$1/.program-installed"
  "$uv" venv --quiet --clear --python "$python" "$1/.venv"
  _pip "$1" --require-hashes --compile-bytecode -r "$here/requirements/$2" -r "$here/requirements/build.txt"
}
_install_program() {
  refuse_if_running "$1"
  say "Installing Fyke"
  if [[ $2 == copy ]]; then
    _pip "$1" --no-deps --no-build-isolation --no-cache --reinstall-package fyke --compile-bytecode "$here"
  else
    _pip "$1" --no-deps --no-build-isolation --editable "$here"
  fi
}
_pip() { local prefix=$1; shift; "$uv" pip install --quiet --python "$prefix/.venv/bin/python" "$@"; }

# test_prefix: set "prefix" and "mode" for the environment of the suite. Root gets a copy of the program that the
# service user can read; other users run it from the clone.
test_prefix() {
  if [[ $EUID -eq 0 ]]; then
    prefix=/opt/fyke-test mode=copy
    mkdir -p "$prefix"
  else
    prefix=$here mode=editable
  fi
}

# development_tools: set "bin" to a folder with Python and the tools of requirements/test.txt: those of an active
# virtual environment that has them, otherwise they are installed, with python3-venv or with uv on PATH.
development_tools() {
  if [[ -n ${VIRTUAL_ENV:-} && -x $VIRTUAL_ENV/bin/ruff && -x $VIRTUAL_ENV/bin/pytest ]]; then
    bin=$VIRTUAL_ENV/bin
    return
  fi
  test_prefix
  if ! have_venv && command -v uv >/dev/null; then
    uv=$(command -v uv)
  else
    need_packages python=python3 venv=python3-venv certificates=ca-certificates
    have_python || die "Fyke needs Python 3.11 or newer as $python"
    install_uv "$prefix"
  fi
  install_requirements "$prefix" test.txt
  bin=$prefix/.venv/bin
}
