#!/bin/sh
# Install git-model for this user, in an environment of its own, and set up one
# repository. What is written is noted in $written, so that --uninstall removes
# that and nothing else.
set -eu

formats='safetensors npy npz keras h5 pt pth onnx msgpack gguf'
usage='usage: install.sh [<repository>]                 install; set up the repository
       install.sh --demo                         install; show the main job
       install.sh --uninstall [<repository>]     undo what install.sh wrote

Without <repository>: the one of the current directory, if there is one;
for --uninstall: all that install.sh has set up, and the program.'

say() { printf '%s\n' "$1"; }

fail() {        # <exit code> <error> [<hint>...]
    code=$1
    printf >&2 'error: %s\n' "$2"
    shift 2
    for hint; do printf >&2 'hint: %s\n' "$hint"; done
    exit "$code"
}


# --- What was written -------------------------------------------------------

note() { noted "$1" || printf '%s\n' "$1" >> "$written"; }
noted() { grep -qxF -e "$1" "$written" 2>/dev/null; }
notes() { sed -n "s|^$1 ||p" "$written" 2>/dev/null; }      # <kind>
forget() {
    grep -vxF -e "$1" "$written" > "$written.new" || :
    mv "$written.new" "$written"
}

made=
folder() {      # <path>: make it, and what is above it
    [ -d "$1" ] || {
        folder "$(dirname -- "$1")"
        mkdir -- "$1" || fail 1 "cannot make the folder '$1'"
        made="${made}dir $1
"
    }
    [ ! -d "$data" ] || { printf '%s' "$made" >> "$written"; made=; }
}

# --- The program ------------------------------------------------------------

find_python() {     # sets python
    old='' bare=''
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 \
            python; do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
            2>/dev/null) || continue
        if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            old="$old $version"
        elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            bare=${bare:-$version}
        else
            return 0
        fi
    done
    [ -z "$bare" ] || fail 1 \
        "Python $bare cannot make a virtual environment: 'ensurepip' is missing" \
        "on Debian and Ubuntu it is a package: apt-get install python3-venv"
    [ -z "$old" ] || fail 1 \
        "Python 3.10 or newer is needed; found only:$old" \
        'install a newer one beside it and put it on PATH'
    fail 1 'no Python was found' 'install Python 3.10 or newer and put it on PATH'
}

install_program() {
    stamp=$(cd "$here" && find git_model_driver hooks man setup.cfg pyproject.toml \
        -type f ! -name '*.pyc' -exec cksum {} + | LC_ALL=C sort | cksum)
    if [ "$(cat "$venv/installed" 2>/dev/null)" = "$stamp" ] &&
            "$venv/bin/git-model" --version >/dev/null 2>&1; then
        say "git-model is already installed in '$venv'."
        return
    fi
    [ ! -e "$venv" ] || noted "venv $venv" || fail 1 \
        "there is a '$venv' that install.sh did not make; it was left alone"
    find_python
    say "Installing git-model into '$venv' (Python $version) ..."
    folder "$data"
    note "venv $venv"
    rm -f "$venv/installed"
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$python" -m venv --clear "$venv" ||
        fail 1 "the virtual environment '$venv' could not be made"
    # A copy, because setuptools writes into the folder that it builds from.
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    trap 'exit 130' HUP INT PIPE TERM
    (cd "$here" && cp -R git_model_driver hooks man pyproject.toml setup.cfg README.md \
        "$build")
    chmod -R u+w "$build"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade \
        "$build" || fail 1 'pip could not install the package (its message is above)' \
        'it needs the network this once, to get NumPy, ml_dtypes and xxhash' \
        'for a proxy set HTTPS_PROXY, for a mirror PIP_INDEX_URL; then run it again'
    rm -rf "$build"
    say "$stamp" > "$venv/installed"
    say "Installed $("$venv/bin/git-model" --version)."
}

# --- Where Git and the shell find it ----------------------------------------

