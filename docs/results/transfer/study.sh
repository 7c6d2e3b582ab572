#!/usr/bin/env bash
# The whole study. SOURCES is the folder with the public sets pocus, busi and covid_blues; `uscl recipes` says where to get
# them. Everything goes to data/, runs/ and json/ under the current folder. Started again it goes on where it was stopped.
set -euo pipefail
sources=${1:?usage: study.sh SOURCES}
mkdir -p data runs json

ingest() { # NAME FOLDER ARGUMENTS: skipped once done
  [[ -f json/$1.json ]] && return
  npx uscl ingest "$sources/$2" --out "data/$1" "${@:3}" --json >json/part
  mv json/part "json/$1.json"
}
pretrain() { # RUN DATASET LAMBDA
  npx uscl pretrain "data/$2" --out "runs/$1" --resume --set "objective.supervisedWeight=$3" \
    --set view.size=112 --set objective.temperature=0.1 --set 'view.augment.cropScale=[0.15,1]' \
    --set training.steps=2400 --set precision=bf16 --set checkpoint.every=5
}
finetune() { # RUN SOURCE DATASET SETTINGS: protocol honest is the default; random weights take the size of the others
  npx uscl finetune "$2" "data/$3" --out "runs/$1" --resume --set seeds=3 --set view.size=112 "${@:4}"
}
compare() { # A B
  npx uscl compare-runs "runs/$1" "runs/$2" --json >"json/$1-vs-random.json"
}

ingest pocus pocus --recipe pocus
ingest busi busi --recipe busi
ingest blues covid_blues --recipe covid-blues --label b-lines
ingest severity covid_blues --recipe covid-blues --label severity
[[ -d data/pocus-busi ]] || npx uscl merge data/pocus data/busi --out data/pocus-busi

pretrain blues-plain blues 0
pretrain blues-labels blues 0.2
pretrain pocus-busi pocus-busi 0.2

block=(--set layers=last-block --set view.variants=8)
for target in pocus busi; do
  finetune $target-random random $target "${block[@]}"
  for source in blues-plain blues-labels; do
    finetune $target-from-$source runs/$source $target "${block[@]}"
    compare $target-from-$source $target-random
  done
done
for target in b-lines severity; do
  data=${target/b-lines/blues}
  finetune $target-random random "$data" "${block[@]}"
  finetune $target-from-pocus-busi runs/pocus-busi "$data" "${block[@]}"
  compare $target-from-pocus-busi $target-random
done
