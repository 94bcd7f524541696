#!/bin/bash
# run.sh SCRIPT ARGS: on core 1 alone
echo -15 > /proc/self/autogroup 2>/dev/null
cd $ROOT/runs/pictures
MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456 GLIBC_TUNABLES=glibc.malloc.hugetlb=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=${TREE:-$BASE}/src BOZZETTO_WORLD=$ROOT/data/world.parquet PYTHONDONTWRITEBYTECODE=1 exec nice -n -15 taskset -c 1 $ROOT/.venv/bin/python -W ignore "$@"
