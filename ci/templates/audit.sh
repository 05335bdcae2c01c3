#!/usr/bin/env bash
# An audit as a step of any CI system. Copy it, or call it where it lies.
#
#   audit.sh run audits/quick.toml --out runs/ci
#   audit.sh probe --model trained --reference base --canaries minted/manifest.jsonl --out runs/ci
#
# All arguments go to unsaid. UNSAID names the program [unsaid, as PATH finds it]. Its exit code decides; this script says what
# that means and, for systems that know only good and bad, ends
#   0  within the gate, or inconclusive where ON_INCONCLUSIVE=pass
#   1  the gate tripped: leakage
#   3  inconclusive (ON_INCONCLUSIVE=fail, which is also what happens without it)
#   2, 4, 130 and others: the audit did not complete
set -euo pipefail

unsaid=${UNSAID:-unsaid}
[[ $# -ge 1 ]] || {
    printf 'usage: audit.sh run SPEC [OPTION…] | audit.sh probe OPTION…\n' >&2
    exit 2
}

code=0
"$unsaid" "$@" || code=$?
case $code in
0) printf 'audit: within the gate\n' >&2 ;;
1) printf 'audit: LEAKAGE, the gate tripped\n' >&2 ;;
3)
    printf 'audit: inconclusive: a leak of the size to rule out could have been missed\n' >&2
    [[ ${ON_INCONCLUSIVE:-fail} != pass ]] || code=0
    ;;
*) printf 'audit: did not complete, unsaid ended with %d\n' "$code" >&2 ;;
esac
exit "$code"
