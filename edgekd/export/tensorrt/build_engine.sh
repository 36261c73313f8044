#!/usr/bin/env bash
# Builds the TensorRT engine of this bundle on a Jetson. See TENSORRT.md beside it; bash build_engine.sh --help for options.
set -euo pipefail

readonly NAME=@NAME@
readonly TARGET=@TARGET@
readonly EXPECTED_TENSORRT=@TENSORRT@
readonly EXPECTED_JETPACK=@JETPACK@
readonly EXPECTED_L4T=@L4T@
readonly ONNX=@ONNX@
readonly ONNX_SHA256=@ONNX_SHA256@
readonly PRECISION=@PRECISION@
readonly SHAPES=(@SHAPES@)

readonly ENGINE=@ENGINE@
readonly RECORD=@RECORD@
readonly TIMING_CACHE=model.timing.cache
readonly WORKSPACE_MIB=1024  # memory of a Jetson is shared with everything else
readonly RELEASE_FILE="${TEGRA_RELEASE_FILE:-/etc/nv_tegra_release}"

usage() {
  cat <<EOF
Usage: bash build_engine.sh [--dry-run] [--fp32] [--any-version] [-- TRTEXEC OPTION...]

Builds ${ENGINE} from ${ONNX} with trtexec, for the board that it runs on. Takes minutes; needs about 2 GB of free memory.

  --dry-run      print the command and do nothing (or DRY_RUN=1)
  --fp32         compute in fp32 instead of ${PRECISION}: slower, to compare answers
  --any-version  go on with another major version of TensorRT than ${EXPECTED_TENSORRT}
  --help         print this

Environment: TRTEXEC  path of trtexec, if it is neither on PATH nor in /usr/src/tensorrt/bin
Exit status: 0 done, 2 wrong usage, 3 something is missing, damaged or of the wrong version, or trtexec failed
EOF
}

say() { printf 'build_engine: %s\n' "$*"; }
warn() { printf 'build_engine: warning: %s\n' "$*" >&2; }
die() {
  printf 'build_engine: %s\n' "$*" >&2
  exit 3
}

dry_run="${DRY_RUN:-0}"
precision="${PRECISION}"
any_version=0
extra=()
while (($#)); do
  case "$1" in
    --dry-run) dry_run=1 ;;
    --fp32) precision=fp32 ;;
    --any-version) any_version=1 ;;
    --help | -h)
      usage
      exit 0
      ;;
    --)
      shift
      extra=("$@")
      break
      ;;
    *)
      usage >&2
      printf 'build_engine: unknown option: %s\n' "$1" >&2
      exit 2
      ;;
  esac
  shift
done
if [[ "${PRECISION}" == int8 && "${precision}" == fp32 ]]; then
  printf 'build_engine: the graph is quantized to int8; --fp32 needs the fp32 bundle\n' >&2
  exit 2
fi

cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

# The graph that was exported, whole and unchanged.
[[ -f "${ONNX}" ]] || die "${ONNX} is missing from ${PWD}: copy the bundle again"
found_sha256="$(sha256sum -- "${ONNX}")"
[[ "${found_sha256%% *}" == "${ONNX_SHA256}" ]] || die "${ONNX} is not the file that was exported: copy the bundle again"

# trtexec comes with JetPack's TensorRT, but is not on PATH.
trtexec="${TRTEXEC:-}"
if [[ -z "${trtexec}" ]]; then
  trtexec="$(command -v trtexec || true)"
fi
if [[ -z "${trtexec}" ]]; then
  trtexec=/usr/src/tensorrt/bin/trtexec
fi
if [[ ! -x "${trtexec}" ]]; then
  [[ "${dry_run}" == 1 ]] || die "trtexec was not found (${trtexec}): sudo apt install libnvinfer-bin, or set TRTEXEC"
  warn "trtexec was not found (${trtexec})"
fi