ours() { case $(readlink "$1") in "$venv"/*) ;; *) return 1 ;; esac; }

vacant() {      # <path>: there is nothing, or our link; sets foreign
    foreign=$1
    ours "$1" || { [ ! -e "$1" ] && [ ! -L "$1" ]; }
}

free() { vacant "$1/git-model" && vacant "$1/git-merge-model"; }      # <folder>

link() {        # <target> <path>
    ! ours "$2" || return 0
    note "link $2"
    ln -s "$1" "$2" || fail 1 "cannot link '$2'"
}

link_into() {   # <folder>: the programs, and their manual where man looks for it
    manual=${1%/*}/share/man/man1
    ours "$1/git-model" || say "Linking git-model and git-merge-model into '$1'."
    link "$venv/bin/git-model" "$1/git-model"
    link "$venv/bin/git-merge-model" "$1/git-merge-model"
    [ -d "$venv/share/man/man1" ] && [ -w "${1%/*}" ] || return 0
    folder "$manual"
    for page in "$venv/share/man/man1"/git-model*.1; do
        ! vacant "$manual/${page##*/}" || link "$page" "$manual/${page##*/}"
    done
}

on_path() { case ":$PATH:" in *":$1:"* | *":$1/:"*) ;; *) return 1 ;; esac; }

suitable() {    # <folder>: on PATH, this user's own, and nobody manages what is in it
    case $1 in
        /bin | /sbin | /usr/bin | /usr/sbin | /usr/local/sbin | *shims* | [!/]*)
            return 1 ;;
    esac
    on_path "$1" && [ -d "$1" ] && [ -w "$1" ] && [ ! -e "$1/../pyvenv.cfg" ] &&
        [ ! -e "$1/../conda-meta" ] && free "$1" &&
        [ -n "$(find -H "$1" -prune -user "$(id -u)" ! -perm -0002)" ]
}

link_programs() {
    folder "$bin"
    link_into "$bin"
    ! on_path "$bin" || return 0
    ifs=$IFS
    IFS=:
    set -f
    # shellcheck disable=SC2086 # PATH is split on purpose.
    set -- "$HOME/bin" /usr/local/bin $PATH
    IFS=$ifs
    set +f
    for place; do
        if suitable "$place"; then
            link_into "$place"
            return
        fi
    done
}

check_path() {
    found=$(command -v git-model || :)
    if [ -z "$found" ]; then
        say "'$bin' is not on PATH. Run this, and put it into your shell's profile:"
        # shellcheck disable=SC2016 # It is for the shell's profile.
        say '    export PATH="$HOME/.local/bin:$PATH"'
    elif ! ours "$found" && [ "$found" != "$venv/bin/git-model" ]; then
        say >&2 "warning: the first 'git-model' on PATH is another one: '$found'"
    fi
}

# --- The repository ---------------------------------------------------------

top_of() {      # <repository>: sets top
    top=$(git -C "$1" rev-parse --show-toplevel 2>&1) || fail 128 \
        "cannot use '$1': ${top#fatal: }" "make a repository with: git init '$1'"
}

hooks_here() { git -C "$top" model env | grep '^hook .*: current' || :; }

set_up() {      # sets code
    keys=$(git -C "$top" config --local --name-only --get-regexp \
        '^(filter|merge|diff|hook)\.model' || :)
    hooks=$(hooks_here)
    if [ -n "$keys" ] && git -C "$top" model env >/dev/null; then
        say "'$top' is already set up."
    else
        [ -n "$keys" ] || note "config $top"
        said=$(git -C "$top" model install --local 2>&1) || code=$?
        say "$said" | sed '/^Next: /d'
        [ -n "$hooks" ] || [ -z "$(hooks_here)" ] || note "hooks $top"
        [ "$code" -le 1 ] || exit "$code"
    fi
    tracked=
    for format in $formats; do
        track "*.$format"
    done
    [ -z "$tracked" ] || say 'Next: git add .gitattributes && git commit'
}

track() {       # <pattern>
    filter=$(git -C "$top" check-attr filter -- "model${1#?}")
    case ${filter##*: } in
        model)
            say "$1 is tracked already." ;;
        unspecified)
            note "track $1 $top"
            (cd "$top" && git model track "$1")
            tracked=1 ;;
        *)
            say "$1 is left alone: its attributes say '${filter#*: }'."
            say "To give it to git-model all the same: git model track '$1'" ;;
    esac
}

