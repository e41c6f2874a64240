#!/usr/bin/env bash
# Rules in CI: exit status 1 when a rule is blind or cries, 2 when it names what no site has.
# Needs the twin and promtool; docs/ci.md has this as a job of GitHub and of GitLab.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

twin rules test --strict --rules rules.yml --scenarios scenario.yaml "$@"