# JetPack, by its Linux for Tegra: JetPack 6 is R36, 5 is R35, 4 is R32.
if [[ -r "${RELEASE_FILE}" ]] && [[ "$(head -n 1 -- "${RELEASE_FILE}")" =~ R([0-9]+).*REVISION:\ *([0-9.]+) ]]; then
  say "this board runs L4T R${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"
  if [[ -n "${EXPECTED_L4T}" && "${BASH_REMATCH[1]}" != "${EXPECTED_L4T}" ]]; then
    warn "JetPack ${EXPECTED_JETPACK} is L4T R${EXPECTED_L4T}; the bundle was made for that"
  fi
else
  warn "${RELEASE_FILE} does not say an L4T release: is this a Jetson? An engine runs only on the kind of GPU that built it"
fi

# trtexec begins with a banner: [TensorRT v100300] is 10.3.0, [TensorRT v8502] is 8.5.2.
version=unknown
if [[ -x "${trtexec}" ]]; then
  banner="$("${trtexec}" --help 2>&1 || true)"
  if [[ "${banner}" =~ \[TensorRT\ v([0-9]+)\] ]]; then
    number="${BASH_REMATCH[1]}"
    if ((number >= 10000)); then
      version="$((number / 10000)).$((number / 100 % 100)).$((number % 100))"
    else
      version="$((number / 1000)).$((number / 100 % 10)).$((number % 100))"
    fi
  fi
fi
if [[ "${version}" == unknown ]]; then
  [[ "${dry_run}" == 1 ]] || die "${trtexec} does not say its version: set TRTEXEC to the trtexec of JetPack"
elif [[ "${version%%.*}" != "${EXPECTED_TENSORRT%%.*}" ]]; then
  ((any_version)) || die "this board has TensorRT ${version}, the bundle is for ${EXPECTED_TENSORRT} (JetPack ${EXPECTED_JETPACK}): \
export it for this board, or try --any-version"
  warn "TensorRT ${version} instead of ${EXPECTED_TENSORRT}"
elif [[ "${version}" != "${EXPECTED_TENSORRT}".* ]]; then
  warn "TensorRT ${version}; the graph was checked against ${EXPECTED_TENSORRT}"
fi

flags=()
case "${precision}" in
  fp32) flags+=(--noTF32) ;;  # tensor cores would round fp32 to 10 bits
  fp16) flags+=(--fp16) ;;
  int8) flags+=(--int8 --fp16) ;;  # scales are in the graph; what is not quantized is computed in fp16
esac

command=(
  "${trtexec}"
  "--onnx=${ONNX}"
  "--saveEngine=${ENGINE}.building"
  "--timingCacheFile=${TIMING_CACHE}"
  "--memPoolSize=workspace:${WORKSPACE_MIB}"
  --skipInference
  "${flags[@]}"
  ${SHAPES[@]+"${SHAPES[@]}"}
  ${extra[@]+"${extra[@]}"}
)

if [[ "${dry_run}" == 1 ]]; then
  printf '%q ' "${command[@]}"
  printf '\n'
  exit 0
fi

[[ -w . ]] || die "${PWD} cannot be written to"
trap 'rm -f -- "${ENGINE}.building"' EXIT
say "building ${ENGINE} of ${NAME} (${TARGET}, ${precision}) with TensorRT ${version}"
"${command[@]}" || die "trtexec failed (see above); with too little memory close other programs, or add swap"
[[ -s "${ENGINE}.building" ]] || die "trtexec wrote no engine"
rm -f -- "${RECORD}"
mv -- "${ENGINE}.building" "${ENGINE}"
printf '{"onnx_sha256": "%s", "tensorrt": "%s", "precision": "%s"}\n' "${ONNX_SHA256}" "${version}" "${precision}" >"${RECORD}"
say "done: ${PWD}/${ENGINE}"
say "next: edgekd predict ${PWD} \"a text\""
