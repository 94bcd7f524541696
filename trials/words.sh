#!/bin/bash
# words.sh: start or go on with the long run of text-to-image, core 1
cd $ROOT/runs/pictures
TREE=$TREE BOZZETTO_WEIGHTS=$ROOT/runs/pictures/new/weights nohup ./run.sh -m bozzetto train text-to-image --budget cpu --out $ROOT/runs/pictures/words > logs/words.log 2>&1 &