forget_repository() {       # <top>: undo what was noted for it
    top=$1
    if ! git -C "$top" rev-parse --git-dir >/dev/null 2>&1; then
        say "'$top' is not a repository any more."
    else
        say "In '$top':"
        models=$(git -C "$top" ls-files ':(attr:filter=model)' | wc -l)
        if noted "config $top" && noted "hooks $top"; then
            git -C "$top" model uninstall --local
        elif noted "config $top"; then
            git -C "$top" model uninstall --local --skip-repo
        elif noted "hooks $top"; then
            git -C "$top" model uninstall --file /dev/null
        fi
        for format in $formats; do
            ! noted "track *.$format $top" ||
                (cd "$top" && git model untrack "*.$format") || :
        done
        [ "$models" -eq 0 ] || printf '%s\n' 'To store them in Git itself:' \
            '    git add -u && git add --renormalize . && git commit' \
            'Older commits have manifests; to see their models run install.sh again.'
    fi
    forget "config $top"
    forget "hooks $top"
    for format in $formats; do
        forget "track *.$format $top"
    done
}

repositories() {
    { notes config; notes hooks; notes 'track [^ ]*'; } | LC_ALL=C sort -u
}

uninstall() {   # [<repository>]
    if [ ! -f "$written" ]; then
        say 'There is nothing to undo: install.sh has written nothing here.'
        return
    fi
    "$venv/bin/git-model" --version >/dev/null 2>&1 || [ -z "$(repositories)" ] ||
        fail 1 "the program in '$venv' does not run, so repositories cannot be undone" \
            'mend it first: run install.sh'
    if [ -n "$1" ]; then
        top_of "$1"
        repositories | grep -qxF -e "$top" || fail 1 \
            "install.sh did not set up '$top'" "see: git -C '$top' model uninstall -h"
        forget_repository "$top"
    else
        repositories | while IFS= read -r top; do forget_repository "$top"; done
    fi
    left=$(repositories)
    if [ -n "$left" ]; then
        say 'The program stays; these repositories use it:'
        say "$left" | sed 's/^/    /'
        return
    fi
    notes link | while IFS= read -r path; do
        ours "$path" || continue
        rm -- "$path"
        [ "${path##*/}" != git-model ] || say "Removed the links in '${path%/*}'."
    done
    folders=$(notes dir | LC_ALL=C sort -r)
    rm -rf -- "$venv"
    rm -f -- "$written"
    say "$folders" | while IFS= read -r path; do
        rmdir -- "$path" 2>/dev/null || :
    done
    say "Removed '$venv'."
}

# ----------------------------------------------------------------------------

repo='' demo='' undo=''
for argument; do
    case $argument in
        -h | --help) say "$usage"; exit ;;
        --demo) demo=1 ;;
        --uninstall) undo=1 ;;
        -?*) fail 129 "unknown option '$argument'" 'see: install.sh --help' ;;
        *)  [ -z "$repo" ] || fail 129 'only one repository can be given' \
                'see: install.sh --help'
            repo=$argument ;;
    esac
done
[ -z "$demo" ] || [ -z "$undo" ] || fail 129 '--demo and --uninstall exclude each other'

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
[ -f "$here/git_model_driver/__init__.py" ] || [ -n "$undo" ] || fail 1 \
    "the sources are not beside install.sh, in '$here'"
[ -n "${HOME:-}" ] || fail 1 'HOME is not set'
case ${XDG_DATA_HOME:-} in
    /*) data=$XDG_DATA_HOME/git-model-driver ;;
    *) data=$HOME/.local/share/git-model-driver ;;
esac
venv=$data/venv written=$data/written bin=$HOME/.local/bin
command -v git >/dev/null || fail 1 'Git was not found' 'install Git and put it on PATH'
# Not the repository of a hook that runs this.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars)

path=$PATH
if [ -n "$undo" ]; then
    PATH=$venv/bin:$PATH
    uninstall "$repo"
    exit
fi
if [ -n "$repo" ]; then
    top_of "$repo"
elif [ -n "$demo" ] || ! top=$(git rev-parse --show-toplevel 2>/dev/null) ||
        [ "$top" = "$here" ]; then
    top=''
fi
free "$bin" || fail 1 "'$foreign' is another program; it was left alone" \
    'move it away, or, if pip put it there: pip uninstall git-model-driver'
install_program
link_programs
PATH=$venv/bin:$PATH
code=0
if [ -n "$top" ]; then
    set_up
elif [ -z "$demo" ]; then
    say "To set up a repository: '$here/install.sh' <repository>"
fi
if [ -n "$demo" ]; then
    "$venv/bin/python" "$here/examples/linear_regression/demo.py" || code=$?
fi
PATH=$path
check_path
exit "$code"
