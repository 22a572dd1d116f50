#!/bin/sh
# Copies a tree, living or not, to another folder or machine and resumes it there.
#   sh copy_to_another_machine.sh TREE FOLDER [PROJECT]
#   sh copy_to_another_machine.sh TREE HOST:FOLDER [PROJECT]
# PROJECT is where the project lies over there; left out, the path in the plan is taken from the copy.
# Nothing has to be paused. A copy taken while files grow is no snapshot, but it can be resumed: the first
# resume mends what the copy cut and says so. The two go separate ways from then on. Only run/ stays
# behind: it belongs to this machine. RESUME=no copies only.
set -eu

tree=${1:?usage: sh copy_to_another_machine.sh TREE [HOST:]FOLDER [PROJECT]}
to=${2:?usage: sh copy_to_another_machine.sh TREE [HOST:]FOLDER [PROJECT]}
project=${3:-}
tree=${tree%/}

[ -f "$tree/FORMAT" ] || { echo "$tree: not a tree: it has no FORMAT file" >&2; exit 10; }

case $to in
*:*) host=${to%%:*} folder=${to#*:} ;;
*) host='' folder=$to ;;
esac

quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

there() {  # run a line of shell where the copy goes
    if [ -n "$host" ]; then ssh "$host" "$1"; else sh -c "$1"; fi
}

with_rsync() {
    code=0
    rsync --archive --exclude /run/ "$tree/" "$to/" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 24 ]             # 24: a file vanished while it was read
}

with_tar() {  # a file that grew while it was read makes tar end with 1; the copy is whole enough
    {
        code=0
        tar -C "$tree" --exclude=./run -cf - . || code=$?
        [ "$code" -le 1 ] || echo "tar ended with $code" >&2
    } | there "tar -C $(quoted "$folder") -xf -"
}

there "test ! -e $(quoted "$folder/FORMAT")" || { echo "$to: there is a tree already" >&2; exit 2; }
there "mkdir -p $(quoted "$folder")"
there "command -v rsync >/dev/null" && command -v rsync >/dev/null && copy=with_rsync || copy=with_tar
$copy
echo "copied $tree to $to (${copy#with_})"

command="maos-sup resume $(quoted "$folder")"
[ -z "$project" ] || command="$command --project $(quoted "$project")"
if [ "${RESUME:-yes}" = no ]; then
    echo "resume it there with: $command"
else
    there "$command"
fi
