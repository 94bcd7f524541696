#!/bin/bash
# go.sh CORE WEIGHTS OUT ARGS: one part of finish.py on a core
core=$1; w=$2; out=$3; shift 3
cd /work/main/runs/pictures
MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 GLIBC_TUNABLES=glibc.malloc.hugetlb=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=/work/wt/land/src BOZZETTO_WEIGHTS=$w BOZZETTO_WORLD=/work/main/data/world.parquet PYTHONDONTWRITEBYTECODE=1 exec nice -n -15 taskset -c $core /work/main/.venv/bin/python -W ignore /work/wt/land/trials/finish.py $w $out "$@"
