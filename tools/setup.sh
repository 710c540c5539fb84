# Sourced by ./run and ./test: installs what is missing (Debian packages, npm packages) and builds. Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "Installing: ${missing[*]}"
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  mkdir -p build
  # policy-rc.d would be nicer; these packages' own services are simply not needed and are left as the package starts them.
  { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >build/packages.log 2>&1 || { tail -20 build/packages.log >&2; exit 1; }
}

build_packages=(build-essential cmake ninja-build ccache mold pkg-config libboost1.81-dev libboost-json1.81-dev libssl-dev libsodium-dev
  libsqlite3-dev libpq-dev libicu-dev libyaml-cpp-dev libpugixml-dev libzip-dev libxlsxwriter-dev libpango1.0-dev libqrencode-dev liboath-dev
  libldap-dev libcurl4-openssl-dev libzstd-dev zlib1g-dev libxxhash-dev libsimdjson-dev libcli11-dev libspdlog-dev libfmt-dev fonts-noto-cjk nmap restic borgbackup)
test_packages=(rsyslog rsyslog-openssl libnet1 libivykis0 libgtest-dev libgmock-dev postgresql slapd ldap-utils samba samba-ad-provision samba-dsdb-modules samba-vfs-modules
  iproute2 python3 python3-venv chromium poppler-utils openssl clang-14 clang-format libclang-rt-14-dev sqlite3 curl clickhouse-server zookeeper)

# A package that cannot be installed beside another is unpacked under build/peers, for tests to start from there.
unpack_peer() {
  [ -d "build/peers/$1" ] && return
  say "Unpacking $1"
  mkdir -p build/peers
  (cd build/peers && apt-get download -qq "$2" 2>/dev/null && dpkg -x "$2"_*.deb "$1.new" && rm -f "$2"_*.deb && mv "$1.new" "$1")
}

# From Python's index, which not every machine reaches: its test is skipped there.
install_schemathesis() {
  local to=build/peers/schemathesis
  [ -x "$to/bin/schemathesis" ] && return
  say "Installing schemathesis"
  { python3 -m venv "$to" && timeout 300 "$to/bin/pip" install -q schemathesis==4.32.5; } >build/schemathesis.log 2>&1 || rm -rf "$to"
}

install_build() {
  install_packages "${build_packages[@]}"
  command -v npm >/dev/null || install_packages nodejs npm
}

# Only when the lock file is newer than what is installed. Not `npm ci`: it refuses a lock file that lacks other platforms' optional packages.
npm_install() {
  [ "$1/node_modules/.installed" -nt "$1/package-lock.json" ] && return
  say "npm packages of $1"
  (cd "$1" && npm install --no-save --no-audit --no-fund --loglevel=error >/dev/null && touch node_modules/.installed)
}

build_web() {  # after the program: its routes are what the pages' types are made of
  npm_install web
  build/release/bin/mamori openapi >build/openapi.new
  if [ ! -f web/src/api/schema.ts ] || ! cmp -s build/openapi.new build/openapi.json; then
    web/node_modules/.bin/openapi-typescript build/openapi.new -o web/src/api/schema.ts >web/build.log 2>&1 || { cat web/build.log >&2; exit 1; }
    mv build/openapi.new build/openapi.json
  fi
  if [ ! -f web/dist/index.html ] || [ -n "$(find web/src web/public web/index.html web/package-lock.json web/vite.config.ts -newer web/dist/index.html -print -quit)" ]; then
    say "Building the web pages"
    (cd web && npm run --silent build >build.log 2>&1 || { cat build.log >&2; exit 1; })
    touch web/dist/index.html
  fi
}

build_preset() {  # preset target…
  local preset=$1
  shift
  [ -f "build/$preset/build.ninja" ] || cmake -Wno-dev --preset "$preset" >/dev/null
  ninja -C "build/$preset" "$@" >"build/$preset/build.log" 2>&1 || { grep -E 'error|FAILED' -A3 "build/$preset/build.log" | head -60 >&2; exit 1; }
}

# Reads every file as the preset says, and builds nothing (tools/syntax_only.sh): for `static` and `tidy`.
read_preset() {  # preset
  [ -f "build/$1/build.ninja" ] || cmake -Wno-dev --preset "$1" >/dev/null
  # The list may be older than the tree: what ninja makes anew of it is asked for again.
  ninja -C "build/$1" build.ninja >/dev/null
  ninja -C "build/$1" -t targets all | sed -n 's/: CXX_COMPILER__.*//p' >"build/$1/objects"
  xargs ninja -k 0 -C "build/$1" <"build/$1/objects" >"build/$1/build.log" 2>&1
}
