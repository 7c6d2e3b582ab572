#!/bin/sh
# Makes a bare clone ready to run: npm packages, the compiled program, oneDNN and ffmpeg. Says nothing and does
# nothing where everything is there; can be run any number of times. What it may not install itself it names,
# with the command to type; what it did it says. It never stops for oneDNN or ffmpeg: without them the rest still works.
# With --tests it sets up Chromium too, in which pages are tested, MPICH, which starts tests of several processes, and PyTorch's libraries
# (0.9 GB, once); without them those tests are skipped, and say so.
set -u
cd "$(dirname "$0")/.." || exit 1

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$*"; exit 5; }
tests=no
[ "${1:-}" != --tests ] || tests=yes
did=no
finish() {
  end_of_torch
  [ "$did" = no ] || say 'ready. What there is: npx uscl --help'
  exit 0
}

# --- Node -------------------------------------------------------------------------------------------------------
command -v node >/dev/null 2>&1 || stop "Node.js is missing. Install Node 20.19 or newer, then run this command again."
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  stop "Node $(node --version) is too old. Install Node 20.19 or newer, then run this command again."
command -v npm >/dev/null 2>&1 || stop "npm is missing. Install it (it comes with Node.js), then run this command again."

# --- npm packages: installed ones must be those of the lockfile ---------------------------------------------------
packages_current() {
  node -e '
    const read = (path) => JSON.parse(require("node:fs").readFileSync(path, "utf8")).packages;
    const wanted = read("package-lock.json");
    const found = read("node_modules/.package-lock.json");
    const current = Object.entries(wanted).every(
      ([path, entry]) => path === "" || entry.optional === true || entry.devOptional === true || found[path]?.version === entry.version,
    );
    process.exit(current ? 0 : 1);
  ' 2>/dev/null
}
if ! packages_current; then
  did=yes
  say 'installing npm packages (once)'
  log=$(mktemp) || stop 'no temporary file can be written; free some space in the temporary folder.'
  # The runtime that tests check exported models with brings its own CPU library; what else it would download is for GPUs.
  if ! ONNXRUNTIME_NODE_INSTALL=skip npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    stop 'npm ci failed (its last lines are above). Check the network and the disk, then run this command again.'
  fi
  rm -f "$log"
fi

# --- The compiled program -----------------------------------------------------------------------------------------
# The stamp holds the list of sources (a removed file changes it); its time says whether any of them is newer.
sources=$(find src -name '*.ts' | LC_ALL=C sort)
if [ ! -f dist/.stamp ] || [ "$(cat dist/.stamp)" != "$sources" ] ||
  [ -n "$(find src scripts/page.mjs scripts/page-licences.txt package.json tsconfig.json tsconfig.build.json -newer dist/.stamp -type f | head -n 1)" ]; then
  did=yes
  say 'compiling'
  started=$(mktemp) || stop 'no temporary file can be written; free some space in the temporary folder.'
  if ! npm run --silent build >&2; then
    rm -f "$started"
    stop 'the program does not compile (see above).'
  fi
  printf '%s' "$sources" >dist/.stamp
  # A source saved while the compiler ran is newer than the stamp, so it is compiled next time.
  touch -r "$started" dist/.stamp
  rm -f "$started"
  chmod +x dist/cli/main.js
fi
# npm links a package's own command only where it is installed; this makes `npx uscl` work in the checkout.
if [ ! -e node_modules/.bin/uscl ]; then
  mkdir -p node_modules/.bin
  ln -sf ../../dist/cli/main.js node_modules/.bin/uscl
fi

# --- System parts ---------------------------------------------------------------------------------------------------
# As src/engine/onednn/native/search.ts looks for it.
cached_onednn="${XDG_CACHE_HOME:-${HOME:-}/.cache}/uscl/onednn-cpu-gomp-2023.2.0/libdnnl.so.3"
have_onednn() {
  if [ -n "${USCL_DNNL:-}" ]; then return 0; fi
  for folder in ${CONDA_PREFIX:+"$CONDA_PREFIX/lib"} /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib /usr/local/lib64 /opt/homebrew/lib; do
    for name in libdnnl.so.2 libdnnl.so.3 libdnnl.2.dylib libdnnl.3.dylib; do
      [ -e "$folder/$name" ] && return 0
    done
  done
  [ -e "$cached_onednn" ]
}
have_chromium() {
  [ "$tests" = no ] || command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
    command -v google-chrome >/dev/null 2>&1
}
have_mpi() { [ "$tests" = no ] || command -v mpirun >/dev/null 2>&1; }
# As src/engine/torch/native/search.ts looks for it; the version of a package is read without importing it.
cached_torch="${XDG_CACHE_HOME:-${HOME:-}/.cache}/uscl/torch-2.10.0/lib/libtorch_cpu.so"
have_torch() {
  [ "$tests" = no ] || [ -n "${USCL_TORCH:-}" ] || [ -e "$cached_torch" ] || python3 -I -c '
from importlib.metadata import version
major, minor = version("torch").split(".")[:2]
raise SystemExit(not (major == "2" and int(minor) >= 10))' >/dev/null 2>&1
}
have_ffmpeg() { command -v ffmpeg >/dev/null 2>&1 && command -v ffprobe >/dev/null 2>&1; }

