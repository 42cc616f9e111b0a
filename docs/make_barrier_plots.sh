#!/usr/bin/env bash
# Draws the plots of docs/barrier.md: trains the MNIST networks with `merganser train`, measures the
# way between them, and between the demo's specialists where `make demo` has left them.
#   docs/make_barrier_plots.sh
# MERGANSER names the program, MERGANSER_DATA the shared data (its folder mnist). Networks stay in
# build/barrier: they are trained once. Takes about ten minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

merganser=${MERGANSER:-build/release/bin/merganser}
data=$(realpath "${MERGANSER_DATA:-../shared/data}")
work=build/barrier
pictures=docs/pictures
mkdir -p "$work"

images=$data/mnist/t10k-images-idx3-ubyte.gz
labels=$data/mnist/t10k-labels-idx1-ubyte.gz
cat >"$work/mnist.yml" <<YAML
task: mnist
type: classification
offset: 0.1307
scale: 0.3081
train: {file: $images, labels: $labels, rows: [0, 8000]}
test: {file: $images, labels: $labels, rows: [8000, 10000]}
YAML

# start NAME SEED CONFIG: weights as they are drawn. A step of no length only writes them down.
start() {
  [[ -d $work/$1 ]] && return
  mkdir -p "$work/$1.config"
  echo "$3" >"$work/$1.config/config.json"
  "$merganser" train "$work/$1.config" --init --seed "$2" --task "$work/mnist.yml" --steps 1 \
    --lr 1e-12 --batch 100 --out "$work/$1"
}

# fit NAME START SEED [STEPS]: eight epochs, the digits in the order of that seed.
fit() {
  [[ -d $work/$1 ]] && return
  "$merganser" train "$work/$2" --task "$work/mnist.yml" --steps "${4:-640}" --batch 100 --lr 0.05 \
    --optimizer sgd --schedule constant --seed "$3" --out "$work/$1"
}

# draw NAME ARGUMENTS...
draw() {
  "$merganser" barrier "${@:2}" --svg "$pictures/barrier-$1.svg" --force
}

plain='{"model_type": "mlp", "input_shape": [1, 28, 28], "hidden_sizes": [512, 512, 512], "num_labels": 10}'
normed='{"model_type": "mlp", "input_shape": [1, 28, 28], "hidden_sizes": [512, 512, 512], "num_labels": 10, "norm": "batch"}'
start one 1 "$plain"
start two 2 "$plain"
fit a one 11
fit b one 12
fit c two 13
draw one-start "$work/a" "$work/b" --task "$work/mnist.yml" --batch 500
draw two-starts "$work/a" "$work/c" --task "$work/mnist.yml" --batch 500
start normed-one 1 "$normed"
start normed-two 2 "$normed"
fit normed-a normed-one 11
fit normed-b normed-two 12
draw batch-norm "$work/normed-a" "$work/normed-b" --task "$work/mnist.yml" --batch 500
# Convolutions: two starts each, four epochs.
vgg='{"model_type": "vgg", "input_shape": [1, 28, 28], "hidden_sizes": [16, 32, 64], "depths": [1, 1, 2],
  "num_labels": 10, "norm": "layer"}'
resnet='{"model_type": "resnet", "input_shape": [1, 28, 28], "hidden_sizes": [16, 32, 64],
  "depths": [1, 1, 1], "num_labels": 10, "norm": "batch"}'
for kind in vgg resnet; do
  start "$kind-one" 1 "${!kind}"
  start "$kind-two" 2 "${!kind}"
  fit "$kind-a" "$kind-one" 11 320
  fit "$kind-b" "$kind-two" 12 320
  draw "$kind" "$work/$kind-a" "$work/$kind-b" --task "$work/mnist.yml" --batch 250 --split test \
    --statistics-rows 2000
done
draw plane "$work/a" "$work/b" "$work/c" --task "$work/mnist.yml" --batch 500 --split test --points 25

demo=build/demo
if [[ -d $demo/specialists/word-order ]]; then
  draw minilm "$demo/specialists/syllables" "$demo/specialists/word-order" \
    --task "$demo/tasks/syllables.yml" --task "$demo/tasks/word-order.yml" --split test --rows 500 --points 11 --batch 100
else
  echo "no $demo: the plot of MiniLM's specialists stays as it is (make demo)" >&2
fi
