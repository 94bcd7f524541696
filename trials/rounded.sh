#!/bin/bash
# rounded.sh: start or go on with the last stage of text-to-image (2,400 steps of four bits, from 520k pictures), core 1
F=/work/main/runs/pictures/finish
nohup bash -c "$F/go.sh 1 $F/w2 $F/o2 --state $F/start.safetensors --denoiser 2400" >> /work/main/runs/pictures/logs/rounded.log 2>&1 &
