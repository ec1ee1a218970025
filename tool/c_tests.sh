#!/bin/sh
# Compiles and runs the C tests of the core, each program once as it is and once with
# -DROTA_HOSTILE. Arguments select programs by name (test_ring fuzz_ops ...); none means all.
#
#   CC=clang SANITIZE=thread FUZZ_SECONDS=60 tool/c_tests.sh test_wake
set -u
cd "$(dirname "$0")/.." || exit 1

CC=${CC:-cc}
SANITIZE=${SANITIZE:-address,undefined}
FUZZ_SECONDS=${FUZZ_SECONDS:-5}
JOBS=${JOBS:-2}
out=tmp/c-tests/$(basename "$CC")-$(echo "$SANITIZE" | tr ',' '-')
mkdir -p "$out"
rm -f "$out"/*.result
# a forked child has left its parent's threads behind: no leak
export TSAN_OPTIONS="report_thread_leaks=0 ${TSAN_OPTIONS:-}"
export CC SANITIZE FUZZ_SECONDS out

# One program in one variant: leaves its exit status in $out/NAME.result.
run_one='
name=$1-$2
flags="-fsanitize=$SANITIZE -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
[ "$2" = hostile ] && flags="$flags -DROTA_HOSTILE"
arguments=
case $1 in fuzz_*) arguments=$FUZZ_SECONDS ;; esac
{
    $CC $flags -g -O1 -std=gnu11 -Wall -Wextra -Werror -Iext/rota/core -o "$out/$name" \
        "test/c/$1.c" ext/rota/core/*.c -luring -lpthread &&
        timeout 300 "$out/$name" $arguments
} >"$out/$name.log" 2>&1
status=$?
echo $status >"$out/$name.result"
case $status in
0) verdict=passed ;;
77) verdict=skipped ;;
*) verdict=FAILED ;;
esac
echo "$verdict $name: $(tail -n 1 "$out/$name.log")"
[ $verdict = FAILED ] && tail -n 40 "$out/$name.log" | sed "s/^/    /"
true
'

selected=$*
if [ -z "$selected" ]; then
    selected=$(cd test/c && ls test_*.c fuzz_*.c 2>/dev/null | sed 's/\.c$//')
fi
for program in $selected; do
    for variant in plain hostile; do echo "$program $variant"; done
done | xargs -P "$JOBS" -L 1 sh -c "$run_one" sh

passed=0 failed=0 skipped=0
for result in "$out"/*.result; do
    case $(cat "$result") in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
done
echo "C tests: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
