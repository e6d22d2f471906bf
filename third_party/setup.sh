#!/usr/bin/env bash
# Installs what Assay is built from: Debian packages and a current LibTorch. Runs again at no cost:
# when nothing is missing it prints nothing. third_party/README.md lists what and why.
#
#   third_party/setup.sh [-DCMAKE_PREFIX_PATH=<torch>] [-DTorch_DIR=<torch>/share/cmake/Torch]
#
# Other -D arguments are accepted and ignored, so that callers can hand on what they give to CMake.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=third_party/steps.sh
source "$here/steps.sh"

torch_pinned=2.13.0
torch_oldest=2.6
# What libtorch_cpu of the pinned CUDA build needs to load; nothing else of CUDA is used.
cuda_runtime=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
libtorch=$here/libtorch
cache=$here/.cache

packages=(
  cmake ninja-build g++ ccache
  libeigen3-dev libtbb-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libsqlite3-dev
  zlib1g-dev libpng-dev libjpeg62-turbo-dev libboost-math-dev libssl-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  clang-format clang-tidy chromium dataset-fashion-mnist
)

# ---- Debian packages ------------------------------------------------------------------------

install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # Without dpkg nothing tells what is there, so the tools stand for the rest.
    local tool
    for tool in cmake ninja c++; do
      command -v "$tool" >/dev/null || fail "$tool is missing, and this is no Debian;" \
        "install what these Debian packages hold, then run again: ${packages[*]} python3 with pip"
    done
    say "not a Debian system: Assay needs what these Debian packages hold: ${packages[*]}"
    return
  fi
  [[ -e $libtorch/torch/version.py ]] || python3 -m pip --version >/dev/null 2>&1 ||
    packages+=(python3 python3-pip)
  local installed missing=() package
  installed=" $(dpkg-query -W -f '${Package}:${db:Status-Status} ' "${packages[@]}" 2>/dev/null ||
    true)"
  for package in "${packages[@]}"; do
    [[ $installed == *" $package:installed "* ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local sudo=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      fail "packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  "${sudo[@]}" apt-get update -q </dev/null ||
    echo "apt-get update failed; going on with the lists that are here" >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    "${missing[@]}" </dev/null || fail "apt-get could not install: ${missing[*]}"
}

# ---- LibTorch -------------------------------------------------------------------------------

# torch_version ROOT: as its version.py or its headers say, "" if ROOT holds no LibTorch.
torch_version() {
  [[ -e $1/lib/libtorch_cpu.so && -e $1/include/ATen/ATen.h ]] || return 0
  local version='' header
  if [[ -e $1/version.py ]]; then
    version=$(sed -n "s/^__version__ = '\([^']*\)'.*/\1/p" "$1/version.py")
  fi
  for header in torch/headeronly/version.h torch/csrc/api/include/torch/version.h; do
    [[ -z $version && -e $1/include/$header ]] || continue
    version=$(sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)$/\2/p' \
      "$1/include/$header" | paste -sd.)
  done
  echo "${version:-unknown}"
}

# at_least VERSION: is it torch_oldest or newer?
at_least() {
  [[ $1 != unknown ]] && printf '%s\n' "$torch_oldest" "${1%%+*}" | sort -V -C
}

# usable ROOT WHOSE: can this LibTorch serve? Says why not when there is one that cannot.
usable() {
  local version error
  version=$(torch_version "$1")
  [[ -n $version ]] || return 1
  if ! at_least "$version"; then
    echo "$2 is LibTorch $version, in $1: too old, Assay needs $torch_oldest or newer" >&2
    return 1
  fi
  if grep -qs '_GLIBCXX_USE_CXX11_ABI=0' "$1/share/cmake/Torch/TorchConfig.cmake"; then
    echo "$2 is LibTorch $version, in $1, but built with the C++ ABI from before C++11, which no" \
      "other library here has" >&2
    return 1
  fi
  if command -v python3 >/dev/null && ! error=$(python3 -c \
      'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1/lib/libtorch_cpu.so" 2>&1); then
    echo "$2 is LibTorch $version, in $1, but it does not load: ${error##*$'\n'}" >&2
    return 1
  fi
}

# A LibTorch that the user named, or the torch of the user's python3.
users_torch() {
  local argument prefix root prefixes="${CMAKE_PREFIX_PATH:-}" config=${Torch_DIR:-}
  for argument in "$@"; do
    case $argument in
      -DCMAKE_PREFIX_PATH=* | -DCMAKE_PREFIX_PATH:*=*) prefixes="${argument#*=}:$prefixes" ;;
      -DTorch_DIR=* | -DTorch_DIR:*=*) config=${argument#*=} ;;
    esac
  done
  if [[ -n $config ]]; then
    usable "$config/../../.." "Torch_DIR" && return 0
    fail "Torch_DIR=$config leads to no LibTorch that can serve; give <torch>/share/cmake/Torch," \
      "or unset it to use the pinned LibTorch $torch_pinned"
  fi
  local IFS=$':;'
  for prefix in $prefixes; do
    for root in "$prefix" "$prefix/torch" "$prefix/../.."; do
      [[ -n $prefix ]] && usable "$root" "CMAKE_PREFIX_PATH" && return 0
    done
  done
  unset IFS
  command -v python3 >/dev/null || return 1
  root=$(python3 -c 'import importlib.util as u
s = u.find_spec("torch")
print(s.submodule_search_locations[0])' 2>/dev/null) || return 1
  # Once the pinned LibTorch is there, the reason for it has been told.
  [[ -n $root ]] && if [[ -e $libtorch/torch/version.py ]]; then
    usable "$root" python3 2>/dev/null
  else
    usable "$root" "the torch of $(command -v python3)"
  fi
}

# fetch TITLE PIP-ARGUMENTS...: downloads wheels into $download. Any wheel of the version holds the
# same libraries, so the wheel is chosen for one Python whatever the user's is.
fetch() {
  local title=$1
  shift
  say "downloading $title"
  python3 -m pip download --disable-pip-version-check --no-input --no-deps \
    --only-binary :all: --python-version 3.11 --dest "$download" "$@" \
    </dev/null 2>>"$cache/pip.log" ||
    { echo "not to be had there"; return 1; }
}

install_libtorch() {
  local found
  found=$(torch_version "$libtorch/torch")
  [[ ${found%%+*} != "$torch_pinned" ]] || return 0
  if command -v dpkg-query >/dev/null && dpkg-query -W libtorch-dev >/dev/null 2>&1; then
    echo "Debian's libtorch-dev ($(dpkg-query -W -f '${Version}' libtorch-dev)) is installed but" \
      "too old: Assay needs $torch_oldest or newer and uses a LibTorch of its own" >&2
  fi
  python3 -m pip --version >/dev/null 2>&1 ||
    fail "LibTorch $torch_pinned comes as a wheel through pip, and python3 has no pip;" \
      "install pip, or give -DCMAKE_PREFIX_PATH=<torch>"
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  found=$(torch_version "$libtorch/torch")  # another set-up may have ended meanwhile
  [[ ${found%%+*} != "$torch_pinned" ]] || return 0
  rm -rf "$cache"/unpack.* "$cache/pip.log"  # an interrupted run's
  download=$(mktemp -d "$cache/unpack.XXXXXX")
  trap 'rm -rf "$download"' EXIT

  fetch "LibTorch $torch_pinned for CPU, about 190 MB, from the places pip is set up with" \
    "torch==$torch_pinned+cpu" ||
    fetch "LibTorch $torch_pinned for CPU, about 190 MB, from PyTorch's own index" \
      --timeout 20 --retries 1 --index-url https://download.pytorch.org/whl/cpu \
      "torch==$torch_pinned+cpu" ||
    fetch "LibTorch $torch_pinned as pip offers it: a CUDA build of about 530 MB on x86-64" \
      "torch==$torch_pinned" ||
    fail "no wheel of torch $torch_pinned could be downloaded (pip's errors: $cache/pip.log);" \
      "with a network, run again, or give -DCMAKE_PREFIX_PATH=<torch>, $torch_oldest or newer"
  local wheel
  wheel=$(echo "$download"/torch-*.whl)
  echo "$(basename "$wheel") has $(($(stat -c %s "$wheel") / 1000000)) MB"

  unpack "$wheel"
  # A CUDA build serves on the CPU, but loads only beside these two small libraries.
  if grep -q "^cuda: .*= '13" "$download/tree/torch/version.py"; then
    fetch "the CUDA runtime that this build needs to load, about 13 MB" "${cuda_runtime[@]}" ||
      fail "the CUDA runtime could not be downloaded"
    unpack "$download"/nvidia_*.whl
  fi
  # Only a whole tree takes the name.
  rm -rf "$libtorch"
  mv "$download/tree" "$libtorch"
  echo "unpacked into third_party/libtorch ($(du -sm "$libtorch" | cut -f1) MB)"
}

# unpack WHEEL...: headers and libraries; not the Python side, the GPU kernels and test libraries.
unpack() {
  python3 - "$download/tree" "$@" <<'PYTHON' || fail "a downloaded wheel could not be unpacked"
import re
import sys
import zipfile

wanted = re.compile(r"torch/(lib|include|share)/|torch/version\.py$|torch\.libs/|nvidia/.*\.so")
unused = re.compile(r"torch/lib/lib(torch_python|shm|torch_cuda|torch_nvshmem|c10_cuda|caffe2_nvrtc"
                    r"|torchbind_test|jitbackend_test|backend_with_compiler|aoti_custom_ops)")
for wheel in sys.argv[2:]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if wanted.match(name) and not unused.match(name):
                archive.extract(name, sys.argv[1])
PYTHON
}

install_packages
users_torch "$@" || install_libtorch
