#!/usr/bin/env bash
#
# draw.sh - draws the diagrams of the documentation.
#
# Each NAME.dot here becomes ../NAME.svg, by Graphviz (Debian: graphviz).  The
# SVG says which text it was drawn from, so that a test can tell when it is
# stale; it does not compare the drawings, which vary with Graphviz's version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

for source in *.dot; do
	name=${source%.dot}
	hash=$(sha256sum "$source" | cut -c 1-64)
	{
		echo "<!-- drawn by diagrams/draw.sh from $source, SHA-256 $hash -->"
		dot -Tsvg -Gfontname=sans-serif -Nfontname=sans-serif -Efontname=sans-serif \
			-Gbgcolor=white -Gpad=0.15 -Nfontsize=11 -Efontsize=10 \
			-Nshape=box -Nstyle=rounded -Nmargin=0.18,0.1 \
			-Ncolor='#333344' -Ecolor='#333344' -Earrowsize=0.7 \
			"$source" | sed -n -e '/^<!-- /d' -e '/^<svg/,$p'
	} >"../$name.svg"
done
