// Where the change is: layer x role of each fine-tune, and the share of each part of the model.

const partNames = {
  linear: "linear layers",
  embedding: "embedding",
  head: "output head",
  norm: "norms",
  bias: "biases",
  other: "other",
};

const relativeOf =
  (i) =>
  ({ index }) =>
    number(`/tensors/${index}/changes/${i}/relative`);
const rootOfSquares = (values) => Math.sqrt(d3.sum(values, (value) => value * value));
const joinRelative = (i) => (members) =>
  derived(
    rootOfSquares(members.map(({ tensor }) => tensor.changes[i].norm)) /
      rootOfSquares(members.map(({ tensor }) => tensor.base_norm)),
    "norm of the changes / norm of the weights, of all of them",
  );

const cellValues = (cells, what, format) => () => ({
  columns: [
    { title: "Tensor" },
    { title: "Layer", number: true, format: text },
    { title: what, number: true, format },
  ],
  rows: cells().map((cell) => [cell.name, cell.x, { value: cell.value, from: cell.from }]),
});

// Numbers of tensors outside the layers, which the map has no place for.
function outsideList(of, format) {
  const known = outside.map((entry) => ({ ...entry, ...of(entry) })).filter(({ value }) => value !== null);
  if (!known.length) return null;
  return h(
    "p",
    { class: "chips" },
    "Outside the layers: ",
    known
      .slice(0, 12)
      .map(({ tensor, value, from }) =>
        h(
          "span",
          { "data-value": value, "data-from": from, title: tensor.name },
          `${shortRole(tensor.role)} `,
          h("b", {}, format(value)),
        ),
      ),
    known.length > 12 ? h("span", {}, `and ${known.length - 12} more in the table below`) : null,
  );
}

function whereItIs() {
  const all = models.map((_, i) => layerCells(relativeOf(i), joinRelative(i)));
  const scale = heat(scaled(all.flat()), { format: percent });
  const maps = models.map((model, i) => {
    const cells = all[i].map((cell) => ({
      ...cell,
      label: `${model}, ${cell.name}: changed by ${percent(cell.value)} of its norm`,
    }));
    const element = figure({
      id: `change-${i}`,
      title: `Relative change of ${model}`,
      read: "each cell is one weight, a layer down its column, a kind of module along its row; the stronger the colour, the further it moved from the base. All fine-tunes have the same colours.",
      formula: lines(
        "relative change = |D| / |W₀|,  D = W − W₀,  |·| the Frobenius norm (root of the sum of squares).",
        "0 is untouched, 100 % a change as large as the weight itself.",
      ),
      legend: scale.key,
      marks: cells,
      draw: (width) => heatmap(cells, width, { color: scale.color }),
      values: cellValues(() => cells, "Relative change", percent),
    });
    const list = outsideList(relativeOf(i), percent);
    if (!element) return list && h("div", {}, h("h3", {}, `Relative change of ${model}`), list);
    if (list) element.querySelector(".plot").after(list);
    return element;
  });
  section("where", "Where the change is", null, h("div", { class: "wide-grid" }, maps), partsFigure());
}

function partsFigure() {
  const parts = analysis.parts ?? [];
  const names = parts.map((part) => partNames[part.part] ?? part.part);
  const bars = models
    .flatMap((model, i) =>
      parts.map((part, p) => {
        const share = number(`/parts/${p}/changes/${i}/share`);
        return {
          ...share,
          model,
          part: names[p],
          index: p,
          label: `${model}: ${percent(share.value)} of the change is in ${names[p]}`,
        };
      }),
    )
    .filter((bar) => bar.value !== null);
  return figure({
    id: "parts",
    title: "Share of the change by part of the model",
    read: "each bar is the whole of one fine-tune’s change. The linear part is what low-rank methods (LoRA, SMILE) work on; of the rest they carry biases at best, unless it is kept whole.",
    formula: lines(
      "share of a part = Σ |D|² over its tensors / Σ |D|² over all tensors.",
      "Linear layers: the matrices in the repeated blocks.",
    ),
    legend: () => seriesKey(names),
    marks: bars,
    draw: (width) => {
      const short = (model) => cut(model, labelRoom(width));
      const marginLeft = labelWidth(models.map(short));
      return Plot.plot({
        style,
        width,
        marginLeft,
        marginRight: 16,
        marginBottom: 36,
        height: 50 + 34 * models.length,
        x: {
          domain: [0, 1],
          label: "share of the squared change",
          labelArrow: "none",
          labelAnchor: "center",
          ticks: 5,
          tickFormat: (d) => `${Math.round(100 * d)} %`,
        },
        y: { domain: models, label: null, tickSize: 0, tickFormat: short, padding: 0.25 },
        color: { type: "identity" },
        marks: [
          Plot.barX(bars, {
            x: "value",
            y: "model",
            fill: (d) => seriesColor(d.index),
            insetRight: 0.5,
            insetLeft: 0.5,
            order: null,
            render: carrying(bars),
          }),
        ],
      });
    },
    values: () => ({
      columns: [{ title: "Fine-tune" }, ...names.map((title) => ({ title, number: true, format: percent }))],
      rows: models.map((model, i) => [
        model,
        ...parts.map((_, p) => number(`/parts/${p}/changes/${i}/share`)),
      ]),
    }),
  });
}