# Downloading takes a minute: it goes on while the rest is installed. Nothing waits for it longer than five minutes.
torch_job=''
if ! have_torch; then
  did=yes
  say 'getting PyTorch’s libraries for tests (0.9 GB, once)'
  torch_log=$(mktemp) || stop 'no temporary file can be written; free some space in the temporary folder.'
  node --import tsx scripts/torch.ts --within 300 >"$torch_log" 2>&1 &
  torch_job=$!
fi
end_of_torch() {
  [ -n "$torch_job" ] || return 0
  if ! wait "$torch_job"; then
    say 'PyTorch’s libraries could not be had: tests on its kernels are skipped (everything else is tested). The reason:'
    say "    $(tail -n 1 "$torch_log")"
  fi
  rm -f "$torch_log"
}

missing=''
have_onednn || missing='onednn'
have_ffmpeg || missing="${missing:+$missing }ffmpeg"
have_chromium || missing="${missing:+$missing }chromium"
have_mpi || missing="${missing:+$missing }mpich"
[ -n "$missing" ] || finish

apt_system() {
  [ -r /etc/os-release ] && command -v apt-get >/dev/null 2>&1 && grep -Eq '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release
}
# Debian 12 and Ubuntu 22.04 have 2.x, later ones 3.x.
onednn_package() {
  if offered libdnnl2; then echo libdnnl2; elif offered libdnnl3; then echo libdnnl3; fi
}
offered() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

if apt_system; then
  root=''
  permitted=no
  if [ "$(id -u)" = 0 ]; then
    permitted=yes
  elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
    root='sudo -n'
    permitted=yes
  fi
  if [ "$permitted" = yes ]; then
    log=$(mktemp) || stop 'no temporary file can be written; free some space in the temporary folder.'
    did=yes
    say "installing $missing through apt (once)"
    updated=no
    for package in $missing; do
      if [ "$package" = onednn ]; then
        package=$(onednn_package)
        if [ -z "$package" ]; then
          $root apt-get update -qq >"$log" 2>&1
          updated=yes
          package=$(onednn_package)
        fi
        [ -n "$package" ] || continue
      elif [ "$updated" = no ] && ! offered "$package"; then
        $root apt-get update -qq >"$log" 2>&1
        updated=yes
      fi
      install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $package"
      if ! $root $install >"$log" 2>&1 && [ "$updated" = no ]; then
        # A package list older than the mirror names versions that are gone.
        $root apt-get update -qq >"$log" 2>&1
        updated=yes
        $root $install >>"$log" 2>&1
      fi
    done
    rm -f "$log"
  fi
fi

if ! have_onednn; then
  package=''
  if apt_system; then package=$(onednn_package); fi
  say 'oneDNN is missing: training will run on the slow reference backend. To install it, type:'
  if [ -n "$package" ]; then
    say "    sudo apt-get update && sudo apt-get install -y $package"
  elif [ "$(uname -s)" = Darwin ]; then
    say '    brew install onednn'
  else
    say '    the package of oneDNN 2.6 or later of your system (libdnnl2, libdnnl3, onednn)'
  fi
  if [ "$(uname -s)" = Linux ]; then
    say 'Without the right to install, on x86-64, a library from the Python package index goes into your cache folder:'
    say '    npm run onednn'
  fi
fi
if ! have_chromium; then
  say 'Chromium is missing: tests of pages in a browser are skipped (everything else is tested). To install it, type:'
  if apt_system; then
    say '    sudo apt-get update && sudo apt-get install -y chromium'
  else
    say '    the package chromium of your system, or Google Chrome'
  fi
fi
if ! have_mpi; then
  say 'mpirun is missing: tests of several processes are skipped (everything else is tested). To install it, type:'
  if apt_system; then
    say '    sudo apt-get update && sudo apt-get install -y mpich'
  else
    say '    the package mpich of your system'
  fi
fi
if ! have_ffmpeg; then
  say 'ffmpeg is missing: video files cannot be ingested (everything else works). To install it, type:'
  if apt_system; then
    say '    sudo apt-get update && sudo apt-get install -y ffmpeg'
  elif [ "$(uname -s)" = Darwin ]; then
    say '    brew install ffmpeg'
  else
    say '    the package ffmpeg of your system (it must bring the programs ffmpeg and ffprobe)'
  fi
fi
finish
