#!/bin/sh
# A SLURM cluster of this one machine, for the tests: real daemons, started by hand and stopped again.
#
#     sh scripts/slurm.sh start FOLDER [2]    then: export SLURM_CONF=FOLDER/slurm.conf
#     sh scripts/slurm.sh stop FOLDER
#
# With 2 it has two nodes, node1 and node2, each with a daemon of its own. (SLURM lets no other node stand
# beside one named localhost.) Nothing resolves their names: give jobs MASTER_ADDR=127.0.0.1.
# As root; it installs Debian's slurm-wlm and munge where they are missing. Everything else is in FOLDER.
set -eu
action=${1:-}
count=${3:-1}
folder=$(mkdir -p "${2:?name a folder}" && cd "$2" && pwd)

fail() {
    echo "error: $1" >&2
    exit 3
}

start() {
    [ "$(id -u)" = 0 ] || fail "the daemons of SLURM need root; become root, or run in a container"
    if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
        command -v apt-get >/dev/null || fail "slurmctld or munged is missing; install SLURM and munge"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends slurm-wlm munge >/dev/null
    fi
    mkdir -p "$folder/state" "$folder/spool"
    chmod 755 "$folder"
    head -c 1024 /dev/urandom >"$folder/munge.key"
    chmod 400 "$folder/munge.key"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmctldPort=${SLURMCTLD_PORT:-26817}
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=requeue_delay=0
MinJobAge=300
KillWait=30
OverTimeLimit=1
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    port=${SLURMD_PORT:-26818}
    names=localhost
    [ "$count" = 1 ] || names=$(seq -f node%.0f "$count")
    for name in $names; do
        host=$name
        [ "$count" != 1 ] || host=$(hostname -s)
        mkdir -p "$folder/spool/$name"
        echo "NodeName=$name NodeHostname=$host NodeAddr=127.0.0.1 Port=$port CPUs=2 State=UNKNOWN" >>"$folder/slurm.conf"
        port=$((port + 1))
    done
    export SLURM_CONF="$folder/slurm.conf"
    launch munged munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
    launch slurmctld slurmctld -D -c
    for name in $names; do
        launch "slurmd-$name" slurmd -D -N "$name"
    done
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --states=idle --format=%D 2>/dev/null)" = "$count" ]; then
            echo "SLURM runs; export SLURM_CONF=$folder/slurm.conf"
            return
        fi
        sleep 0.5
    done
    stop
    fail "SLURM did not start within 30 s; its logs are in $folder"
}

launch() {
    name=$1
    shift
    setsid "$@" >"$folder/$name.out" 2>&1 </dev/null &
    echo $! >>"$folder/daemons"
}

stop() {
    [ -f "$folder/daemons" ] || return 0
    # Jobs first: without slurmctld their steps would wait for it, and slurmd for them. Then the last started.
    export SLURM_CONF="$folder/slurm.conf"
    scancel --quiet --user=root 2>/dev/null || true
    for _ in $(seq 80); do
        [ -n "$(squeue --noheader 2>/dev/null)" ] || break
        sleep 0.5
    done
    for pid in $(sed '1!G;h;$!d' "$folder/daemons"); do
        kill "$pid" 2>/dev/null || true
    done
    rm -f "$folder/daemons"
}

case "$action" in
start) start ;;
stop) stop ;;
*) fail "usage: sh scripts/slurm.sh start|stop FOLDER" ;;
esac
